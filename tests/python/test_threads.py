"""Threads: many writers, readers beside writers, one handle for all."""

import threading
from datetime import timedelta

import pytest
from stratadb import ConflictError, Strata, StrataError
from support import scaled


def together(*bodies):
    """Runs all at once; an exception in one of them is raised here."""
    errors = []
    barrier = threading.Barrier(len(bodies))

    def guarded(body):
        try:
            barrier.wait()
            body()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@pytest.mark.parametrize("shared", [True, False], ids=["one handle", "a session each"])
@pytest.mark.parametrize("durability", ["memory", "buffered", "strict"])
def test_eight_threads_put(tmp_path, durability, shared):
    count = scaled(150)
    db = Strata.cache() if durability == "memory" else Strata.open(tmp_path / "db", durability=durability)

    def put(name):
        handle = db if shared else db.session()
        for n in range(count):
            assert handle.kv_put(f"{name}/{n:05}", [name, n]) == 1
            assert handle.kv_put("all", [name, n]) >= 1
            assert handle.kv_get(f"{name}/{n:05}") == [name, n]

    together(*(lambda i=i: put(i) for i in range(8)))
    for name in range(8):
        assert [value for _, value in db.kv_scan(f"{name}/")] == [[name, n] for n in range(count)]
    history = db.kv_history("all")
    assert [row["version"] for row in history] == list(range(8 * count, 0, -1))
    for name in range(8):  # what each wrote is there in the order it wrote it
        assert [row["value"][1] for row in reversed(history) if row["value"][0] == name] == list(range(count))
    assert db.verify()["ok"]
    db.close()
    if durability != "memory":
        with Strata.open(tmp_path / "db") as again:
            assert again.kv_history("all") == history


def test_get_while_putting(db):
    """Readers never see a value older than one they have seen, nor half of a batch."""
    stop = threading.Event()
    keys = [f"k{n}" for n in range(20)]
    db.kv_batch_put(dict.fromkeys(keys, 0))

    def write():
        try:
            for n in range(1, scaled(300)):
                db.kv_batch_put(dict.fromkeys(keys, n))
        finally:
            stop.set()

    def read_one():
        last = 0
        while not stop.is_set():
            value = db.kv_get("k7")
            assert value >= last
            last = value

    def read_all():
        last = 0
        while not stop.is_set():
            values = {value for _, value in db.kv_scan()}
            assert len(values) == 1
            assert max(values) >= last
            last = max(values)

    def read_the_past():
        while not stop.is_set():
            row = db.kv_get_versioned("k3")
            assert db.kv_get("k3", as_of=row["timestamp"]) == row["value"]

    with db.session() as reader:

        def read_a_snapshot():
            while not stop.is_set():
                with reader.transaction(read_only=True):
                    assert len({reader.kv_get(key) for key in keys}) == 1

        together(write, read_one, read_all, read_the_past, read_a_snapshot)


def test_transfers(db):
    """The sum over all accounts is the same in every snapshot."""
    accounts = [f"account/{n}" for n in range(10)]
    db.kv_batch_put(dict.fromkeys(accounts, 100))
    done = threading.Event()
    conflicts = []

    def transfer(seed):
        with db.session() as mine:
            for n in range(scaled(60)):
                source, target = accounts[(seed + n) % 10], accounts[(seed * 3 + n * 7 + 1) % 10]
                if source == target:
                    continue

                def move(handle, source=source, target=target):
                    handle.kv_put(source, handle.kv_get(source) - 1)
                    handle.kv_put(target, handle.kv_get(target) + 1)

                try:
                    mine.run(move, retries=1000)
                except ConflictError as error:
                    conflicts.append(error)

    def audit():
        with db.session() as mine:
            while not done.is_set():
                assert sum(value for _, value in mine.kv_scan("account/")) == 1000

    def work():
        try:
            together(*(lambda i=i: transfer(i) for i in range(4)))
        finally:
            done.set()

    together(work, audit)
    assert conflicts == []
    stamps = {row["timestamp"] for account in accounts for row in db.kv_history(account)}
    for stamp in sorted(stamps)[:: max(1, len(stamps) // 50)]:
        assert sum(value for _, value in db.kv_scan("account/", as_of=stamp)) == 1000


def test_forks_while_others_write(db):
    """Each fork is one state of its source: all keys have the same value."""
    keys = [f"k{n}" for n in range(10)]
    db.kv_batch_put(dict.fromkeys(keys, 0))
    stop = threading.Event()

    def write():
        n = 0
        while not stop.is_set():
            n += 1
            db.kv_batch_put(dict.fromkeys(keys, n))

    def fork():
        try:
            with db.session() as mine:
                last = 0
                for n in range(scaled(40)):
                    mine.branch_fork("default", f"f{n}")
                    mine.branch_use(f"f{n}")
                    values = set(mine.kv_batch_get(keys))
                    assert len(values) == 1
                    assert max(values) >= last
                    last = max(values)
                    mine.kv_put("own", n)
                    if n % 3 == 0:
                        mine.branch_use("default")
                        mine.branch_delete(f"f{n}")
        finally:
            stop.set()

    together(write, fork)
    assert db.verify()["ok"]


@pytest.mark.slow
def test_compact_while_others_write_and_read(db):
    stop = threading.Event()
    db.kv_batch_put({f"k{n}": 0 for n in range(50)})

    def write():
        n = 0
        while not stop.is_set():
            n += 1
            db.kv_put(f"k{n % 50}", [n, "x" * 2000])

    def read():
        while not stop.is_set():
            assert db.kv_count() == 50
            assert len(db.kv_scan()) == 50

    def compact():
        try:
            with db.session() as mine:
                for n in range(scaled(15)):
                    # Now and then without history, so that the writer's pace does not decide how long this takes.
                    mine.compact(keep_history=timedelta(0) if n % 3 == 2 else None)
                    assert mine.verify()["ok"]
                    mine.flush()
        finally:
            stop.set()

    together(write, read, compact)


def test_closing_while_others_call(tmp_path):
    """Each call answers or says that the handle is closed."""
    for _ in range(scaled(10)):
        db = Strata.open(tmp_path / "db")
        codes = set()

        def use(db=db, codes=codes):
            try:
                while True:
                    db.kv_put("k", 1)
                    db.kv_get("k")
                    db.kv_list()
            except StrataError as error:
                codes.add(error.code)

        def close(db=db):
            while not db.info()["total_keys"]:
                pass
            db.close()

        together(use, use, use, close)
        assert codes == {"closed"}


@pytest.mark.engine
def test_opening_and_closing_in_threads(tmp_path):
    def use(name):
        for n in range(scaled(15)):
            with Strata.open(tmp_path / "db") as db:
                db.kv_put(f"{name}/{n}", n)

    together(*(lambda i=i: use(i) for i in range(4)))
    with Strata.open(tmp_path / "db") as db:
        assert db.kv_count() == 4 * scaled(15)
