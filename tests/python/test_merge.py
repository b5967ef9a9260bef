"""branch_merge: what one branch changed, brought into another."""

import os
import signal
import threading

import pytest
from stratadb import (
    AccessDeniedError,
    ConflictError,
    NotFoundError,
    StateError,
    Strata,
    ValidationError,
)
from support import contents, refused

STRATEGIES = ["last_writer_wins", "source", "target", "strict"]


class On:
    """A handle on one branch: On(db, "b").kv_put(...)."""

    def __init__(self, db, branch, space="default"):
        self._db, self._branch, self._space = db, branch, space

    def __getattr__(self, name):
        def call(*args, **kwargs):
            with self._db.session() as session:
                session.branch_use(self._branch)
                session.space_use(self._space)
                return getattr(session, name)(*args, **kwargs)

        return call


def scan(db, branch):
    return dict(On(db, branch).kv_scan())


def merge(db, source="b", target="default", strategy=None, **options):
    return db.branch_merge(source, target, strategy, **options)


def stamp(db):
    return db.info()["commit_timestamp"]


@pytest.fixture
def forked(db):
    """default and its fork b, with a few keys in common."""
    db.kv_batch_put({"both": 0, "mine": 0, "theirs": 0, "left": 0, "gone": 0})
    db.branch_fork("default", "b")
    return db


# ---- what a merge brings ----


def test_the_shape_of_the_answer(forked):
    db = forked
    On(db, "b").kv_put("theirs", 1)
    report = merge(db)
    assert list(report) == [
        "source", "target", "strategy", "keys_applied", "spaces_merged", "conflicts", "version", "timestamp",
    ]  # fmt: skip
    assert report == {
        "source": "b",
        "target": "default",
        "strategy": "last_writer_wins",
        "keys_applied": 1,
        "spaces_merged": 1,
        "conflicts": [],
        "version": db.branch_get("default")["version"],
        "timestamp": stamp(db),
    }


@pytest.mark.parametrize("strategy", [None, *STRATEGIES, lambda conflict: 1 / 0])
def test_what_one_side_changed_is_no_conflict(forked, strategy):
    db = forked
    b = On(db, "b")
    b.kv_put("theirs", 1)
    b.kv_delete("gone")
    b.kv_put("new", [1])
    db.kv_put("mine", 2)
    db.kv_put("own", 3)
    before = scan(db, "b")
    report = merge(db, strategy=strategy)
    assert report["conflicts"] == [] and report["keys_applied"] == 3
    assert report["strategy"] == ("callable" if callable(strategy) else strategy or "last_writer_wins")
    assert scan(db, "default") == {"both": 0, "mine": 2, "theirs": 1, "left": 0, "new": [1], "own": 3}
    assert scan(db, "b") == before


def test_versions_go_on_on_the_target(forked):
    db = forked
    for n in range(5):
        On(db, "b").kv_put("theirs", n)
    On(db, "b").kv_delete("gone")
    report = merge(db)
    assert db.kv_get_versioned("theirs") == {"value": 4, "version": 2, "timestamp": report["timestamp"]}
    assert [(h["version"], h["value"], h["deleted"]) for h in db.kv_history("theirs")] == [(2, 4, False), (1, 0, False)]
    assert [(h["version"], h["deleted"]) for h in db.kv_history("gone")] == [(2, True), (1, False)]


def test_one_commit(forked):
    db = forked
    On(db, "b").kv_batch_put({f"k{n}": n for n in range(50)})
    On(db, "b", "s").state_set("c", 1)
    version = db.branch_get("default")["version"]
    before = stamp(db)
    report = merge(db)
    assert report["version"] == db.branch_get("default")["version"] == version + 1
    assert db.kv_list("k", as_of=before) == []
    assert len(db.kv_list("k", as_of=report["timestamp"])) == 50
    assert db.space_list() == ["default", "s"]


def test_the_same_change_on_both_sides_is_no_conflict(forked):
    db = forked
    for side in [On(db, "b"), db]:
        side.kv_put("both", {"a": 1, "b": 2} if side is db else {"b": 2, "a": 1})
        side.kv_delete("gone")
        side.kv_put("new", float("nan"))
    version = db.kv_get_versioned("both")
    report = merge(db, strategy="strict")
    assert (report["keys_applied"], report["conflicts"]) == (0, [])
    assert db.kv_get_versioned("both") == version


def test_changed_and_changed_back_is_no_change(forked):
    db = forked
    On(db, "b").kv_put("both", 1)
    On(db, "b").kv_put("both", 0)
    db.kv_put("both", 2)
    assert merge(db, strategy="strict")["keys_applied"] == 0
    assert db.kv_get("both") == 2


def test_merging_again_applies_nothing_but_is_a_commit(forked):
    db = forked
    On(db, "b").kv_put("theirs", 1)
    first = merge(db)
    second = merge(db)
    assert (second["keys_applied"], second["spaces_merged"], second["conflicts"]) == (0, 0, [])
    assert second["version"] == first["version"] + 1 and second["timestamp"] > first["timestamp"]
    assert stamp(db) == second["timestamp"]


@pytest.mark.parametrize("strategy", STRATEGIES[:3])
def test_merging_both_ways_converges(forked, strategy):
    db = forked
    On(db, "b").kv_batch_put({"both": 1, "theirs": 1, "new": 1})
    On(db, "b").kv_delete("gone")
    db.kv_batch_put({"both": 2, "mine": 2, "gone": 2})
    merge(db, "b", "default", strategy)
    merge(db, "default", "b", strategy)
    assert scan(db, "default") == scan(db, "b")
    assert db.branch_diff("default", "b")["entries"] == []
    for pair in [("b", "default"), ("default", "b")]:
        assert merge(db, *pair, "strict")["keys_applied"] == 0


def test_empty_and_unrelated_branches(db):
    db.kv_put("k", 1)
    db.branch_create("b")
    assert merge(db, strategy="strict")["keys_applied"] == 0
    assert scan(db, "default") == {"k": 1}
    db.branch_create("c")
    On(db, "c").kv_put("k", 2)
    On(db, "c").kv_put("l", 2)
    with refused(ConflictError, "merge_conflict"):
        merge(db, "c", "default", "strict")
    report = merge(db, "c", "default", "source")
    assert report["conflicts"] == [
        {"space": "default", "primitive": "kv", "key": "k", "base": None, "source": 2, "target": 1,
         "resolution": "source"},
    ]  # fmt: skip
    assert scan(db, "default") == {"k": 2, "l": 2}


# ---- conflicts ----


def conflicting(db):
    """b changed `both` after default did, and before it `gone`; default deleted `gone`, b deleted `left`."""
    db.kv_put("both", "target")
    On(db, "b").kv_put("both", "source")
    On(db, "b").kv_put("gone", "source")
    db.kv_delete("gone")
    db.kv_put("left", "target")
    On(db, "b").kv_delete("left")


CONFLICTS = [("both", 0, "source", "target"), ("gone", 0, "source", None), ("left", 0, None, "target")]


def conflicts(resolutions):
    return [
        {"space": "default", "primitive": "kv", "key": key, "base": base, "source": source, "target": target,
         "resolution": resolution}
        for (key, base, source, target), resolution in zip(CONFLICTS, resolutions, strict=True)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("strategy", "resolutions", "after", "applied"),
    [
        (None, ["source", "target", "source"], {"both": "source"}, 2),
        ("last_writer_wins", ["source", "target", "source"], {"both": "source"}, 2),
        ("source", ["source"] * 3, {"both": "source", "gone": "source"}, 3),
        ("target", ["target"] * 3, {"both": "target", "left": "target"}, 0),
        (lambda c: c["source"], ["source"] * 3, {"both": "source", "gone": "source"}, 3),
        (lambda c: [c["base"]], ["value"] * 3, {"both": [0], "gone": [0], "left": [0]}, 3),
        (lambda c: None, ["value", "target", "source"], {"both": None}, 2),
    ],
)
def test_conflicts(forked, strategy, resolutions, after, applied):
    db = forked
    conflicting(db)
    expected = conflicts(resolutions)
    dry = merge(db, strategy=strategy, dry_run=True)
    assert dry["conflicts"] == expected and dry["keys_applied"] == applied
    report = merge(db, strategy=strategy)
    assert report["conflicts"] == expected
    assert list(report["conflicts"][0]) == ["space", "primitive", "key", "base", "source", "target", "resolution"]
    assert report["keys_applied"] == applied
    assert scan(db, "default") == {"mine": 0, "theirs": 0, **after}
    assert merge(db, strategy="strict")["conflicts"] == []


def test_strict_is_all_or_nothing(forked):
    db = forked
    conflicting(db)
    On(db, "b").kv_put("theirs", 1)
    before = contents(db, history=True), stamp(db)
    with refused(ConflictError, "merge_conflict") as caught:
        merge(db, strategy="strict")
    assert caught.value.conflicts == conflicts([None] * 3)
    assert "'both'" in str(caught.value) and "3 conflicts" in str(caught.value)
    assert (contents(db, history=True), stamp(db)) == before
    dry = merge(db, strategy="strict", dry_run=True)
    assert dry["conflicts"] == conflicts([None] * 3)
    assert (contents(db, history=True), stamp(db)) == before


@pytest.mark.parametrize("strategy", [*STRATEGIES, lambda conflict: "mine"])
def test_a_dry_run_changes_nothing_and_tells_all(forked, strategy):
    db = forked
    conflicting(db)
    On(db, "b", "s").kv_put("theirs", 1)
    before = contents(db, history=True), stamp(db)
    about = db.branch_get("default")
    dry = merge(db, strategy=strategy, dry_run=True)
    assert (contents(db, history=True), stamp(db)) == before
    assert (dry["version"], dry["timestamp"]) == (about["version"], about["updated_at"])
    if strategy != "strict":
        done = merge(db, strategy=strategy)
        for name in ["conflicts", "keys_applied", "spaces_merged", "strategy"]:
            assert done[name] == dry[name]


def test_conflicts_come_by_space_primitive_and_key(db):
    def fill(handle, n):
        for space in ["z", "default"]:
            handle.space_use(space)
            handle.state_set("b", n)
            handle.kv_batch_put({"k": n, "a": n})
            handle.json_set("j", "$", {"y": n, "x": {"b": n, "a": n}})

    db.branch_fork("default", "b")
    with db.session() as other:
        other.branch_use("b")
        fill(other, 1)
    fill(db, 2)
    seen = [(c["space"], c["primitive"], c["key"], c.get("path")) for c in merge(db)["conflicts"]]
    assert seen == [
        (space, *rest)
        for space in ["default", "z"]
        for rest in [
            ("json", "j", "$['y']"),
            ("json", "j", "$['x']['b']"),
            ("json", "j", "$['x']['a']"),
            ("kv", "a", None),
            ("kv", "k", None),
            ("state", "b", None),
        ]
    ]


# ---- cells, documents ----


def test_cells(db):
    db.state_set("a", 0)
    db.state_set("b", 0)
    db.branch_fork("default", "b")
    On(db, "b").state_set("a", 1)
    On(db, "b").state_set("b", 1)
    db.state_set("b", 2)
    report = merge(db, strategy="target")
    assert [(c["primitive"], c["key"]) for c in report["conflicts"]] == [("state", "b")]
    assert (db.state_get("a"), db.state_get("b")) == (1, 2)
    assert db.state_get_versioned("a")["version"] == 2


def documents(db, base, source, target):
    if base is not None:
        db.json_set("d", "$", base)
    db.branch_fork("default", "b")
    db.json_delete("d", "$") if target is None else db.json_set("d", "$", target)
    On(db, "b").json_delete("d", "$") if source is None else On(db, "b").json_set("d", "$", source)


def test_documents_merge_by_member(db):
    base = {"a": 1, "b": {"x": 1, "y": [1, 2]}, "gone": 1, "ours gone": 1}
    documents(
        db,
        base,
        {"new": 1, "b": {"y": [1, 2, 3], "x": 1}, "a": 1, "ours gone": 1},
        {"own": 1, "a": 2, "b": {"x": 7, "y": [1, 2]}, "gone": 1},
    )
    report = merge(db, strategy="strict")
    assert (report["keys_applied"], report["conflicts"]) == (1, [])
    merged = db.json_get("d")
    assert merged == {"own": 1, "a": 2, "b": {"x": 7, "y": [1, 2, 3]}, "new": 1}
    assert list(merged) == ["own", "a", "b", "new"] and list(merged["b"]) == ["x", "y"]


def test_conflicts_inside_documents(db):
    base = {"a": 1, "b": {"c": [1]}, "d": 1, "same": 1}
    documents(
        db,
        base,
        {"a": 2, "b": {"c": [2], "s": 1}, "same": 1, "it's": 1},
        {"a": 3, "b": {"c": [3], "t": 1}, "d": 4, "same": 1, "it's": 2},
    )
    report = merge(db, strategy="source")
    assert [(c["path"], c["base"], c["source"], c["target"]) for c in report["conflicts"]] == [
        ("$['a']", 1, 2, 3),
        ("$['b']['c']", [1], [2], [3]),
        ("$['d']", 1, None, 4),
        ("""$["it's"]""", None, 1, 2),
    ]
    assert db.json_get("d") == {"a": 2, "b": {"c": [2], "t": 1, "s": 1}, "same": 1, "it's": 1}
    assert report["keys_applied"] == 1


def test_a_callable_decides_inside_documents(db):
    documents(db, {"n": 1, "x": 1, "y": 1}, {"n": 5, "x": 2}, {"n": 3, "x": 3, "y": 2})
    answers = {"$['n']": lambda c: c["source"] + c["target"] - c["base"], "$['x']": lambda c: {"deep": [1]}}
    report = merge(db, strategy=lambda c: answers.get(c["path"], lambda c: c["source"])(c))
    assert [c["resolution"] for c in report["conflicts"]] == ["value", "value", "source"]
    assert db.json_get("d") == {"n": 7, "x": {"deep": [1]}}


@pytest.mark.parametrize(
    ("base", "source", "target", "path"),
    [
        ({"a": 1}, [1], {"a": 2}, None),
        ([1], [2], [3], None),
        (1, {"a": 1}, {"a": 2}, None),
        ({"a": 1}, None, {"a": 2}, None),
        ({"a": 1}, {"a": 2}, None, None),
        (None, {"a": 1}, {"a": 2}, "$['a']"),
        ({"a": {"b": 1}}, {"a": 1}, {"a": {"b": 2}}, "$['a']"),
        ({"a": 1}, {"a": {"b": 1}}, {"a": {"b": 2}}, "$['a']"),
        ({}, {"a": {"b": 1}}, {"a": {"b": 2}}, "$['a']['b']"),
    ],
)
def test_where_documents_clash(db, base, source, target, path):
    documents(db, base, source, target)
    (found,) = merge(db, strategy="source", dry_run=True)["conflicts"]
    assert found.get("path") == path
    assert found["primitive"] == "json" and found["resolution"] == "source"
    merge(db, strategy="source")
    assert db.json_get("d") == source


def test_documents_that_both_added_merge_as_from_nothing(db):
    documents(db, None, {"a": 1, "both": 1}, {"b": 1, "both": 1})
    assert merge(db, strategy="strict")["conflicts"] == []
    assert db.json_get("d") == {"b": 1, "both": 1, "a": 1}


def test_the_later_document_wins_all_its_conflicts(db):
    db.json_set("d", "$", {"a": 0, "b": 0})
    db.branch_fork("default", "b")
    On(db, "b").json_set("d", "$.a", 1)
    db.json_set("d", "$.a", 2)
    db.json_set("d", "$.b", 2)
    On(db, "b").json_set("d", "$.b", 1)  # the last write to the document: of all of it
    assert [c["resolution"] for c in merge(db)["conflicts"]] == ["source", "source"]
    assert db.json_get("d") == {"a": 1, "b": 1}


# ---- events ----


def log(db, branch="default", space="default"):
    return [(e["event_type"], e["value"]["n"]) for e in On(db, branch, space).event_list(None)]


def sound(db, branch="default", space="default"):
    on = On(db, branch, space)
    verdict = on.event_verify()
    events = on.event_list(None)
    assert verdict == {"valid": True, "length": len(events), "first_bad": None}
    assert [e["sequence"] for e in events] == [e["version"] for e in events] == list(range(len(events)))
    assert on.event_types() == sorted({e["event_type"] for e in events})
    for kind in on.event_types():
        assert on.event_list(kind) == [e for e in events if e["event_type"] == kind]
    times = sorted(e["timestamp"] for e in events)
    for moment in times:
        assert on.event_list(None, since=moment) == [e for e in events if e["timestamp"] >= moment]
        assert on.event_list(None, until=moment) == [e for e in events if e["timestamp"] <= moment]


def test_new_events_are_appended_behind_the_targets(db):
    db.event_append("e", {"n": 0})
    db.branch_fork("default", "b")
    On(db, "b").event_append("e", {"n": 1})
    db.event_append("f", {"n": 2})
    On(db, "b").event_append("g", {"n": 3})
    theirs = On(db, "b").event_list(None)
    report = merge(db, strategy="strict")
    assert (report["keys_applied"], report["conflicts"]) == (2, [])
    assert log(db) == [("e", 0), ("f", 2), ("e", 1), ("g", 3)]
    assert [e["timestamp"] for e in db.event_list(None)[2:]] == [e["timestamp"] for e in theirs[1:]]
    sound(db)
    assert db.event_append("h", {"n": 4}) == 4
    sound(db)


def test_no_event_is_appended_twice(db):
    db.branch_fork("default", "b")
    On(db, "b").event_append("e", {"n": 1})
    db.event_append("e", {"n": 2})
    merge(db)
    assert merge(db)["keys_applied"] == 0
    assert merge(db, "default", "b")["keys_applied"] == 1  # the one that b lacks
    assert merge(db, "b", "default")["keys_applied"] == 0
    assert sorted(log(db)) == sorted(log(db, "b")) == [("e", 1), ("e", 2)]
    sound(db)
    sound(db, "b")


def test_events_in_a_criss_cross(db):
    db.event_append("e", {"n": 0})
    db.branch_fork("default", "b")
    db.branch_fork("default", "c")
    On(db, "b").event_append("e", {"n": 1})
    On(db, "c").event_append("e", {"n": 2})
    for source, target in [("b", "c"), ("c", "b"), ("b", "default"), ("c", "default"), ("default", "b"), ("b", "c")]:
        merge(db, source, target)
        sound(db, target)
    for branch in ["default", "b", "c"]:
        assert sorted(log(db, branch)) == [("e", 0), ("e", 1), ("e", 2)]


def test_equal_events_of_both_sides_are_two(db):
    db.branch_fork("default", "b")
    On(db, "b").event_append("e", {"n": 1})
    db.event_append("e", {"n": 1})
    merge(db)
    assert log(db) == [("e", 1), ("e", 1)]


def test_events_of_a_space_that_began_anew(db):
    db.space_use("s")
    db.event_append("e", {"n": 0})
    db.event_append("e", {"n": 1})
    db.branch_fork("default", "b")
    with db.session() as b:
        b.branch_use("b")
        b.space_use("default")
        b.space_delete("s", force=True)
        b.space_use("s")
        b.event_append("e", {"n": 2})
    db.event_append("e", {"n": 3})
    merge(db)
    assert log(db, "default", "s") == [("e", 0), ("e", 1), ("e", 3), ("e", 2)]  # a merge removes none
    sound(db, "default", "s")
    merge(db, "default", "b")
    assert log(db, "b", "s") == [("e", 2), ("e", 0), ("e", 1), ("e", 3)]
    sound(db, "b", "s")


def test_large_events(db):
    db.branch_fork("default", "b")
    for n in range(3):
        On(db, "b").event_append("e", {"n": n, "text": "x" * 5000})
    db.event_append("e", {"n": 3, "text": "y" * 5000})
    assert merge(db)["keys_applied"] == 3
    assert log(db) == [("e", 3), ("e", 0), ("e", 1), ("e", 2)]
    sound(db)


# ---- spaces ----


def test_spaces(db):
    for space in ["kept", "emptied", "filled", "dropped"]:
        db.space_create(space)
    On(db, "default", "emptied").kv_put("k", 1)
    db.branch_fork("default", "b")
    with db.session() as b:
        b.branch_use("b")
        b.space_create("new")
        b.space_delete("emptied", force=True)
        b.space_delete("filled")
        b.space_delete("dropped")
        b.space_use("written")
        b.kv_put("k", 1)
    On(db, "default", "filled").kv_put("k", 1)
    report = merge(db, strategy="strict")
    assert db.space_list() == ["default", "filled", "kept", "new", "written"]
    assert report["keys_applied"] == 2  # a key that went, and one that came
    assert report["spaces_merged"] == 4  # dropped, emptied, new, written
    assert merge(db)["spaces_merged"] == 0


def test_a_space_that_the_target_deleted_comes_back_with_what_is_written_into_it(db):
    On(db, "default", "s").kv_batch_put({"a": 1, "b": 1})
    db.branch_fork("default", "b")
    db.space_delete("s", force=True)
    On(db, "b", "s").kv_put("c", 1)
    assert merge(db, strategy="strict")["keys_applied"] == 1
    assert db.space_list() == ["default", "s"]
    assert On(db, "default", "s").kv_list() == ["c"]


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


# ---- what is refused ----


def test_what_is_refused(forked):
    db = forked
    conflicting(db)
    before = contents(db, history=True), stamp(db)
    for pair in [("no", "b"), ("b", "no"), ("B", "default"), ("", "b")]:
        for strategy in [*STRATEGIES, print]:
            with refused(NotFoundError, "branch_not_found"):
                merge(db, *pair, strategy)
    for name in ["default", "b"]:
        for options in [{}, {"dry_run": True}]:
            with refused(ValidationError, "merge_into_itself"):
                merge(db, name, name, **options)
    for strategy in ["", "Source", "ours", "x" * 1000, "last-writer-wins"]:
        with refused(ValidationError, "unknown_strategy"):
            merge(db, strategy=strategy)
    for strategy in [1, b"source", ["source"]]:
        with pytest.raises(TypeError):
            merge(db, strategy=strategy)
    for wrong in [None, 1, b"b"]:
        with pytest.raises(TypeError):
            merge(db, wrong)
        with pytest.raises(TypeError):
            merge(db, "b", wrong)
    with pytest.raises(TypeError):
        db.branch_merge("b")
    with pytest.raises(TypeError):
        db.branch_merge("b", "default", "source", True)
    with db.transaction(), refused(StateError, "in_transaction"):
        merge(db)
    assert (contents(db, history=True), stamp(db)) == before


def test_a_handle_that_only_reads_may_only_try(tmp_path):
    with Strata.open(tmp_path / "db") as db:
        db.kv_put("k", 0)
        db.branch_fork("default", "b")
        On(db, "b").kv_put("k", 1)
    with Strata.open(tmp_path / "db", read_only=True) as db:
        with refused(AccessDeniedError, "read_only"):
            merge(db)
        assert merge(db, dry_run=True)["keys_applied"] == 1


# ---- beside others ----


@pytest.mark.engine
def test_merges_make_progress_beside_a_busy_writer(each_mode):
    db = each_mode
    db.kv_batch_put({f"k{n}": 0 for n in range(500)})
    db.branch_fork("default", "b")
    stop = threading.Event()
    written = []

    def write():
        with db.session() as session:
            while not stop.is_set():
                written.append(session.kv_put("own", len(written)))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for round_ in range(20):
            On(db, "b").kv_batch_put({f"k{n}": round_ for n in range(0, 500, 5)})
            assert merge(db, strategy="strict")["conflicts"] == []
    finally:
        stop.set()
        writer.join()
    assert {value for key, value in scan(db, "default").items() if key in ("k0", "k495")} == {19}
    assert db.kv_get("own") == len(written) - 1


@pytest.mark.engine
def test_many_merges_at_once(each_mode):
    db = each_mode
    names = [f"b{n}" for n in range(4)]
    for name in names:
        db.branch_fork("default", name)
    errors = []

    def work(name):
        try:
            with db.session() as session:
                session.branch_use(name)
                for n in range(15):
                    session.kv_put(f"{name}/{n}", n)
                    session.event_append(name, {"n": n})
                    session.branch_merge(name, "default", "strict")
                    session.branch_merge("default", name, "strict")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    for name in names:
        merge(db, "default", name, "strict")
        assert scan(db, name) == scan(db, "default")
    assert len(scan(db, "default")) == 60
    assert db.event_len() == 60
    sound(db)


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.parametrize("what", ["merge", "diff"])
def test_ctrl_c_leaves_all_or_nothing(db, what):
    """The signal comes at any time: in the middle, if not at the first attempt, then at a later one."""
    keys = [f"k{n:06}" for n in range(60_000)]
    db.branch_fork("default", "b")
    stopped = False
    for attempt in range(20):
        On(db, "b").kv_batch_put({key: attempt for key in keys})
        before, shown = stamp(db), scan(db, "default")
        ctrl_c = threading.Timer(0.002, os.kill, (os.getpid(), signal.SIGINT))
        try:
            ctrl_c.start()
            if what == "merge":
                merge(db)
            else:
                db.branch_diff("default", "b")
            ctrl_c.join()
        except KeyboardInterrupt:
            stopped = stamp(db) == before
        after = scan(db, "default")
        assert after == shown if stamp(db) == before else after == dict.fromkeys(keys, attempt)
        if stopped:
            break
    assert stopped
    assert merge(db)["keys_applied"] == len(keys)


def test_a_hundred_thousand_keys(db):
    with db.session() as b:
        db.branch_fork("default", "b")
        b.branch_use("b")
        b.kv_batch_put({f"k{n:06}": {"n": n, "text": "some text"} for n in range(100_000)})
    report = merge(db)
    assert report["keys_applied"] == 100_000
    assert db.kv_count() == 100_000
    assert db.kv_get("k099999") == {"n": 99_999, "text": "some text"}
    assert merge(db, "default", "b")["keys_applied"] == 0
