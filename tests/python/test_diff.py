"""branch_diff: what differs, going from one branch to the other."""

import datetime

import pytest
from stratadb import ConstraintError, NotFoundError, StateError, Strata, ValidationError
from support import contents, refused


def fork(db, name, source="default"):
    db.branch_fork(source, name)
    db.branch_use(name)


def entry(key, change, a=None, b=None, *, space="default", primitive="kv"):
    return {"space": space, "primitive": primitive, "key": key, "change": change, "a": a, "b": b}


def entries(db, a="default", b="b", **options):
    return db.branch_diff(a, b, **options)["entries"]


def test_the_shape_of_the_answer(db):
    db.kv_put("same", 1)
    db.kv_put("changed", 1)
    db.kv_put("gone", None)
    fork(db, "b")
    db.kv_put("changed", 2)
    db.kv_delete("gone")
    db.kv_put("new", {"x": [1, b"y"]})
    report = db.branch_diff("default", "b")
    assert list(report) == ["branch_a", "branch_b", "summary", "entries"]
    assert report == {
        "branch_a": "default",
        "branch_b": "b",
        "summary": {"total_added": 1, "total_removed": 1, "total_modified": 1},
        "entries": [
            entry("changed", "modified", 1, 2),
            entry("gone", "removed"),
            entry("new", "added", None, {"x": [1, b"y"]}),
        ],
    }
    assert list(report["entries"][0]) == ["space", "primitive", "key", "change", "a", "b"]


def test_the_other_way_round(db):
    db.kv_put("changed", 1)
    fork(db, "b")
    db.kv_put("changed", 2)
    db.kv_put("new", 3)
    assert entries(db, "b", "default") == [entry("changed", "modified", 2, 1), entry("new", "removed", 3)]


@pytest.mark.parametrize("pair", [("default", "default"), ("default", "b"), ("b", "b")])
def test_no_difference(db, pair):
    db.kv_put("k", 1)
    db.branch_fork("default", "b")
    assert db.branch_diff(*pair)["entries"] == []
    assert set(db.branch_diff(*pair)["summary"].values()) == {0}


def test_branches_that_have_nothing_in_common(db):
    db.kv_put("k", 1)
    db.kv_put("mine", 1)
    db.branch_create("b")
    db.branch_use("b")
    db.kv_put("k", 1)
    db.kv_put("theirs", 1)
    assert entries(db) == [entry("mine", "removed", 1), entry("theirs", "added", None, 1)]


def test_values_count_and_not_versions(db):
    db.kv_put("k", {"a": 1, "b": float("nan")})
    db.kv_put("deleted", 1)
    fork(db, "b")
    db.kv_put("k", 2)
    db.kv_put("k", {"b": float("nan"), "a": 1})  # the order of members does not count
    db.kv_delete("deleted")
    db.kv_put("deleted", 1)
    assert entries(db) == []


NOT_THE_SAME = [(1, 1.0), (1, True), (0.0, -0.0), ("a", b"a"), ([], {}), (None, False), ("x" * 5000, "y" * 5000)]


@pytest.mark.parametrize("pair", NOT_THE_SAME)
def test_what_is_not_the_same_value(db, pair):
    db.kv_put("k", pair[0])
    fork(db, "b")
    db.kv_put("k", pair[1])
    (found,) = entries(db)
    assert repr((found["a"], found["b"])) == repr(pair)


def test_large_values(db):
    db.kv_put("same", "x" * 5000)
    db.kv_put("again", ["y" * 5000, {"a": 1, "b": 2}])
    fork(db, "b")
    db.kv_put("again", ["y" * 5000, {"b": 2, "a": 1}])
    db.kv_put("new", "z" * 100_000)
    assert entries(db) == [entry("new", "added", None, "z" * 100_000)]


def test_every_primitive_in_the_order_of_their_names(db):
    fork(db, "b")
    for space in ["other", "default", "a"]:
        db.space_use(space)
        db.kv_put("k", 1)
        db.kv_put("b", 1)
        db.state_set("c", 2)
        db.json_set("d", "$", {"x": 3})
        db.event_append("e", {"n": 4})
    seen = [(e["space"], e["primitive"], e["key"], e["b"]) for e in entries(db)]
    assert seen == [
        (space, *rest)
        for space in ["a", "default", "other"]
        for rest in [
            ("event", 0, {"event_type": "e", "value": {"n": 4}}),
            ("json", "d", {"x": 3}),
            ("kv", "b", 1),
            ("kv", "k", 1),
            ("state", "c", 2),
        ]
    ]


def test_events_compare_by_type_and_payload(db):
    db.event_append("e", {"n": 1})
    fork(db, "b")
    db.event_append("e", {"n": 2})
    db.event_append("e", {"n": 3})
    db.branch_use("default")
    db.event_append("e", {"n": 2})  # at another time, with another hash
    db.event_append("other", {"n": 3})
    (found,) = entries(db)
    assert (found["primitive"], found["key"], found["change"]) == ("event", 2, "modified")
    assert found["a"] == {"event_type": "other", "value": {"n": 3}}
    assert found["b"] == {"event_type": "e", "value": {"n": 3}}


def test_a_document_is_one_entry(db):
    db.json_set("d", "$", {"a": 1, "b": {"c": 2}})
    fork(db, "b")
    db.json_set("d", "$.b.c", 3)
    assert entries(db) == [entry("d", "modified", {"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}}, primitive="json")]


def test_spaces_are_no_entries(db):
    fork(db, "b")
    db.space_create("empty")
    assert db.branch_diff("default", "b") == {
        "branch_a": "default",
        "branch_b": "b",
        "summary": {"total_added": 0, "total_removed": 0, "total_modified": 0},
        "entries": [],
    }


def test_a_deleted_space_is_the_loss_of_its_contents(db):
    db.space_use("s")
    db.kv_put("k", 1)
    db.event_append("e", {})
    fork(db, "b")
    db.space_use("default")
    db.space_delete("s", force=True)
    assert [(e["primitive"], e["change"]) for e in entries(db)] == [("event", "removed"), ("kv", "removed")]


@pytest.mark.parametrize("limit", [0, 1, 2, 5, 12, 13, 1000, None])
def test_limit_cuts_the_entries_and_not_the_summary(db, limit):
    for space in ["default", "s", "t"]:
        db.space_use(space)
        db.kv_batch_put({"a": 1, "b": 1})
        db.json_set("j", "$", 1)
    fork(db, "b")
    for space in ["default", "s", "t"]:
        db.space_use(space)
        db.kv_batch_put({"a": 2, "c": 1})
        db.kv_delete("b")
        db.json_set("j", "$", 2)
    whole = db.branch_diff("default", "b")
    assert whole["summary"] == {"total_added": 3, "total_removed": 3, "total_modified": 6}
    report = db.branch_diff("default", "b", limit=limit)
    assert report["summary"] == whole["summary"]
    assert report["entries"] == whole["entries"][:limit]


# ---- the past ----


def stamp(db):
    return db.info()["commit_timestamp"]


def test_as_of_looks_at_both_as_they_were(db):
    db.kv_put("k", 0)
    db.kv_put("deleted later", 0)
    fork(db, "b")
    db.kv_put("k", 1)
    db.kv_put("new", 1)
    then = stamp(db)
    db.kv_put("k", 0)  # today nothing of it differs
    db.kv_delete("new")
    db.branch_use("default")
    db.kv_delete("deleted later")
    db.branch_use("b")
    db.kv_delete("deleted later")
    assert entries(db) == []
    assert entries(db, as_of=then) == [entry("k", "modified", 0, 1), entry("new", "added", None, 1)]
    assert entries(db, as_of=then - 1) == [entry("k", "modified", 0, 1)]
    assert db.branch_diff("default", "b", as_of=then, limit=1)["summary"]["total_added"] == 1
    assert entries(db, as_of=stamp(db)) == []
    assert entries(db, as_of=10**14) == []
    moment = datetime.datetime.fromtimestamp(then / 1e6, datetime.timezone.utc) + datetime.timedelta(days=1)
    assert entries(db, as_of=moment) == []


def test_as_of_when_one_branch_alone_went_on(db):
    db.kv_put("k", 0)
    db.branch_fork("default", "b")
    then = stamp(db)
    db.kv_put("k", 1)
    db.event_append("e", {})
    assert [e["key"] for e in entries(db)] == [0, "k"]
    assert entries(db, as_of=then) == []


def test_as_of_before_a_fork_looks_at_its_source(db):
    db.kv_put("k", 0)
    then = stamp(db)
    db.kv_put("k", 1)
    fork(db, "b")
    db.kv_put("k", 2)
    assert entries(db, as_of=then) == []


def test_as_of_before_the_kept_history(db):
    db.kv_put("k", 0)
    then = stamp(db)
    db.branch_fork("default", "b")
    db.kv_put("k", 1)
    db.compact(keep_history=datetime.timedelta(0))
    with refused(ConstraintError, "history_trimmed"):
        db.branch_diff("default", "b", as_of=then - 1)
    assert [e["key"] for e in entries(db)] == ["k"]


# ---- what is refused ----


def test_what_is_refused(db):
    db.branch_fork("default", "b")
    before = contents(db)
    for pair in [("no", "b"), ("b", "no"), ("no", "no"), ("B", "b"), ("", "b")]:
        with refused(NotFoundError, "branch_not_found"):
            db.branch_diff(*pair)
    for wrong in [None, 1, b"b", ["b"]]:
        with pytest.raises(TypeError):
            db.branch_diff("default", wrong)
        with pytest.raises(TypeError):
            db.branch_diff(wrong, "b")
    for limit in [-1, 2**63]:
        with refused(ValidationError, "out_of_range"):
            db.branch_diff("default", "b", limit=limit)
    for limit in ["1", 1.0, True]:
        with pytest.raises(TypeError):
            db.branch_diff("default", "b", limit=limit)
    with refused(ValidationError, "out_of_range"):
        db.branch_diff("default", "b", as_of=5)
    for moment in ["now", 1e15, True]:
        with pytest.raises(TypeError):
            db.branch_diff("default", "b", as_of=moment)
    with pytest.raises(TypeError):
        db.branch_diff("default")
    with pytest.raises(TypeError):
        db.branch_diff("default", "b", 5)
    with db.transaction(), refused(StateError, "in_transaction"):
        db.branch_diff("default", "b")
    assert contents(db) == before


def test_a_handle_that_only_reads_may_compare(tmp_path):
    with Strata.open(tmp_path / "db") as db:
        fork(db, "b")
        db.kv_put("k", 1)
    with Strata.open(tmp_path / "db", read_only=True) as db:
        assert entries(db) == [entry("k", "added", None, 1)]


def test_it_survives_reopening(tmp_path):
    with Strata.open(tmp_path / "db") as db:
        db.kv_batch_put({f"k{n:05}": n for n in range(3000)})
        fork(db, "b")
        db.kv_batch_put({f"k{n:05}": -n for n in range(0, 3000, 300)})
    with Strata.open(tmp_path / "db") as db:
        assert [e["key"] for e in entries(db)] == [f"k{n:05}" for n in range(300, 3000, 300)]
