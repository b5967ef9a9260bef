"""The log of a branch, going back, and forks of the past."""

import datetime
import threading

import pytest
import stratadb
from conftest import IS_MODEL
from stratadb import AccessDeniedError, ConstraintError, NotFoundError, StateError, Strata, ValidationError
from support import contents, in_thread, refused, scaled


def now(db):
    return db.time_range()["latest_ts"]


def fill(db):
    """A little of everything on the current branch and two spaces; returns the time after each step."""
    times = []
    with db.transaction(message="begin"):
        db.kv_put("a", 1)
        db.kv_put("b", {"x": [1, 2]})
        db.state_set("cell", "idle")
    times.append(now(db))
    db.event_append("step", {"n": 1})
    times.append(now(db))
    db.json_set("doc", "$", {"list": [1], "name": "n"})
    times.append(now(db))
    db.space_use("side")
    with db.transaction(message=""):
        db.kv_put("c", "x" * 5000)
        db.event_append("side", {})
    times.append(now(db))
    db.space_use("default")
    db.kv_delete("a")
    db.kv_put("b", 2)
    times.append(now(db))
    return times


# ---- the log ----


def test_the_log_tells_what_each_commit_did(db):
    fill(db)
    log = db.branch_log("default")
    assert [entry["message"] for entry in log] == [None, None, "", None, None, "begin"]
    assert [entry["changes"] for entry in log] == [
        {"kv": 1},
        {"kv": 1},
        {"event": 1, "kv": 1},
        {"json": 1},
        {"event": 1},
        {"kv": 2, "state": 1},
    ]
    stamps = [entry["timestamp"] for entry in log]
    assert stamps == sorted(set(stamps), reverse=True) and stamps[0] == now(db)
    assert db.branch_log("default", 2) == log[:2]
    assert db.branch_log("default", limit=0) == []
    assert db.branch_log("default", None) == log


def test_the_log_of_a_new_branch_is_empty(db):
    assert db.branch_log("default") == []
    db.branch_create("other")
    assert db.branch_log("other") == []


def test_the_log_of_a_fork_goes_on_into_its_source(db):
    times = fill(db)
    before = db.branch_log("default")
    db.branch_fork("default", "now")
    db.branch_fork("default", "then", as_of=times[1])
    db.kv_put("later", 1)
    db.branch_use("now")
    db.kv_put("own", 1)
    db.branch_fork("now", "again")
    assert db.branch_log("now")[1:] == before
    assert db.branch_log("again") == db.branch_log("now")
    assert db.branch_log("then") == before[-2:]
    assert len(db.branch_log("default")) == len(before) + 1


def test_the_log_outlives_its_source_and_a_reopening(tmp_path):
    with Strata.open(tmp_path / "db") as db:
        db.branch_create("source")
        db.branch_use("source")
        fill(db)
        log = db.branch_log("source")
        db.branch_fork("source", "fork")
        db.branch_use("default")
        db.branch_delete("source")
        assert db.branch_log("fork") == log
    if not IS_MODEL:
        with Strata.open(tmp_path / "db", read_only=True) as db:
            assert db.branch_log("fork") == log


def test_the_log_ends_at_the_cut(db):
    times = fill(db)
    cut = times[2]
    db.compact(keep_history=datetime.timedelta(microseconds=now(db) - cut))
    assert {entry["timestamp"] >= cut for entry in db.branch_log("default")} == {True}
    assert len(db.branch_log("default")) >= 3


@pytest.mark.engine
def test_the_commit_at_the_cut_stays_in_the_log(tmp_path):
    """Its record goes with the segments before the cut, and its entry stays."""
    path = tmp_path / "db"
    message = "in between " * 1000
    with Strata.open(path) as db:
        db.kv_put("k", 0)
        with db.transaction(message=message):
            db.kv_put("k", 1)
            db.event_append("e", {})
            db.state_set("cell", 1)
        cut = now(db)
        db.branch_fork("default", "fork")
        db.kv_put("k", 2)
        db.branch_create("other")
        entry = db.branch_log("fork")[0]
        assert entry == {"timestamp": cut, "message": message, "changes": {"event": 1, "kv": 1, "state": 1}}
        last = now(db)
        created = db.branch_get("other")["created_at"]
        for keep in (created - cut, created - cut, 10**9):
            db.compact(keep_history=datetime.timedelta(microseconds=keep))
            assert db.branch_log("fork") == [entry] and db.branch_log("other") == []
            assert [each["timestamp"] for each in db.branch_log("default")] == [last, cut]
            assert db.branch_log("default", 1)[0]["timestamp"] == last
        db.branch_export("default", tmp_path / "bundle")
    with Strata.open(path) as db:
        assert db.branch_log("fork") == [entry] and db.verify()["ok"]
        db.branch_import(tmp_path / "bundle", name="copy")
        assert db.branch_log("copy") == db.branch_log("default")
        db.kv_put("k", 3)
        db.compact(keep_history=datetime.timedelta(0))
        assert db.branch_log("fork") == [] and len(db.branch_log("default")) == 1
    with Strata.open(path) as db:
        assert db.branch_log("fork") == [] and len(db.branch_log("default")) == 1


def test_the_log_is_read_inside_a_transaction(db):
    db.kv_put("k", 1)
    with db.transaction():
        db.kv_put("k", 2)
        assert len(db.branch_log("default")) == 1


def test_a_log_asked_for_wrongly(db):
    with refused(NotFoundError, "branch_not_found"):
        db.branch_log("missing")
    with refused(ValidationError, "out_of_range"):
        db.branch_log("default", -1)
    for wrong in (1.0, "1", True):
        with pytest.raises(TypeError):
            db.branch_log("default", wrong)
    with pytest.raises(TypeError):
        db.branch_log(1)
    with pytest.raises(TypeError):
        db.branch_log()


# ---- going back ----


def state(db, **then):
    """What a revert restores: everything but events."""
    seen = {}
    with db.session() as s:
        for space in s.space_list(**then):
            s.space_use(space)
            seen[space] = (
                s.kv_scan(**then),
                [(cell, s.state_get(cell, **then)) for cell in s.state_list(**then)],
                [(key, s.json_get(key, **then)) for key in s.json_list(**then)],
            )
    return seen


def test_a_revert_restores_each_moment(db):
    times = fill(db)
    for to in [*reversed(times), *times]:
        was = state(db, as_of=to)
        events = db.event_list(None)
        commits = db.branch_get("default")["version"]
        report = db.branch_revert("default", to)
        is_now = state(db)
        # A space that holds events stays, and nothing else is in it.
        empty = ([], [], [])
        assert is_now == {**{name: empty for name in is_now}, **was}
        assert db.event_list(None) == events
        info = db.branch_get("default")
        assert report["branch"] == "default" and report["version"] == info["version"]
        assert report["timestamp"] == info["updated_at"] == now(db)
        assert info["version"] - commits in (0, 1)
    assert db.event_verify()["valid"]
    db.space_use("side")
    assert db.event_len() == 1


def test_a_revert_keeps_the_history(db):
    db.kv_put("k", "A")
    good = now(db)
    db.kv_put("k", "B")
    db.kv_delete("k")
    report = db.branch_revert("default", to=good)
    assert report["keys_applied"] == 1
    assert [entry["value"] for entry in db.kv_history("k")] == ["A", None, "B", "A"]
    assert db.kv_get_versioned("k") == {"value": "A", "version": 4, "timestamp": report["timestamp"]}
    assert db.branch_log("default", 1) == [{"timestamp": report["timestamp"], "message": None, "changes": {"kv": 1}}]


def test_a_revert_with_nothing_to_undo_is_no_commit(db):
    db.kv_put("k", {"a": 1, "b": 2})
    good = now(db)
    db.kv_put("k", {"b": 2, "a": 1})  # the same value
    before = db.branch_get("default")
    for to in (good, before["updated_at"], before["updated_at"] + 10**9):
        report = db.branch_revert("default", to)
        assert report == {
            "branch": "default",
            "keys_applied": 0,
            "version": before["version"],
            "timestamp": before["updated_at"],
        }
    assert db.branch_get("default") == before


def test_a_revert_to_before_everything(db):
    fill(db)
    db.branch_revert("default", to=10**14)
    assert db.kv_list() == db.state_list() == db.json_list() == []
    assert db.event_len() == 1
    assert db.space_exists("side")  # it holds an event


def test_a_revert_of_another_branch_and_from_its_source(db):
    db.kv_put("k", 1)
    then = now(db)
    db.kv_put("k", 2)
    db.branch_fork("default", "other")
    db.branch_revert("other", to=then)
    assert db.kv_get("k") == 2
    db.branch_use("other")
    assert db.kv_get("k") == 1


def test_a_revert_takes_a_datetime(db):
    db.kv_put("k", 1)
    assert db.branch_revert("default", datetime.datetime(1980, 1, 1))["keys_applied"] == 1
    assert db.kv_list() == []


def test_a_revert_asked_for_wrongly(db):
    db.kv_put("k", 1)
    then = now(db)
    db.kv_put("k", 2)
    before = contents(db, history=True)
    with refused(NotFoundError, "branch_not_found"):
        db.branch_revert("missing", then)
    for wrong in (1.5, "now", True, datetime.date(2020, 1, 1), datetime.timedelta(1)):
        with pytest.raises(TypeError):
            db.branch_revert("default", wrong)
    for wrong in (0, -1, 10**14 - 1, 2**63):
        with refused(ValidationError, "out_of_range"):
            db.branch_revert("default", wrong)
    with pytest.raises(TypeError):
        db.branch_revert("default")
    with db.transaction(), refused(StateError, "in_transaction"):
        db.branch_revert("default", then)
    db.compact(keep_history=datetime.timedelta(0))
    with refused(ConstraintError, "history_trimmed"):
        db.branch_revert("default", then)
    assert db.kv_get("k") == 2 and len(before) == len(contents(db))


@pytest.mark.engine
def test_a_revert_on_a_read_only_handle(tmp_path):
    with Strata.open(tmp_path / "db") as db:
        db.kv_put("k", 1)
        then = now(db)
        db.kv_put("k", 2)
        with Strata.open(tmp_path / "db", read_only=True) as reader:
            with refused(AccessDeniedError, "read_only"):
                reader.branch_revert("default", then)
            assert len(reader.branch_log("default")) == 2


def test_a_revert_beside_writers(db):
    """Whatever a writer commits meanwhile is before the revert, or after it and kept."""
    for n in range(300):
        db.kv_put(f"k{n}", 0)
    then = now(db)
    for n in range(300):
        db.kv_put(f"k{n}", 1)
    with db.session() as writer:

        def write():
            for n in range(200):
                writer.kv_put(f"new{n}", n)

        def revert():
            with db.session() as other:
                return other.branch_revert("default", then)

        threads = [threading.Thread(target=write), threading.Thread(target=revert)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert all(db.kv_get(f"k{n}") == 0 for n in range(300))
    kept = sorted(int(key[3:]) for key in db.kv_list("new"))
    assert kept == list(range(200 - len(kept), 200))


# ---- forks of the past ----


def test_forks_of_every_moment_show_what_was(db, rng):
    """Few and many changes since, through forks of forks, deletions and spaces that came and went."""
    moments = []
    branches = ["default"]
    for n in range(scaled(250)):
        branch = rng.choice(branches)
        db.branch_use(branch)
        db.space_use(rng.choice(["default", "s1"]))
        kind = rng.random()
        if kind < 0.6:
            db.kv_put(f"k{rng.randrange(60)}", rng.choice([n, "x" * 3000]))
        elif kind < 0.8:
            db.kv_delete(f"k{rng.randrange(60)}")
        elif kind < 0.9:
            db.event_append("e", {"n": n})
        else:
            db.kv_batch_put({f"m{i}": n for i in range(40)})
        moments.append((branch, now(db), state(db), db.event_len()))
        if rng.random() < 0.15:
            origin, when, was, _ = rng.choice(moments)
            name = f"f{len(branches)}"
            report = db.branch_fork(origin, name, as_of=when)
            assert report["timestamp"] == when
            branches.append(name)
            db.branch_use(name)
            assert state(db) == was
            moments.append((name, now(db), was, 0))
    for number, (branch, when, was, _) in enumerate(rng.sample(moments, min(60, len(moments)))):
        db.branch_fork(branch, f"look{number}", as_of=when)
        db.branch_use(f"look{number}")
        assert state(db) == was
        assert state(db, as_of=when) == was


def test_a_fork_of_the_past_beside_a_writer(db):
    db.kv_batch_put({f"k{n:04}": 0 for n in range(3000)})
    then = now(db)
    db.kv_batch_put({f"k{n:04}": 1 for n in range(3000)})
    with db.session() as writer:

        def write():
            for n in range(500):
                writer.kv_put(f"k{n:04}", 2)

        thread = threading.Thread(target=write)
        thread.start()
        reports = [db.branch_fork("default", f"f{n}", as_of=then) for n in range(4)]
        thread.join()
    for n, report in enumerate(reports):
        assert report["key_count"] == 3000
        db.branch_use(f"f{n}")
        assert {value for _, value in db.kv_scan()} == {0}


def test_the_thread_of_a_revert_does_not_matter(db):
    db.kv_put("k", 1)
    then = now(db)
    db.kv_put("k", 2)
    assert in_thread(db.branch_revert, "default", then)["keys_applied"] == 1
    assert db.kv_get("k") == 1
    assert stratadb.__version__
