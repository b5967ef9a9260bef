"""The demo runs, and would notice a lost write."""

import pytest
from stratadb import Strata
from support import run, start

pytestmark = pytest.mark.engine


@pytest.mark.slow
def test_the_demo(tmp_path):
    output = run(
        "import runpy; runpy.run_module('stratadb.demo', run_name='__main__')", "--path", tmp_path / "db", timeout=90
    )
    assert output.splitlines()[-1].startswith("Everything was as it must be")
    assert " 0 lost" in output
    assert max(map(len, output.splitlines())) < 140
    with Strata.open(tmp_path / "db", read_only=True) as db:
        assert "restored" in db.branch_list()


def test_it_does_not_touch_what_exists(tmp_path):
    process = start("import runpy; runpy.run_module('stratadb.demo', run_name='__main__')", "--path", tmp_path)
    process.communicate(timeout=30)
    assert process.returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_it_notices_what_is_lost(db):
    from stratadb.demo import DemoError, audit

    for n in range(10):
        db.kv_put(f"note/{n % 3}", {"n": n})
    assert audit(db, list(range(10))) == (0, 0)
    assert audit(db, list(range(12))) == (2, 0)
    assert audit(db, list(range(9))) == (0, 1)
    db.kv_put("note/0", {"n": 5})
    with pytest.raises(DemoError, match="in order"):
        audit(db, list(range(10)))
