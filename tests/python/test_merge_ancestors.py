"""What branch_merge takes for the common ancestor: forks, merges, deleted branches, the past."""

import pytest
from merging import On, merge, scan, stamp
from stratadb import Strata

# ---- ancestors ----


def test_the_base_moves_up(forked):
    db = forked
    On(db, "b").kv_put("both", 1)
    merge(db)
    db.kv_put("both", 2)  # after the merge this is a change of the target alone
    On(db, "b").kv_put("theirs", 1)
    assert merge(db, strategy="strict")["keys_applied"] == 1
    assert db.kv_get("both") == 2
    assert merge(db, "default", "b", "strict")["keys_applied"] == 1
    assert scan(db, "b") == scan(db, "default")


def test_cousins(forked):
    db = forked
    db.branch_fork("b", "c")
    db.branch_fork("b", "d")
    On(db, "b").kv_put("both", "b")  # in neither of them
    On(db, "c").kv_put("theirs", "c")
    On(db, "d").kv_put("mine", "d")
    db.kv_put("left", "default")
    assert merge(db, "c", "d", "strict")["keys_applied"] == 1
    assert scan(db, "d") == {"both": 0, "mine": "d", "theirs": "c", "left": 0, "gone": 0}
    assert merge(db, "d", "default", "strict")["keys_applied"] == 2
    assert scan(db, "default") == {"both": 0, "mine": "d", "theirs": "c", "left": "default", "gone": 0}
    assert merge(db, "c", "default", "strict")["keys_applied"] == 0  # it came by way of d


def test_a_deleted_branch_is_still_an_ancestor(forked):
    db = forked
    db.branch_fork("b", "c")
    db.branch_fork("b", "d")
    On(db, "b").kv_put("x", 1)
    merge(db, "b", "c")
    merge(db, "b", "d")
    db.branch_delete("b")
    On(db, "c").kv_put("x", 2)
    assert merge(db, "c", "d", "strict")["keys_applied"] == 1
    assert scan(db, "d")["x"] == 2


def test_a_branch_of_the_same_name_is_another(forked):
    db = forked
    On(db, "b").kv_put("both", 1)
    merge(db)
    db.branch_delete("b")
    db.branch_create("b")
    On(db, "b").kv_put("both", 2)
    (conflict,) = merge(db, strategy="source")["conflicts"]
    assert (conflict["base"], conflict["source"], conflict["target"]) == (None, 2, 1)


def test_a_fork_of_the_past(forked):
    db = forked
    then = stamp(db)
    db.kv_put("mine", 1)
    db.branch_fork("default", "past", as_of=then)
    On(db, "past").kv_put("theirs", 2)
    db.kv_put("left", 1)
    assert merge(db, "past", "default", "strict")["keys_applied"] == 1
    assert scan(db, "default") == {"both": 0, "mine": 1, "theirs": 2, "left": 1, "gone": 0}
    assert merge(db, "default", "past", "strict")["keys_applied"] == 2
    assert scan(db, "past") == scan(db, "default")


def test_a_fork_of_the_past_does_not_know_what_was_merged_later(forked):
    db = forked
    then = stamp(db)
    On(db, "b").kv_put("theirs", 1)
    merge(db)
    db.branch_fork("default", "past", as_of=then)
    assert scan(db, "past")["theirs"] == 0
    assert merge(db, "b", "past", "strict")["keys_applied"] == 1
    assert scan(db, "past")["theirs"] == 1


def test_a_deep_chain_of_forks(db):
    db.kv_put("k", 0)
    name = "default"
    for n in range(120):
        db.branch_fork(name, f"f{n}")
        name = f"f{n}"
        On(db, name).kv_put(f"k{n}", n)
    assert merge(db, name, "default", "strict")["keys_applied"] == 120
    db.kv_put("k", 1)
    assert merge(db, "default", "f60", "strict")["keys_applied"] == 60
    assert len(scan(db, "f60")) == 121


@pytest.mark.engine
@pytest.mark.parametrize("durability", ["buffered", "strict"])
def test_ancestors_survive_reopening(tmp_path, durability):
    with Strata.open(tmp_path / "db", durability=durability) as db:
        db.kv_batch_put({"both": 0, "large": "x" * 5000})
        db.branch_fork("default", "b")
        On(db, "b").kv_batch_put({"both": 1, "large": "y" * 5000})
        merge(db)
    with Strata.open(tmp_path / "db", durability=durability) as db:
        db.kv_batch_put({"both": 2, "large": "z" * 5000})
        db.compact()
        assert merge(db, strategy="strict")["keys_applied"] == 0
        db.branch_fork("default", "c")
    with Strata.open(tmp_path / "db", durability=durability) as db:
        assert merge(db, "b", "c", "strict")["keys_applied"] == 0
        assert merge(db, "c", "b", "strict")["keys_applied"] == 2
        assert db.verify()["ok"]


def test_ancestors_survive_retention(forked):
    import datetime

    db = forked
    db.kv_put("large", "x" * 5000)
    merge(db, "default", "b")
    for n in range(20):
        db.kv_put("large", "y" * 5000 + str(n))
        db.kv_put("both", n)
    db.compact(keep_history=datetime.timedelta(0))
    assert merge(db, strategy="strict")["keys_applied"] == 0  # b changed neither since
    On(db, "b").kv_put("theirs", 1)
    assert merge(db, strategy="strict")["keys_applied"] == 1
    assert merge(db, "default", "b", "strict")["keys_applied"] == 2
