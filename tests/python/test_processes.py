"""Several processes: locks, os.fork, multiprocessing, the end of the interpreter, Ctrl-C."""

import multiprocessing
import os
import signal
import subprocess

import pytest
from stratadb import StateError, Strata
from support import refused, run, scaled, start

pytestmark = pytest.mark.engine

HOLDER = """
import os, sys
from stratadb import Strata
db = Strata.open(sys.argv[1], read_only=len(sys.argv) > 2)
os.write(1, b"ready")
sys.stdin.read()
db.close()
"""


def hold(path, *mode):
    """A process that has the database open until its stdin is closed."""
    holder = start(HOLDER, path, *mode, stdin=subprocess.PIPE)
    assert holder.stdout.read(5) == b"ready"
    return holder


def release(holder):
    holder.stdin.close()
    assert holder.wait() == 0
    holder.stdout.close()


# ---- locks ----


def test_a_second_process_is_refused_and_told_who_has_it(tmp_path):
    path = tmp_path / "db"
    holder = hold(path)
    for read_only in (False, True):
        with refused(StateError, "database_locked") as caught:
            Strata.open(path, read_only=read_only)
        assert str(holder.pid) in caught.value.message
    release(holder)
    with Strata.open(path) as db:
        db.kv_put("k", 1)


def test_this_process_is_the_one_that_has_it(tmp_path):
    with Strata.open(tmp_path / "db"):
        script = "import sys; from stratadb import Strata; Strata.open(sys.argv[1])"
        process = start(script, tmp_path / "db", stderr=subprocess.PIPE)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 1
        assert b"database_locked" in errors
        assert str(os.getpid()).encode() in errors


def test_the_lock_of_a_killed_process_is_gone(tmp_path):
    holder = hold(tmp_path / "db")
    holder.kill()
    holder.wait()
    holder.stdin.close()
    holder.stdout.close()
    with Strata.open(tmp_path / "db") as db:
        db.kv_put("k", 1)


def test_several_processes_may_read(tmp_path):
    path = tmp_path / "db"
    with Strata.open(path) as db:
        db.kv_put("k", 1)
    readers = [hold(path, "read_only") for _ in range(2)]
    with Strata.open(path, read_only=True) as db:
        assert db.kv_get("k") == 1
        with refused(StateError, "database_locked"):
            Strata.open(path)
    for reader in readers:
        release(reader)
    with Strata.open(path) as db:
        db.kv_put("k", 2)


def test_a_lock_is_not_lost_by_closing_another_handle(tmp_path):
    """POSIX record locks go with any descriptor of the file that the process closes; these must not."""
    path = tmp_path / "db"
    with Strata.open(path):
        Strata.open(path).close()
        for file in path.rglob("*"):
            if file.is_file():
                file.open("rb").close()
        process = start(
            "import sys; from stratadb import Strata; Strata.open(sys.argv[1])", path, stderr=subprocess.PIPE
        )
        _, errors = process.communicate(timeout=30)
        assert b"database_locked" in errors


def test_a_moved_folder_is_still_the_same_database(tmp_path):
    with Strata.open(tmp_path / "db") as db:
        db.kv_put("k", 1)
        (tmp_path / "db").rename(tmp_path / "moved")
        with Strata.open(tmp_path / "moved") as again:  # the same device and inode
            assert again.kv_get("k") == 1
            db.kv_put("k", 2)
            assert again.kv_get("k") == 2


# ---- os.fork ----


def in_fork(body):
    """Runs `body` in a forked child, which must end by os._exit(0) after it."""
    pid = os.fork()
    if pid == 0:
        try:
            body()
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_cannot_use_the_handle(db):
    db.kv_put("k", 1)
    s = db.session()
    s.begin()
    s.kv_put("k", 2)

    def child():
        calls = (
            lambda: db.kv_get("k"),
            lambda: db.kv_put("k", 3),
            lambda: db.kv_list(),
            lambda: db.info(),
            lambda: db.ping(),
            lambda: db.flush(),
            lambda: db.verify(),
            lambda: db.compact(),
            lambda: db.begin(),
            lambda: db.session(),
            lambda: db.branch_list(),
            lambda: db.current_branch(),
            lambda: db.space_use("s"),
            lambda: db.in_transaction(),
            lambda: db.__enter__(),
            lambda: s.kv_get("k"),
            lambda: s.commit(),
            lambda: s.rollback(),
        )
        for call in calls:
            with refused(StateError, "forked"):
                call()
        assert "forked" in repr(db)
        s.close()
        db.close()
        db.close()

    in_fork(child)
    assert s.kv_get("k") == 2
    s.commit()
    assert db.kv_get("k") == 2


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_leaving_a_with_in_a_forked_child_does_nothing(tmp_path):
    db = Strata.open(tmp_path / "db")
    pid = None
    try:
        with db.transaction():
            db.kv_put("k", 1)
            pid = os.fork()
            if pid == 0:
                raise KeyError
            _, status = os.waitpid(pid, 0)
    except KeyError:
        if pid == 0:
            os._exit(7)
        raise
    assert os.waitstatus_to_exitcode(status) == 7
    assert db.kv_get("k") == 1
    with db.session() as s:
        pid = os.fork()
        if pid == 0:
            try:
                s.__exit__(None, None, None)
                os._exit(8)
            except BaseException:
                os._exit(1)
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 8
        s.kv_put("k", 2)
    db.close()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_may_open_for_itself(tmp_path):
    with Strata.open(tmp_path / "db") as db:
        db.kv_put("k", 1)

        def locked():
            with refused(StateError, "database_locked"):
                Strata.open(tmp_path / "db")
            with Strata.open(tmp_path / "other") as mine, Strata.cache() as memory:
                mine.kv_put("k", 1)
                memory.kv_put("k", 1)

        in_fork(locked)
        db.kv_put("k", 2)

    def open_again():
        with Strata.open(tmp_path / "db") as mine:
            assert mine.kv_get("k") == 2
            mine.kv_put("k", 3)

    in_fork(open_again)
    with Strata.open(tmp_path / "db") as db:
        assert db.kv_get("k") == 3


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forks_while_threads_write(tmp_path):
    """The child is made at a moment when any lock of the engine may be held."""
    output = run(
        """
import os, sys, threading
from stratadb import StateError, Strata
db = Strata.open(sys.argv[1])
stop = threading.Event()
def write(name):
    n = 0
    while not stop.is_set():
        db.kv_put(f"{name}/{n % 50}", "x" * (n % 3000))
        n += 1
threads = [threading.Thread(target=write, args=(i,)) for i in range(4)]
for thread in threads: thread.start()
for round_ in range(int(sys.argv[2])):
    pid = os.fork()
    if pid == 0:
        try:
            db.kv_get("k")
        except StateError as error:
            db.close()
            with Strata.cache() as other:
                other.kv_put("k", 1)
            os._exit(0 if error.code == "forked" else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
stop.set()
for thread in threads: thread.join()
assert db.verify()["ok"]
db.close()
print("done")
""",
        tmp_path / "db",
        scaled(20),
    )
    assert output.split()[-1] == "done"


def test_multiprocessing_by_fork_with_the_parent_killed(tmp_path):
    """The children live on, but do not keep the lock."""
    parent = start(
        """
import multiprocessing, os, sys, time
from stratadb import Strata
db = Strata.open(sys.argv[1])
db.kv_put("k", 1)
def child(ready):
    ready.set()
    sys.stdin = open(0)
    sys.stdin.read()
context = multiprocessing.get_context("fork")
children = []
for _ in range(2):
    ready = context.Event()
    children.append(context.Process(target=child, args=(ready,)))
    children[-1].start()
    ready.wait()
db.kv_put("k", 2)
print(*[process.pid for process in children], flush=True)
sys.stdin.read()
""",
        tmp_path / "db",
        stdin=subprocess.PIPE,
    )
    children = [int(pid) for pid in parent.stdout.readline().split()]
    try:
        parent.kill()
        parent.wait()
        for pid in children:
            os.kill(pid, 0)  # still there
        with Strata.open(tmp_path / "db") as db:
            assert db.kv_get("k") == 2
            db.kv_put("k", 3)
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        parent.stdin.close()
        parent.stdout.close()


def square(path, n):
    with Strata.open(path / str(n)) as db:
        db.kv_put("n", n)
        return db.kv_get("n") ** 2


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_pool_of_processes_with_databases_of_their_own(tmp_path, method):
    with Strata.open(tmp_path / "mine") as db:
        db.kv_put("k", 1)
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.starmap(square, [(tmp_path, n) for n in range(4)]) == [0, 1, 4, 9]
        assert db.kv_get("k") == 1


# ---- the end of the interpreter ----

ENDINGS = {
    "open handles": "db.begin(); db.kv_put('k', 2)",
    "sys.exit": "sys.exit(0)",
    "a global that refers to it": "import builtins; builtins.kept = [db, db.session()]",
    "a cycle": "class A: pass\na = A(); a.a = a; a.db = db; del db",
    "daemon threads": """
import threading
def write():
    n = 0
    while True:
        db.kv_put(f"t{n % 9}", n)
        n += 1
for _ in range(4): threading.Thread(target=write, daemon=True).start()
while not db.kv_exists("t8"): pass""",
    "daemon threads that wait": """
import threading
def wait():
    s = Strata.open(sys.argv[1], durability="strict")
    while True: s.kv_put("w", 1)
for _ in range(4): threading.Thread(target=wait, daemon=True).start()
while not db.kv_exists("w"): pass""",
    "atexit": "import atexit; atexit.register(lambda: db.kv_put('late', 1))",
    "an object that is collected late": "class A:\n    def __del__(a): a.db.kv_get('k')\nkept = A(); kept.db = db",
}


@pytest.mark.parametrize("name", ENDINGS)
@pytest.mark.parametrize("place", ["memory", "disk"])
def test_the_interpreter_ends_with_handles_open(tmp_path, name, place):
    opened = "Strata.open(sys.argv[1])" if place == "disk" or "argv" in ENDINGS[name] else "Strata.cache()"
    output = run(
        f"import sys\nfrom stratadb import Strata\ndb = {opened}\ndb.kv_put('k', 1)\n{ENDINGS[name]}", tmp_path / "db"
    )
    if "thread" not in name and "late" not in name:
        assert output == ""
    if place == "disk":
        with Strata.open(tmp_path / "db") as db:
            assert db.kv_get("k") == 1
            assert len(db.kv_history("k")) == 1
            assert db.kv_exists("late") is (name == "atexit")


def test_an_exception_ends_a_program_in_the_usual_way(tmp_path):
    process = start(
        "import sys; from stratadb import Strata; db = Strata.open(sys.argv[1]); db.kv_put('k', 1); db.kv_put('', 1)",
        tmp_path / "db",
        stderr=subprocess.PIPE,
    )
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert b"ValidationError" in errors
    assert b"invalid_key" in errors


# ---- Ctrl-C ----

LONG_CALLS = {
    "kv_batch_put": "db.kv_batch_put(entries)",
    "kv_scan": "[db.kv_scan() for _ in range(100)]",
    "verify": "[db.verify() for _ in range(1000)]",
    "compact": "[db.compact() for _ in range(1000)]",
    "kv_scan of the past": "[db.kv_scan(as_of=stamp) for _ in range(100)]",
    "kv_count": "[db.kv_count('k') for _ in range(10_000_000)]",
    "flush": "[(db.kv_put('k1', [1, 'x' * 50]), db.flush()) for _ in range(1_000_000)]",
    "open": "[Strata.open(sys.argv[1]).close() for _ in range(1_000_000)]",
    "read-only open": "[Strata.open(sys.argv[2], read_only=True).close() for _ in range(1_000_000)]",
    "run": "[db.run(lambda handle: handle.kv_put('k1', [1, 'x' * 50])) for _ in range(10_000_000)]",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG_CALLS)
def test_ctrl_c(tmp_path, name):
    """A call that lasts ends with KeyboardInterrupt, has changed nothing, and the handle goes on."""
    process = start(
        f"""
import os, shutil, sys
from stratadb import Strata
db = Strata.open(sys.argv[1])
db.kv_batch_put({{f"k{{n}}": [n, "x" * 50] for n in range(100_000)}})
entries = {{f"new{{n}}": n for n in range(600_000)}}
stamp = db.info()["commit_timestamp"]
db.kv_put("k0", "later")
db.flush()
shutil.copytree(sys.argv[1], sys.argv[2])  # as a killed process leaves it: it is replayed at every opening
try:
    os.write(1, b"ready")
    {LONG_CALLS[name]}
    print("finished")
except KeyboardInterrupt:
    print("interrupted")
count = db.kv_count()
assert count == 100_000 or count == 700_000, count
print(count)
db.kv_put("k0", "after")
assert db.verify()["ok"]
db.close()
with Strata.open(sys.argv[2]) as copy:
    assert copy.kv_count() == 100_000
    assert copy.verify()["ok"]
""",
        tmp_path / "db",
        tmp_path / "copy",
    )
    assert process.stdout.read(5) == b"ready"
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    outcome, count = output.split()
    # One large batch may be past the point of no return; the others are long enough that they never end first.
    assert outcome == b"interrupted" or name == "kv_batch_put"
    assert count == (b"700000" if outcome == b"finished" else b"100000")


def test_ctrl_c_while_waiting_for_a_slow_writer(tmp_path):
    """A writer that waits for a lock held elsewhere is interrupted too, or finishes: it never hangs."""
    output = run(
        """
import os, signal, sys, threading
from stratadb import Strata
db = Strata.open(sys.argv[1], durability="strict")
interrupted = 0
for n in range(30):
    timer = threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT))
    try:
        timer.start()
        for i in range(50):
            db.kv_put(f"k{i}", n)
        timer.join()
    except KeyboardInterrupt:
        interrupted += 1
    timer.join()
assert db.verify()["ok"]
db.close()
print(interrupted)
""",
        tmp_path / "db",
    )
    assert int(output) > 0


# ---- an exec'd child inherits nothing ----


def test_a_started_program_inherits_no_descriptor(tmp_path):
    with Strata.open(tmp_path / "db") as db:
        db.kv_put("k", 1)
        script = """
import os
for n in os.listdir("/proc/self/fd"):
    if os.path.exists(f"/proc/self/fd/{n}"):
        print(os.readlink(f"/proc/self/fd/{n}"))
"""
        output = run(script, close_fds=False)
        assert str(tmp_path / "db") not in output
