"""Fixtures for the tests of the Python package.

The same tests run on anything that offers the module `stratadb`, the executable model of the API included. What only
a database on a real disk can show is marked `engine` and left out there.
"""

import importlib
import os
import pathlib
import random
import sys

import pytest
import stratadb
from registers import REGISTERS
from stratadb import Strata

SEED = int(os.environ.get("STRATA_SEED") or 1)
IS_MODEL = stratadb.__version__.endswith("-model")


def pytest_configure(config):
    config.addinivalue_line("markers", "engine: needs the real engine: files, processes, signals")


COUNTS = pytest.StashKey[dict]()


@pytest.fixture
def count(request):
    """count("histories", 3): what a random test did, summed up at the end of the run."""

    def add(what, number=1):
        counts = request.config.stash.setdefault(COUNTS, {})
        counts[what] = counts.get(what, 0) + number

    return add


def pytest_terminal_summary(terminalreporter, config):
    counts = config.stash.get(COUNTS, {})
    if counts:
        terminalreporter.write_line(
            "counted: " + ", ".join(f"{n} {what}" for what, n in counts.items()) + f", seed {SEED}"
        )


def pytest_report_header(config):
    return f"stratadb {stratadb.__version__}, STRATA_SEED={SEED}"


def pytest_collection_modifyitems(config, items):
    if IS_MODEL:
        for item in items:
            if item.get_closest_marker("engine"):
                item.add_marker(pytest.mark.skip(reason="the model has no files and no processes"))


@pytest.fixture(params=["memory", "disk"])
def db(request, tmp_path):
    """An empty database."""
    with Strata.cache() if request.param == "memory" else Strata.open(tmp_path / "db") as handle:
        yield handle


@pytest.fixture(params=["memory", "buffered", "strict"])
def each_mode(request, tmp_path):
    """An empty database, in memory and on disk at both durabilities."""
    memory = request.param == "memory"
    with Strata.cache() if memory else Strata.open(tmp_path / "db", durability=request.param) as handle:
        yield handle


@pytest.fixture(params=["serializable", "snapshot"])
def isolation(request):
    return request.param


@pytest.fixture(params=REGISTERS, ids=repr)
def register(request):
    return request.param


@pytest.fixture
def two(each_mode, register):
    """Two sessions on {"x": 10, "y": 20}, of the family that `register` is."""
    register.put(each_mode, "x", 10)
    register.put(each_mode, "y", 20)
    with each_mode.session() as one, each_mode.session() as other:
        yield one, other


MODEL = pathlib.Path(os.environ.get("STRATA_MODEL") or pathlib.Path(__file__).parents[3] / "shared" / "model")


@pytest.fixture(scope="session")
def strata_model():
    if not (MODEL / "strata_model").is_dir():
        print(f"no model at {MODEL}: set STRATA_MODEL")
        pytest.skip("the executable model is not there")
    sys.path.insert(0, str(MODEL))
    try:
        return importlib.import_module("strata_model")
    except ImportError as error:
        print(f"the model needs {error.name}")
        pytest.skip(f"the executable model needs {error.name}")
    finally:
        sys.path.remove(str(MODEL))


@pytest.fixture
def rng(request):
    """Random numbers of the run's seed, others for each test; the seed is printed where a failure shows it."""
    print(f"STRATA_SEED={SEED} repeats this run")
    return random.Random(f"{SEED}:{request.node.nodeid}")


@pytest.fixture
def forked(db):
    """default and its fork b, with a few keys in common."""
    db.kv_batch_put({"both": 0, "mine": 0, "theirs": 0, "left": 0, "gone": 0})
    db.branch_fork("default", "b")
    return db


@pytest.fixture
def file(tmp_path):
    """Where a bundle may be written."""
    return tmp_path / "branch.bundle"


@pytest.fixture
def other(tmp_path):
    """A second database."""
    with Strata.open(tmp_path / "other") as handle:
        yield handle
