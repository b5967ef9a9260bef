"""branch_merge of cells, of documents by their members, and of event logs."""

import pytest
from merging import On, documents, merge, sound

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
