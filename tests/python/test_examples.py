"""The programs of examples/ run and print what they say, and type checkers have nothing to say about them."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import textwrap

import pytest

ROOT = pathlib.Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
TOOLS = pathlib.Path(sys.executable).parent


def promised(program):
    """What its docstring says that it prints."""
    text = re.search(r'^"""(.*?)"""', program.read_text(), re.DOTALL).group(1)
    return textwrap.dedent(text.split("It prints:\n\n")[1])


def test_there_are_some():
    assert len(EXAMPLES) >= 5


@pytest.mark.engine
@pytest.mark.parametrize("program", EXAMPLES, ids=lambda program: program.stem)
def test_an_example(program, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", program], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    assert done.returncode == 0
    assert done.stdout == promised(program)


def checked(command):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.engine
@pytest.mark.slow
def test_mypy_accepts_them(tmp_path):
    if not (TOOLS / "mypy").exists():
        pytest.skip("mypy is not installed")
    checked([TOOLS / "mypy", "--strict", "--cache-dir", tmp_path, "examples"])


@pytest.mark.engine
@pytest.mark.slow
def test_pyright_accepts_them():
    if not (TOOLS / "basedpyright").exists():
        pytest.skip("basedpyright is not installed")
    checked([TOOLS / "basedpyright"])


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.parametrize("tool", ["mypy", "basedpyright"])
def test_they_refuse_what_is_wrong(tmp_path, tool):
    """A check that accepts everything proves nothing."""
    if not (TOOLS / tool).exists():
        pytest.skip(f"{tool} is not installed")
    wrong = {
        "db.kv_put(1, 2)": 1,
        "db.kv_get()": 1,
        "db.event_append('t', [1])": 1,
        "Strata.open('x', durability='later')": 1,
        "db.info()['nothing']": 1,
        "db.kv_put('k', 1).upper()": 1,
    }
    program = tmp_path / "wrong.py"
    program.write_text("from stratadb import Strata\n\ndb = Strata.cache()\n" + "\n".join(wrong) + "\n")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    options = ["--strict", "--cache-dir", str(tmp_path / "cache")] if tool == "mypy" else []
    environment = {**os.environ, "MYPYPATH": str(ROOT / "python")}
    done = subprocess.run(
        [TOOLS / tool, *options, program], cwd=tmp_path, capture_output=True, text=True, timeout=300, env=environment
    )
    assert done.returncode == 1, done.stdout + done.stderr
    for line in range(4, 4 + len(wrong)):
        assert re.search(rf"wrong\.py:{line}\b", done.stdout), (line, done.stdout)
