"""Spaces: name spaces for keys, part of a branch."""

import datetime

import pytest
from stratadb import AccessDeniedError, ConflictError, ConstraintError, NotFoundError, Strata, ValidationError
from support import conflict, refused

BAD_NAMES = ["", " ", "A", "1a", "-a", "_a", "a b", "a.b", "a/b", "é", "a\0", "a" * 65]
GOOD_NAMES = ["a", "a1", "a-b", "a_b", "a" * 64, "notes"]


def test_a_new_database_has_the_space_default(db):
    assert db.space_list() == ["default"]
    assert db.current_space() == "default"
    assert db.space_exists("default") is True


def test_keys_of_different_spaces_have_nothing_to_do_with_each_other(db):
    db.kv_put("k", "default")
    assert db.space_use("notes") is None
    assert db.current_space() == "notes"
    assert db.kv_get("k") is None
    assert db.kv_list() == []
    assert db.kv_put("k", "notes") == 1
    assert db.kv_put("only here", 1) == 1
    db.space_use("default")
    assert db.kv_scan() == [("k", "default")]
    assert db.kv_history("only here") is None
    assert db.info()["total_keys"] == 3


def test_a_space_appears_on_its_first_write(db):
    db.space_use("notes")
    assert not db.space_exists("notes")
    assert db.kv_get("k") is None
    assert db.kv_delete("k") is False
    assert db.space_list() == ["default"]
    db.kv_put("k", 1)
    assert db.space_exists("notes") is True
    assert db.space_list() == ["default", "notes"]
    db.kv_delete("k")
    assert db.space_exists("notes")  # empty, but still there


def test_create_makes_an_empty_space(db):
    assert db.space_create("notes") is None
    assert db.space_list() == ["default", "notes"]
    assert db.current_space() == "default"
    for name in ("notes", "default"):
        with refused(ConstraintError, "space_exists"):
            db.space_create(name)


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_names_that_are_allowed(db, name):
    db.space_create(name)
    db.space_use(name)
    db.kv_put("k", name)
    assert db.kv_get("k") == name
    assert db.space_list() == sorted(["default", name])


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_are_not(db, name):
    for call in (db.space_create, db.space_use, db.space_delete):
        with refused(ValidationError, "invalid_space_name"):
            call(name)
    assert db.space_exists(name) is False
    assert db.current_space() == "default"
    assert db.space_list() == ["default"]


def test_one_space_is_not_a_prefix_of_another(db):
    for name in ("a", "aa", "a-", "ab"):
        db.space_use(name)
        db.kv_put("k", name)
        db.kv_put("a", name)
    for name in ("a", "aa", "a-", "ab"):
        db.space_use(name)
        assert db.kv_scan() == [("a", name), ("k", name)]
        assert db.kv_count() == 2


def test_delete_an_empty_space(db):
    db.space_create("notes")
    assert db.space_delete("notes") is None
    assert db.space_list() == ["default"]
    with refused(NotFoundError, "space_not_found"):
        db.space_delete("notes")


def test_a_space_that_holds_data_is_not_deleted_by_mistake(db):
    db.space_use("notes")
    db.kv_put("k", 1)
    db.space_use("default")
    with refused(ConstraintError, "space_not_empty") as caught:
        db.space_delete("notes")
    assert "force" in caught.value.hint
    with refused(ConstraintError, "space_not_empty"):
        db.space_delete("notes", force=False)
    db.space_use("notes")
    assert db.kv_get("k") == 1
    db.kv_delete("k")
    db.space_use("default")
    db.space_delete("notes")
    assert db.space_list() == ["default"]


def test_delete_with_all_it_holds(db):
    db.space_use("notes")
    db.kv_batch_put({f"k{n}": n for n in range(500)})
    db.space_use("notes2")
    db.kv_put("k", 1)
    db.space_use("default")
    stamp = db.info()["commit_timestamp"]
    db.space_delete("notes", force=True)
    assert db.space_list() == ["default", "notes2"]
    assert db.info()["total_keys"] == 1
    db.space_use("notes")
    assert db.kv_list() == []
    assert db.kv_count(as_of=stamp) == 500
    # The counters go on, since the deletion was a version.
    assert db.kv_put("k1", "again") == 3
    assert [row["deleted"] for row in db.kv_history("k1")] == [False, True, False]


def test_default_and_the_space_in_use_stay(db):
    with refused(ConstraintError, "space_in_use"):
        db.space_delete("default")
    db.space_use("notes")
    for name in ("default", "notes"):
        with refused(ConstraintError, "space_in_use"):
            db.space_delete(name, force=True)


def test_spaces_belong_to_a_branch(db):
    db.branch_create("b")
    db.space_use("notes")
    db.kv_put("k", 1)
    db.branch_use("b")
    assert db.current_space() == "notes"
    assert db.kv_get("k") is None
    assert db.space_list() == ["default"]
    assert not db.space_exists("notes")


def test_spaces_travel_in_time(db):
    db.kv_put("k", 1)
    first = db.info()["commit_timestamp"]
    db.space_create("notes")
    second = db.info()["commit_timestamp"]
    db.space_delete("notes")
    assert db.space_list(as_of=first) == ["default"]
    assert db.space_list(as_of=second) == ["default", "notes"]
    assert db.space_exists("notes", as_of=second) is True
    assert db.space_exists("notes", as_of=first) is False
    assert db.space_list(as_of=10**14) == ["default"]


def test_spaces_roll_back(db):
    db.begin()
    db.space_create("made")
    db.space_use("written")
    db.kv_put("k", 1)
    assert db.space_list() == ["default", "made", "written"]
    db.rollback()
    assert db.space_list() == ["default"]
    assert db.current_space() == "written"  # which is the handle's, not the transaction's
    assert db.kv_get("k") is None


def test_two_first_writes_of_a_space_do_not_conflict(db):
    with db.session() as other:
        for handle in (db, other):
            handle.space_use("notes")
            handle.begin()
        db.kv_put("a", 1)
        other.kv_put("b", 1)
        db.commit()
        other.commit()
    assert db.kv_list() == ["a", "b"]


def test_a_space_deleted_before_the_commit_is_made_again(db):
    db.space_create("notes")
    with db.session() as other:
        other.space_use("notes")
        other.begin()
        other.kv_put("k", 1)
        db.space_delete("notes")
        other.commit()
        assert other.space_list() == ["default", "notes"]
        assert other.kv_get("k") == 1


@pytest.mark.parametrize("isolation", ["serializable", "snapshot"])
@pytest.mark.parametrize("held", [[], ["a"], ["a", "b"]])
def test_deleting_a_space_conflicts_with_writing_into_it(db, isolation, held):
    with db.session() as other:
        db.space_create("notes")
        db.space_use("notes")
        db.kv_batch_put(dict.fromkeys(held, 0))
        other.begin(isolation=isolation)
        other.space_delete("notes", force=True)
        db.kv_put("b", 1)
        with refused(ConflictError, "transaction_conflict"):
            other.commit()
    assert db.kv_list() == sorted({*held, "b"})
    assert db.kv_get("b") == 1


# ---- in transactions ----


def test_a_transaction_over_spaces_is_one_commit(tmp_path):
    """All of it or nothing, one timestamp, in every space it wrote; also after reopening."""
    names = ["default", *(f"s{n}" for n in range(20))]
    with Strata.open(tmp_path / "db") as db:
        with db.transaction():
            for name in names:
                db.space_use(name)
                db.kv_put("k", name)
        stamp = db.info()["commit_timestamp"]
        with pytest.raises(KeyError), db.transaction():
            for name in names:
                db.space_use(name)
                db.kv_put("k", "never")
            raise KeyError
    with Strata.open(tmp_path / "db") as db:
        assert db.space_list() == sorted(names)
        assert db.space_list(as_of=stamp - 1) == ["default"]
        for name in names:
            db.space_use(name)
            assert db.kv_get_versioned("k") == {"value": name, "version": 1, "timestamp": stamp}


def test_a_conflict_in_one_space_undoes_all(db):
    db.space_create("notes")
    with db.session() as other:
        other.space_use("notes")
        db.begin()
        db.kv_put("k", 1)
        db.space_use("notes")
        assert db.kv_get("k") is None
        other.kv_put("k", "other")
        db.space_use("made")
        db.kv_put("k", 1)
        conflict(db)
    assert db.space_list() == ["default", "notes"]
    db.space_use("default")
    assert db.kv_list() == []


def test_a_space_made_and_deleted_again_in_one_transaction(db):
    before = db.info()["commit_timestamp"]
    db.begin()
    db.space_create("notes")
    db.space_use("notes")
    db.kv_put("k", 1)
    db.space_use("default")
    db.space_delete("notes", force=True)
    assert db.space_list() == ["default"]
    assert db.commit() == before  # nothing is left to write
    db.space_use("notes")
    assert db.kv_history("k") is None


def test_a_space_deleted_and_made_again_in_one_transaction(db):
    db.space_use("notes")
    db.kv_batch_put({"a": 1, "b": 1})
    db.space_use("default")
    with db.session() as other, db.transaction():
        other.space_use("notes")
        db.space_delete("notes", force=True)
        assert not db.space_exists("notes")
        db.space_use("notes")
        assert db.kv_list() == []
        assert db.kv_put("b", 2) == 2
        assert db.space_exists("notes")
        assert other.kv_scan() == [("a", 1), ("b", 1)]
    assert db.space_list() == ["default", "notes"]
    assert db.kv_scan() == [("b", 2)]
    assert [(row["version"], row["deleted"]) for row in db.kv_history("a")] == [(2, True), (1, False)]


def test_a_deletion_rolls_back(db):
    db.space_use("notes")
    db.kv_batch_put({f"k{n}": n for n in range(300)})
    db.space_use("default")
    db.begin()
    db.space_delete("notes", force=True)
    db.rollback()
    assert db.space_list() == ["default", "notes"]
    db.space_use("notes")
    assert db.kv_count() == 300
    assert len(db.kv_history("k1")) == 1


def test_an_open_transaction_still_sees_a_space_that_is_deleted(db):
    db.space_use("notes")
    db.kv_put("k", 1)
    with db.session() as other:
        other.space_use("default")
        db.begin()
        other.space_delete("notes", force=True)
        assert db.space_list() == ["default", "notes"]
        assert db.kv_get("k") == 1
        db.commit()
        assert db.space_list() == ["default"]
        assert db.kv_get("k") is None
        assert db.current_space() == "notes"


def test_two_that_create_the_same_space(db):
    with db.session() as other:
        for handle in (db, other):
            handle.begin()
            handle.space_create("notes")
        db.commit()
        conflict(other)
        with refused(ConstraintError, "space_exists"):
            other.space_create("notes")


def test_two_that_delete_the_same_space(db):
    db.space_create("notes")
    with db.session() as other:
        for handle in (db, other):
            handle.begin()
            handle.space_delete("notes")
        db.commit()
        conflict(other)
    assert db.space_list() == ["default"]


def test_a_refused_deletion_leaves_the_transaction_open(db):
    db.space_use("notes")
    db.kv_put("k", 1)
    db.space_use("default")
    db.begin()
    for name, code in (("notes", "space_not_empty"), ("default", "space_in_use")):
        with refused(ConstraintError, code):
            db.space_delete(name)
    with refused(NotFoundError, "space_not_found"):
        db.space_delete("none")
    db.kv_put("k", 2)
    db.commit()
    assert db.kv_get("k") == 2
    assert db.space_exists("notes")


def test_a_reading_transaction_changes_no_space(db):
    db.space_create("notes")
    db.begin(read_only=True)
    for call in (
        lambda: db.space_create("s"),
        lambda: db.space_delete("notes"),
        lambda: db.space_delete("notes", force=True),
    ):
        with refused(AccessDeniedError, "read_only"):
            call()
    db.space_use("s")  # is the handle's own
    assert db.space_list() == ["default", "notes"]
    db.commit()


def test_what_a_transaction_sees_of_spaces_in_the_past(db):
    db.space_create("old")
    stamp = db.info()["commit_timestamp"]
    db.space_delete("old")
    db.begin()
    db.space_create("new")
    assert db.space_list(as_of=stamp) == ["default", "old"]
    assert db.space_list(as_of=db.info()["commit_timestamp"]) == ["default"]
    assert db.space_exists("new")
    assert not db.space_exists("new", as_of=db.info()["commit_timestamp"])
    db.rollback()


# ---- with branches, sessions, retention, many ----


def test_a_space_deleted_in_a_fork_stays_in_its_source(db):
    db.space_use("notes")
    db.kv_put("k", 1)
    db.space_use("default")
    db.branch_fork("default", "f")
    db.branch_use("f")
    db.space_delete("notes", force=True)
    assert db.space_list() == ["default"]
    db.branch_use("default")
    assert db.space_list() == ["default", "notes"]
    db.space_use("notes")
    assert db.kv_get("k") == 1


def test_a_fork_of_the_past_has_the_spaces_of_the_past(db):
    db.space_create("empty")
    db.space_use("notes")
    db.kv_put("k", 1)
    stamp = db.info()["commit_timestamp"]
    db.space_use("default")
    db.space_delete("notes", force=True)
    db.space_delete("empty")
    db.branch_fork("default", "f", as_of=stamp)
    db.branch_use("f")
    assert db.space_list() == ["default", "empty", "notes"]
    db.space_use("notes")
    assert db.kv_get("k") == 1


def test_the_space_belongs_to_the_handle(db):
    db.space_use("notes")
    with db.session() as other:
        assert other.current_space() == "notes"
        other.space_use("more")
        assert db.current_space() == "notes"
        db.kv_put("k", 1)
        assert other.kv_get("k") is None
        with refused(ConstraintError, "space_in_use"):
            db.space_delete("notes")
        other.space_delete("notes", force=True)  # is in use by another handle only
    assert db.kv_get("k") is None
    db.kv_put("k", 2)
    assert db.space_exists("notes")


def test_a_space_deleted_and_forgotten_begins_anew(db):
    db.space_use("notes")
    db.kv_put("k", 1)
    stamp = db.info()["commit_timestamp"]
    db.space_use("default")
    db.space_delete("notes", force=True)
    db.kv_put("later", 1)
    db.compact(keep_history=datetime.timedelta(0))
    with refused(ConstraintError, "history_trimmed"):
        db.space_list(as_of=stamp)
    db.space_use("notes")
    assert not db.space_exists("notes")
    assert db.kv_history("k") is None
    assert db.kv_put("k", 2) == 1


def test_many_spaces(db):
    names = sorted(f"s{n}" for n in range(2000))
    with db.transaction():
        for name in names:
            db.space_use(name)
            db.kv_put("k", name)
    assert db.space_list() == ["default", *names]
    assert db.info()["total_keys"] == 2000
    db.space_use("s1234")
    assert db.kv_scan() == [("k", "s1234")]
    db.space_use("default")
    with db.transaction():
        for name in names[::2]:
            db.space_delete(name, force=True)
    assert db.space_list() == ["default", *names[1::2]]
