"""kill -9: whatever was acknowledged is there afterwards, history included, in both modes of durability."""

import pathlib
import random
import shutil
import signal
import subprocess

import pytest
from conftest import SEED
from stratadb import Strata
from support import scaled, start

pytestmark = [pytest.mark.engine, pytest.mark.slow]

WRITER = pathlib.Path(__file__).with_name("kill_writer.py")


OPENER = """
import sys
from stratadb import Strata
print(flush=True)
db = Strata.open(sys.argv[1])
print(flush=True)
"""


class Expected:
    """What the acknowledged steps say must be there."""

    def __init__(self):
        self.next = 0
        self.documents = {}  # key -> what each version held, oldest first: {name: n}
        self.history = {}  # key -> values in order of writing, None for a deletion
        self.transactions = []
        self.forks = {}  # name -> how long each key's history was when it was made

    def step(self, line):
        kind, *words = line.split()
        n = int(words[-1])
        assert n == self.next, line
        self.next += 1
        if kind == "P":
            self.history.setdefault(words[0], []).append(n)
        elif kind == "J":
            self.documents.setdefault(words[0], []).append(changed(self.documents.get(words[0]), n))
        elif kind == "D":
            if self.history.get(words[0], [None])[-1] is not None:  # else there was nothing to delete
                self.history[words[0]].append(None)
        elif kind == "T":
            self.transactions.append(n)
        elif kind == "F":
            self.forks[words[0]] = {key: len(values) for key, values in self.history.items()}


def changed(versions, n):
    """What the step `J key n` makes of a document."""
    return {**(versions[-1] if versions else {}), f"m{n % 7}": n}


def of_documents(db, expected):
    """How many versions of documents are there that were not acknowledged: each is the step that was on its way."""
    more = 0
    for key in sorted(set(expected.documents) | set(db.json_list())):
        rows = db.json_history(key) or []
        assert [row["version"] for row in rows] == list(range(len(rows), 0, -1)), key
        held = [{name: n for name, (n, _) in row["value"]["list"].items()} for row in reversed(rows)]
        known = expected.documents.get(key, [])
        assert held[: len(known)] == known, key
        assert held[len(known) :] in ([], [changed(known, expected.next)]), key
        assert db.json_get(key, "$.list") == (rows[0]["value"]["list"] if rows else None)
        more += len(held) - len(known)
        expected.documents[key] = held
    return more


def of_history(db, key):
    """Values oldest first, after a check that versions and timestamps are in order."""
    rows = db.kv_history(key) or []
    assert [row["version"] for row in rows] == list(range(len(rows), 0, -1)), key
    stamps = [row["timestamp"] for row in rows]
    assert stamps == sorted(set(stamps), reverse=True), key
    return [None if row["deleted"] else row["value"] for row in reversed(rows)]


def check(db, expected, rng):
    """All that was acknowledged; beyond it at most the one step that was on its way."""
    unacknowledged = of_documents(db, expected)
    for key in sorted(set(expected.history) | set(db.kv_list("k/"))):
        values = [value and value[0] for value in of_history(db, key)]
        known = expected.history.get(key, [])
        assert values[: len(known)] == known, key
        extra = values[len(known) :]
        assert extra in ([], [expected.next], [None]), (key, extra)
        unacknowledged += len(extra)
        value = db.kv_get(key)
        assert (value and value[0]) == (values[-1] if values else None)
        expected.history[key] = values
    parts = [of_history(db, f"tx/{part}") for part in range(5)]
    assert all(part == parts[0] for part in parts), "a transaction is there in part"
    known = expected.transactions
    assert parts[0][: len(known)] == known
    extra = parts[0][len(known) :]
    assert extra in ([], [expected.next])
    unacknowledged += len(extra)
    expected.transactions = parts[0]
    forks = set(db.branch_list()) - {"default"}
    assert forks >= set(expected.forks)
    unacknowledged += len(forks - set(expected.forks))
    for name in forks - set(expected.forks):
        assert name == f"f{expected.next}"
        expected.forks[name] = {key: len(values) for key, values in expected.history.items()}
    assert unacknowledged <= 1
    for name in rng.sample(sorted(forks), min(len(forks), 3)):
        with db.session() as s:
            s.branch_use(name)
            for key, length in expected.forks[name].items():
                assert [value and value[0] for value in of_history(s, key)] == expected.history[key][:length], (
                    name,
                    key,
                )


ROUNDS = 12  # of one database; then its history is long enough


@pytest.mark.parametrize("durability", ["buffered", "strict"])
def test_nothing_acknowledged_is_lost(tmp_path, count, durability):
    """A database, killed and reopened again and again, at a moment that only the scheduler knows."""
    rng = random.Random(f"{SEED}:{durability}")
    print(f"STRATA_SEED={SEED}")
    for n in range(scaled(1)):
        steps = kill_again_and_again(tmp_path / f"db{n}", durability, rng)
        count(f"kills, {durability}", ROUNDS)
        count(f"steps acknowledged, {durability}", steps)


def kill_again_and_again(path, durability, rng):
    """Returns how many steps were acknowledged, all of which were there."""
    expected, acknowledged = Expected(), 0
    for _ in range(ROUNDS):
        writer = start(WRITER, path, durability, rng.random(), expected.next)
        for _ in range(rng.choice([1, 5, 50, 200, 600])):
            line = writer.stdout.readline()
            assert line.endswith(b"\n"), f"the writer ended by itself: {writer.wait()}"
            expected.step(line.decode())
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().decode()
        for line in rest.splitlines():
            expected.step(line)
        assert writer.wait() == -signal.SIGKILL
        writer.stdout.close()
        acknowledged = expected.next
        if rng.random() < 0.5:  # as it lies there, without a writer having repaired it
            with Strata.open(path, read_only=True) as db:
                check(db, expected, rng)
        with Strata.open(path, durability=durability) as db:
            check(db, expected, rng)
            if rng.random() < 0.3:
                assert db.verify() == {**db.verify(), "ok": True, "problems": []}
        # What the next writer begins with is free of the numbers that were on their way.
        expected.next += 1
    return acknowledged


def test_killed_while_it_recovers(tmp_path):
    """The copy of a killed database is opened by processes that are killed as soon as they have begun to write."""
    rng = random.Random(f"{SEED}:recovery")
    path, expected = tmp_path / "db", Expected()
    writer = start(WRITER, path, "buffered", rng.random(), 0)
    for _ in range(400):
        expected.step(writer.stdout.readline().decode())
    writer.kill()
    for line in writer.stdout.read().decode().splitlines():
        expected.step(line)
    writer.wait()
    writer.stdout.close()
    for _ in range(scaled(5)):
        opener = start(OPENER, path)
        opener.stdout.read(1)
        if rng.random() < 0.5:
            opener.stdout.read(1)
        opener.kill()
        opener.wait()
        opener.stdout.close()
    shutil.copytree(path, tmp_path / "copy")  # closed files only are in use by nobody: the copy opens as well
    for each in (path, tmp_path / "copy"):
        with Strata.open(each) as db:
            check(db, expected, rng)
            assert db.verify()["ok"]


def test_a_killed_transaction_leaves_nothing(tmp_path):
    script = """
import os, sys
from stratadb import Strata
db = Strata.open(sys.argv[1])
db.kv_put("before", 1)
db.begin()
for n in range(20_000):
    db.kv_put(f"k{n}", "x" * 100)
os.write(1, b"ready")
sys.stdin.read()
"""
    writer = start(script, tmp_path / "db", stdin=subprocess.PIPE)
    assert writer.stdout.read(5) == b"ready"
    writer.kill()
    writer.wait()
    writer.stdin.close()
    writer.stdout.close()
    with Strata.open(tmp_path / "db") as db:
        assert db.kv_list() == ["before"]
        assert db.kv_history("k0") is None
