"""Bundles: what goes out comes in again, and nothing else does."""

import datetime
import hashlib
import os
import signal
import struct
import threading

import pytest
from stratadb import (
    AccessDeniedError,
    ConstraintError,
    CorruptionError,
    IoError,
    NotFoundError,
    StateError,
    Strata,
    ValidationError,
)
from support import contents, in_thread, refused, run, scaled

DAY = 86_400_000_000


@pytest.fixture
def file(tmp_path):
    return tmp_path / "branch.bundle"


@pytest.fixture
def other(tmp_path):
    """A second database."""
    with Strata.open(tmp_path / "other") as handle:
        yield handle


def now(db):
    return db.time_range()["latest_ts"]


def fill(db, rng, rounds):
    """Random commits of all kinds, two spaces, space deletions; returns the timestamps."""
    times = []
    with db.session() as s:
        for n in range(rounds):
            s.space_use(rng.choice(["default", "s1", "s2"]))
            kind = rng.random()
            with s.transaction(message=rng.choice([None, "", f"step {n}"])):
                if kind < 0.35:
                    s.kv_put(f"k{rng.randrange(12)}", rng.choice([n, None, float("nan"), "x" * 3000, {"b": [n]}]))
                elif kind < 0.5:
                    s.kv_delete(f"k{rng.randrange(12)}")
                elif kind < 0.6:
                    s.state_set("cell", n)
                elif kind < 0.7:
                    s.json_set("doc", "$", {"n": n, "text": "y" * rng.randrange(5000)})
                elif kind < 0.75:
                    s.json_delete("doc", "$")
                elif kind < 0.95:
                    s.event_append(rng.choice(["a", "b"]), {"n": n})
                else:
                    s.kv_batch_put({f"b{i}": n for i in range(20)})
            if rng.random() < 0.04:
                space = rng.choice(["s1", "s2"])
                s.space_use("default")
                if s.space_exists(space):
                    s.space_delete(space, force=True)
            times.append(now(s))
    return times


def whole(db, branch, times=()):
    """All that can be read of a branch, now and at each of `times`."""
    seen = {}
    with db.session() as s:
        s.branch_use(branch)
        for moment in [None, *times]:
            then = {} if moment is None else {"as_of": moment}
            for space in s.space_list(**then):
                s.space_use(space)
                seen[moment, space] = repr(
                    (
                        s.kv_scan(**then),
                        [(key, s.kv_get_versioned(key, **then)) for key in s.kv_list(**then)],
                        [(key, s.kv_history(key, **then)) for key in [f"k{n}" for n in range(12)]],
                        s.kv_count(**then),
                        [(cell, s.state_history(cell, **then)) for cell in s.state_list(**then)],
                        [(key, s.json_get(key, **then), s.json_history(key, **then)) for key in s.json_list(**then)],
                        s.event_list(None, **then),
                        s.event_list("a", **then),
                        s.event_list(None, since=times[min(len(times), 30) // 2], **then) if times else [],
                        s.event_types(**then),
                        s.event_verify(**then),
                    )
                )
        seen["log"] = s.branch_log(branch)
    return seen


# ---- there and back ----


def test_a_branch_comes_back_as_it_was(db, file, other, rng):
    times = fill(db, rng, scaled(150))
    report = db.branch_export("default", file)
    assert report["branch"] == "default" and report["path"] == str(file)
    assert report["branch_id"] == db.branch_get("default")["id"]
    assert report["bundle_size"] == file.stat().st_size
    assert db.branch_validate_bundle(file) == {
        "checksums_valid": True,
        "branch": "default",
        "entry_count": report["entry_count"],
        "problem": None,
    }
    before = whole(db, "default", times)
    keys = db.branch_get("default")["key_count"]
    came = other.branch_import(file, name="copy")
    assert came == {"branch": "copy", "entry_count": report["entry_count"], "keys_written": keys}
    assert whole(other, "copy", times) == before
    about = other.branch_get("copy")
    assert about["key_count"] == keys and about["version"] == 0
    assert about["parent"] is None and about["fork_timestamp"] is None
    assert about["id"] not in (db.branch_get("default")["id"], other.branch_get("default")["id"])
    with other.session() as s:
        s.branch_use("copy")
        assert s.time_range()["oldest_ts"] == db.time_range()["oldest_ts"]
        assert now(s) > times[-1]
    # And once more, from there.
    other.branch_export("copy", file)
    assert db.branch_import(file, name="back")["entry_count"] == report["entry_count"]
    assert whole(db, "back", times) == before


@pytest.mark.engine
def test_it_is_the_same_after_reopening_forking_and_compacting(tmp_path, file, rng):
    with Strata.cache() as source:
        times = fill(source, rng, scaled(120))
        source.branch_export("default", file)
        before = whole(source, "default", times)
    folder = tmp_path / "db"
    with Strata.open(folder) as db:
        db.branch_import(file, name="copy")
        assert whole(db, "copy", times) == before
    with Strata.open(folder) as db:
        assert whole(db, "copy", times) == before
        db.branch_fork("copy", "fork")
        assert whole(db, "fork", times) == before
        db.branch_delete("copy")
        db.compact()
        assert whole(db, "fork", times) == before
        then = times[len(times) // 2]
        db.branch_fork("fork", "past", as_of=then)
        assert whole(db, "past", [then])[then, "default"] == whole(db, "fork", [then])[then, "default"]
        db.branch_use("fork")
        more = fill(db, rng, 40)
        now_there = whole(db, "fork", times + more)
        assert {key: value for key, value in now_there.items() if key != "log" and key[0] in times} == {
            key: value for key, value in before.items() if key != "log" and key[0] in times
        }
        assert now_there["log"][-len(before["log"]) :] == before["log"]
    with Strata.open(folder, read_only=True) as db:
        assert whole(db, "fork", times + more) == now_there
        assert db.verify()["ok"]


def test_versions_and_events_go_on(db, file, other):
    db.kv_put("k", 1)
    db.kv_put("k", 2)
    db.kv_delete("k")
    db.event_append("a", {"n": 1})
    db.branch_export("default", file)
    other.branch_import(file, name="copy")
    other.branch_use("copy")
    assert other.kv_put("k", 4) == 4
    assert [entry["version"] for entry in other.kv_history("k")] == [4, 3, 2, 1]
    assert other.event_append("b", {}) == 1
    assert other.event_verify() == {"valid": True, "length": 2, "first_bad": None}
    assert [event["event_type"] for event in other.event_list(None)] == ["a", "b"]
    assert other.branch_get("copy")["version"] == 2


def test_a_bundle_of_an_empty_branch(db, file, other):
    assert db.branch_export("default", file)["entry_count"] == 0
    assert other.branch_import(file, name="copy") == {"branch": "copy", "entry_count": 0, "keys_written": 0}
    other.branch_use("copy")
    assert other.kv_list() == [] and other.branch_log("copy") == []


def test_the_name_in_the_bundle_is_the_default(db, file, other):
    db.branch_create("agent/1")
    db.branch_export("agent/1", file)
    assert other.branch_import(file)["branch"] == "agent/1"
    assert other.branch_exists("agent/1")


def test_what_retention_forgot_is_not_in_it(db, file, other):
    for n in range(10):
        db.kv_put("k", n)
        db.kv_put("gone", n)
    db.kv_delete("gone")
    cut = now(db)
    db.kv_put("k", 10)
    db.compact(keep_history=datetime.timedelta(microseconds=now(db) - cut))
    history = db.kv_history("k")
    assert db.branch_export("default", file)["entry_count"] == len(history) == 2
    other.branch_import(file, name="copy")
    other.branch_use("copy")
    assert other.kv_history("k") == history and other.kv_history("gone") is None
    with refused(ConstraintError, "history_trimmed"):
        other.kv_get("k", as_of=cut - 1)
    assert other.kv_get("k", as_of=cut) == 9
    assert other.time_range()["oldest_ts"] == cut


def test_a_fork_is_exported_with_its_history(db, file, other, rng):
    times = fill(db, rng, 40)
    db.branch_fork("default", "fork", as_of=times[20])
    db.branch_use("fork")
    times = times[:21] + fill(db, rng, 20)
    before = whole(db, "fork", times)
    db.branch_use("default")
    db.branch_export("fork", file)
    other.branch_import(file)
    assert whole(other, "fork", times) == before


def test_events_keep_their_hashes_and_times(db, file, other):
    for n in range(5):
        db.event_append("step", {"n": n})
    before = db.event_list(None)
    db.branch_export("default", file)
    other.branch_import(file, name="copy")
    other.branch_use("copy")
    assert other.event_list(None) == before
    assert other.event_list(None, since=before[2]["timestamp"], until=before[3]["timestamp"]) == before[2:4]


# ---- deltas ----


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


# ---- bad input ----


def test_bad_arguments(db, file, tmp_path):
    db.kv_put("k", 1)
    with refused(NotFoundError, "branch_not_found"):
        db.branch_export("missing", file)
    for wrong in (1, None, b"bytes"):
        with pytest.raises(TypeError):
            db.branch_export("default", wrong)
        with pytest.raises(TypeError):
            db.branch_import(wrong)
        with pytest.raises(TypeError):
            db.branch_validate_bundle(wrong)
    for wrong in ("", "a\0b"):
        with refused(ValidationError, "invalid_path_name"):
            db.branch_export("default", wrong)
        with refused(ValidationError, "invalid_path_name"):
            db.branch_import(wrong)
        with refused(ValidationError, "invalid_path_name"):
            db.branch_validate_bundle(wrong)
    for wrong in (1.5, "now", True):
        with pytest.raises(TypeError):
            db.branch_export("default", file, since=wrong)
    with refused(ValidationError, "out_of_range"):
        db.branch_export("default", file, since=5)
    for wrong in (3, "x", object()):
        with pytest.raises(TypeError):
            db.branch_export("default", file, progress=wrong)
    assert not file.exists()
    db.branch_export("default", file)
    for wrong in ("", ".x", "a b", "x" * 129, "../x", "a\\b"):
        with refused(ValidationError, "invalid_branch_name"):
            db.branch_import(file, name=wrong)
    with pytest.raises(TypeError):
        db.branch_import(file, name=1)
    with refused(ConstraintError, "branch_exists"):
        db.branch_import(file)
    assert sorted(os.listdir(tmp_path)) in (["branch.bundle"], ["branch.bundle", "db"])
    assert db.branch_list() == ["default"]


def test_not_inside_a_transaction(db, file):
    db.branch_export("default", file)
    with db.transaction():
        with refused(StateError, "in_transaction"):
            db.branch_export("default", file)
        with refused(StateError, "in_transaction"):
            db.branch_import(file, name="copy")
        with refused(StateError, "in_transaction"):
            db.branch_validate_bundle(file)
        with refused(StateError, "transaction_other_thread"):
            in_thread(db.branch_export, "default", file)
    db.close()
    with refused(StateError, "closed"):
        db.branch_export("default", file)


@pytest.mark.engine
def test_paths_that_cannot_be_written(db, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    for path in (folder, tmp_path / "missing" / "file", tmp_path / ("x" * 300)):
        with pytest.raises((IoError, ValidationError)):
            db.branch_export("default", path)
        assert list(folder.iterdir()) == []
    with refused(IoError, "io_error"):
        db.branch_import(folder)
    with refused(IoError, "io_error"):
        db.branch_validate_bundle(folder)
    for path in (tmp_path / "nothing", tmp_path / "missing" / "file"):
        with refused(NotFoundError, "bundle_not_found"):
            db.branch_import(path)
        with refused(NotFoundError, "bundle_not_found"):
            db.branch_validate_bundle(path)
    assert {path.name for path in tmp_path.iterdir()} <= {"folder", "db"}


@pytest.mark.engine
@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folders_that_may_not_be_written(db, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o500)
    with refused(AccessDeniedError, "permission_denied"):
        db.branch_export("default", folder / "file")


@pytest.mark.engine
def test_a_disk_that_takes_no_more(tmp_path, file):
    """As with a full disk, a write fails in the middle: what was there stays, and nothing is added."""
    script = """
import os, resource, signal, sys
from stratadb import IoError, Strata
db = Strata.cache()
db.kv_put("k", 1)
db.branch_export("default", sys.argv[1])
data = open(sys.argv[1], "rb").read()
for n in range(100):
    db.kv_put(f"k{n}", os.urandom(20_000))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    db.branch_export("default", sys.argv[1])
except IoError as error:
    print(error.code)
else:
    raise SystemExit("it was written")
assert open(sys.argv[1], "rb").read() == data
"""
    assert run(script, file).strip() in ("io_error", "disk_full")
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


@pytest.mark.engine
@pytest.mark.parametrize("delta", [False, True])
def test_a_disk_that_takes_no_import(tmp_path, file, delta):
    """The write that fails is one to the database's own log: it takes no more, and has nothing of the bundle."""
    with Strata.cache() as source:
        source.kv_put("k", 1)
        sent = now(source)
        if delta:
            source.branch_export("default", file)
            with Strata.open(tmp_path / "db") as db:
                db.branch_import(file, name="copy")
        for n in range(200):
            source.kv_put(f"k{n}", os.urandom(20_000))
        source.branch_export("default", file, since=sent if delta else None)
    script = """
import resource, signal, sys
from stratadb import IoError, Strata
db = Strata.open(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
before = db.branch_list()
try:
    db.branch_import(sys.argv[2], name="copy")
except IoError as error:
    print(error.code)
else:
    raise SystemExit("it was imported")
assert db.branch_list() == before
db.branch_use(before[0])
try:
    db.kv_put("k", 2)
except IoError as error:
    print(error.code)
"""
    assert run(script, tmp_path / "db", file).split() == ["disk_full", "disk_full"]
    with Strata.open(tmp_path / "db") as db:
        assert db.branch_list() == (["copy", "default"] if delta else ["default"])
        if delta:
            db.branch_use("copy")
            assert db.kv_list() == ["k"]
        assert db.verify()["ok"]
        assert db.branch_import(file, name="copy")["entry_count"] == (200 if delta else 201)


@pytest.mark.engine
def test_what_is_no_regular_file(db, tmp_path):
    """A pipe would make a reader wait for ever, and a device is not to be replaced by a file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, "/dev/null", "/dev/zero"):
        with refused(ValidationError, "invalid_path_name"):
            db.branch_import(path)
        with refused(ValidationError, "invalid_path_name"):
            db.branch_validate_bundle(path)
    with refused(ValidationError, "invalid_path_name"):
        db.branch_export("default", pipe)
    assert pipe.is_fifo() and {path.name for path in tmp_path.iterdir()} <= {"pipe", "db"}


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


@pytest.mark.engine
def test_a_read_only_handle_exports_and_does_not_import(tmp_path, file):
    with Strata.open(tmp_path / "db") as db:
        db.kv_put("k", 1)
    with Strata.open(tmp_path / "db", read_only=True) as db:
        assert db.branch_export("default", file)["entry_count"] == 1
        assert db.branch_validate_bundle(file)["checksums_valid"]
        with refused(AccessDeniedError, "read_only"):
            db.branch_import(file, name="copy")


def is_refused(db, path):
    before = contents(db, history=True)
    verdict = db.branch_validate_bundle(path)
    assert verdict["checksums_valid"] is False and verdict["branch"] is None and verdict["entry_count"] == 0
    assert type(verdict["problem"]) is str and verdict["problem"]
    with refused(CorruptionError, "bundle_damaged"):
        db.branch_import(path, name="bad")
    assert contents(db, history=True) == before
    assert not db.branch_exists("bad")


@pytest.mark.engine
def test_files_that_are_no_bundles(db, file):
    db.kv_put("k", 1)
    for data in (b"", b"x", b"STRATABN", b"\0" * 5000, b"STRATA-BUNDLE-1\n" + b"\0" * 100, os.urandom(3000)):
        file.write_bytes(data)
        is_refused(db, file)


@pytest.mark.engine
def test_a_truncated_bundle(db, file, rng):
    fill(db, rng, 30)
    db.branch_export("default", file)
    data = file.read_bytes()
    for length in {0, 1, 15, 16, 17, len(data) // 2, len(data) - 73, len(data) - 72, len(data) - 1}:
        file.write_bytes(data[:length])
        is_refused(db, file)
    file.write_bytes(data + b"x")
    is_refused(db, file)


@pytest.mark.engine
def test_a_changed_byte_anywhere(db, file, rng):
    fill(db, rng, 10)
    db.branch_export("default", file)
    data = file.read_bytes()
    for at in sorted(rng.sample(range(len(data)), min(len(data), scaled(120)))):
        changed = bytearray(data)
        changed[at] ^= 1 << rng.randrange(8)
        file.write_bytes(changed)
        verdict = db.branch_validate_bundle(file)
        assert not verdict["checksums_valid"], at
    is_refused(db, file)


@pytest.mark.engine
def test_a_bundle_of_a_newer_version(db, file):
    db.branch_export("default", file)
    data = bytearray(file.read_bytes())
    data[8] = 2
    file.write_bytes(data)
    with refused(StateError, "format_too_new"):
        db.branch_import(file, name="new")
    assert "newer" in db.branch_validate_bundle(file)["problem"]


def signed(data):
    """The same with the hash over the whole put right."""
    end = len(data) - 40
    return data[:end] + hashlib.sha256(data[:end]).digest() + data[end + 32 :]


@pytest.mark.engine
def test_hostile_totals_and_lengths(db, file):
    db.kv_put("k", "x" * 1000)
    db.branch_export("default", file)
    data = file.read_bytes()
    trailer = len(data) - 72
    for field in range(4):
        for value in (0, 1, 5, 2**31, 2**63, 2**64 - 1):
            if struct.unpack_from("<Q", data, trailer + 8 * field)[0] == value:
                continue
            changed = bytearray(data)
            struct.pack_into("<Q", changed, trailer + 8 * field, value)
            file.write_bytes(signed(bytes(changed)))
            is_refused(db, file)
    for at in (20, 24, 28):  # kind and lengths of the first block
        for value in (0, 7, 2**31, 2**32 - 1):
            changed = bytearray(data)
            struct.pack_into("<I", changed, at, value)
            file.write_bytes(signed(bytes(changed)))
            is_refused(db, file)


@pytest.mark.engine
def test_a_bundle_of_another_process(file):
    script = """
import sys
from stratadb import Strata
db = Strata.cache()
db.kv_put("k", 1)
db.branch_export("default", sys.argv[1])
"""
    run(script, file)
    with Strata.cache() as db:
        assert db.branch_import(file, name="now")["keys_written"] == 1


# ---- while it runs ----


def test_progress(db, file, other, rng):
    db.kv_batch_put({f"k{n}": n for n in range(3000)})
    for call in (
        lambda progress: db.branch_export("default", file, progress=progress),
        lambda progress: other.branch_import(file, name="copy", progress=progress),
    ):
        seen = []
        call(lambda done, total, seen=seen: seen.append((done, total)))
        assert seen and seen == sorted(seen) and seen[-1][0] == seen[-1][1]
        assert all(done < total for done, total in seen[:-1])
    for nothing in (None, False, True):
        db.branch_export("default", file, progress=nothing)


def test_an_exception_in_progress_leaves_nothing(db, file, other):
    db.kv_batch_put({f"k{n}": n for n in range(2000)})
    db.branch_export("default", file)
    data = file.read_bytes()
    calls = []
    other.branch_import(file, name="counted", progress=lambda *at: calls.append(at))
    files = sorted(os.listdir(file.parent))
    for stop in sorted({0, 1, len(calls) // 2, len(calls) - 1}):
        left = [stop]

        def fail(done, total, left=left):
            left[0] -= 1
            if left[0] < 0:
                raise KeyError("stop")

        with pytest.raises(KeyError):
            other.branch_import(file, name="copy", progress=fail)
        assert not other.branch_exists("copy")
        left[0] = min(stop, 1)
        with pytest.raises(KeyError):
            db.branch_export("default", file, progress=fail)
        assert file.read_bytes() == data and sorted(os.listdir(file.parent)) == files
    assert other.branch_import(file, name="copy")["keys_written"] == 2000


def test_the_callback_may_use_the_handle(db, file, other):
    db.kv_batch_put({f"k{n}": n for n in range(2000)})
    db.branch_export("default", file, progress=lambda *at: db.kv_put("meanwhile", at))
    assert other.branch_import(file, name="copy", progress=lambda *at: other.kv_put("n", at))["keys_written"] == 2000
    with refused(ConstraintError, "branch_exists"):
        other.branch_import(
            file, name="twice", progress=lambda *at: other.branch_exists("twice") or other.branch_create("twice")
        )
    other.branch_use("twice")
    assert other.kv_list() == []


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


def test_an_export_beside_a_writer_is_one_moment(db, file, other):
    stop = threading.Event()
    with db.session() as writer:

        def write():
            n = 0
            while not stop.is_set():
                writer.kv_batch_put({f"k{i}": n for i in range(50)})
                n += 1

        db.kv_batch_put({f"k{i}": -1 for i in range(50)})
        thread = threading.Thread(target=write)
        thread.start()
        try:
            for n in range(5):
                db.branch_export("default", file)
                other.branch_import(file, name=f"copy{n}")
        finally:
            stop.set()
            thread.join()
    for n in range(5):
        other.branch_use(f"copy{n}")
        assert len({value for _, value in other.kv_scan()}) == 1
        assert len({len(other.kv_history(f"k{i}")) for i in range(50)}) == 1


@pytest.mark.engine
def test_ctrl_c_in_an_import_and_an_export(tmp_path):
    script = """
import os, signal, sys, threading
from stratadb import Strata
db = Strata.open(sys.argv[1] + "/db")
for n in range(30):
    db.kv_batch_put({f"k{i}": [n] * 20 for i in range(2000)})
db.branch_export("default", sys.argv[1] + "/bundle")
data = open(sys.argv[1] + "/bundle", "rb").read()
for call in (lambda: db.branch_export("default", sys.argv[1] + "/bundle"),
             lambda: db.branch_import(sys.argv[1] + "/bundle", name="copy")):
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        call()
        print("ended before")
        try:
            while True:
                signal.pause()
        except KeyboardInterrupt:
            pass
        if db.branch_exists("copy"):
            db.branch_delete("copy")
    except KeyboardInterrupt:
        print("interrupted")
    assert open(sys.argv[1] + "/bundle", "rb").read() == data
assert sorted(os.listdir(sys.argv[1])) == ["bundle", "db"]
assert db.branch_list() == ["default"]
assert db.branch_import(sys.argv[1] + "/bundle", name="copy")["keys_written"] == 2000
"""
    assert run(script, tmp_path)


@pytest.mark.engine
def test_a_kill_in_the_middle_of_an_import(tmp_path, file, rng):
    """However far it came: the branch is there whole or not at all, and what is left over is given back."""
    with Strata.cache() as source:
        for n in range(8):
            source.kv_batch_put({f"k{i}": [n] * 30 for i in range(2000)})
        times = [entry["timestamp"] for entry in source.branch_log("default")]
        source.branch_export("default", file)
        before = whole(source, "default", times[:3])
    script = """
import os, signal, sys
from stratadb import Strata
db = Strata.open(sys.argv[1])
db.kv_put("own", 1)
calls = 0
def progress(done, total):
    global calls
    calls += 1
    if calls == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
db.branch_import(sys.argv[2], name="copy", progress=progress)
print(calls)
db.branch_delete("copy")
"""
    folder = tmp_path / "db"
    calls = int(run(script, folder, file, 10**9))
    killed = 0
    for stop in sorted({*rng.sample(range(1, calls + 1), min(calls, scaled(5))), calls}):
        with pytest.raises(AssertionError, match=f"exit code -{signal.SIGKILL.value}"):
            run(script, folder, file, stop)
        killed += 1
        with Strata.open(folder) as db:
            assert db.branch_list() == ["default"]
            assert db.kv_list() == ["own"] and db.verify()["ok"]
    with Strata.open(folder) as db:
        db.branch_import(file, name="copy")
        assert whole(db, "copy", times[:3]) == before
        db.branch_delete("copy")
        db.compact()
        assert db.verify()["ok"]
    assert killed
