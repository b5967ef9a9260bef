"""Versions, timestamps, history and reading the past."""

import datetime
import itertools
import time

import pytest
from stratadb import ConstraintError, Strata, ValidationError
from support import refused

DAY = 86_400 * 10**6


def now(db):
    return db.info()["commit_timestamp"]


def versions(db, key):
    return [(row["version"], row["value"], row["deleted"]) for row in db.kv_history(key)]


# ---- versions ----


def test_each_key_counts_its_own_versions(db):
    assert [db.kv_put("a", n) for n in range(3)] == [1, 2, 3]
    assert db.kv_put("b", 0) == 1
    assert db.kv_put("a", 2) == 4  # the same value is a new version too


def test_get_versioned(db):
    assert db.kv_get_versioned("k") is None
    db.kv_put("k", "one")
    db.kv_put("k", "two")
    row = db.kv_get_versioned("k")
    assert row == {"value": "two", "version": 2, "timestamp": now(db)}
    assert type(row["version"]) is type(row["timestamp"]) is int
    db.kv_delete("k")
    assert db.kv_get_versioned("k") is None


def test_a_delete_is_a_version_and_a_later_put_goes_on(db):
    db.kv_put("k", 1)
    db.kv_delete("k")
    assert db.kv_put("k", 3) == 3
    assert versions(db, "k") == [(3, 3, False), (2, None, True), (1, 1, False)]


def test_a_fork_continues_the_counters_of_its_source(db):
    db.kv_put("k", 1)
    db.kv_put("k", 2)
    db.branch_fork("default", "f")
    assert db.kv_put("k", 3) == 3
    db.branch_use("f")
    assert db.kv_put("k", "three") == 3
    assert versions(db, "k") == [(3, "three", False), (2, 2, False), (1, 1, False)]


def test_one_version_for_each_key_and_transaction(db):
    db.kv_put("k", 0)
    with db.transaction():
        assert [db.kv_put("k", n) for n in range(5)] == [2] * 5
        assert db.kv_delete("k") is True
        assert db.kv_put("k", "last") == 2
    assert versions(db, "k") == [(2, "last", False), (1, 0, False)]


def test_made_and_deleted_in_one_transaction_is_nothing(db):
    before = now(db)
    with db.transaction():
        db.kv_put("k", 1)
        assert db.kv_delete("k") is True
        assert db.kv_delete("k") is False
        assert db.kv_history("k") is None
    assert now(db) == before
    assert db.kv_history("k") is None
    assert db.kv_put("k", 1) == 1


def test_deleted_in_a_transaction(db):
    db.kv_put("k", 1)
    with db.transaction():
        db.kv_put("k", 2)
        db.kv_delete("k")
    assert versions(db, "k") == [(2, None, True), (1, 1, False)]


# ---- timestamps ----


def test_timestamps_are_microseconds_and_always_increase(db):
    stamps = []
    for n in range(200):
        db.kv_put("k", n)
        stamps.append(now(db))
    assert stamps == sorted(set(stamps))
    assert abs(stamps[-1] - time.time_ns() // 1000) < DAY
    assert [row["timestamp"] for row in db.kv_history("k")] == stamps[::-1]


def test_all_writes_of_a_transaction_share_a_timestamp(db):
    with db.transaction():
        db.kv_put("a", 1)
        db.kv_put("b", 2)
        db.space_use("other")
        db.kv_put("c", 3)
    c = db.kv_get_versioned("c")["timestamp"]
    db.space_use("default")
    assert {db.kv_get_versioned("a")["timestamp"], db.kv_get_versioned("b")["timestamp"], c} == {now(db)}


def test_one_clock_for_all_branches(db):
    db.kv_put("k", 1)
    first = now(db)
    db.branch_create("b")
    db.branch_use("b")
    second = now(db)
    db.kv_put("k", 1)
    assert first < second < now(db)


# ---- history ----


def test_history_is_newest_first(db):
    stamps = []
    for n in range(3):
        db.kv_put("k", n)
        stamps.append(now(db))
    assert db.kv_history("k") == [
        {"value": n, "version": n + 1, "timestamp": stamps[n], "deleted": False} for n in (2, 1, 0)
    ]


def test_history_of_what_never_existed_is_none(db):
    assert db.kv_history("k") is None
    db.kv_put("other", 1)
    assert db.kv_history("k") is None


def test_history_tells_a_deletion_from_a_stored_none(db):
    db.kv_put("k", None)
    db.kv_delete("k")
    assert [(row["value"], row["deleted"]) for row in db.kv_history("k")] == [(None, True), (None, False)]
    assert set(db.kv_history("k")[0]) == {"value", "version", "timestamp", "deleted"}


def test_history_up_to_a_time(db):
    db.kv_put("k", 1)
    first = now(db)
    db.kv_put("k", 2)
    second = now(db)
    db.kv_delete("k")
    assert len(db.kv_history("k")) == 3
    assert [row["value"] for row in db.kv_history("k", as_of=second)] == [2, 1]
    assert [row["value"] for row in db.kv_history("k", as_of=second - 1)] == [1]
    assert [row["value"] for row in db.kv_history("k", as_of=first)] == [1]
    assert db.kv_history("k", as_of=first - 1) is None


def test_a_long_history(db):
    count = 3000
    for n in range(count):
        db.kv_put("k", n)
    history = db.kv_history("k")
    assert [row["value"] for row in history] == list(range(count))[::-1]
    assert [row["version"] for row in history] == list(range(1, count + 1))[::-1]
    for row in history[:: count // 40]:
        assert db.kv_get("k", as_of=row["timestamp"]) == row["value"]
        assert db.kv_get_versioned("k", as_of=row["timestamp"])["version"] == row["version"]
        earlier = db.kv_get("k", as_of=row["timestamp"] - 1)
        assert earlier == (row["value"] - 1 if row["value"] else None)


@pytest.mark.parametrize("size", [10, 5000])
def test_history_of_small_and_large_values(db, size):
    values = [str(n) * size for n in range(6)]
    for value in values:
        db.kv_put("k", value)
    assert [row["value"] for row in db.kv_history("k")] == values[::-1]


# ---- as_of ----


@pytest.fixture
def past(db):
    """A database with three moments: [(timestamp, what it then held)]."""
    moments = []

    def remember():
        moments.append((now(db), dict(db.kv_scan())))

    db.kv_put("a", 1)
    remember()
    with db.transaction():
        db.kv_put("a", 2)
        db.kv_put("b", 1)
    remember()
    db.kv_delete("a")
    remember()
    db.kv_put("a", 3)
    db.kv_put("c", 1)
    return moments


def test_every_read_takes_as_of(db, past):
    for stamp, then in past:
        keys = sorted(then)
        for key in "abcd":
            assert db.kv_get(key, as_of=stamp) == then.get(key)
            assert db.kv_get(key, default="none", as_of=stamp) == then.get(key, "none")
            assert db.kv_exists(key, as_of=stamp) is (key in then)
            row = db.kv_get_versioned(key, as_of=stamp)
            assert (row and row["value"]) == then.get(key)
            assert row is None or row["timestamp"] <= stamp
        assert db.kv_list(as_of=stamp) == keys
        assert db.kv_list("a", as_of=stamp) == [key for key in keys if key == "a"]
        assert db.kv_count(as_of=stamp) == len(keys)
        assert dict(db.kv_scan(as_of=stamp)) == then
        assert [key for key, _ in db.kv_scan(reverse=True, as_of=stamp)] == keys[::-1]
        assert db.kv_scan(limit=1, as_of=stamp) == [(key, then[key]) for key in keys[:1]]
        assert db.kv_batch_get(["a", "b", "c"], as_of=stamp) == [then.get(key) for key in "abc"]
        page = db.kv_list_paginated(limit=1, as_of=stamp)
        rest = db.kv_list_paginated(cursor=page["cursor"], as_of=stamp) if page["cursor"] else {"keys": []}
        assert page["keys"] + rest["keys"] == keys


def test_as_of_the_moment_before(db, past):
    for (earlier, then), (stamp, _) in itertools.pairwise(past):
        assert dict(db.kv_scan(as_of=stamp - 1)) == then
        assert earlier < stamp


def test_as_of_now_and_later_is_now(db, past):
    for stamp in (now(db), now(db) + 1, now(db) + DAY, 2**63 - 1):
        assert dict(db.kv_scan(as_of=stamp)) == {"a": 3, "b": 1, "c": 1}
    db.kv_put("a", 4)
    assert db.kv_get("a", as_of=now(db) + DAY) == 4


def test_before_the_first_commit_there_is_nothing(db, past):
    for stamp in (10**14, past[0][0] - 1):
        assert db.kv_get("a", as_of=stamp) is None
        assert db.kv_list(as_of=stamp) == []
        assert db.kv_scan(as_of=stamp) == []
        assert db.kv_count(as_of=stamp) == 0
        assert db.kv_history("a", as_of=stamp) is None
        assert db.kv_list_paginated(as_of=stamp) == {"keys": [], "cursor": None}
        assert db.kv_batch_get(["a"], as_of=stamp) == [None]


def test_an_aware_datetime(db, past):
    for stamp, then in past:
        for zone in (datetime.timezone.utc, datetime.timezone(datetime.timedelta(hours=-5, minutes=-30))):
            moment = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(
                microseconds=stamp
            )
            assert dict(db.kv_scan(as_of=moment.astimezone(zone))) == then


def test_a_naive_datetime_is_local_time(db, past, monkeypatch):
    monkeypatch.setenv("TZ", "XXX-05:30")
    time.tzset()
    try:
        for stamp, then in past:
            moment = datetime.datetime.fromtimestamp(stamp // 10**6).replace(microsecond=stamp % 10**6)
            assert dict(db.kv_scan(as_of=moment)) == then
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_datetime_of_an_earlier_age_reads_nothing(db, past):
    for year in (1, 1900, 1969, 1970, 1971, 2001):
        moment = datetime.datetime(year, 6, 1, tzinfo=datetime.timezone.utc)
        assert db.kv_list(as_of=moment) == []
        assert db.kv_get("a", as_of=moment) is None
    assert db.kv_list(as_of=datetime.datetime(9999, 12, 30, tzinfo=datetime.timezone.utc)) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "stamp", [0, 1, -1, -(2**63), 10**14 - 1, 1_700_000_000, 1_700_000_000_000, 2**63, 10**30, -(10**30)]
)
def test_an_int_that_is_no_time_in_microseconds_is_refused(db, stamp):
    db.kv_put("k", 1)
    with refused(ValidationError, "out_of_range") as caught:
        db.kv_get("k", as_of=stamp)
    if abs(stamp) < 2**63:
        assert "microseconds" in caught.value.hint


@pytest.mark.parametrize(
    "moment", [1.7e15, "2024-01-01", True, False, datetime.date(2024, 1, 1), [], datetime.timedelta(1)]
)
def test_as_of_is_an_int_or_a_datetime(db, moment):
    db.kv_put("k", 1)
    for read in (
        lambda: db.kv_get("k", as_of=moment),
        lambda: db.kv_list(as_of=moment),
        lambda: db.space_list(as_of=moment),
    ):
        with pytest.raises(TypeError):
            read()


def test_as_of_on_a_fork_reads_on_into_its_source(db, past):
    db.branch_fork("default", "f")
    db.branch_use("f")
    db.kv_put("a", "fork")
    for stamp, then in past:
        assert dict(db.kv_scan(as_of=stamp)) == then
    assert [row["value"] for row in db.kv_history("a")] == ["fork", 3, None, 2, 1]


def test_writes_of_another_branch_are_not_in_the_past(db):
    db.kv_put("k", 1)
    db.branch_fork("default", "f")
    with db.session() as other:
        other.branch_use("f")
        other.kv_put("k", "fork")
        stamp = now(db)
    db.kv_put("k", 2)
    assert db.kv_get("k", as_of=stamp) == 1


# ---- retention ----


def test_compact_forgets_what_was_replaced(db):
    for n in range(5):
        db.kv_put("k", n)
    db.kv_put("gone", 1)
    db.kv_delete("gone")
    cut = now(db)
    report = db.compact(keep_history=datetime.timedelta(0))
    assert report["versions_removed"] >= 6
    assert versions(db, "k") == [(5, 4, False)]
    assert db.kv_get("k") == db.kv_get("k", as_of=cut) == 4
    assert db.kv_history("gone") is None
    assert db.kv_put("k", 5) == 6
    assert db.kv_put("gone", 1) == 1  # the tombstone was forgotten with its count


def test_before_the_kept_history_nothing_is_read_wrong(db):
    db.kv_put("k", 1)
    db.branch_fork("default", "f")
    db.kv_put("k", 2)
    cut = now(db)
    db.compact(keep_history=datetime.timedelta(0))
    db.kv_put("k", 3)
    for stamp in (10**14, cut - 1):
        for call, *args in (
            (db.kv_get, "k"),
            (db.kv_get, "never"),
            (db.kv_get_versioned, "k"),
            (db.kv_exists, "k"),
            (db.kv_list,),
            (db.kv_count,),
            (db.kv_scan,),
            (db.kv_list_paginated,),
            (db.kv_batch_get, ["k"]),
            (db.kv_history, "k"),
            (db.space_list,),
            (db.space_exists, "s"),
            (db.branch_fork, "default", "g"),
        ):
            with refused(ConstraintError, "history_trimmed"):
                call(*args, as_of=stamp)
    with refused(ConstraintError, "history_trimmed"):
        db.kv_get("k", as_of=datetime.datetime(1999, 1, 1))
    assert db.kv_get("k", as_of=cut) == 2
    assert [row["value"] for row in db.kv_history("k")] == [3, 2]
    db.branch_use("f")
    assert db.kv_get("k") == 1


def test_compact_with_a_long_history_forgets_nothing(db):
    for n in range(5):
        db.kv_put("k", n)
    first = db.kv_history("k")[-1]["timestamp"]
    assert db.compact(keep_history=datetime.timedelta(days=1))["versions_removed"] == 0
    assert db.compact(keep_history=datetime.timedelta(days=999_999_999))["versions_removed"] == 0
    assert db.compact()["versions_removed"] == 0
    assert len(db.kv_history("k")) == 5
    assert db.kv_get("k", as_of=first) == 0


def test_compact_keeps_what_open_said():
    with Strata.cache(keep_history=datetime.timedelta(0)) as db:
        for n in range(5):
            db.kv_put("k", n)
        db.compact()
        assert len(db.kv_history("k")) == 1


def test_compact_counts_back_from_the_last_commit(db):
    db.kv_put("k", 1)
    db.kv_put("k", 2)
    second = now(db)
    db.kv_put("k", 3)
    db.compact(keep_history=datetime.timedelta(microseconds=now(db) - second))
    assert db.kv_get("k", as_of=second) == 2
    assert [row["value"] for row in db.kv_history("k")] == [3, 2]
    with refused(ConstraintError, "history_trimmed"):
        db.kv_get("k", as_of=second - 1)


def test_compact_leaves_forks_whole(db):
    for n in range(3):
        db.kv_batch_put({f"k{i}": [n, i] for i in range(50)})
    db.branch_fork("default", "f")
    db.kv_batch_delete(db.kv_list())
    db.compact(keep_history=datetime.timedelta(0))
    assert db.kv_list() == []
    db.branch_use("f")
    assert dict(db.kv_scan()) == {f"k{i}": [2, i] for i in range(50)}
