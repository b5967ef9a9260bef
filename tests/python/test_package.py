"""The package as such: what importing it costs, how fast a small database opens."""

import os
import pathlib
import statistics
import tempfile
import time

import pytest
from stratadb import Strata
from support import run

pytestmark = pytest.mark.engine

IMPORT = """
import sys, time
before = set(sys.modules)
start = time.perf_counter()
import stratadb
took = time.perf_counter() - start
print(took, *sorted(set(sys.modules) - before))
"""


def test_what_an_import_imports():
    """Its own modules alone: not NumPy, not asyncio, nothing else that takes time."""
    _, *modules = run(IMPORT).split()
    modules = [name for name in modules if name not in ("__future__", "atexit")]
    assert modules == ["stratadb", "stratadb._handle", "stratadb._native", "stratadb._progress", "stratadb.errors"]


def test_values_do_not_import_numpy():
    script = """
import sys
from stratadb import Strata
with Strata.cache() as db:
    db.kv_put("k", {"a": [1, 2.5, b"x", None]})
    db.kv_get("k"), db.kv_scan(), repr(db), db.info()
print("numpy" in sys.modules, "asyncio" in sys.modules, "typing" in sys.modules)
"""
    assert run(script) == "False False False\n"


def test_an_import_takes_little_time():
    """The fastest of several, since other processes may be at work."""
    assert min(float(run(IMPORT).split()[0]) for _ in range(5)) < 0.040


def memory_folder():
    """A folder whose syncs cost nothing, so that our own share of the time is measured."""
    folder = pathlib.Path("/dev/shm")
    return folder if folder.is_dir() and os.access(folder, os.W_OK) else None


def test_a_small_database_opens_fast():
    times = []
    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
        with Strata.open(folder) as db:
            db.kv_batch_put({f"k{n}": n for n in range(1000)})
        for _ in range(15):
            start = time.perf_counter()
            db = Strata.open(folder)
            times.append(time.perf_counter() - start)
            assert db.kv_get("k7") == 7
            db.close()
    assert statistics.median(times) < 0.003, times
