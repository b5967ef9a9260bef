"""backup: a copy of the whole database beside others at work."""

import os
import signal
import threading
import time

import pytest
from stratadb import ConstraintError, CorruptionError, NotFoundError, StateError, Strata, ValidationError
from support import contents, in_thread, refused, run, start


def fill(db):
    """Something of every kind, on several branches and spaces, with history."""
    for n in range(3):
        db.kv_batch_put({f"k{i}": [n, i] for i in range(200)})
    db.kv_put("large", "x" * 100_000)
    db.kv_delete("k7")
    db.state_set("cell", 1)
    db.event_append("step", {"n": 1})
    db.json_set("doc", "$.a.b", [1, 2])
    db.space_use("other")
    db.kv_put("elsewhere", None)
    db.space_use("default")
    db.branch_fork("default", "fork")
    db.branch_create("empty")
    with db.session() as other:
        other.branch_use("fork")
        other.kv_put("k1", "forked")


def test_a_copy_has_all_branches_history_and_the_past(db, tmp_path):
    fill(db)
    then = db.info()["commit_timestamp"]
    db.kv_put("k1", "later")
    path = tmp_path / "copies" / "one"
    report = db.backup(path)
    assert set(report) == {"path", "bytes", "timestamp"}
    assert report["path"] == str(path)
    assert report["timestamp"] == db.info()["commit_timestamp"]
    assert type(report["bytes"]) is int
    assert report["bytes"] > 0
    seen = contents(db, history=True)
    db.kv_put("k1", "not in it")
    with Strata.open(path) as copy:
        assert contents(copy, history=True) == seen
        assert copy.kv_get("k1") == "later"
        assert copy.kv_get("k1", as_of=then) == [2, 1]
        assert copy.verify()["ok"]
        assert copy.event_verify()["valid"]
        copy.kv_put("k1", "of the copy")
        assert copy.kv_history("k1")[1]["value"] == "later"
    assert db.kv_get("k1") == "not in it"


def test_an_empty_database(db, tmp_path):
    db.backup(tmp_path / "copy")
    with Strata.open(tmp_path / "copy") as copy:
        assert copy.kv_list() == []
        assert copy.branch_list() == ["default"]


@pytest.mark.engine
def test_the_bytes_are_those_on_the_disk(tmp_path):
    with Strata.cache() as db:
        fill(db)
        report = db.backup(tmp_path / "copy")
    on_disk = sum(file.stat().st_size for file in (tmp_path / "copy").iterdir())
    assert report["bytes"] <= on_disk <= report["bytes"] + 100_000  # free pages between others are not written
    assert sorted(file.name for file in (tmp_path / "copy").iterdir())[-1] == "pages.strata"


def test_only_into_a_new_or_empty_folder(db, tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("mine")
    for path in ("file", "folder"):
        with refused(ConstraintError, "backup_exists") as caught:
            db.backup(tmp_path / path)
        assert path in caught.value.message
    assert (tmp_path / "file").read_text() == "mine"
    assert os.listdir(tmp_path / "folder") == ["file"]
    (tmp_path / "empty").mkdir()
    db.backup(str(tmp_path / "empty"))
    with refused(ConstraintError, "backup_exists"):
        db.backup(tmp_path / "empty")


@pytest.mark.parametrize("path", [None, 5, b"bytes", ["list"]])
def test_the_path_is_a_path(db, path):
    with pytest.raises(TypeError):
        db.backup(path)


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_the_path_can_be_one(db, path):
    with refused(ValidationError, "invalid_path_name"):
        db.backup(path)


def test_not_inside_a_transaction(db, tmp_path):
    with db.transaction():
        db.kv_put("k", 1)
        with refused(StateError, "in_transaction"):
            db.backup(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_an_open_transaction_of_another_handle_is_not_in_it(db, tmp_path):
    db.kv_put("k", "before")
    with db.session() as other:
        other.begin()
        other.kv_put("k", "uncommitted")
        db.backup(tmp_path / "copy")
        other.commit()
    with Strata.open(tmp_path / "copy") as copy:
        assert copy.kv_get("k") == "before"


def test_not_on_a_closed_handle(db, tmp_path):
    db.close()
    with refused(StateError, "closed"):
        db.backup(tmp_path / "copy")


@pytest.mark.engine
def test_of_a_database_that_is_only_read(tmp_path):
    with Strata.open(tmp_path / "db") as db:
        fill(db)
        seen = contents(db, history=True)
    with Strata.open(tmp_path / "db", read_only=True) as db:
        db.backup(tmp_path / "copy")
    with Strata.open(tmp_path / "copy") as copy:
        assert contents(copy, history=True) == seen


# ---- progress ----


def test_progress(db, tmp_path):
    fill(db)
    calls = []
    db.backup(tmp_path / "copy", progress=lambda done, total: calls.append((done, total)))
    assert calls
    assert calls[-1][0] == calls[-1][1]
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


def test_an_exception_in_progress_leaves_nothing(db, tmp_path):
    fill(db)

    def stop(done, total):
        raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        db.backup(tmp_path / "copy", progress=stop)
    assert not (tmp_path / "copy").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(KeyError, match="enough"):
        db.backup(tmp_path / "empty", progress=stop)
    assert os.listdir(tmp_path / "empty") == []
    db.backup(tmp_path / "empty")


@pytest.mark.engine
def test_what_a_callback_writes_is_not_in_it(db, tmp_path):
    fill(db)
    calls = []

    def write(done, total):
        calls.append(db.kv_put("inside", len(calls)))

    db.backup(tmp_path / "copy", progress=write)
    assert calls
    with Strata.open(tmp_path / "copy") as copy:
        assert not copy.kv_exists("inside")


@pytest.mark.engine
@pytest.mark.parametrize("thread", [False, True])
def test_the_database_is_closed_under_it(tmp_path, thread):
    db = Strata.open(tmp_path / "db")
    fill(db)
    again = []

    def close(done, total):
        in_thread(db.close) if thread else db.close()
        if not again:
            again.append(Strata.open(tmp_path / "db"))
            again[0].kv_put("again", 1)

    with refused(StateError, "closed"):
        db.backup(tmp_path / "copy", progress=close)
    assert not (tmp_path / "copy").exists()
    assert again[0].verify()["ok"]
    again[0].close()


# ---- others at work ----


@pytest.mark.engine
def test_each_copy_is_one_state_while_threads_write(db, tmp_path):
    stop = threading.Event()

    def write(name):
        with db.session() as own:
            n = 0
            while not stop.is_set():
                n += 1
                with own.transaction():
                    own.kv_put(f"{name}/a", n)
                    own.kv_put(f"{name}/b", n)
                    own.event_append(name, {"n": n})
                if n % 50 == 0:
                    own.branch_fork("default", f"{name}/{n}")

    writer = threading.Thread(target=write, args=("x",))
    writer.start()
    try:
        while db.kv_get("x/a", default=0) < 60:
            time.sleep(0)
        for n in range(5):
            before = db.kv_get("x/a")
            report = db.backup(tmp_path / f"copy{n}")
            with Strata.open(tmp_path / f"copy{n}") as copy:
                assert copy.info()["commit_timestamp"] == report["timestamp"]
                assert copy.kv_get("x/a") == copy.kv_get("x/b") == copy.event_len() >= before
                assert copy.event_verify()["valid"]
                assert copy.verify()["ok"]
    finally:
        stop.set()
        writer.join()


@pytest.mark.engine
def test_a_compaction_waits_for_it(db, tmp_path):
    fill(db)
    order = []
    compaction = []

    def call(done, total):
        if not compaction:
            started = threading.Event()

            def compact():
                with db.session() as own:
                    started.set()
                    own.compact()
                    order.append("compacted")

            compaction.append(threading.Thread(target=compact))
            compaction[0].start()
            assert started.wait(10)
        if done == total:
            order.append("copied")

    db.backup(tmp_path / "copy", progress=call)
    compaction[0].join()
    assert order == ["copied", "compacted"]


# ---- what goes wrong ----


@pytest.mark.engine
def test_a_backup_that_was_broken_off_is_no_database(tmp_path):
    script = """
import os, sys
from stratadb import Strata
with Strata.cache() as db:
    db.kv_batch_put({f"k{n}": "x" * 500 for n in range(20_000)})
    calls = []
    def die(done, total):
        calls.append(done)
        if len(calls) == 10:
            os.kill(os.getpid(), 9)
    db.backup(sys.argv[1], progress=die)
"""
    process = start(script, tmp_path / "copy")
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert len(os.listdir(tmp_path / "copy")) > 1
    for read_only in (False, True):
        with refused(CorruptionError, "not_a_database") as caught:
            Strata.open(tmp_path / "copy", read_only=read_only)
        assert "backup that was not finished" in caught.value.message
        assert "delete" in caught.value.hint
    with Strata.cache() as db, refused(ConstraintError, "backup_exists"):
        db.backup(tmp_path / "copy")


@pytest.mark.engine
def test_damage_is_not_copied(tmp_path):
    with Strata.open(tmp_path / "db") as db:
        db.kv_batch_put({f"k{n}": "x" * 100 for n in range(5000)})
    pages = tmp_path / "db" / "pages.strata"
    whole = bytearray(pages.read_bytes())
    place = whole.index(b"x" * 100)
    whole[place] ^= 1
    pages.write_bytes(whole)
    with Strata.open(tmp_path / "db") as db:
        with refused(CorruptionError, "corruption") as caught:
            db.backup(tmp_path / "copy")
        assert "pages.strata" in caught.value.message
        assert not (tmp_path / "copy").exists()


@pytest.mark.engine
def test_ctrl_c_leaves_nothing(tmp_path):
    script = """
import os, sys, signal, threading
from stratadb import Strata
db = Strata.open(sys.argv[1])
db.kv_batch_put({f"k{n}": "x" * 1000 for n in range(60_000)})
db.flush()
def press():
    while not os.path.exists(sys.argv[2]):
        pass
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=press).start()
try:
    db.backup(sys.argv[2])
except KeyboardInterrupt:
    print("interrupted", os.path.exists(sys.argv[2]), db.kv_count(), db.verify()["ok"])
db.kv_put("usable", 1)
db.close()
"""
    assert run(script, tmp_path / "db", tmp_path / "copy") == "interrupted False 60000 True\n"


@pytest.mark.engine
def test_a_missing_copy_is_not_found(tmp_path):
    with refused(NotFoundError, "database_not_found"):
        Strata.open(tmp_path / "copy", read_only=True)


@pytest.mark.engine
def test_no_room_for_the_copy(tmp_path):
    """Files may not grow beyond a limit: the database goes on."""
    script = """
import os, resource, signal, sys
from stratadb import IoError, Strata
db = Strata.cache()
db.kv_batch_put({f"k{n}": "x" * 500 for n in range(20_000)})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
try:
    db.backup(sys.argv[1])
except IoError as error:
    print(error.code, os.path.exists(sys.argv[1]))
db.kv_put("usable", 1)
print(db.kv_count())
"""
    assert run(script, tmp_path / "copy") == "disk_full False\n20001\n"
