"""What several test files share."""

import contextlib
import os
import subprocess
import sys
import threading

import pytest
import stratadb
from stratadb import ConflictError, StrataError

SCALE = float(os.environ.get("STRATA_SCALE", "1"))


def scaled(count):
    """A number of rounds, multiplied by STRATA_SCALE."""
    return max(1, round(count * SCALE))


@contextlib.contextmanager
def refused(kind, code):
    """The block raises exactly this class with this code, and a hint that is at least a str."""
    with pytest.raises(kind) as caught:
        yield caught
    error = caught.value
    assert type(error) is kind, repr(error)
    assert error.code == code, str(error)
    assert isinstance(error.hint, str)
    assert error.message
    if not stratadb.__version__.endswith("-model"):
        assert error.hint, f"{error} does not say what to do"


def conflict(session):
    """The session's transaction is refused at its commit, and over."""
    with refused(ConflictError, "transaction_conflict"):
        session.commit()
    assert not session.in_transaction()


def contents(db, *, history=False):
    """All that a database shows: branches, their spaces, keys, cells, events; with history if asked for."""
    seen = {}
    with db.session() as s:
        for branch in s.branch_list():
            s.branch_use(branch)
            for space in s.space_list():
                s.space_use(space)
                read = s.kv_history if history else s.kv_get_versioned
                read_cell = s.state_history if history else s.state_get_versioned
                seen[branch, space] = [(key, repr(read(key))) for key in s.kv_list()]
                seen[branch, space] += [(cell, repr(read_cell(cell))) for cell in s.state_list()]
                seen[branch, space] += map(repr, s.event_list(None))
                read = s.json_history if history else s.json_get_versioned
                seen[branch, space] += [("json", key, repr(read(key))) for key in s.json_list()]
                seen[branch, space] += [("index", index["name"], index["path"]) for index in s.json_list_indexes()]
                for found in s.vector_list_collections():
                    name = found["name"]
                    seen[branch, space].append(("collection", name, found["dimension"], found["metric"]))
                    read = s.vector_history if history else s.vector_get
                    seen[branch, space] += [("vector", name, key, repr(read(name, key))) for key in s.vector_list(name)]
    return seen


def in_thread(fn, *args):
    """Runs `fn` in another thread and returns its result or raises its exception here."""
    box = {}

    def body():
        try:
            box["result"] = fn(*args)
        except BaseException as error:
            box["error"] = error

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if "error" in box:
        raise box["error"]
    return box["result"]


def code_of(fn, *args, **kwargs):
    """The code of the StrataError that the call raises, or None."""
    try:
        fn(*args, **kwargs)
    except StrataError as error:
        return error.code
    return None


def start(script, *args, **kwargs):
    """A Python process of its own that runs `script`, text or a file's path, with `args` in sys.argv."""
    what = [str(script)] if isinstance(script, os.PathLike) else ["-c", script]
    kwargs.setdefault("stdout", subprocess.PIPE)
    return subprocess.Popen([sys.executable, *what, *map(str, args)], **kwargs)


def run(script, *args, timeout=60, **kwargs):
    """`start`, waited for: what it printed, after it ended with exit code 0."""
    process = start(script, *args, stderr=subprocess.STDOUT, text=True, **kwargs)
    try:
        output, _ = process.communicate(timeout=timeout)
    finally:
        process.kill()
    assert process.returncode == 0, f"exit code {process.returncode}\n{output}"
    return output
