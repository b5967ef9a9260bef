"""The bar of `progress=True`."""

import io

import pytest
from stratadb import Strata

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
