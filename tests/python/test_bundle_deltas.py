"""Deltas: a mirror follows its branch, and refuses what does not fit."""

import datetime

import pytest
from bundling import fill, now, whole
from stratadb import (
    ConstraintError,
    NotFoundError,
)
from support import contents, refused

DAY = 86_400_000_000


def test_a_delta_brings_a_mirror_up_to_date(db, file, other, rng):
    times = fill(db, rng, 30)
    db.branch_export("default", file)
    other.branch_import(file, name="mirror")
    for _ in range(6):
        sent = now(db)
        more = fill(db, rng, rng.randrange(1, 25))
        times += more
        db.branch_export("default", file, since=sent)
        report = other.branch_import(file, name="mirror")
        assert report["branch"] == "mirror"
        assert whole(other, "mirror", times) == whole(db, "default", times)
    assert other.branch_get("mirror")["version"] == 6


def test_a_merge_takes_what_a_delta_brought_from_before_the_fork(db, file, other):
    """The ancestor is what the fork was made from, not what its source says today that it was then."""
    db.kv_put("old", 1)
    db.branch_export("default", file)
    other.branch_import(file, name="mirror")
    sent = now(db)
    db.kv_put("late", 1)
    db.kv_delete("old")
    other.branch_fork("mirror", "task")
    other.branch_use("task")
    other.kv_put("mine", 1)
    db.branch_export("default", file, since=sent)
    other.branch_import(file, name="mirror")
    assert other.branch_merge("mirror", "task")["keys_applied"] == 2
    assert other.kv_list() == ["late", "mine"]
    assert other.branch_merge("mirror", "task")["keys_applied"] == 0
    assert other.branch_merge("task", "mirror")["keys_applied"] == 1
    assert other.branch_diff("task", "mirror")["entries"] == []


def test_a_delta_of_nothing(db, file, other):
    db.kv_put("k", 1)
    db.branch_export("default", file)
    other.branch_import(file, name="mirror")
    assert db.branch_export("default", file, since=now(db))["entry_count"] == 0
    assert other.branch_import(file, name="mirror") == {"branch": "mirror", "entry_count": 0, "keys_written": 0}
    assert db.branch_export("default", file, since=now(db) + DAY)["entry_count"] == 0


def test_a_delta_of_a_new_branch_onto_an_empty_one(db, file, other):
    empty = now(db)
    db.kv_put("k", 1)
    db.event_append("e", {})
    db.branch_export("default", file, since=empty)
    other.branch_create("mirror")
    assert other.branch_import(file, name="mirror")["keys_written"] == 2
    other.branch_use("mirror")
    assert other.kv_get("k") == 1 and other.event_verify()["valid"]


def test_a_delta_fits_only_what_it_was_made_from(db, file, other):
    db.kv_put("k", 1)
    sent = now(db)
    db.branch_export("default", file)
    other.branch_import(file, name="mirror")
    db.kv_put("k", 2)
    db.branch_export("default", file, since=sent)
    with refused(NotFoundError, "branch_not_found"):
        other.branch_import(file, name="missing")
    with refused(ConstraintError, "delta_mismatch"):
        other.branch_import(file)  # default, which is empty
    other.branch_use("mirror")
    other.kv_put("own", 1)
    before = contents(other, history=True)
    with refused(ConstraintError, "delta_mismatch"):
        other.branch_import(file, name="mirror")
    assert contents(other, history=True) == before
    # A thing that came and went in the mirror: what lives is the same, what was counted is not.
    other.kv_delete("own")
    assert other.branch_import(file, name="mirror")["keys_written"] == 1
    assert other.kv_get("k") == 2
    with refused(ConstraintError, "delta_mismatch"):  # once more
        other.branch_import(file, name="mirror")


def test_a_delta_whose_versions_do_not_follow(db, file, other):
    sent = now(db)
    db.kv_put("k", 1)
    db.branch_export("default", file, since=sent)
    other.branch_create("mirror")
    other.branch_use("mirror")
    other.kv_put("k", 1)
    other.kv_delete("k")
    with refused(ConstraintError, "delta_mismatch"):
        other.branch_import(file, name="mirror")
    assert len(other.kv_history("k")) == 2 and other.kv_get("k") is None


def test_a_delta_from_before_the_kept_history(db, file):
    db.kv_put("k", 1)
    sent = now(db)
    db.kv_put("k", 2)
    db.kv_put("k", 3)
    db.compact(keep_history=datetime.timedelta(0))
    with refused(ConstraintError, "history_trimmed"):
        db.branch_export("default", file, since=sent)
    assert not file.exists()


@pytest.mark.engine
def test_events_that_came_by_a_merge_before_a_delta(db, file, other):
    """Their own times do not rise along the log, which a list between two times has to know."""
    db.branch_fork("default", "b")
    with db.session() as b:
        b.branch_use("b")
        b.event_append("e", {"n": 0})
    db.event_append("e", {"n": 1})
    db.branch_merge("b", "default")
    db.branch_export("default", file)
    other.branch_import(file, name="mirror")
    sent = now(db)
    for n in range(2, 6):
        db.event_append("e", {"n": n})
    db.branch_export("default", file, since=sent)
    other.branch_import(file, name="mirror")
    other.branch_use("mirror")
    events = db.event_list(None)
    assert other.event_list(None) == events
    for since in (None, *(event["timestamp"] for event in events)):
        for until in (event["timestamp"] for event in events):
            chosen = [e for e in events if (since is None or e["timestamp"] >= since) and e["timestamp"] <= until]
            for each in (db, other):
                assert each.event_list(None, since=since, until=until) == chosen


@pytest.mark.engine
def test_a_mirror_of_a_source_that_forgot(db, file, other):
    """What the source counts anew has no history from before that, in the mirror too; no read is wrong."""
    db.kv_put("k", 1)
    db.kv_put("other", 1)
    db.branch_export("default", file)
    other.branch_import(file, name="mirror")
    other.branch_use("mirror")
    first = sent = now(db)
    db.kv_put("other", 2)
    db.kv_delete("k")
    gone = now(db)
    db.branch_export("default", file, since=sent)
    other.branch_import(file, name="mirror")
    assert other.kv_get("k", as_of=first) == 1
    sent = now(db)
    db.kv_put("other", 3)
    db.branch_export("default", file, since=sent)
    db.compact(keep_history=datetime.timedelta(0))
    other.branch_import(file, name="mirror")
    assert other.kv_get("k", as_of=first) == 1 and len(other.kv_history("other")) == 3  # it keeps more than its source
    sent = now(db)
    assert db.kv_put("k", "anew") == 1
    db.branch_export("default", file, since=sent)
    other.branch_import(file, name="mirror")
    with refused(ConstraintError, "history_trimmed"):
        other.kv_get("k", as_of=first)
    assert other.time_range()["oldest_ts"] == gone
    assert other.kv_get("k", as_of=gone) is None and other.kv_get("k") == "anew"
    assert [entry["version"] for entry in other.kv_history("k")] == [1]
    assert other.kv_get("other", as_of=gone) == 2 and len(other.kv_history("other")) == 2
    assert other.verify()["ok"]


def test_a_mirror_that_changes_meanwhile(db, file, other):
    db.kv_put("k", 1)
    db.branch_export("default", file)
    other.branch_import(file, name="mirror")
    sent = now(db)
    db.kv_batch_put({f"k{n}": n for n in range(2000)})
    db.branch_export("default", file, since=sent)
    other.branch_use("mirror")
    with refused(ConstraintError, "delta_mismatch"):
        other.branch_import(file, name="mirror", progress=lambda *at: other.kv_put("own", at))
    assert other.kv_list() == ["k", "own"]
