"""Random histories of concurrent transactions, checked for cycles.

Sessions take turns in one thread, in an order drawn from the seed, so that a history that fails is the same again.
Every value written is another one, so what was read tells who wrote it.
"""

import datetime
import itertools
import random
import sys
import threading

import pytest
from conftest import SEED
from history_checker import NOTHING, Transaction, problem_of
from registers import REGISTERS
from stratadb import ConflictError, Strata
from support import scaled

NAMES = ["a", "a1", "b", "c"]
SPACES = ["default", "notes"]
HAS_EVENTS = hasattr(Strata, "event_append")


class Recorder:
    """Runs transactions on sessions of one database and keeps what each of them saw and did."""

    def __init__(self, db, rng, isolations, forgetful=False):
        self.db, self.rng, self.isolations, self.forgetful = db, rng, isolations, forgetful
        self.registers = rng.sample(REGISTERS, rng.randrange(1, len(REGISTERS) + 1))
        self.time = itertools.count(1)  # an order of all beginnings and ends
        self.numbers = itertools.count(1)
        self.committed = []
        self.versions = {}  # item -> [(time of the commit, version, value)]
        self.conflicts = 0

    def before(self, txn, item):
        """The version and value of an item when the transaction began."""
        past = [(version, value) for ended, version, value in self.versions.get(item, ()) if ended < txn.began]
        return past[-1] if past else (0, NOTHING)

    # ---- what a transaction saw ----

    def saw(self, txn, item, row):
        """One item was read: its row, or None."""
        if item in txn.writes:
            version, value = txn.writes[item]
            assert (row and row["value"]) == value, f"{txn.name} reads {row} of {item}, where it wrote {value}"
            assert row is None or row["version"] == version
        elif row is None:
            self.saw_in_list(txn, item, False)
        else:
            txn.read(item, row["version"], row["value"])

    def saw_in_list(self, txn, item, there):
        """An item was in a list or not, which tells no version: it must be the one from before."""
        version, value = txn.writes.get(item) or self.before(txn, item)
        assert there == (value is not NOTHING), f"{txn.name} finds {item}: {there}, where {value} was"
        if item not in txn.writes:
            txn.read(item, version, value)

    # ---- what it does ----

    def step(self, session, txn, read_only):
        """One random call."""
        space = session.current_space()
        what = self.rng.random()
        if what < 0.1:
            session.space_use(self.rng.choice(SPACES))
        elif what < 0.25 and HAS_EVENTS:
            self.event_step(session, txn, read_only)
        else:
            register, name = self.rng.choice(self.registers), self.rng.choice(NAMES)
            item = (space, register.kind, name)
            if what < 0.5:
                self.saw(txn, item, register.versioned(session, name))
            elif what < 0.62 or read_only:
                prefix = self.rng.choice([None, "a", "b"])
                there = register.names(session, prefix)
                for each in NAMES:
                    if each.startswith(prefix or ""):
                        self.saw_in_list(txn, (space, register.kind, each), each in there)
            elif what < 0.75 and not self.forgetful:
                self.delete(session, txn, register, item)
            else:
                value = next(self.numbers)
                txn.writes[item] = register.put(session, name, value), value

    def delete(self, session, txn, register, item):
        there = register.delete(session, item[2])
        self.saw_in_list(txn, item, there)
        if not there:
            return
        version, value = self.before(txn, item)
        if value is NOTHING:  # made by this transaction, which now writes nothing
            del txn.writes[item]
            txn.read(item, version, value)
        else:
            txn.writes[item] = version + 1, NOTHING

    def event_step(self, session, txn, read_only):
        """An event is an item that is written once; the end of the log is the one that nobody has written yet."""
        space = session.current_space()
        if self.rng.random() < 0.5 or read_only:
            events = session.event_list(None)
            for each in events:
                self.saw(txn, (space, "event", each["sequence"]), {"version": 1, "value": each["value"]["n"]})
            self.saw(txn, (space, "event", len(events)), None)
        else:
            value = next(self.numbers)
            txn.writes[space, "event", session.event_append("t", {"n": value})] = 1, value

    # ---- whole transactions ----

    def transaction(self, session, name):
        """A transaction that others may step into after every call."""
        read_only = self.rng.random() < 0.15
        txn = Transaction(name, next(self.time), 0, self.rng.choice(self.isolations))
        session.begin(read_only, isolation=txn.isolation)
        yield
        for _ in range(self.rng.randrange(1, 9)):
            self.step(session, txn, read_only)
            yield
        if self.rng.random() < 0.12:
            session.rollback()
            return
        try:
            session.commit()
        except ConflictError:
            self.conflicts += 1
        else:
            self.keep(txn)

    def single_call(self, session, name):
        """A call of its own, which never conflicts."""
        txn = Transaction(name, next(self.time), 0)
        self.step(session, txn, False)
        self.keep(txn)
        yield

    def keep(self, txn):
        txn.ended = next(self.time)
        self.committed.append(txn)
        for item, (version, value) in txn.writes.items():
            self.versions.setdefault(item, []).append((txn.ended, version, value))

    def play(self, transactions=24, sessions=4):
        """All of a history: the sessions take turns at random."""
        handles = [self.db.session() for _ in range(sessions)]
        running = [iter(())] * sessions
        started = 0
        while started < transactions or any(running):
            turn = self.rng.randrange(sessions)
            try:
                next(running[turn] or iter(()))
            except StopIteration:
                running[turn] = None
                if started < transactions:
                    started += 1
                    kind = self.single_call if self.rng.random() < 0.2 else self.transaction
                    running[turn] = kind(handles[turn], f"t{started}")
            if self.rng.random() < 0.03:
                self.disturb()
        for handle in handles:
            handle.close()

    def disturb(self):
        """What changes no data, or only what is past."""
        what = self.rng.randrange(3)
        if self.forgetful:
            self.db.compact(keep_history=datetime.timedelta(0))
        elif what == 0:
            self.db.compact()
        elif what == 1:
            self.db.flush()
        else:
            self.db.branch_fork("default", f"fork-{next(self.numbers)}")

    def check_the_end(self):
        """The database ends as the committed transactions say, with every version in its place."""
        for item, versions in self.versions.items():
            space, kind, name = item
            self.db.space_use(space)
            if kind == "event":
                assert [(1, self.db.event_get(name)["value"]["n"])] == [each[1:] for each in versions], item
            else:
                register = next(each for each in self.registers if each.kind == kind)
                rows = register.history(self.db, name)[::-1]
                found = [(row["version"], NOTHING if row["deleted"] else row["value"]) for row in rows]
                kept = versions[-len(found) :] if self.forgetful else versions
                assert found == [each[1:] for each in kept], item


def check_history(recorder):
    recorder.play()
    recorder.check_the_end()
    problem = problem_of(recorder.committed)
    assert problem is None, f"{problem}\n" + "\n".join(map(str, recorder.committed))


@pytest.fixture
def new_database(tmp_path):
    """A function that opens one more empty database of a mode."""
    numbers = itertools.count()

    def new(mode):
        return Strata.cache() if mode == "memory" else Strata.open(tmp_path / str(next(numbers)), durability=mode)

    return new


@pytest.mark.parametrize("mode", ["memory", "buffered", "strict"])
@pytest.mark.parametrize("isolation", ["serializable", "snapshot", "mixed"])
def test_random_histories(new_database, count, mode, isolation):
    isolations = ["serializable", "snapshot"] if isolation == "mixed" else [isolation]
    conflicts = 0
    for n in range(scaled({"memory": 40, "buffered": 30, "strict": 10}[mode])):
        with new_database(mode) as db:
            recorder = Recorder(db, random.Random(f"{SEED}:{mode}:{isolation}:{n}"), isolations)
            check_history(recorder)
        conflicts += recorder.conflicts
        count("histories")
    assert conflicts > 0


def test_the_checker_sees_what_snapshots_do(new_database):
    """Histories of snapshot isolation, judged as if they were serializable, have cycles: so these would be found."""
    problems = []
    for n in range(40):
        with new_database("memory") as db:
            recorder = Recorder(db, random.Random(f"{SEED}:skew:{n}"), ["snapshot"])
            recorder.play()
        for each in recorder.committed:
            each.isolation = "serializable"
        problems.append(problem_of(recorder.committed))
    assert any(problem and "-rw->" in problem for problem in problems)


class InThreads:
    """The same with real threads. No deletions: what is not there was never there."""

    def __init__(self, db, seed, isolation):
        self.db, self.seed, self.isolation = db, seed, isolation
        self.time, self.numbers = itertools.count(1), itertools.count(1)
        self.lock = threading.Lock()
        self.committed, self.errors = [], []

    def body(self, session, rng, txn):
        for _ in range(rng.randrange(1, 5)):
            register, name = rng.choice(REGISTERS), rng.choice(NAMES)
            item = (register.kind, name)
            if rng.random() < 0.5:
                value = next(self.numbers)
                txn.writes[item] = register.put(session, name, value), value
            elif rng.random() < 0.7:
                row = register.versioned(session, name) or {"version": 0, "value": NOTHING}
                if item not in txn.writes:
                    txn.read(item, row["version"], row["value"])
            else:
                there = register.names(session)
                for each in set(NAMES) - set(there):
                    txn.read((register.kind, each), 0, NOTHING)

    def work(self, number):
        try:
            rng = random.Random(f"{self.seed}:{number}")
            with self.db.session() as session:
                for n in range(25):
                    txn = Transaction(f"t{number}.{n}", next(self.time), 0, self.isolation)
                    session.begin(isolation=self.isolation)
                    self.body(session, rng, txn)
                    try:
                        session.commit()
                    except ConflictError:
                        continue
                    txn.ended = next(self.time)
                    with self.lock:
                        self.committed.append(txn)
        except BaseException as error:
            self.errors.append(error)

    def play(self, threads=4):
        workers = [threading.Thread(target=self.work, args=(n,)) for n in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()


@pytest.mark.parametrize("isolation", ["serializable", "snapshot"])
@pytest.mark.parametrize("mode", ["memory", "strict"])
def test_histories_of_threads(new_database, count, mode, isolation):
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for n in range(scaled(4)):
            with new_database(mode) as db:
                played = InThreads(db, f"{SEED}:threads:{n}", isolation)
                played.play()
            assert played.errors == []
            problem = problem_of(played.committed)
            assert problem is None, f"{problem}\n" + "\n".join(map(str, played.committed))
            count("histories of threads")
    finally:
        sys.setswitchinterval(interval)


def test_retention_forgets_no_conflict(new_database, count):
    """Histories in which old versions are forgotten all the time. (No deletions: after them counters begin again.)"""
    for n in range(scaled(20)):
        with new_database("memory") as db:
            check_history(Recorder(db, random.Random(f"{SEED}:forget:{n}"), ["serializable"], forgetful=True))
        count("histories")
