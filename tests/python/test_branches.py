"""Branches: made empty, forked, used, deleted."""

import datetime

import pytest
from stratadb import ConstraintError, NotFoundError, StateError, ValidationError
from support import contents, refused

BAD_NAMES = ["", " ", "-a", ".a", "_a", "/a", "a b", "a\n", "é", "a\0", "a" * 129, "a:b", "a\\b", "😀"]
GOOD_NAMES = ["a", "A", "0", "a.b", "a/b", "a-b_c", "feature/x.1", "a" * 128, "a//b", "a..", "CON", "default2"]


def now(db):
    return db.info()["commit_timestamp"]


def test_a_new_database_has_the_branch_default(db):
    assert db.branch_list() == ["default"]
    assert db.current_branch() == "default"
    about = db.branch_get("default")
    assert about["name"] == "default"
    assert about["status"] == "active"
    assert about["parent"] is about["fork_timestamp"] is None
    assert about["key_count"] == about["version"] == 0


def test_create_makes_an_empty_branch(db):
    db.kv_put("k", 1)
    assert db.branch_create("b") is None
    assert db.branch_list() == ["b", "default"]
    assert db.current_branch() == "default"
    assert db.branch_use("b") is None
    assert db.current_branch() == "b"
    assert db.kv_list() == []
    assert db.kv_history("k") is None
    assert db.kv_put("k", 2) == 1
    db.branch_use("default")
    assert db.kv_get("k") == 1


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_names_that_are_allowed(db, name):
    db.branch_create(name)
    db.branch_use(name)
    db.kv_put("k", name)
    db.branch_fork(name, "fork")
    db.branch_use("fork")
    assert db.kv_get("k") == name
    assert db.branch_get(name)["name"] == name


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_are_not(db, name):
    with refused(ValidationError, "invalid_branch_name"):
        db.branch_create(name)
    with refused(ValidationError, "invalid_branch_name"):
        db.branch_fork("default", name)
    with refused(ValidationError, "invalid_branch_name"):
        db.branch_fork("nowhere", name)
    assert db.branch_list() == ["default"]
    # No branch can have such a name, so to ask for one is to ask for what does not exist.
    assert db.branch_exists(name) is False
    assert db.branch_get(name) is None
    for call in (db.branch_use, db.branch_delete, lambda n: db.branch_fork(n, "b")):
        with refused(NotFoundError, "branch_not_found"):
            call(name)


@pytest.mark.parametrize("name", [*BAD_NAMES, "Default", "DEFAULT", "B", "default/", "default.", "b/", "no"])
def test_names_of_no_branch(db, tmp_path, name):
    """Separators, dots, twins in another case: whoever asks for one of them by any call is told that there is none."""
    db.branch_create("b")
    path = tmp_path / "bundle"
    for call in (
        lambda: db.branch_use(name),
        lambda: db.branch_delete(name),
        lambda: db.branch_fork(name, "new"),
        lambda: db.branch_fork(name, "new", as_of=now(db)),
        lambda: db.branch_diff(name, "b"),
        lambda: db.branch_diff("b", name),
        lambda: db.branch_merge(name, "b"),
        lambda: db.branch_merge("b", name, dry_run=True),
        lambda: db.branch_log(name),
        lambda: db.branch_revert(name, now(db)),
        lambda: db.branch_export(name, path),
    ):
        with refused(NotFoundError, "branch_not_found"):
            call()
    assert db.branch_list() == ["b", "default"] and db.branch_get(name) is None
    assert not path.exists()


def test_twins_in_another_case_are_two_branches(db, tmp_path):
    for name in ("b", "B", "Default"):
        db.branch_fork("default", name)
        db.branch_use(name)
        db.kv_put("k", name)
    db.branch_export("B", tmp_path / "bundle")
    db.branch_delete("b")
    db.branch_import(tmp_path / "bundle", name="b")
    for name, value in (("b", "B"), ("B", "B"), ("Default", "Default"), ("default", None)):
        db.branch_use(name)
        assert db.kv_get("k") == value
    assert db.branch_merge("b", "B")["keys_applied"] == 0


def test_names_sort_by_their_bytes(db):
    for name in ("b", "B", "a/z", "a.z", "a", "10", "9"):
        db.branch_create(name)
    assert db.branch_list() == sorted(["b", "B", "a/z", "a.z", "a", "10", "9", "default"])


def test_what_exists_cannot_be_made_again(db):
    db.branch_create("b")
    for name in ("b", "default"):
        with refused(ConstraintError, "branch_exists"):
            db.branch_create(name)
        with refused(ConstraintError, "branch_exists"):
            db.branch_fork("default", name)


def test_what_does_not_exist(db):
    assert db.branch_exists("b") is False
    assert db.branch_get("b") is None
    for call in (db.branch_use, db.branch_delete, lambda name: db.branch_fork(name, "c")):
        with refused(NotFoundError, "branch_not_found") as caught:
            call("b")
        assert "b" in caught.value.message
    assert db.branch_list() == ["default"]


def test_exists(db):
    db.branch_create("b")
    assert db.branch_exists("b") is True
    assert db.branch_exists("default") is True
    assert db.branch_exists("B") is False


def test_get_tells_about_a_branch(db):
    db.branch_create("b")
    made = now(db)
    assert db.branch_get("b") == {
        **db.branch_get("b"),
        "name": "b",
        "status": "active",
        "created_at": made,
        "updated_at": made,
        "version": 0,
        "parent": None,
        "fork_timestamp": None,
        "key_count": 0,
    }
    assert set(db.branch_get("b")) == {
        "name", "id", "status", "created_at", "updated_at", "version", "parent", "fork_timestamp", "key_count",
    }  # fmt: skip
    db.branch_use("b")
    db.kv_put("k", 1)
    with db.transaction():
        db.kv_put("k", 2)
        db.kv_put("l", 2)
    after = db.branch_get("b")
    assert after["version"] == 2
    assert after["updated_at"] == now(db)
    assert after["created_at"] == made
    assert after["key_count"] == 2


def test_ids_are_unique(db):
    for name in ("a", "b"):
        db.branch_create(name)
    first = db.branch_get("a")["id"]
    ids = {db.branch_get(name)["id"] for name in db.branch_list()}
    assert len(ids) == 3
    assert all(type(identity) is str and identity for identity in ids)
    db.branch_delete("a")
    db.branch_create("a")
    assert db.branch_get("a")["id"] not in ids
    assert db.branch_get("a")["id"] != first


# ---- fork ----


def test_fork_has_the_data_and_the_history(db):
    db.kv_put("a", 1)
    db.kv_put("a", 2)
    db.kv_put("b", 1)
    db.kv_delete("b")
    stamp = now(db)
    assert db.branch_fork("default", "f") == {
        "source": "default",
        "destination": "f",
        "key_count": 1,
        "timestamp": stamp,
    }
    assert db.current_branch() == "default"
    before = db.kv_history("a"), db.kv_history("b")
    db.branch_use("f")
    assert (db.kv_history("a"), db.kv_history("b")) == before
    assert db.kv_scan() == [("a", 2)]
    about = db.branch_get("f")
    assert (about["parent"], about["fork_timestamp"], about["key_count"], about["version"]) == ("default", stamp, 1, 0)
    assert about["created_at"] > stamp


def test_a_fork_and_its_source_go_their_own_ways(db):
    db.kv_batch_put({"a": 1, "b": 1, "c": 1})
    db.branch_fork("default", "f")
    db.kv_put("a", 2)
    db.kv_delete("b")
    db.kv_put("only default", 1)
    db.branch_use("f")
    assert dict(db.kv_scan()) == {"a": 1, "b": 1, "c": 1}
    db.kv_put("c", 3)
    db.kv_delete("a")
    db.kv_put("only f", 1)
    assert dict(db.kv_scan()) == {"b": 1, "c": 3, "only f": 1}
    db.branch_use("default")
    assert dict(db.kv_scan()) == {"a": 2, "c": 1, "only default": 1}


def test_fork_of_another_branch_than_the_current_one(db):
    db.branch_create("b")
    with db.session() as other:
        other.branch_use("b")
        other.kv_put("k", "b")
    db.branch_fork(source="b", dest="c")
    db.branch_use("c")
    assert db.kv_get("k") == "b"
    assert db.branch_get("c")["parent"] == "b"


def test_fork_as_of(db):
    db.kv_put("a", 1)
    first = now(db)
    db.kv_put("a", 2)
    db.kv_put("b", 1)
    assert db.branch_fork("default", "f", as_of=first) == {
        "source": "default",
        "destination": "f",
        "key_count": 1,
        "timestamp": first,
    }
    db.branch_use("f")
    assert db.kv_scan() == [("a", 1)]
    assert [row["version"] for row in db.kv_history("a")] == [1]
    assert db.kv_history("b") is None
    assert db.kv_put("a", "fork") == 2
    assert db.kv_put("b", "fork") == 1
    assert db.kv_get("a", as_of=first) == 1


def test_fork_as_of_a_datetime_and_of_the_future(db):
    db.kv_put("a", 1)
    moment = datetime.datetime.now() + datetime.timedelta(days=1)
    assert db.branch_fork("default", "f", as_of=moment)["timestamp"] == db.kv_get_versioned("a")["timestamp"]
    db.branch_use("f")
    assert db.kv_get("a") == 1


def test_fork_as_of_before_everything_is_empty(db):
    db.kv_put("a", 1)
    assert db.branch_fork("default", "f", as_of=10**14)["key_count"] == 0
    db.branch_use("f")
    assert db.kv_list() == []
    assert db.kv_put("a", 1) == 1


def test_forks_of_forks(db):
    names = ["default"]
    for depth in range(60):
        db.branch_use(names[-1])
        db.kv_put("k", depth)
        db.kv_put(f"k{depth}", depth)
        names.append(f"d{depth}")
        db.branch_fork(names[-2], names[-1])
    db.branch_use(names[-1])
    assert db.kv_count() == 61
    assert [row["value"] for row in db.kv_history("k")] == list(range(60))[::-1]
    assert db.kv_get("k0") == 0
    db.branch_use("d5")
    assert db.kv_count() == 7 + 1  # k, k0 to k5 from before, k6 by its own writing


def test_many_forks_of_one_branch(db):
    db.kv_batch_put({f"k{n:03}": n for n in range(300)})
    for n in range(50):
        db.branch_fork("default", f"f{n}")
    for n in range(50):
        db.branch_use(f"f{n}")
        db.kv_put(f"k{n:03}", "changed")
        db.kv_delete(f"k{n + 100:03}")
    for n in range(50):
        db.branch_use(f"f{n}")
        expected = {f"k{i:03}": i for i in range(300) if i != n + 100}
        expected[f"k{n:03}"] = "changed"
        assert dict(db.kv_scan()) == expected


def test_fork_takes_all_spaces(db):
    db.kv_put("k", "default")
    db.space_use("notes")
    db.kv_put("k", "notes")
    db.branch_fork("default", "f")
    db.branch_use("f")
    assert db.current_space() == "notes"
    assert db.kv_get("k") == "notes"
    assert db.space_list() == ["default", "notes"]
    assert db.branch_get("f")["key_count"] == 2


# ---- delete ----


def test_delete(db):
    db.branch_create("b")
    assert db.branch_delete("b") is None
    assert db.branch_list() == ["default"]
    assert not db.branch_exists("b")
    with refused(NotFoundError, "branch_not_found"):
        db.branch_delete("b")


def test_a_name_can_be_used_again_and_begins_empty(db):
    db.branch_fork("default", "b")
    db.branch_use("b")
    db.kv_put("k", 1)
    db.branch_use("default")
    db.branch_delete("b")
    db.branch_create("b")
    db.branch_use("b")
    assert db.kv_list() == []
    assert db.kv_history("k") is None
    assert db.kv_put("k", 1) == 1


def test_default_and_the_branch_in_use_stay(db):
    db.branch_create("b")
    with refused(ConstraintError, "branch_in_use"):
        db.branch_delete("default")
    db.branch_use("b")
    for name in ("b", "default"):
        with refused(ConstraintError, "branch_in_use"):
            db.branch_delete(name)
    assert db.branch_list() == ["b", "default"]


def test_a_fork_outlives_its_source(db):
    db.branch_create("source")
    db.branch_use("source")
    db.kv_put("k", 1)
    db.kv_put("k", 2)
    first = db.kv_history("k")[-1]["timestamp"]
    db.branch_fork("source", "f")
    db.branch_use("f")
    db.branch_delete("source")
    db.compact()
    assert db.kv_get("k") == 2
    assert db.kv_get("k", as_of=first) == 1
    assert db.branch_get("f")["parent"] == "source"


def test_a_handle_whose_branch_another_one_deleted(db):
    db.branch_create("b")
    with db.session() as other:
        other.branch_use("b")
        other.kv_put("k", 1)
        db.branch_delete("b")
        calls = (
            lambda: other.kv_get("k"),
            lambda: other.kv_put("k", 2),
            lambda: other.kv_list(),
            lambda: other.space_list(),
            lambda: other.time_range(),
            lambda: other.begin(),
        )
        for call in calls:
            with refused(NotFoundError, "branch_not_found"):
                call()
        assert other.current_branch() == "b"
        assert other.branch_list() == ["default"]
        other.branch_use("default")
        assert other.kv_get("k") is None


def test_a_branch_deleted_under_a_transaction(db):
    db.branch_create("b")
    with db.session() as other:
        other.branch_use("b")
        other.kv_put("k", 1)
        other.begin()
        assert other.kv_get("k") == 1
        other.kv_put("k", 2)
        db.branch_delete("b")
        with refused(NotFoundError, "branch_not_found"):
            other.commit()
        assert not other.in_transaction()
    assert db.branch_list() == ["default"]


# ---- handles, transactions ----


def test_the_current_branch_belongs_to_the_handle(db):
    db.branch_create("b")
    with db.session() as other:
        other.branch_use("b")
        assert (db.current_branch(), other.current_branch()) == ("default", "b")
        with other.session() as third:
            assert third.current_branch() == "b"


def test_branch_operations_are_not_for_transactions(db):
    db.branch_create("b")
    db.begin()
    db.kv_put("k", 1)
    calls = (
        lambda: db.branch_create("c"),
        lambda: db.branch_delete("b"),
        lambda: db.branch_fork("default", "c"),
        lambda: db.branch_use("b"),
        lambda: db.compact(),
    )
    for call in calls:
        with refused(StateError, "in_transaction"):
            call()
    assert db.in_transaction()
    assert db.branch_list() == ["b", "default"]
    assert db.branch_exists("b")
    assert db.branch_get("b")["name"] == "b"
    assert db.current_branch() == "default"
    db.commit()
    assert db.kv_get("k") == 1


def test_the_whole_content_after_many_branches(db, rng):
    """Random writes on random branches, held against dictionaries."""
    known = {"default": {}}
    for n in range(600):
        branch = rng.choice(sorted(known))
        db.branch_use(branch)
        chance = rng.random()
        if chance < 0.05 and len(known) < 12:
            db.branch_fork(branch, f"f{n}")
            known[f"f{n}"] = dict(known[branch])
        elif chance < 0.08 and len(known) > 4 and branch != "default":
            db.branch_use("default")
            db.branch_delete(branch)
            del known[branch]
        elif chance < 0.4:
            key = f"k{rng.randrange(40)}"
            assert db.kv_delete(key) is (key in known[branch])
            known[branch].pop(key, None)
        else:
            key = f"k{rng.randrange(40)}"
            db.kv_put(key, n)
            known[branch][key] = n
    assert db.branch_list() == sorted(known)
    for branch, expected in known.items():
        db.branch_use(branch)
        assert dict(db.kv_scan()) == expected
        assert db.branch_get(branch)["key_count"] == db.kv_count() == len(expected)
    assert db.info()["total_keys"] == sum(map(len, known.values()))
    assert len(contents(db)) == len(known)
