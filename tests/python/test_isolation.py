"""What transactions that run at the same time may see of each other: the anomalies of the literature by name.

Two sessions take turns in one thread, so that each test is the same history every time.
"""

import datetime
import threading

import pytest
from stratadb import ConflictError
from support import refused


@pytest.fixture(params=["serializable", "snapshot"])
def isolation(request):
    return request.param


@pytest.fixture
def two(db):
    """Two sessions on {"x": 10, "y": 20}."""
    db.kv_batch_put({"x": 10, "y": 20})
    with db.session() as one, db.session() as other:
        yield one, other


def conflict(session):
    with refused(ConflictError, "transaction_conflict"):
        session.commit()
    assert not session.in_transaction()


def test_dirty_write(two, isolation):
    """G0: the second of two writers of a key does not overwrite what the first has not committed."""
    one, other = two
    one.begin(isolation=isolation)
    other.begin(isolation=isolation)
    one.kv_put("x", 11)
    other.kv_put("x", 12)
    one.kv_put("y", 21)
    one.commit()
    other.kv_put("y", 22)
    conflict(other)
    assert dict(one.kv_scan()) == {"x": 11, "y": 21}


def test_dirty_read(two, isolation):
    """G1a: what is rolled back was never seen."""
    one, other = two
    one.begin(isolation=isolation)
    one.kv_put("x", 101)
    other.begin(isolation=isolation)
    assert other.kv_get("x") == 10
    one.rollback()
    assert other.kv_get("x") == 10
    other.commit()


def test_intermediate_read(two, isolation):
    """G1b: of a transaction that writes a key twice only the last write is ever seen."""
    one, other = two
    one.begin(isolation=isolation)
    one.kv_put("x", 101)
    assert other.kv_get("x") == 10
    one.kv_put("x", 11)
    one.commit()
    assert other.kv_get("x") == 11
    assert [row["value"] for row in other.kv_history("x")] == [11, 10]


def test_circular_information_flow(two):
    """G1c: two transactions do not each see the other's write, nor each the state before it."""
    one, other = two
    one.begin()
    other.begin()
    one.kv_put("x", 11)
    other.kv_put("y", 22)
    assert one.kv_get("y") == 20
    assert other.kv_get("x") == 10
    one.commit()
    conflict(other)


def test_observed_transaction_vanishes(two, isolation):
    """OTV: what was seen of a commit does not disappear again, and all of it is seen."""
    one, other = two
    with one.session() as reader:
        one.begin(isolation=isolation)
        one.kv_put("x", 11)
        one.kv_put("y", 19)
        one.commit()
        other.begin(isolation=isolation)
        other.kv_put("x", 12)
        reader.begin(isolation=isolation)
        assert reader.kv_get("x") == 11
        other.kv_put("y", 18)
        other.commit()
        assert (reader.kv_get("x"), reader.kv_get("y")) == (11, 19)
        reader.commit()


def test_fuzzy_read(two, isolation):
    """P2: a key read twice is the same twice."""
    one, other = two
    one.begin(isolation=isolation)
    assert one.kv_get("x") == 10
    other.kv_put("x", 11)
    assert one.kv_get("x") == 10
    one.commit()


def test_read_skew(two, isolation):
    """G-single: x from before another commit and y from after it is never seen."""
    one, other = two
    one.begin(isolation=isolation)
    assert one.kv_get("x") == 10
    with other.transaction():
        other.kv_put("x", 12)
        other.kv_put("y", 18)
    assert one.kv_get("y") == 20
    one.commit()


def test_lost_update(two, isolation):
    """P4: of two that read a key and write it back one loses, at both isolations."""
    one, other = two
    one.begin(isolation=isolation)
    other.begin(isolation=isolation)
    one.kv_put("x", one.kv_get("x") + 1)
    other.kv_put("x", other.kv_get("x") + 1)
    one.commit()
    conflict(other)
    assert one.kv_get("x") == 11


def test_lost_update_against_a_single_call(two, isolation):
    one, other = two
    one.begin(isolation=isolation)
    one.kv_put("x", one.kv_get("x") + 1)
    other.kv_put("x", 100)
    conflict(one)
    assert one.kv_get("x") == 100


def test_blind_writes_conflict(two, isolation):
    """A put returns the version, so it has read."""
    one, other = two
    one.begin(isolation=isolation)
    other.begin(isolation=isolation)
    assert one.kv_put("new", 1) == other.kv_put("new", 2) == 1
    other.commit()
    conflict(one)
    assert one.kv_get("new") == 2


def test_write_skew(two):
    """G2-item: each reads what the other writes."""
    one, other = two
    one.begin()
    other.begin()
    assert one.kv_get("x") + one.kv_get("y") == other.kv_get("x") + other.kv_get("y") == 30
    one.kv_put("x", 0)
    other.kv_put("y", 0)
    one.commit()
    conflict(other)
    assert dict(one.kv_scan()) == {"x": 0, "y": 20}


def test_write_skew_is_what_snapshot_allows(two):
    one, other = two
    one.begin(isolation="snapshot")
    other.begin(isolation="snapshot")
    assert one.kv_get("x") + one.kv_get("y") == other.kv_get("x") + other.kv_get("y") == 30
    one.kv_put("x", 0)
    other.kv_put("y", 0)
    one.commit()
    other.commit()
    assert dict(one.kv_scan()) == {"x": 0, "y": 0}


# What reads a range, or finds nothing: a key that appears there later is a phantom.
RANGE_READS = {
    "list": lambda db: db.kv_list("x"),
    "count": lambda db: db.kv_count("x"),
    "scan": lambda db: db.kv_scan("x"),
    "scan in bounds": lambda db: db.kv_scan(start="x", end="y"),
    "scan in reverse": lambda db: db.kv_scan("x", reverse=True),
    "page": lambda db: db.kv_list_paginated("x"),
    "missing key": lambda db: db.kv_get("x5"),
    "missing key by exists": lambda db: db.kv_exists("x5"),
    "missing key by history": lambda db: db.kv_history("x5"),
    "missing key by version": lambda db: db.kv_get_versioned("x5"),
    "missing keys of a batch": lambda db: db.kv_batch_get(["x5"]),
    "deletion of nothing": lambda db: db.kv_delete("x5"),
    "as_of now": lambda db: db.kv_list("x", as_of=db.info()["commit_timestamp"]),
}


@pytest.mark.parametrize("name", RANGE_READS)
def test_phantom(two, name):
    """G2: what appears in a range that was read, or where nothing was found."""
    one, other = two
    one.begin()
    RANGE_READS[name](one)
    other.kv_put("x5", 1)
    one.kv_put("result", 1)
    conflict(one)
    assert not one.kv_exists("result")


@pytest.mark.parametrize("name", RANGE_READS)
def test_phantom_of_a_deletion(two, name):
    one, other = two
    other.kv_put("x5", 1)
    one.begin()
    RANGE_READS[name](one)
    other.kv_delete("x5")
    one.kv_put("result", 1)
    conflict(one)


@pytest.mark.parametrize("name", RANGE_READS)
def test_what_lies_outside_of_a_range_does_not_conflict(two, name):
    one, other = two
    one.begin()
    RANGE_READS[name](one)
    other.kv_batch_put({"a": 1, "w": 1, "z": 1})
    one.kv_put("result", 1)
    one.commit()
    assert one.kv_exists("result")


def test_anti_dependency_cycle_of_two_ranges(two):
    """G2 with two edges: both count, both add."""
    one, other = two
    one.begin()
    other.begin()
    one.kv_put("task:1", one.kv_count("task:"))
    other.kv_put("task:2", other.kv_count("task:"))
    one.commit()
    conflict(other)


def test_read_only_anomaly(db):
    """A report between two writers sees a state that no order of them explains, unless one of the writers loses."""
    db.kv_batch_put({"checking": 0, "savings": 0})
    with db.session() as withdraw, db.session() as deposit, db.session() as report:
        withdraw.begin()
        assert withdraw.kv_get("checking") + withdraw.kv_get("savings") == 0
        with deposit.transaction():
            deposit.kv_put("savings", deposit.kv_get("savings") + 20)
        with report.transaction(read_only=True):
            assert (report.kv_get("checking"), report.kv_get("savings")) == (0, 20)
        withdraw.kv_put("checking", -11)  # with the fee that the report says cannot have been due
        conflict(withdraw)
    assert dict(db.kv_scan()) == {"checking": 0, "savings": 20}


def test_a_limit_reads_only_as_far_as_it_went(db):
    db.kv_batch_put({f"k{n}": n for n in range(10)})
    with db.session() as other:
        db.begin()
        assert len(db.kv_scan(limit=3)) == 3
        other.kv_put("k7", "changed")
        db.kv_put("result", 1)
        db.commit()
        db.begin()
        assert len(db.kv_scan(limit=3)) == 3
        other.kv_put("k1", "changed")
        db.kv_put("result", 2)
        conflict(db)
        db.begin()
        assert [key for key, _ in db.kv_scan("k", limit=3, reverse=True)] == ["k9", "k8", "k7"]
        other.kv_put("k2", "changed")
        db.kv_put("result", 3)
        db.commit()
        db.begin()
        assert len(db.kv_scan("k", limit=3, reverse=True)) == 3
        other.kv_put("k77", "in between")
        db.kv_put("result", 4)
        conflict(db)


def test_reading_the_past_is_not_reading_the_present(two):
    one, other = two
    stamp = one.info()["commit_timestamp"]
    other.kv_put("x", 11)
    one.begin()
    assert one.kv_get("x", as_of=stamp) == 10
    other.kv_put("x", 12)
    one.kv_put("result", 1)
    one.commit()


def test_keys_that_differ_do_not_conflict(two, isolation):
    one, other = two
    one.begin(isolation=isolation)
    other.begin(isolation=isolation)
    one.kv_put("x", one.kv_get("x") + 1)
    other.kv_put("y", other.kv_get("y") + 1)
    one.commit()
    other.commit()
    assert dict(one.kv_scan()) == {"x": 11, "y": 21}


def test_branches_and_spaces_that_differ_do_not_conflict(two):
    one, other = two
    one.branch_fork("default", "f")
    other.branch_use("f")
    one.begin()
    other.begin()
    one.kv_put("x", one.kv_get("x") + 1)
    other.kv_put("x", other.kv_get("x") + 2)
    one.commit()
    other.commit()
    assert (one.kv_get("x"), other.kv_get("x")) == (11, 12)
    other.branch_use("default")
    other.space_use("notes")
    one.begin()
    other.begin()
    one.kv_list()
    one.kv_put("x", 1)
    other.kv_list()
    other.kv_put("x", 2)
    one.commit()
    other.commit()


def test_put_back_is_still_a_change(two):
    """ABA: compared are versions, not values."""
    one, other = two
    one.begin()
    assert one.kv_get("x") == 10
    other.kv_put("x", 0)
    other.kv_put("x", 10)
    one.kv_put("y", 0)
    conflict(one)


def test_what_was_deleted_and_forgotten_is_still_a_change(two):
    """A tombstone that retention removed does not hide that the key was there."""
    one, other = two
    one.begin()
    assert one.kv_get("x") == 10
    other.kv_delete("x")
    other.compact(keep_history=datetime.timedelta(0))
    one.kv_put("y", 0)
    conflict(one)


def test_nothing_of_a_loser_remains(two):
    one, other = two
    one.begin()
    one.kv_put("x", 1)
    one.space_use("made")
    one.kv_put("k", 1)
    one.space_use("default")
    one.kv_delete("y")
    other.kv_put("x", 2)
    conflict(one)
    assert dict(one.kv_scan()) == {"x": 2, "y": 20}
    assert one.space_list() == ["default"]


def test_the_first_to_commit_wins_whoever_began_first(two):
    one, other = two
    one.begin()
    one.kv_put("x", 1)
    other.begin()
    other.kv_put("x", 2)
    other.commit()
    conflict(one)
    one.begin()
    one.kv_put("x", 3)
    one.commit()
    assert other.kv_get("x") == 3


def test_counting_in_threads(db):
    """Eight threads, each with a session: no increment is lost, and the history shows each once."""
    rounds, threads = 40, 8
    db.kv_put("n", 0)
    errors = []

    def add():
        try:
            with db.session() as mine:
                for _ in range(rounds):
                    mine.run(lambda handle: handle.kv_put("n", handle.kv_get("n") + 1), retries=100_000)
        except BaseException as error:
            errors.append(error)

    workers = [threading.Thread(target=add) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert errors == []
    assert db.kv_get("n") == rounds * threads
    assert [row["value"] for row in db.kv_history("n")] == list(range(rounds * threads + 1))[::-1]
