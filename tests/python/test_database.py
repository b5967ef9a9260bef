"""The calls about the whole database: ping, info, flush, compact, verify, time_range."""

import datetime

import pytest
from stratadb import StateError, Strata, ValidationError
from support import refused

FIELDS = {
    "version", "path", "durability", "uptime_secs", "branch_count", "total_keys", "disk_bytes", "memory_bytes",
    "commit_timestamp",
}  # fmt: skip


def test_info(db):
    about = db.info()
    assert set(about) == FIELDS
    assert about["durability"] == "buffered"
    assert (about["branch_count"], about["total_keys"]) == (1, 0)
    assert type(about["uptime_secs"]) is float
    assert about["uptime_secs"] >= 0
    for name in ("branch_count", "total_keys", "disk_bytes", "memory_bytes", "commit_timestamp"):
        assert type(about[name]) is int, name
        assert about[name] >= 0
    db.kv_batch_put({"a": 1, "b": 2})
    db.branch_fork("default", "f")
    db.branch_use("f")
    db.kv_put("c", 3)
    about = db.info()
    assert (about["branch_count"], about["total_keys"]) == (2, 5)
    assert about["commit_timestamp"] == db.kv_get_versioned("c")["timestamp"]


def test_info_names_the_path(tmp_path):
    with Strata.open(tmp_path / "db") as db:
        assert db.info()["path"] == str(tmp_path / "db")
    with Strata.cache() as db:
        assert db.info()["path"] is None


@pytest.mark.engine
def test_info_measures(tmp_path):
    with Strata.open(tmp_path / "db") as db:
        before = db.info()
        for n in range(20):
            db.kv_put(f"k{n}", "x" * 100_000)
        db.flush()
        after = db.info()
        assert after["disk_bytes"] - before["disk_bytes"] > 1_500_000
        assert after["memory_bytes"] > 0
        on_disk = sum(file.stat().st_size for file in (tmp_path / "db").rglob("*") if file.is_file())
        assert after["disk_bytes"] <= on_disk * 1.1 + 100_000


def test_flush(db):
    db.kv_put("k", 1)
    assert db.flush() is None
    db.begin()
    db.kv_put("k", 2)
    assert db.flush() is None
    db.rollback()
    assert db.kv_get("k") == 1


def test_verify(db):
    db.kv_batch_put({f"k{n}": "x" * n for n in range(1000)})
    db.branch_fork("default", "f")
    db.kv_batch_delete([f"k{n}" for n in range(500)])
    report = db.verify()
    assert set(report) == {"ok", "pages", "problems"}
    assert report["ok"] is True
    assert report["problems"] == []
    assert type(report["pages"]) is int


def test_compact_reports(db):
    for _ in range(3):
        db.kv_batch_put({f"k{n}": "x" * 200 for n in range(500)})
    report = db.compact()
    assert set(report) == {"bytes_before", "bytes_after", "versions_removed"}
    assert report["versions_removed"] == 0
    assert all(type(number) is int for number in report.values())
    assert db.compact(keep_history=datetime.timedelta(0))["versions_removed"] >= 1000


@pytest.mark.engine
def test_compact_gives_space_back(tmp_path):
    with Strata.open(tmp_path / "db") as db:
        for n in range(30):
            db.kv_batch_put({f"k{i}": f"{n} {i} " + "x" * 1000 for i in range(500)})
        report = db.compact(keep_history=datetime.timedelta(0))
        assert report["bytes_after"] < report["bytes_before"] / 3
        db.kv_batch_delete(db.kv_list())
        db.compact(keep_history=datetime.timedelta(0))
        assert db.info()["disk_bytes"] < report["bytes_before"] / 10
        assert db.verify()["ok"]
    with Strata.open(tmp_path / "db") as db:
        assert db.kv_list() == []


@pytest.mark.parametrize("keep", [0, 5, 1.5, "1", True, [], datetime.datetime(2024, 1, 1)])
def test_keep_history_is_a_timedelta(db, keep):
    with pytest.raises(TypeError):
        db.compact(keep_history=keep)


def test_keep_history_is_not_negative(db):
    with refused(ValidationError, "out_of_range"):
        db.compact(keep_history=datetime.timedelta(microseconds=-1))


@pytest.mark.parametrize("name", ["compact", "verify"])
def test_progress(db, name):
    db.kv_batch_put({f"k{n}": n for n in range(1000)})
    calls = []
    getattr(db, name)(progress=lambda done, total: calls.append((done, total)))
    assert calls
    assert calls[-1][0] == calls[-1][1]
    assert all(0 <= done <= total for done, total in calls)
    for nothing in (None, False):
        getattr(db, name)(progress=nothing)
    for wrong in (5, "yes", [1]):
        with pytest.raises(TypeError):
            getattr(db, name)(progress=wrong)


@pytest.mark.parametrize("name", ["compact", "verify"])
def test_an_exception_in_progress_ends_the_call(db, name):
    for n in range(10):
        db.kv_put("k", n)

    def stop(done, total):
        raise KeyError("enough")

    keep = {"keep_history": datetime.timedelta(0)} if name == "compact" else {}
    with pytest.raises(KeyError, match="enough"):
        getattr(db, name)(progress=stop, **keep)
    assert len(db.kv_history("k")) == 10
    db.kv_put("k", 10)


def test_compact_is_not_for_transactions(db):
    with db.transaction(), refused(StateError, "in_transaction"):
        db.compact()


def test_time_range(db):
    db.kv_put("k", 1)
    first = db.info()["commit_timestamp"]
    span = db.time_range()
    assert set(span) == {"oldest_ts", "latest_ts"}
    assert span["latest_ts"] == first
    assert span["oldest_ts"] == db.branch_get("default")["created_at"] < first
    db.kv_put("k", 2)
    assert db.time_range() == {"oldest_ts": span["oldest_ts"], "latest_ts": db.info()["commit_timestamp"]}
    assert db.kv_get("k", as_of=span["oldest_ts"]) is None


def test_time_range_of_a_fork_begins_with_its_source(db):
    db.kv_put("k", 1)
    oldest = db.time_range()["oldest_ts"]
    db.branch_fork("default", "f")
    db.branch_use("f")
    db.kv_put("k", 2)
    assert db.time_range() == {"oldest_ts": oldest, "latest_ts": db.info()["commit_timestamp"]}
    db.branch_create("new")
    db.branch_use("new")
    assert db.time_range()["oldest_ts"] == db.branch_get("new")["created_at"] > oldest


def test_time_range_begins_at_the_cut(db):
    db.kv_put("k", 1)
    db.kv_put("k", 2)
    cut = db.info()["commit_timestamp"]
    db.compact(keep_history=datetime.timedelta(0))
    db.kv_put("k", 3)
    assert db.time_range()["oldest_ts"] == cut
    assert db.kv_get("k", as_of=cut) == 2
