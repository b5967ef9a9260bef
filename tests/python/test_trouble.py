"""What can go wrong around a database, one situation each: it ends clearly, nothing acknowledged is lost, and the
database can be used again once the cause is gone."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import pytest
from stratadb import AccessDeniedError, CorruptionError, IoError, NotFoundError, Strata
from support import refused, run

pytestmark = pytest.mark.engine

IS_ROOT = os.geteuid() == 0
NOBODY = 65534


# ---- a full disk ----

WRITE_UNTIL_FULL = """
import resource, sys
from stratadb import IoError, Strata
path, durability, limit = sys.argv[1], sys.argv[2], int(sys.argv[3])
db = Strata.open(path, durability=durability, cache_bytes=2**20)
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
n = 0
try:
    while True:
        db.kv_put(f"k{n}", [n, "x" * 3000])
        n += 1
except IoError as error:
    assert error.code == "disk_full" and error.hint, error
for _ in range(3):
    try:
        db.kv_put("another", 1)
        raise SystemExit("a write was taken after a failed one")
    except IoError as error:
        assert error.code == "disk_full" and "read-only" in error.message, error
assert db.kv_count() == n and db.kv_get(f"k{n - 1}")[0] == n - 1
try:
    db.close()
except IoError as error:
    assert error.code == "disk_full", error
print(n)
"""


def check_after_full(path, acknowledged):
    """Everything acknowledged is there, perhaps with the write that failed."""
    with Strata.open(path) as db:
        assert acknowledged <= db.kv_count() <= acknowledged + 1
        assert [db.kv_get(f"k{n}")[0] for n in range(acknowledged)] == list(range(acknowledged))
        assert db.verify()["ok"]
        db.kv_put("usable", 1)


@pytest.mark.parametrize("durability", ["buffered", "strict"])
def test_files_may_not_grow(tmp_path, durability):
    acknowledged = int(run(WRITE_UNTIL_FULL, tmp_path / "db", durability, 4 * 2**20))
    assert acknowledged > 100
    check_after_full(tmp_path / "db", acknowledged)


@contextlib.contextmanager
def mounted(folder, *options):
    """A file system of its own, where the tests may mount one."""
    folder.mkdir()
    command = ["mount", *options, str(folder)]
    if not IS_ROOT or shutil.which("mount") is None:
        pytest.skip("mounting needs root")
    if subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("this machine does not allow mounting")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("durability", ["buffered", "strict"])
def test_a_full_file_system(tmp_path, durability):
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=12m", "tmpfs") as disk:
        acknowledged = int(run(WRITE_UNTIL_FULL, disk / "db", durability, 0))
        assert acknowledged > 100
        subprocess.run(["mount", "-o", "remount,size=40m", str(disk)], check=True)
        check_after_full(disk / "db", acknowledged)


# ---- what may not be written or read ----


def as_nobody(script, *args):
    """Runs it as a user who owns nothing, whatever user runs the tests."""
    return run(f"import os\nfrom stratadb import *\nif os.geteuid() == 0: os.setuid({NOBODY})\n" + script, *args)


@pytest.fixture
def public_folder():
    """Unlike pytest's, one that others may look into."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="strata-test-"))
    folder.chmod(0o755)
    yield folder
    for file in [folder, *folder.rglob("*")]:
        file.chmod(0o755)
    shutil.rmtree(folder)


TELL = """
import sys
for read_only in (False, True):
    try:
        with Strata.open(sys.argv[1], read_only=read_only) as db:
            print(read_only, db.kv_get("k"))
    except StrataError as error:
        assert error.hint, error
        print(read_only, type(error).__name__, error.code, sys.argv[1] in error.message)
"""


def test_a_folder_that_may_not_be_made(public_folder):
    public_folder.chmod(0o555)
    told = as_nobody(TELL, public_folder / "db").splitlines()
    assert told == [
        "False AccessDeniedError permission_denied True",
        "True NotFoundError database_not_found True",
    ]


@pytest.mark.parametrize(
    ("folder_mode", "file_mode", "told"),
    [
        (0o555, 0o444, ["False AccessDeniedError permission_denied True", "True 1"]),
        (0o755, 0o000, ["False AccessDeniedError permission_denied True"] * 2),
        (0o000, 0o644, ["False AccessDeniedError permission_denied True"] * 2),
    ],
)
def test_wrong_permissions(public_folder, folder_mode, file_mode, told):
    path = public_folder / "db"
    with Strata.open(path) as db:
        db.kv_put("k", 1)
    for file in path.iterdir():
        file.chmod(file_mode)
    path.chmod(folder_mode)
    found = [line.replace("True Acc", "False Acc", 1) for line in as_nobody(TELL, path).splitlines()]
    assert found == told
    path.chmod(0o755)
    for file in path.iterdir():
        file.chmod(0o644)
    with Strata.open(path) as db:
        assert db.kv_get("k") == 1


def test_a_read_only_file_system(tmp_path):
    with mounted(tmp_path / "disk", "-t", "tmpfs", "tmpfs") as disk:
        with Strata.open(disk / "db") as db:
            db.kv_put("k", 1)
        del db  # which keeps its files open
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with refused(AccessDeniedError, "read_only") as caught:
            Strata.open(disk / "db")
        assert str(disk) in caught.value.message
        with Strata.open(disk / "db", read_only=True) as db:
            assert db.kv_get("k") == 1
            assert db.verify()["ok"]
            db.backup(tmp_path / "copy")
            with refused(AccessDeniedError, "read_only") as caught:
                db.branch_export("default", disk / "bundle")
            assert str(disk) in caught.value.message
            db.branch_export("default", tmp_path / "bundle")
        del db
        assert [path.name for path in disk.iterdir()] == ["db"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "copy", "disk"]


def test_a_bundle_that_the_file_system_has_no_room_for(tmp_path):
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=1m", "tmpfs") as disk, Strata.cache() as db:
        db.kv_put("k", 1)
        db.branch_export("default", disk / "bundle")
        before = (disk / "bundle").read_bytes()
        db.kv_put("random", os.urandom(2_000_000))
        with refused(IoError, "disk_full"):
            db.branch_export("default", disk / "bundle")
        assert [path.name for path in disk.iterdir()] == ["bundle"] and (disk / "bundle").read_bytes() == before
        assert db.kv_get("k") == 1 and db.kv_put("k", 2) == 2  # the database is not on that disk


# ---- the folder goes away ----


def write_until_refused(db):
    """How many writes were acknowledged before the database noticed."""
    n = 0
    end = time.monotonic() + 30
    with refused(IoError, "io_error") as caught:
        while time.monotonic() < end:
            db.kv_put(f"n{n}", n)
            n += 1
    assert "moved, deleted or replaced" in caught.value.message
    return n


@pytest.mark.parametrize("durability", ["buffered", "strict"])
@pytest.mark.parametrize("replaced", [False, True])
def test_the_folder_is_moved_while_it_is_open(tmp_path, durability, replaced):
    """The background work notices soon; nothing goes into a folder that took its place."""
    db = Strata.open(tmp_path / "db", durability=durability)
    db.kv_put("k", 1)
    os.rename(tmp_path / "db", tmp_path / "moved")
    if replaced:
        with Strata.open(tmp_path / "db") as other:
            other.kv_put("other", 1)
        names = sorted(os.listdir(tmp_path / "db"))
    acknowledged = 0
    if durability == "buffered":
        acknowledged = write_until_refused(db)
        assert db.kv_get("k") == 1
    else:
        db.kv_put("n0", 0)
        acknowledged = 1
    with contextlib.suppress(IoError):
        db.close()
    if replaced:
        assert sorted(os.listdir(tmp_path / "db")) == names
        with Strata.open(tmp_path / "db") as other:
            assert other.kv_list() == ["other"]
            assert other.verify()["ok"]
    with Strata.open(tmp_path / "moved") as db:
        assert db.kv_get("k") == 1
        assert [db.kv_get(f"n{n}") for n in range(acknowledged)] == list(range(acknowledged))
        assert db.verify()["ok"]


def test_the_folder_is_deleted_while_it_is_open(tmp_path):
    db = Strata.open(tmp_path / "db")
    db.kv_put("k", 1)
    shutil.rmtree(tmp_path / "db")
    write_until_refused(db)
    assert db.kv_get("k") == 1
    with refused(IoError, "io_error"):
        db.close()
    assert not (tmp_path / "db").exists()
    with refused(NotFoundError, "database_not_found"):
        Strata.open(tmp_path / "db", read_only=True)
    with Strata.open(tmp_path / "db") as db:
        assert db.kv_list() == []


def test_the_process_goes_to_another_folder(tmp_path, monkeypatch):
    """A path is looked up once, when the database is opened."""
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    db = Strata.open("db")
    monkeypatch.chdir(tmp_path / "there")
    for n in range(40):
        db.kv_put(f"k{n}", "x" * 100_000)
        db.flush()
    db.compact()
    assert db.info()["path"] == "db"
    assert "db" in repr(db)
    db.close()
    assert os.listdir(tmp_path / "there") == []
    with Strata.open("../here/db") as db:
        assert db.kv_count() == 40
        assert db.verify()["ok"]


def test_a_part_of_the_folder_is_missing(tmp_path):
    with Strata.open(tmp_path / "db") as db:
        db.kv_put("k", 1)
    for name in sorted(os.listdir(tmp_path / "db")):
        if name == "LOCK":
            continue
        os.rename(tmp_path / "db" / name, tmp_path / name)
        for read_only in (False, True):
            with pytest.raises((CorruptionError, NotFoundError)) as caught:
                Strata.open(tmp_path / "db", read_only=read_only)
            assert caught.value.hint
        os.rename(tmp_path / name, tmp_path / "db" / name)
    with Strata.open(tmp_path / "db") as db:
        assert db.kv_get("k") == 1


# ---- too little of something ----


def test_low_memory(tmp_path):
    """Whatever asks for more than there is gets a MemoryError or a typed error; the process lives, nothing is lost."""
    script = """
import resource, sys
from stratadb import Strata, StrataError
def limit(more):
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + more if more else resource.RLIM_INFINITY, resource.RLIM_INFINITY))
db = Strata.open(sys.argv[1], cache_bytes=int(sys.argv[2]))
db.kv_put("k", "x")
kept, errors = {"k"}, set()
for megabytes in (200, 90, 60, 40, 25, 15, 8, 4, 2):
    limit(megabytes * 2**20)
    for size in (100, 3000, 10**6, 2 * 10**7):
        for n in range(3000 if size < 10**6 else 8):
            key = f"{megabytes}/{size}/{n}"
            try:
                db.kv_put(key, "x" * size)
                kept.add(key)
            except (MemoryError, StrataError) as error:
                errors.add(getattr(error, "code", "MemoryError"))
                if getattr(error, "code", "") not in ("", "closed"):
                    break
    for call in (db.kv_scan, db.kv_list, db.compact, db.verify, db.flush):
        try:
            call()
        except (MemoryError, StrataError) as error:
            errors.add(getattr(error, "code", "MemoryError"))
    limit(0)
assert errors, "the limits were never met"
seen = set(db.kv_list())
assert kept <= seen, sorted(kept - seen)[:5]
try:
    db.close()
except StrataError as error:
    errors.add(error.code)
with Strata.open(sys.argv[1]) as db:
    seen = set(db.kv_list())
    assert kept <= seen, sorted(kept - seen)[:5]
    assert db.verify()["ok"]
print("lives", sorted(errors))
"""
    for cache in (2**20, 2**28):
        assert run(script, tmp_path / str(cache), cache, timeout=120).startswith("lives")


def test_too_many_open_files(tmp_path):
    script = """
import os, resource, sys
from stratadb import IoError, Strata
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (60, most))
handles, acknowledged = [], 0
try:
    while True:
        handles.append(Strata.open(os.path.join(sys.argv[1], str(len(handles)))))
        handles[-1].kv_put("k", len(handles))
        acknowledged += 1
except IoError as error:
    assert error.code == "io_error" and "ulimit -n" in error.hint, error
assert len(handles) > 5, len(handles)
for n, db in enumerate(handles[:5]):
    assert db.kv_get("k") == n + 1
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
for db in handles:
    try:
        db.close()
    except IoError as error:  # background work met the limit too
        assert error.code == "io_error" and error.hint, error
with Strata.open(os.path.join(sys.argv[1], "new")) as db:
    db.kv_put("k", 1)
for n in range(acknowledged):
    with Strata.open(os.path.join(sys.argv[1], str(n))) as db:
        assert db.kv_get("k") == n + 1 and db.verify()["ok"]
print("usable")
"""
    assert run(script, tmp_path) == "usable\n"


def test_a_database_that_meets_the_limit_later(tmp_path):
    """A new segment needs a file: the commit that needs it is refused, and what was there stays."""
    script = """
import os, resource, sys
from stratadb import IoError, Strata
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
db = Strata.open(sys.argv[1])
used = len(os.listdir("/proc/self/fd"))
resource.setrlimit(resource.RLIMIT_NOFILE, (used, most))
n = 0
try:
    for n in range(40_000):
        db.kv_put(f"k{n}", "x" * 2000)
    raise SystemExit("the limit was never met")
except IoError as error:
    assert error.code == "io_error" and error.hint, error
    assert db.kv_get("k1") == "x" * 2000
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
try:
    db.close()
except IoError as error:
    assert error.hint
with Strata.open(sys.argv[1]) as db:
    assert db.kv_count() >= n and db.verify()["ok"]
print("usable")
"""
    assert run(script, tmp_path / "db") == "usable\n"


# ---- Ctrl-C ----

INTERRUPT = """
import os, signal, sys, threading, time
from stratadb import Strata
path = sys.argv[1]
def interrupted(call):
    '''Presses Ctrl-C while `call` runs; it is answered when the call has ended, or ends it.'''
    pressed = threading.Event()
    def press():
        os.kill(os.getpid(), signal.SIGINT)
        pressed.set()
    timer = threading.Thread(target=press)
    try:
        timer.start()
        call()
        pressed.wait()
        for _ in range(1000):
            time.sleep(0)
    except KeyboardInterrupt:
        timer.join()
        return True
    return False
"""


def test_ctrl_c_while_it_opens(tmp_path):
    """A killed process left a long log to be replayed."""
    writer = """
import os, sys
from stratadb import Strata
db = Strata.open(sys.argv[1])
for n in range(60):
    db.kv_batch_put({f"k{i}": [n, i] for i in range(2000)})
os.write(1, b"done")
os.kill(os.getpid(), 9)
"""
    with pytest.raises(AssertionError, match="exit code -9\ndone"):
        run(writer, tmp_path / "db")
    script = (
        INTERRUPT
        + """
assert interrupted(lambda: Strata.open(path))
with Strata.open(path) as db:
    assert db.kv_count() == 2000 and db.kv_get("k7") == [59, 7] and db.verify()["ok"]
print("usable")
"""
    )
    assert run(script, tmp_path / "db") == "usable\n"


@pytest.mark.parametrize(
    "call",
    [
        "db.flush()",
        "db.close()",
        "db.kv_scan()",
        "db.kv_list()",
        "db.compact()",
        "db.verify()",
        "db.kv_batch_put({f'k{n}': n for n in range(1000)})",
        "db.kv_batch_get([f'k{n}' for n in range(100_000)])",
        "db.kv_batch_delete([f'missing{n}' for n in range(100_000)])",
    ],
)
def test_ctrl_c_in_a_call(tmp_path, call):
    script = (
        INTERRUPT
        + f"""
db = Strata.open(path)
db.kv_batch_put({{f"k{{n}}": n for n in range(100_000)}})
assert interrupted(lambda: {call})
with Strata.open(path) as db:
    assert db.kv_count() == 100_000 and db.kv_get("k77") == 77
    db.kv_put("usable", 1)
    assert db.verify()["ok"]
with Strata.open(path) as db:
    assert db.kv_get("usable") == 1
print("usable")
"""
    )
    assert run(script, tmp_path / "db") == "usable\n"
