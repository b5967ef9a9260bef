"""Transactions: begin, commit, rollback, blocks, run, and who may use one."""

import asyncio

import pytest
from stratadb import (
    AccessDeniedError,
    ConflictError,
    ConstraintError,
    NotFoundError,
    StateError,
    Strata,
    ValidationError,
)
from support import code_of, in_thread, refused


def now(db):
    return db.info()["commit_timestamp"]


# ---- begin, commit, rollback ----


def test_commit(db):
    assert db.in_transaction() is False
    assert db.begin() is None
    assert db.in_transaction() is True
    assert db.kv_put("k", 1) == 1
    stamp = db.commit()
    assert db.in_transaction() is False
    assert stamp == now(db) == db.kv_get_versioned("k")["timestamp"]
    assert type(stamp) is int


def test_rollback(db):
    db.kv_put("k", 1)
    before = now(db)
    db.begin()
    db.kv_put("k", 2)
    db.kv_put("l", 2)
    db.kv_delete("k")
    assert db.rollback() is None
    assert not db.in_transaction()
    assert db.kv_scan() == [("k", 1)]
    assert db.kv_history("l") is None
    assert len(db.kv_history("k")) == 1
    assert now(db) == before


def test_own_writes_are_seen_inside_only(db):
    db.kv_batch_put({"a": 1, "b": 1, "c": 1})
    with db.session() as other:
        db.begin()
        db.kv_put("a", 2)
        db.kv_delete("b")
        db.kv_put("d", 1)
        assert dict(db.kv_scan()) == {"a": 2, "c": 1, "d": 1}
        assert db.kv_scan(reverse=True) == [("d", 1), ("c", 1), ("a", 2)]
        assert db.kv_list() == ["a", "c", "d"]
        assert db.kv_list_paginated(limit=2)["keys"] == ["a", "c"]
        assert db.kv_count() == 3
        assert db.kv_batch_get(["a", "b", "d"]) == [2, None, 1]
        assert db.kv_exists("d")
        assert not db.kv_exists("b")
        assert db.kv_get("b", default=0) == 0
        assert dict(other.kv_scan()) == {"a": 1, "b": 1, "c": 1}
        assert other.kv_get("d") is None
        db.commit()
        assert dict(other.kv_scan()) == {"a": 2, "c": 1, "d": 1}


def test_what_is_not_committed_has_no_timestamp(db):
    db.kv_put("k", 1)
    db.begin()
    db.kv_put("k", 2)
    db.kv_put("l", 1)
    assert db.kv_get_versioned("k") == {"value": 2, "version": 2, "timestamp": None}
    assert db.kv_history("k")[0] == {"value": 2, "version": 2, "timestamp": None, "deleted": False}
    assert [row["version"] for row in db.kv_history("k")] == [2, 1]
    assert [row["timestamp"] for row in db.kv_history("l")] == [None]
    db.kv_delete("k")
    assert db.kv_history("k")[0] == {"value": None, "version": 2, "timestamp": None, "deleted": True}
    stamp = db.commit()
    assert db.kv_history("k")[0]["timestamp"] == stamp


def test_as_of_inside_reads_what_is_committed(db):
    db.kv_put("k", 1)
    first = now(db)
    db.kv_put("k", 2)
    db.begin()
    db.kv_put("k", 3)
    assert db.kv_get("k", as_of=first) == 1
    assert db.kv_get("k", as_of=now(db)) == 2
    assert db.kv_get("k", as_of=now(db) + 10**9) == 2
    assert [row["value"] for row in db.kv_history("k", as_of=now(db))] == [2, 1]
    assert db.kv_get("k") == 3
    with db.session() as other:
        other.kv_put("l", 1)
    assert db.kv_get("l", as_of=now(db)) is None  # not later than the snapshot
    db.rollback()


def test_a_commit_without_writes(db):
    db.kv_put("k", 1)
    snapshot = now(db)
    db.begin()
    assert db.kv_get("k") == 1
    with db.session() as other:
        other.kv_put("k", 2)
        after = now(db)
        assert db.commit() == snapshot
    assert now(db) == after


def test_a_snapshot_does_not_move(db):
    db.kv_put("k", 1)
    with db.session() as other:
        db.begin()
        other.kv_put("k", 2)
        other.kv_put("l", 2)
        assert db.kv_get("k") == 1
        assert db.kv_list() == ["k"]
        assert db.kv_history("k")[0]["value"] == 1
        db.rollback()
        assert db.kv_get("k") == 2


def test_a_transaction_spans_spaces(db):
    db.begin()
    db.kv_put("k", "default")
    db.space_use("notes")
    db.kv_put("k", "notes")
    db.space_use("default")
    assert db.kv_get("k") == "default"
    db.commit()
    db.space_use("notes")
    assert db.kv_get("k") == "notes"


def test_one_transaction_for_each_handle(db):
    db.begin()
    with refused(StateError, "transaction_active"):
        db.begin()
    assert db.in_transaction()
    with db.session() as other:
        assert not other.in_transaction()
        other.begin()
        other.rollback()
    db.commit()


def test_there_must_be_one_to_end(db):
    for call in (db.commit, db.rollback):
        with refused(StateError, "no_transaction"):
            call()
    db.begin()
    db.commit()
    for call in (db.commit, db.rollback):
        with refused(StateError, "no_transaction"):
            call()


def test_a_refused_call_is_undone_alone(db):
    db.begin()
    db.kv_put("a", 1)
    with refused(ValidationError, "invalid_key"):
        db.kv_put("", 1)
    with pytest.raises(TypeError):
        db.kv_batch_put({"a": 2, "b": object()})
    with pytest.raises(TypeError):
        db.kv_get(5)
    assert db.in_transaction()
    assert db.kv_scan() == [("a", 1)]
    db.commit()
    assert db.kv_scan() == [("a", 1)]


def test_read_only(db):
    db.kv_put("k", 1)
    db.begin(read_only=True)
    assert db.kv_get("k") == 1
    for call in (lambda: db.kv_put("k", 2), lambda: db.kv_delete("k"), lambda: db.space_create("s")):
        with refused(AccessDeniedError, "read_only"):
            call()
    assert db.in_transaction()
    assert db.commit() == now(db)
    db.begin(True)
    with refused(AccessDeniedError, "read_only"):
        db.kv_batch_put({"k": 2})
    db.rollback()
    assert db.kv_scan() == [("k", 1)]


def test_a_transaction_on_a_handle_that_only_reads(tmp_path):
    with Strata.open(tmp_path / "db") as db:
        db.kv_put("k", 1)
        with Strata.open(tmp_path / "db", read_only=True) as reader:
            reader.begin(read_only=False)
            assert reader.kv_get("k") == 1
            db.kv_put("k", 2)
            assert reader.kv_get("k") == 1
            with refused(AccessDeniedError, "read_only"):
                reader.kv_put("k", 3)
            assert reader.commit() < now(db)
            assert reader.kv_get("k") == 2


@pytest.mark.parametrize("isolation", ["", "Serializable", "repeatable read", "none"])
def test_unknown_isolation(db, isolation):
    with refused(ValidationError, "unknown_isolation"):
        db.begin(isolation=isolation)
    with refused(ValidationError, "unknown_isolation"), db.transaction(isolation=isolation):
        pass
    assert not db.in_transaction()


def test_messages(db):
    db.begin(message="why")
    db.kv_put("k", 1)
    db.commit("because")
    db.begin()
    db.kv_put("k", 2)
    db.commit(message="")
    for message in (5, b"x", ["x"]):
        with pytest.raises(TypeError):
            db.begin(message=message)
    assert not db.in_transaction()
    db.begin()
    db.kv_put("k", 3)
    with pytest.raises(TypeError):
        db.commit(5)
    with refused(ValidationError, "invalid_unicode"):
        db.commit("\ud800")
    assert db.in_transaction()
    db.commit("漢字 " * 1000)
    assert db.kv_get("k") == 3


def test_a_large_transaction(db):
    with db.transaction():
        for n in range(5000):
            db.kv_put(f"k{n:05}", {"n": n})
        assert db.kv_count() == 5000
    assert [value["n"] for _, value in db.kv_scan()] == list(range(5000))
    assert len({db.kv_get_versioned(f"k{n:05}")["timestamp"] for n in range(0, 5000, 100)}) == 1


def test_a_transaction_held_over_many_commits(db):
    db.kv_batch_put({f"k{n:03}": -1 for n in range(100)})
    with db.session() as holder:
        holder.begin(read_only=True)
        for n in range(3000):
            db.kv_put(f"k{n % 100:03}", n)
        assert [value for _, value in holder.kv_scan()] == [-1] * 100
        assert holder.kv_get("k050") == -1
        holder.commit()
        assert holder.kv_get("k050") == 2950


def test_the_branch_is_deleted_meanwhile(db):
    db.branch_fork("default", "f")
    with db.session() as other:
        for writes in (False, True):
            other.branch_use("f")
            other.begin()
            assert other.kv_list() == []
            if writes:
                other.kv_put("k", 1)
            db.branch_delete("f")
            if writes:
                with refused(NotFoundError, "branch_not_found"):
                    other.commit()
            else:
                other.commit()
            assert not other.in_transaction()
            db.branch_fork("default", "f")  # another branch of that name, which has nothing to do with it
    assert db.info()["total_keys"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["memory", "buffered"])
def test_one_transaction_writes_up_to_a_gibibyte(tmp_path, durability):
    value = bytes(60 << 20)
    memory = durability == "memory"
    with Strata.cache() if memory else Strata.open(tmp_path / "db", durability=durability) as db:
        db.begin()
        for n in range(17):
            db.kv_put(f"k{n}", value)
        with refused(ConstraintError, "transaction_too_large"):
            db.kv_put("k17", value)
        with refused(ConstraintError, "transaction_too_large"):
            db.kv_batch_put({"small": 1, "k17": value})
        assert db.in_transaction()
        assert db.kv_count() == 17  # what was refused is undone alone
        db.kv_put("k3", "small")  # in the place of a large one, which counts all the same
        with refused(ConstraintError, "transaction_too_large"):
            db.kv_put("k17", value)
        db.rollback()
        assert db.kv_list() == []
        with refused(ConstraintError, "transaction_too_large"):
            db.kv_batch_put({f"k{n}": value for n in range(18)})
        assert db.kv_list() == []
        assert db.kv_put("k", 1) == 1


# ---- blocks ----


def test_a_block_commits(db):
    with db.transaction() as inner:
        assert inner is db
        assert db.in_transaction()
        db.kv_put("a", 1)
        db.kv_put("b", 2)
    assert not db.in_transaction()
    assert db.kv_list() == ["a", "b"]


def test_a_block_rolls_back_on_an_exception(db):
    with pytest.raises(KeyError, match="mine"), db.transaction():
        db.kv_put("a", 1)
        raise KeyError("mine")
    assert not db.in_transaction()
    assert db.kv_list() == []


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_block_rolls_back_on_any_exception(db, kind):
    with pytest.raises(kind), db.transaction():
        db.kv_put("a", 1)
        raise kind
    assert not db.in_transaction()
    assert db.kv_list() == []


def test_a_block_takes_the_options_of_begin(db):
    db.kv_put("k", 1)
    with db.transaction(read_only=True), refused(AccessDeniedError, "read_only"):
        db.kv_put("k", 2)
    with db.transaction(isolation="snapshot", message="why"):
        db.kv_put("k", 2)
    assert db.kv_get("k") == 2
    with pytest.raises(TypeError):
        db.transaction(True)


def test_the_body_of_a_block_may_end_it(db):
    with db.transaction():
        db.kv_put("a", 1)
        db.commit()
    with db.transaction():
        db.kv_put("b", 1)
        db.rollback()
    with db.transaction():
        db.kv_put("c", 1)
        db.commit()
        db.kv_put("d", 1)
    assert db.kv_list() == ["a", "c", "d"]


def test_a_block_leaves_a_later_transaction_alone(db):
    with db.transaction():
        db.kv_put("a", 1)
        db.commit()
        db.begin()
        db.kv_put("b", 1)
    assert db.in_transaction()
    db.rollback()
    assert db.kv_list() == ["a"]


def test_blocks_do_not_nest(db):
    with db.transaction():
        db.kv_put("a", 1)
        with refused(StateError, "transaction_active"), db.transaction():
            pass
        assert db.in_transaction()
    assert db.kv_list() == ["a"]


def test_a_block_whose_handle_is_closed_inside(tmp_path):
    db = Strata.open(tmp_path / "db")
    with db.transaction():
        db.kv_put("a", 1)
        db.close()
    with Strata.open(tmp_path / "db") as again:
        assert again.kv_list() == []


def test_a_conflict_leaves_a_block_as_an_error(db):
    db.kv_put("k", 0)
    with db.session() as other, refused(ConflictError, "transaction_conflict"), db.transaction():
        db.kv_put("k", db.kv_get("k") + 1)
        other.kv_put("k", 10)
    assert not db.in_transaction()
    assert db.kv_get("k") == 10


# ---- run ----


def test_run(db):
    assert db.run(lambda handle: handle.kv_put("k", 1)) == 1
    assert not db.in_transaction()
    assert db.kv_get("k") == 1


def test_run_again_after_a_conflict(db):
    db.kv_put("k", 0)
    calls = []
    with db.session() as other:

        def add(handle):
            value = handle.kv_get("k")
            calls.append(value)
            if len(calls) < 4:
                other.kv_put("k", 10 * len(calls))
            handle.kv_put("k", value + 1)
            return "done"

        assert db.run(add) == "done"
    assert calls == [0, 10, 20, 30]
    assert db.kv_get("k") == 31


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_run_gives_up(db, retries):
    db.kv_put("k", 0)
    calls = []
    with db.session() as other:

        def lose(handle):
            calls.append(handle.kv_get("k"))
            other.kv_put("k", 1)
            handle.kv_put("k", 2)

        with refused(ConflictError, "transaction_conflict"):
            db.run(lose, retries=retries)
    assert len(calls) == retries + 1
    assert db.kv_get("k") == 1
    assert not db.in_transaction()


def test_run_does_not_repeat_other_errors(db):
    calls = []

    def fail(handle):
        calls.append(1)
        handle.kv_put("k", 1)
        raise ConflictError("mine", code="cas_mismatch", hint="do something else")

    with refused(ConflictError, "cas_mismatch"):
        db.run(fail)
    with pytest.raises(ZeroDivisionError):
        db.run(lambda handle: 1 / 0)
    assert calls == [1]
    assert db.kv_list() == []


def test_run_once_more_after_each_conflict_of_a_range(db):
    """The whole function again, from a new snapshot: what it read before is read anew, spaces and all."""
    seen = []
    with db.session() as other:
        other.space_use("notes")

        def number(handle):
            handle.space_use("notes")
            seen.append(handle.kv_list())
            if len(seen) < 3:
                other.kv_put(f"other {len(seen)}", 1)
            handle.space_use("default")
            handle.kv_put("count", len(seen[-1]))
            return len(seen[-1])

        assert db.run(number) == 2
    assert seen == [[], ["other 1"], ["other 1", "other 2"]]
    assert db.kv_history("count")[0]["value"] == 2
    assert len(db.kv_history("count")) == 1


def test_run_when_the_function_ends_its_transaction(db):
    def committed(handle):
        handle.kv_put("a", 1)
        handle.commit()
        return "committed"

    def rolled_back(handle):
        handle.kv_put("b", 1)
        handle.rollback()
        return "rolled back"

    assert db.run(committed) == "committed"
    assert db.run(rolled_back) == "rolled back"
    assert db.kv_list() == ["a"]
    assert not db.in_transaction()


def test_run_again_after_a_conflict_of_its_own_commit(db):
    """The function may commit by hand: what conflicts there is tried again as well."""
    db.kv_put("k", 0)
    calls = []
    with db.session() as other:

        def add(handle):
            calls.append(handle.kv_get("k"))
            if len(calls) == 1:
                other.kv_put("k", 10)
            handle.kv_put("k", calls[-1] + 1)
            return handle.commit()

        assert db.run(add) == now(db)
    assert calls == [0, 10]
    assert db.kv_get("k") == 11


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_run_ends_with_what_is_no_error(db, kind):
    def stop(handle):
        handle.kv_put("k", 1)
        raise kind

    with pytest.raises(kind):
        db.run(stop)
    assert not db.in_transaction()
    assert db.kv_list() == []


def test_run_without_writes_never_conflicts(db):
    db.kv_put("k", 0)
    calls = []
    with db.session() as other:

        def report(handle):
            calls.append(handle.kv_get("k"))
            other.kv_put("k", 1)
            return handle.kv_get("k")

        assert db.run(report, 0) == 0
    assert calls == [0]


def test_run_on_a_handle_that_only_reads(tmp_path):
    with Strata.open(tmp_path / "db") as db:
        db.kv_put("k", 1)
    with Strata.open(tmp_path / "db", read_only=True) as db:
        assert db.run(lambda handle: handle.kv_get("k")) == 1
        with refused(AccessDeniedError, "read_only"):
            db.run(lambda handle: handle.kv_put("k", 2))
        assert not db.in_transaction()


def test_run_does_not_nest(db):
    with refused(StateError, "transaction_active"):
        db.run(lambda handle: handle.run(lambda again: None))
    assert not db.in_transaction()
    assert db.run(lambda handle: handle.session().run(lambda own: own.kv_put("k", 1))) == 1


def test_run_checks_its_arguments(db):
    for retries in (True, 1.5, "1", None):
        with pytest.raises(TypeError):
            db.run(lambda handle: None, retries=retries)
    for retries in (-1, 2**63):
        with refused(ValidationError, "out_of_range"):
            db.run(lambda handle: None, retries=retries)
    with pytest.raises(TypeError):
        db.run(5)
    assert not db.in_transaction()
    db.begin()
    with refused(StateError, "transaction_active"):
        db.run(lambda handle: None)
    db.rollback()


# ---- whose it is ----

# What a transaction keeps for its own thread and task, and what everybody may call meanwhile.
OWNERS_ONLY = {
    "kv_put": lambda db: db.kv_put("k", 1),
    "kv_get": lambda db: db.kv_get("k"),
    "kv_get_versioned": lambda db: db.kv_get_versioned("k"),
    "kv_exists": lambda db: db.kv_exists("k"),
    "kv_delete": lambda db: db.kv_delete("k"),
    "kv_history": lambda db: db.kv_history("k"),
    "kv_list": lambda db: db.kv_list(),
    "kv_count": lambda db: db.kv_count(),
    "kv_list_paginated": lambda db: db.kv_list_paginated(),
    "kv_scan": lambda db: db.kv_scan(),
    "kv_batch_put": lambda db: db.kv_batch_put({"k": 1}),
    "kv_batch_get": lambda db: db.kv_batch_get(["k"]),
    "kv_batch_delete": lambda db: db.kv_batch_delete(["k"]),
    "begin": lambda db: db.begin(),
    "commit": lambda db: db.commit(),
    "rollback": lambda db: db.rollback(),
    "run": lambda db: db.run(lambda handle: None),
    "transaction": lambda db: db.transaction().__enter__(),
    "branch_create": lambda db: db.branch_create("b"),
    "branch_delete": lambda db: db.branch_delete("other"),
    "branch_fork": lambda db: db.branch_fork("default", "b"),
    "branch_use": lambda db: db.branch_use("other"),
    "compact": lambda db: db.compact(),
    "space_use": lambda db: db.space_use("s"),
    "space_list": lambda db: db.space_list(),
    "space_exists": lambda db: db.space_exists("s"),
    "space_create": lambda db: db.space_create("s"),
    "space_delete": lambda db: db.space_delete("s"),
}
EVERYBODY = {
    "in_transaction": lambda db: db.in_transaction(),
    "ping": lambda db: db.ping(),
    "info": lambda db: db.info(),
    "flush": lambda db: db.flush(),
    "verify": lambda db: db.verify(),
    "time_range": lambda db: db.time_range(),
    "current_branch": lambda db: db.current_branch(),
    "current_space": lambda db: db.current_space(),
    "branch_list": lambda db: db.branch_list(),
    "branch_get": lambda db: db.branch_get("other"),
    "branch_exists": lambda db: db.branch_exists("other"),
    "session": lambda db: db.session().close(),
    "repr": repr,
}


def expect_a_stranger(db):
    """Called by who did not begin the open transaction."""
    for name, call in OWNERS_ONLY.items():
        assert code_of(call, db) == "transaction_other_thread", name
    for call in EVERYBODY.values():
        call(db)
    assert db.in_transaction()


def test_a_transaction_belongs_to_its_thread(db):
    db.branch_create("other")
    with db.transaction():
        db.kv_put("k", "mine")
        in_thread(expect_a_stranger, db)
        assert db.kv_get("k") == "mine"
    in_thread(db.kv_put, "l", 1)  # afterwards everybody may
    assert db.kv_list() == ["k", "l"]


def test_the_hint_names_session(db):
    db.begin()
    with refused(StateError, "transaction_other_thread") as caught:
        in_thread(db.kv_get, "k")
    assert "session()" in caught.value.hint
    db.rollback()


def test_another_thread_may_close(db):
    with db.session() as other:
        other.begin()
        other.kv_put("k", 1)
        in_thread(other.close)
        assert code_of(other.kv_get, "k") == "closed"
    assert db.kv_list() == []


def test_a_transaction_belongs_to_its_task(db):
    db.branch_create("other")

    async def main():
        began, checked = asyncio.Event(), asyncio.Event()

        async def owner():
            with db.transaction():
                db.kv_put("k", "mine")
                began.set()
                await checked.wait()
                assert db.kv_get("k") == "mine"

        async def stranger():
            await began.wait()
            try:
                expect_a_stranger(db)
            finally:
                checked.set()

        await asyncio.gather(owner(), stranger())

    asyncio.run(main())
    assert db.kv_get("k") == "mine"


def test_a_task_is_not_the_thread_it_runs_in(db):
    """Begun outside of any task, and met inside of one; and the other way round."""
    db.begin()

    async def stranger():
        return code_of(db.kv_get, "k")

    assert asyncio.run(stranger()) == "transaction_other_thread"
    db.rollback()

    async def owner():
        db.begin()

    asyncio.run(owner())
    assert code_of(db.kv_get, "k") == "transaction_other_thread"
    db.close()


def test_tasks_with_sessions_of_their_own(db):
    db.kv_put("n", 0)

    async def add():
        with db.session() as mine:
            for _ in range(5):
                while True:
                    try:
                        with mine.transaction():
                            value = mine.kv_get("n")
                            await asyncio.sleep(0)
                            mine.kv_put("n", value + 1)
                        break
                    except ConflictError:
                        await asyncio.sleep(0)

    async def main():
        await asyncio.gather(*(add() for _ in range(4)))

    asyncio.run(main())
    assert db.kv_get("n") == 20


def test_the_thread_that_began_is_gone(db):
    """Its number may be given to a new thread, which is still not the owner."""
    with db.session() as other:
        in_thread(other.begin)
        assert {in_thread(code_of, other.kv_get, "k") for _ in range(20)} == {"transaction_other_thread"}
