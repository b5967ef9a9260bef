"""What transactions that run at the same time may see of each other: the anomalies of the literature by name.

Two sessions take turns in one thread, so that each test is the same history every time. Each runs for every family of
named values, in memory and on disk, buffered and strict. Ranges have a file of their own.
"""

import datetime
import threading

import pytest
from support import conflict


@pytest.fixture
def db(each_mode):
    return each_mode


# ---- G0, G1: writes that are not committed ----


def test_dirty_write(two, register, isolation):
    """G0: the second of two writers of a name does not overwrite what the first has not committed."""
    one, other = two
    one.begin(isolation=isolation)
    other.begin(isolation=isolation)
    register.put(one, "x", 11)
    register.put(other, "x", 12)
    register.put(one, "y", 21)
    one.commit()
    register.put(other, "y", 22)
    conflict(other)
    assert register.all(one) == {"x": 11, "y": 21}


def test_dirty_write_by_a_deletion(two, register, isolation):
    one, other = two
    one.begin(isolation=isolation)
    other.begin(isolation=isolation)
    assert register.delete(one, "x")
    register.put(other, "x", 12)
    assert register.delete(other, "y")
    one.commit()
    conflict(other)
    assert register.all(one) == {"y": 20}


def test_dirty_write_is_not_undone_by_a_rollback(two, register, isolation):
    """G0: what rolls back takes nothing of others with it."""
    one, other = two
    one.begin(isolation=isolation)
    register.put(one, "x", 11)
    register.put(other, "x", 12)
    one.rollback()
    assert register.get(one, "x") == 12
    assert [row["value"] for row in register.history(one, "x")] == [12, 10]


def test_dirty_read(two, register, isolation):
    """G1a: what is rolled back was never seen."""
    one, other = two
    one.begin(isolation=isolation)
    register.put(one, "x", 101)
    register.put(one, "new", 1)
    register.delete(one, "y")
    other.begin(isolation=isolation)
    before = {"x": 10, "y": 20}
    assert register.all(other) == before
    assert register.history(other, "new") is None
    one.rollback()
    assert register.all(other) == before
    other.commit()
    assert register.all(other) == before


def test_dirty_read_by_a_single_call(two, register, isolation):
    one, other = two
    one.begin(isolation=isolation)
    register.put(one, "x", 101)
    register.delete(one, "y")
    assert register.all(other) == {"x": 10, "y": 20}
    one.rollback()
    assert register.all(other) == {"x": 10, "y": 20}


def test_intermediate_read(two, register, isolation):
    """G1b: of a transaction that writes a name twice only the last write is ever seen."""
    one, other = two
    one.begin(isolation=isolation)
    register.put(one, "x", 101)
    assert register.get(other, "x") == 10
    register.put(one, "x", 11)
    one.commit()
    assert register.get(other, "x") == 11
    assert [row["value"] for row in register.history(other, "x")] == [11, 10]


def test_intermediate_read_of_a_name_that_came_and_went(two, register, isolation):
    """G1b: what a transaction made and deleted was never there, for a reader that began before or after."""
    one, other = two
    with one.session() as early:
        early.begin(isolation=isolation)
        one.begin(isolation=isolation)
        register.put(one, "new", 1)
        register.delete(one, "new")
        register.delete(one, "x")
        register.put(one, "x", 11)
        one.commit()
        assert register.all(early) == {"x": 10, "y": 20}
        early.commit()
    assert register.history(other, "new") is None
    assert [(row["value"], row["deleted"]) for row in register.history(other, "x")] == [(11, False), (10, False)]


def test_circular_information_flow(two, register):
    """G1c: two transactions do not each see the other's write, nor each the state before it."""
    one, other = two
    one.begin()
    other.begin()
    register.put(one, "x", 11)
    register.put(other, "y", 22)
    assert register.get(one, "y") == 20
    assert register.get(other, "x") == 10
    one.commit()
    conflict(other)


def test_observed_transaction_vanishes(two, register, isolation):
    """OTV: what was seen of a commit does not disappear again, and all of it is seen."""
    one, other = two
    with one.session() as reader:
        one.begin(isolation=isolation)
        register.put(one, "x", 11)
        register.put(one, "y", 19)
        one.commit()
        other.begin(isolation=isolation)
        register.put(other, "x", 12)
        reader.begin(isolation=isolation)
        assert register.get(reader, "x") == 11
        register.put(other, "y", 18)
        other.commit()
        assert register.all(reader) == {"x": 11, "y": 19}
        reader.commit()


# ---- reads that change ----


def test_fuzzy_read(two, register, isolation):
    """P2: a name read twice is the same twice."""
    one, other = two
    one.begin(isolation=isolation)
    assert register.get(one, "x") == 10
    register.put(other, "x", 11)
    assert register.get(one, "x") == 10
    assert register.versioned(one, "x")["version"] == 1
    one.commit()


def test_fuzzy_read_of_a_deletion(two, register, isolation):
    one, other = two
    one.begin(isolation=isolation)
    assert register.get(one, "x") == 10
    register.delete(other, "x")
    assert register.get(one, "x") == 10
    assert register.names(one) == ["x", "y"]
    one.commit()
    assert register.get(one, "x") is None


def test_fuzzy_read_of_what_was_not_there(two, register, isolation):
    one, other = two
    one.begin(isolation=isolation)
    assert register.get(one, "new") is None
    register.put(other, "new", 1)
    assert register.get(one, "new") is None
    assert register.history(one, "new") is None
    assert register.names(one) == ["x", "y"]
    one.commit()
    assert register.get(one, "new") == 1


def test_fuzzy_read_over_retention(two, register, isolation):
    """P2: a compaction that forgets what a transaction reads forgets it only afterwards."""
    one, other = two
    one.begin(isolation=isolation)
    register.put(other, "x", 11)
    register.delete(other, "y")
    other.compact(keep_history=datetime.timedelta(0))
    assert register.all(one) == {"x": 10, "y": 20}
    one.commit()
    assert register.all(one) == {"x": 11}


def test_read_skew(two, register, isolation):
    """G-single: x from before another commit and y from after it is never seen."""
    one, other = two
    one.begin(isolation=isolation)
    assert register.get(one, "x") == 10
    with other.transaction():
        register.put(other, "x", 12)
        register.put(other, "y", 18)
    assert register.get(one, "y") == 20
    one.commit()


def test_read_skew_between_a_name_and_a_list(two, register, isolation):
    one, other = two
    one.begin(isolation=isolation)
    assert register.names(one) == ["x", "y"]
    with other.transaction():
        register.delete(other, "x")
        register.put(other, "z", 30)
    assert register.get(one, "x") == 10
    assert register.get(one, "z") is None
    one.commit()


def test_read_skew_across_spaces(two, register, isolation):
    one, other = two
    with other.transaction():
        other.space_use("notes")
        register.put(other, "x", 10)
    one.begin(isolation=isolation)
    assert register.get(one, "x") == 10
    with other.transaction():
        register.put(other, "x", 0)
        other.space_use("default")
        register.put(other, "x", 0)
    one.space_use("notes")
    assert register.get(one, "x") == 10
    one.commit()
    assert register.get(one, "x") == 0


def test_read_skew_with_write(two, register):
    """G-single: what a transaction read is still so when its write takes effect."""
    one, other = two
    one.begin()
    assert register.get(one, "x") == 10
    with other.transaction():
        register.put(other, "x", 12)
        register.put(other, "y", 18)
    register.put(one, "z", 1)
    conflict(one)
    assert register.get(one, "z") is None


# ---- P4: updates that are lost ----


def test_lost_update(two, register, isolation):
    """P4: of two that read a name and write it back one loses, at both isolations."""
    one, other = two
    one.begin(isolation=isolation)
    other.begin(isolation=isolation)
    register.put(one, "x", register.get(one, "x") + 1)
    register.put(other, "x", register.get(other, "x") + 1)
    one.commit()
    conflict(other)
    assert register.get(one, "x") == 11


def test_lost_update_against_a_single_call(two, register, isolation):
    one, other = two
    one.begin(isolation=isolation)
    register.put(one, "x", register.get(one, "x") + 1)
    register.put(other, "x", 100)
    conflict(one)
    assert register.get(one, "x") == 100


def test_lost_update_against_a_deletion(two, register, isolation):
    one, other = two
    one.begin(isolation=isolation)
    register.put(one, "x", register.get(one, "x") + 1)
    register.delete(other, "x")
    conflict(one)
    assert register.get(one, "x") is None


def test_a_deletion_is_lost_no_more_than_an_update(two, register, isolation):
    one, other = two
    one.begin(isolation=isolation)
    register.delete(one, "x")
    register.put(other, "x", 11)
    conflict(one)
    assert register.get(one, "x") == 11


def test_blind_writes_conflict(two, register, isolation):
    """A put returns the version, so it has read."""
    one, other = two
    one.begin(isolation=isolation)
    other.begin(isolation=isolation)
    assert register.put(one, "new", 1) == register.put(other, "new", 2) == 1
    other.commit()
    conflict(one)
    assert register.get(one, "new") == 2


# ---- G2: cycles of what was read and written ----


def skew(two, register, isolation):
    """Each reads both and writes one. Leaves the second to be committed."""
    one, other = two
    one.begin(isolation=isolation)
    other.begin(isolation=isolation)
    for session in two:
        assert register.get(session, "x") + register.get(session, "y") == 30
    register.put(one, "x", 0)
    register.put(other, "y", 0)
    one.commit()


def test_write_skew(two, register):
    """G2-item: each reads what the other writes."""
    skew(two, register, "serializable")
    conflict(two[1])
    assert register.all(two[0]) == {"x": 0, "y": 20}


def test_write_skew_is_what_snapshot_allows(two, register):
    skew(two, register, "snapshot")
    two[1].commit()
    assert register.all(two[0]) == {"x": 0, "y": 0}


def test_write_skew_by_deletions(two, register):
    """Each deletes one of two as long as the other is there: one remains."""
    one, other = two
    one.begin()
    other.begin()
    assert register.get(one, "y") == 20
    register.delete(one, "x")
    assert register.get(other, "x") == 10
    register.delete(other, "y")
    one.commit()
    conflict(other)
    assert register.names(one) == ["y"]


def test_write_skew_by_new_names(two, register):
    """Each makes what the other looked for and did not find."""
    one, other = two
    one.begin()
    other.begin()
    assert register.get(one, "b") is None
    register.put(one, "a", 1)
    assert register.get(other, "a") is None
    register.put(other, "b", 1)
    one.commit()
    conflict(other)


def test_write_skew_over_lists(two, register):
    """G2: each counts, and adds what changes the other's count."""
    one, other = two
    one.begin()
    other.begin()
    register.put(one, "task:1", len(register.names(one, "task:")))
    register.put(other, "task:2", len(register.names(other, "task:")))
    one.commit()
    conflict(other)


def test_write_skew_over_lists_is_what_snapshot_allows(two, register):
    one, other = two
    for session in two:
        session.begin(isolation="snapshot")
    register.put(one, "task:1", len(register.names(one, "task:")))
    register.put(other, "task:2", len(register.names(other, "task:")))
    one.commit()
    other.commit()
    assert register.names(one, "task:") == ["task:1", "task:2"]


def test_write_skew_of_three(two, register):
    """G2: a cycle through three, each of which reads what the next one writes."""
    one, other = two
    register.put(one, "z", 30)
    with one.session() as third:
        ring = [one, other, third]
        for session in ring:
            session.begin()
        for session, read, written in zip(ring, "xyz", "yzx", strict=True):
            register.put(session, written, register.get(session, read))
        one.commit()
        conflict(other)
        third.commit()  # before both of them: it read z and wrote x, which `one` read before it
    assert register.all(one) == {"x": 30, "y": 10, "z": 30}


def test_write_skew_across_spaces(two, register):
    one, other = two
    other.space_use("notes")
    register.put(other, "x", 1)
    for session in two:
        session.begin()
        for space in ("default", "notes"):
            session.space_use(space)
            register.get(session, "x")
    one.space_use("default")
    register.put(one, "x", 0)
    register.put(other, "x", 0)
    one.commit()
    conflict(other)


def test_write_skew_of_one_serializable_is_enough(two, register):
    """A transaction that asks for it is serializable whatever the others ask for."""
    one, other = two
    one.begin()
    other.begin(isolation="snapshot")
    register.put(one, "x", register.get(one, "y"))
    register.put(other, "y", register.get(other, "x"))
    other.commit()
    conflict(one)


def read_only_anomaly(db, register, isolation):
    """Checking and savings; the withdrawal is left to be committed, after a report that says no fee is due."""
    register.put(db, "checking", 0)
    register.put(db, "savings", 0)
    with db.session() as deposit, db.session() as report:
        db.begin(isolation=isolation)
        assert register.get(db, "checking") + register.get(db, "savings") == 0
        with deposit.transaction(isolation=isolation):
            register.put(deposit, "savings", register.get(deposit, "savings") + 20)
        with report.transaction(read_only=True, isolation=isolation):
            assert register.all(report) == {"checking": 0, "savings": 20}
        register.put(db, "checking", -11)


def test_read_only_anomaly(db, register):
    """A report between two writers sees a state that no order of them explains, unless one of the writers loses."""
    read_only_anomaly(db, register, "serializable")
    conflict(db)
    assert register.all(db) == {"checking": 0, "savings": 20}


def test_read_only_anomaly_is_what_snapshot_allows(db, register):
    read_only_anomaly(db, register, "snapshot")
    db.commit()
    assert register.all(db) == {"checking": -11, "savings": 20}


# ---- tombstones ----


def test_put_back_is_still_a_change(two, register):
    """ABA: compared are versions, not values."""
    one, other = two
    one.begin()
    assert register.get(one, "x") == 10
    register.put(other, "x", 0)
    register.put(other, "x", 10)
    register.put(one, "y", 0)
    conflict(one)


def test_deleted_and_put_back_is_still_a_change(two, register, isolation):
    one, other = two
    one.begin(isolation=isolation)
    register.put(one, "x", register.get(one, "x") + 1)
    register.delete(other, "x")
    register.put(other, "x", 10)
    conflict(one)
    assert [row["version"] for row in register.history(one, "x")] == [3, 2, 1]


def test_made_and_deleted_again_is_still_a_change(two, register, isolation):
    """Nothing was there and nothing is there, and yet the versions moved on."""
    one, other = two
    one.begin(isolation=isolation)
    assert register.put(one, "new", 1) == 1
    register.put(other, "new", 2)
    register.delete(other, "new")
    conflict(one)
    assert register.put(one, "new", 3) == 3


def test_what_was_deleted_and_forgotten_is_still_a_change(two, register):
    """A tombstone that retention removed does not hide that the name was there."""
    one, other = two
    one.begin()
    assert register.get(one, "x") == 10
    register.delete(other, "x")
    other.compact(keep_history=datetime.timedelta(0))
    register.put(one, "y", 0)
    conflict(one)


def test_two_deletions_of_one_name(two, register, isolation):
    one, other = two
    for session in two:
        session.begin(isolation=isolation)
        assert register.delete(session, "x")
    one.commit()
    conflict(other)
    assert [row["deleted"] for row in register.history(one, "x")] == [True, False]


def test_deleting_nothing_has_read_that_nothing_is_there(two, register):
    one, other = two
    register.put(other, "gone", 1)
    register.delete(other, "gone")
    one.begin()
    assert not register.delete(one, "gone")
    register.put(other, "gone", 2)
    register.put(one, "result", 1)
    conflict(one)


def test_a_new_name_and_its_tombstone_are_read_alike(two, register):
    """Reading what was deleted long ago conflicts with who puts it again, as reading what never was."""
    one, other = two
    register.put(other, "gone", 1)
    register.delete(other, "gone")
    one.begin()
    assert register.get(one, "gone") is None
    assert register.put(other, "gone", 2) == 3
    register.put(one, "result", 1)
    conflict(one)


# ---- what is no anomaly ----


def test_reading_the_past_is_not_reading_the_present(two, register):
    one, other = two
    stamp = one.info()["commit_timestamp"]
    register.put(other, "x", 11)
    one.begin()
    assert register.get(one, "x") == 11
    one.rollback()
    one.begin()
    assert register.get(one, "x", as_of=stamp) == 10
    register.put(other, "x", 12)
    register.put(one, "result", 1)
    one.commit()


def test_names_that_differ_do_not_conflict(two, register, isolation):
    one, other = two
    for session in two:
        session.begin(isolation=isolation)
    register.put(one, "x", register.get(one, "x") + 1)
    register.put(other, "y", register.get(other, "y") + 1)
    one.commit()
    other.commit()
    assert register.all(one) == {"x": 11, "y": 21}


def test_branches_and_spaces_that_differ_do_not_conflict(two, register):
    one, other = two
    one.branch_fork("default", "f")
    other.branch_use("f")
    for session in two:
        session.begin()
    register.put(one, "x", register.get(one, "x") + 1)
    register.put(other, "x", register.get(other, "x") + 2)
    one.commit()
    other.commit()
    assert (register.get(one, "x"), register.get(other, "x")) == (11, 12)
    other.branch_use("default")
    other.space_use("notes")
    for n, session in enumerate(two):
        session.begin()
        register.names(session)
        register.put(session, "x", n)
    one.commit()
    other.commit()


def test_a_reader_never_loses(two, register, isolation):
    """What wrote nothing is serialized where it read, whatever was committed since; so is what undid its own writes."""
    one, other = two
    for only in (True, False):
        one.begin(only, isolation=isolation)
        seen = register.all(one)
        register.put(other, "x", register.get(other, "x") + 1)
        register.put(other, f"new {only}", 1)
        assert register.all(one) == seen
        if not only:
            register.put(one, "mine", 1)
            register.delete(one, "mine")
        one.commit()


def test_nothing_of_a_loser_remains(two, register):
    one, other = two
    one.begin()
    register.put(one, "x", 1)
    one.space_use("made")
    register.put(one, "k", 1)
    one.space_use("default")
    register.delete(one, "y")
    register.put(other, "x", 2)
    conflict(one)
    assert register.all(one) == {"x": 2, "y": 20}
    assert [len(register.history(one, name)) for name in "xy"] == [2, 1]
    assert one.space_list() == ["default"]


def test_the_first_to_commit_wins_whoever_began_first(two, register):
    one, other = two
    one.begin()
    register.put(one, "x", 1)
    other.begin()
    register.put(other, "x", 2)
    other.commit()
    conflict(one)
    one.begin()
    register.put(one, "x", 3)
    one.commit()
    assert register.get(other, "x") == 3


def test_counting_in_threads(db, register):
    """Eight threads, each with a session: no increment is lost, and the history shows each once."""
    rounds, threads = 40, 8
    register.put(db, "n", 0)
    errors = []

    def add():
        try:
            with db.session() as mine:
                for _ in range(rounds):
                    mine.run(lambda handle: register.put(handle, "n", register.get(handle, "n") + 1), retries=100_000)
        except BaseException as error:
            errors.append(error)

    workers = [threading.Thread(target=add) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert errors == []
    assert register.get(db, "n") == rounds * threads
    assert [row["value"] for row in register.history(db, "n")] == list(range(rounds * threads + 1))[::-1]
