"""branch_merge with a strategy that is a function of the conflict."""

import pytest
from merging import conflicting, conflicts, documents, merge, stamp
from stratadb import ConflictError, StateError, ValidationError
from support import contents, refused

# ---- the callable ----


def test_what_a_callable_gets(forked):
    db = forked
    conflicting(db)
    documents_seen = []

    def strategy(conflict):
        documents_seen.append(conflict)
        return conflict["target"]

    merge(db, strategy=strategy)
    assert documents_seen == [{n: v for n, v in c.items() if n != "resolution"} for c in conflicts([None] * 3)]


def test_what_a_callable_changes_in_the_conflict_changes_nothing(db):
    documents(db, {"a": [1]}, {"a": [2]}, {"a": [3]})

    def strategy(conflict):
        conflict["source"].append("spoiled")
        conflict["key"] = "other"
        return [2]

    (found,) = merge(db, strategy=strategy)["conflicts"]
    assert (found["source"], found["key"], found["resolution"]) == ([2], "d", "source")
    assert db.json_get("d") == {"a": [2]}


def test_an_exception_in_a_callable_ends_the_merge(forked):
    db = forked
    conflicting(db)
    before = contents(db, history=True), stamp(db)

    class Stop(Exception):
        pass

    def strategy(conflict):
        if conflict["key"] == "gone":
            raise Stop
        return 1

    with pytest.raises(Stop):
        merge(db, strategy=strategy)
    assert (contents(db, history=True), stamp(db)) == before


@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        ({1, 2}, TypeError, None),
        (object(), TypeError, None),
        (2**64, ValidationError, "integer_out_of_range"),
        ("\ud800", ValidationError, "invalid_unicode"),
    ],
)
def test_what_a_callable_may_not_answer(forked, answer, error, code):
    db = forked
    conflicting(db)
    before = contents(db, history=True)
    with pytest.raises(error) as caught:
        merge(db, strategy=lambda conflict: answer)
    assert getattr(caught.value, "code", None) == code
    assert contents(db, history=True) == before


def test_a_callable_may_use_the_database(forked):
    db = forked
    conflicting(db)

    def strategy(conflict):
        with db.session() as session:
            assert session.kv_get("both") == "target"
        return db.kv_get(conflict["key"])

    assert [c["resolution"] for c in merge(db, strategy=strategy)["conflicts"]] == ["target"] * 3


def test_a_merge_starts_over_when_a_branch_changes(forked):
    db = forked
    conflicting(db)
    seen = []

    def strategy(conflict):
        seen.append(conflict["key"])
        if len(seen) == 1:
            db.kv_put("both", "later")
        return conflict["target"]

    report = merge(db, strategy=strategy)
    assert seen == ["both", "gone", "left"] * 2
    assert report["conflicts"][0]["target"] == "later"
    assert db.kv_get("both") == "later"


def test_a_merge_gives_up_after_ten_times(forked):
    db = forked
    conflicting(db)
    asked = []

    def strategy(conflict):
        if conflict["key"] == "both":
            asked.append(conflict["target"])
            db.kv_put("both", len(asked))
        return "answer"

    with refused(ConflictError, "transaction_conflict"):
        merge(db, strategy=strategy)
    assert len(asked) == 10
    assert db.kv_get("both") == 10 and db.kv_get("gone") is None


def test_a_callable_of_its_own_transaction_is_refused(forked):
    db = forked
    conflicting(db)

    def strategy(conflict):
        if not db.in_transaction():
            db.begin()
        return 1

    with refused(StateError, "in_transaction"):
        merge(db, strategy=strategy)
    db.rollback()
