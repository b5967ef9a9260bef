"""Progress: the bar of `progress=True`, and what a callback may do."""

import contextlib
import datetime
import io
import threading

import pytest
from stratadb import StateError, Strata
from support import in_thread, refused

_progress = pytest.importorskip("stratadb._progress")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar():
    terminal = Terminal()
    draw = _progress.bar("writing", terminal)
    for done in range(0, 1001):
        draw(done, 1000)
    shown = terminal.getvalue()
    assert shown.startswith("\rwriting [" + "." * 30 + "]   0%")
    assert shown.endswith("\rwriting [" + "#" * 30 + "] 100%\n")
    assert 100 < shown.count("\r") < 150  # for each percent and each step of the bar, not for each call
    assert shown.count("\n") == 1


def test_a_bar_of_nothing():
    terminal = Terminal()
    _progress.bar("writing", terminal)(0, 0)
    assert terminal.getvalue().endswith("100%\n")


def test_only_true_on_a_terminal_is_a_bar(monkeypatch):
    call = print
    for given in (None, False, call, 5):
        assert _progress.resolve(given, "x") is given
    for stream in (io.StringIO(), None):
        monkeypatch.setattr("sys.stderr", stream)
        assert _progress.resolve(True, "x") is None
    monkeypatch.setattr("sys.stderr", Terminal())
    assert callable(_progress.resolve(True, "x"))


@pytest.mark.parametrize("call", ["compact", "verify", "kv_batch_put"])
def test_the_calls_that_last_draw_one(monkeypatch, call):
    terminal = Terminal()
    with Strata.cache() as db:
        db.kv_batch_put({str(n): n for n in range(100)})
        monkeypatch.setattr("sys.stderr", terminal)
        arguments = [{"a": 1}] if call == "kv_batch_put" else []
        getattr(db, call)(*arguments, progress=True)
    assert terminal.getvalue().endswith("100%\n")


# ---- what a callback may call ----


@pytest.fixture(params=["memory", "disk"])
def filled(request, tmp_path):
    path = tmp_path / "db"
    with Strata.cache() if request.param == "memory" else Strata.open(path) as db:
        for n in range(3):
            db.kv_batch_put({f"k{i}": i + n for i in range(3000)})
        yield db, path if request.param == "disk" else None


LASTING = {
    "compact": lambda db, call: db.compact(progress=call),
    "compact that forgets": lambda db, call: db.compact(keep_history=datetime.timedelta(0), progress=call),
    "verify": lambda db, call: db.verify(progress=call),
    "kv_batch_put": lambda db, call: db.kv_batch_put({f"b{n}": n for n in range(2000)}, progress=call),
}
INSIDE = {
    "verify": lambda db, n: db.verify(),
    "flush": lambda db, n: db.flush(),
    "info": lambda db, n: db.info(),
    "kv_put": lambda db, n: db.kv_put("inside", n),
    "kv_get": lambda db, n: db.kv_get("k1"),
    "kv_batch_put": lambda db, n: db.kv_batch_put({"inside": n}, progress=lambda done, total: None),
    "branch_fork": lambda db, n: db.branch_fork("default", f"f{n}"),
    "branch_delete": lambda db, n: (db.branch_create("b"), db.branch_delete("b")),
    "transaction": lambda db, n: db.run(lambda handle: handle.kv_put("inside", n)),
    "session": lambda db, n: db.session().kv_put("inside", n),
}


@pytest.mark.parametrize("inside", INSIDE)
@pytest.mark.parametrize("lasting", LASTING)
def test_a_callback_may_use_the_database(filled, lasting, inside):
    """It runs in the calling thread, with no lock of the engine held."""
    db, _ = filled
    calls = []

    def call(done, total):
        INSIDE[inside](db, len(calls))
        calls.append((done, total))

    LASTING[lasting](db, call)
    assert calls
    assert calls[-1][0] == calls[-1][1]
    assert db.verify()["ok"]
    assert db.kv_get("k7") == 9


@pytest.mark.parametrize("lasting", ["compact", "compact that forgets"])
@pytest.mark.parametrize("handle", ["the same", "a session"])
def test_a_compaction_does_not_start_another(filled, lasting, handle):
    """It would wait for itself for ever."""
    db, _ = filled
    calls = []

    def call(done, total):
        calls.append(done)
        with refused(StateError, "compaction_active"):
            (db if handle == "the same" else db.session()).compact()

    LASTING[lasting](db, call)
    assert calls
    db.compact()


@pytest.mark.parametrize("lasting", ["compact", "compact that forgets"])
def test_compactions_of_two_threads_take_turns(filled, lasting):
    db, _ = filled
    other = []
    started = threading.Event()

    def call(done, total):
        if not other:
            other.append(threading.Thread(target=lambda: (started.set(), db.session().compact())))
            other[0].start()
            assert started.wait(10)

    LASTING[lasting](db, call)
    other[0].join()
    assert db.verify()["ok"]


@pytest.mark.parametrize("thread", [False, True])
@pytest.mark.parametrize("lasting", LASTING)
def test_the_database_is_closed_under_a_call(filled, lasting, thread):
    """The last handle goes, perhaps in another thread: the call ends, and nothing is written behind the closing."""
    db, path = filled
    again = []

    def call(done, total):
        in_thread(db.close) if thread else db.close()
        if path and not again:
            again.append(Strata.open(path))  # as another process could
            again[0].kv_put("again", 1)

    with contextlib.suppress(StateError):
        LASTING[lasting](db, call)
    for handle in again:
        assert handle.verify()["ok"]
        assert handle.kv_get("again") == 1
        assert handle.kv_get("k7") == 9
        handle.close()
    if path:
        with Strata.open(path) as handle:
            assert handle.verify()["ok"]
            assert handle.kv_get("again") == 1
