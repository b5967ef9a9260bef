"""Bundles: what goes out comes in again, and nothing else does."""

import datetime
import os
import signal
import threading

import pytest
from bundling import fill, now, whole
from stratadb import (
    AccessDeniedError,
    ConstraintError,
    IoError,
    NotFoundError,
    StateError,
    Strata,
    ValidationError,
)
from support import in_thread, refused, run, scaled

DAY = 86_400_000_000


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
def test_a_read_only_handle_exports_and_does_not_import(tmp_path, file):
    with Strata.open(tmp_path / "db") as db:
        db.kv_put("k", 1)
    with Strata.open(tmp_path / "db", read_only=True) as db:
        assert db.branch_export("default", file)["entry_count"] == 1
        assert db.branch_validate_bundle(file)["checksums_valid"]
        with refused(AccessDeniedError, "read_only"):
            db.branch_import(file, name="copy")


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
