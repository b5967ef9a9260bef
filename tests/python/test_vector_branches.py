"""Vectors in diffs, merges, reverts, logs and bundles."""

import random

import pytest
from conftest import IS_MODEL
from stratadb import ConflictError, ConstraintError, NotFoundError, Strata, ValidationError
from support import refused

np = pytest.importorskip("numpy")


@pytest.fixture
def forked(db):
    """default and its fork b, with the collection c of three vectors."""
    db.vector_create_collection("c", 2)
    db.vector_batch_upsert(
        "c", keys=["both", "mine", "theirs"], vectors=[[1, 0], [0, 1], [1, 1]], metadata=[{"n": 1}, None, None]
    )
    db.branch_fork("default", "b")
    return db


def on(db, branch, work):
    with db.session() as s:
        s.branch_use(branch)
        return work(s)


def content(db, branch="default"):
    """{collection: (dimension, metric, {key: (components, metadata)})}"""

    def read(s):
        found = {}
        for c in s.vector_list_collections():
            rows = {key: s.vector_get(c["name"], key) for key in s.vector_list(c["name"])}
            found[c["name"]] = (
                c["dimension"],
                c["metric"],
                {key: (row["embedding"].tolist(), row["metadata"]) for key, row in rows.items()},
            )
            assert c["count"] == len(rows)
        return found

    return on(db, branch, read)


def plain(value):
    """A value of a diff or conflict without its array."""
    if isinstance(value, dict) and hasattr(value.get("embedding"), "tolist"):
        assert value["embedding"].dtype == np.float32
        return {"embedding": value["embedding"].tolist(), "metadata": value["metadata"]}
    return value


def entries(report):
    return [(e["primitive"], e["key"], e["change"], plain(e["a"]), plain(e["b"])) for e in report["entries"]]


# ---- diff, log, revert ----


def test_diff(forked):
    on(forked, "b", lambda s: s.vector_upsert("c", "both", [1, 0], {"n": 2}))
    on(forked, "b", lambda s: s.vector_upsert("c", "mine", [0, 1]))  # the same again is no difference
    on(forked, "b", lambda s: s.vector_delete("c", "theirs"))
    on(forked, "b", lambda s: s.vector_create_collection("new", 1, "euclidean"))
    on(forked, "b", lambda s: s.vector_upsert("new", "k", [5]))
    on(forked, "b", lambda s: s.kv_put("key", 1))
    report = forked.branch_diff("default", "b")
    assert report["summary"] == {"total_added": 3, "total_removed": 1, "total_modified": 1}
    assert entries(report) == [
        ("collection", "new", "added", None, {"dimension": 1, "metric": "euclidean"}),
        ("kv", "key", "added", None, 1),
        (
            "vector",
            ("c", "both"),
            "modified",
            {"embedding": [1, 0], "metadata": {"n": 1}},
            {"embedding": [1, 0], "metadata": {"n": 2}},
        ),
        ("vector", ("c", "theirs"), "removed", {"embedding": [1, 1], "metadata": None}, None),
        ("vector", ("new", "k"), "added", None, {"embedding": [5], "metadata": None}),
    ]
    assert [e["change"] for e in forked.branch_diff("b", "default", limit=2)["entries"]] == ["removed", "removed"]
    then = forked.branch_get("b")["fork_timestamp"]
    assert forked.branch_diff("default", "b", as_of=then)["entries"] == []


def test_members_in_another_order_are_no_difference(forked):
    forked.vector_upsert("c", "both", [1, 0], {"x": 1, "y": {"a": 1, "b": 2}})
    forked.branch_fork("default", "other")
    on(forked, "other", lambda s: s.vector_upsert("c", "both", [1, 0], {"y": {"b": 2, "a": 1}, "x": 1}))
    assert forked.branch_diff("default", "other")["entries"] == []
    on(forked, "other", lambda s: s.vector_upsert("c", "both", [1, -0.0], {"x": 1, "y": {"a": 1, "b": 2}}))
    assert len(forked.branch_diff("default", "other")["entries"]) == 1


def test_log_and_counts(forked):
    assert forked.branch_get("default")["key_count"] == forked.info()["total_keys"] / 2 == 3
    with forked.transaction(message="many"):
        forked.vector_create_collection("d", 1)
        forked.vector_upsert("d", "k", [1])
        forked.vector_delete("c", "both")
    assert forked.branch_log("default", 1)[0]["changes"] == {"collection": 1, "vector": 2}
    forked.vector_delete_collection("c")
    assert forked.branch_log("default", 1)[0]["changes"] == {"collection": 1, "vector": 2}
    assert forked.branch_get("default")["key_count"] == 1


def test_revert(forked):
    before, then = content(forked), forked.info()["commit_timestamp"]
    forked.vector_upsert("c", "both", [5, 5])
    forked.vector_delete_collection("c")
    forked.vector_create_collection("c", 1)
    forked.vector_upsert("c", "both", [7])
    forked.vector_create_collection("d", 1)
    report = forked.branch_revert("default", to=then)
    assert report["keys_applied"] == 3
    assert content(forked) == before
    assert forked.vector_get("c", "both")["version"] == 5
    assert [hit["key"] for hit in forked.vector_search("c", [1, 0], 1)] == ["both"]


# ---- merge, vector by vector ----


def test_each_vector_merges(forked):
    on(forked, "b", lambda s: s.vector_upsert("c", "theirs", [3, 3], {"from": "b"}))
    on(forked, "b", lambda s: s.vector_upsert("c", "new", [4, 4]))
    on(forked, "b", lambda s: s.vector_delete("c", "both"))
    forked.vector_upsert("c", "mine", [2, 2])
    report = forked.branch_merge("b", "default", "strict")
    assert (report["keys_applied"], report["spaces_merged"], report["conflicts"]) == (3, 1, [])
    assert content(forked)["c"][2] == {
        "mine": ([2, 2], None),
        "new": ([4, 4], None),
        "theirs": ([3, 3], {"from": "b"}),
    }
    assert forked.vector_get("c", "theirs")["version"] == 2
    assert [hit["key"] for hit in forked.vector_search("c", [1, 1], 9)] == ["mine", "new", "theirs"]
    assert forked.branch_merge("b", "default")["keys_applied"] == 0
    assert forked.branch_merge("default", "b")["keys_applied"] == 1
    assert content(forked) == content(forked, "b")


@pytest.mark.parametrize("strategy", ["source", "target", "last_writer_wins", "strict"])
def test_a_vector_that_both_changed(forked, strategy):
    on(forked, "b", lambda s: s.vector_upsert("c", "both", [0, 9]))
    forked.vector_delete("c", "both")
    if strategy == "strict":
        with pytest.raises(ConflictError) as caught:
            forked.branch_merge("b", "default", strategy)
        conflicts = caught.value.conflicts
    else:
        conflicts = forked.branch_merge("b", "default", strategy)["conflicts"]
    (conflict,) = conflicts
    assert (conflict["space"], conflict["primitive"], conflict["key"]) == ("default", "vector", ("c", "both"))
    assert plain(conflict["base"]) == {"embedding": [1, 0], "metadata": {"n": 1}}
    assert plain(conflict["source"]) == {"embedding": [0, 9], "metadata": None}
    assert conflict["target"] is None
    assert conflict["resolution"] == {"source": "source", "strict": None}.get(strategy, "target")
    assert ("both" in content(forked)["c"][2]) == (strategy == "source")


def test_a_callable_answers(forked):
    on(forked, "b", lambda s: s.vector_batch_upsert("c", keys=["both", "mine", "theirs"], vectors=[[0, 9]] * 3))
    forked.vector_upsert("c", "both", [9, 0])
    forked.vector_upsert("c", "mine", [9, 0], {"m": 1})
    forked.vector_delete("c", "theirs")
    seen = []

    def answer(conflict):
        assert "resolution" not in conflict
        seen.append(conflict["key"][1])
        if conflict["key"][1] == "both":
            return {
                "embedding": (conflict["source"]["embedding"] + conflict["target"]["embedding"]) / 2,
                "metadata": {"x": 1},
            }
        if conflict["key"][1] == "mine":
            return {"embedding": [9, 0], "metadata": {"m": 1}}
        return None

    report = forked.branch_merge("b", "default", answer)
    assert seen == ["both", "mine", "theirs"]
    assert [c["resolution"] for c in report["conflicts"]] == ["value", "target", "target"]
    assert content(forked)["c"][2] == {"both": ([4.5, 4.5], {"x": 1}), "mine": ([9, 0], {"m": 1})}


def test_answers_that_cannot_be_stored(forked):
    on(forked, "b", lambda s: s.vector_upsert("c", "both", [0, 9]))
    forked.vector_upsert("c", "both", [9, 0])
    before = content(forked), forked.info()["commit_timestamp"]
    good = np.ones(2)
    for value, kind, code in (
        ({"embedding": [1, 2, 3], "metadata": None}, ConstraintError, "dimension_mismatch"),
        ({"embedding": [1, float("nan")], "metadata": None}, ValidationError, "invalid_vector"),
        ({"embedding": [0, 0], "metadata": None}, ValidationError, "zero_vector"),
        ({"embedding": good, "metadata": {"n": 2**70}}, ValidationError, "integer_out_of_range"),
        (None, ValidationError, "invalid_resolution"),
    ):
        with refused(kind, code):
            forked.branch_merge("b", "default", lambda conflict, value=value: value)
    for value in (
        7,
        {},
        {"embedding": good},
        {"embedding": good, "metadata": 7},
        {"embedding": good, "metadata": None, "x": 1},
    ):
        with pytest.raises(TypeError):
            forked.branch_merge("b", "default", lambda conflict, value=value: value)
    assert (content(forked), forked.info()["commit_timestamp"]) == before


# ---- merge, a collection as one ----


def recreate(s, metric="euclidean"):
    s.vector_delete_collection("c")
    s.vector_create_collection("c", 3, metric)
    s.vector_upsert("c", "mine", [1, 2, 3])


def test_a_collection_that_one_side_made_anew(forked):
    on(forked, "b", recreate)
    report = forked.branch_merge("b", "default", "strict")
    assert content(forked) == content(forked, "b") == {"c": (3, "euclidean", {"mine": ([1, 2, 3], None)})}
    assert report["keys_applied"] == 3
    on(forked, "b", lambda s: s.vector_delete_collection("c"))
    forked.branch_merge("b", "default", "strict")
    assert content(forked) == {}


def test_a_collection_that_one_side_deleted(forked):
    forked.vector_delete_collection("c")
    forked.branch_merge("b", "default", "strict")  # b changed nothing
    assert content(forked) == {}
    on(forked, "b", lambda s: s.vector_upsert("c", "more", [1, 2]))
    with pytest.raises(ConflictError) as caught:
        forked.branch_merge("b", "default", "strict")
    (conflict,) = caught.value.conflicts
    assert (conflict["primitive"], conflict["key"], conflict["target"]) == ("collection", "c", None)
    assert conflict["source"] == conflict["base"] == {"dimension": 2, "metric": "cosine"}
    dry = forked.branch_merge("b", "default", "source", dry_run=True)
    assert dry["keys_applied"] == 4
    assert content(forked) == {}
    assert forked.branch_merge("b", "default")["conflicts"][0]["resolution"] == "source"  # it wrote a vector later
    assert content(forked) == content(forked, "b")
    assert len(content(forked)["c"][2]) == 4


@pytest.mark.parametrize("winner", ["source", "target"])
def test_collections_that_both_made_anew(forked, winner):
    on(forked, "b", recreate)
    recreate(forked, "dot_product")
    before = content(forked), content(forked, "b")
    side = lambda conflict: conflict[winner]  # noqa: E731
    for strategy in (winner, side):
        forked.branch_fork("default", f"try-{strategy if strategy is winner else 'call'}")
        target = f"try-{strategy if strategy is winner else 'call'}"
        report = forked.branch_merge("b", target, strategy)
        assert [c["resolution"] for c in report["conflicts"]] == [winner]
        assert content(forked, target) == (before[1] if winner == "source" else before[0])
    with refused(ValidationError, "invalid_resolution"):
        forked.branch_merge("b", "default", lambda conflict: {"dimension": 3, "metric": "cosine"})
    assert content(forked) == before[0]


def test_what_came_and_went_is_no_part_of_a_collection(forked):
    """The last write that counts is one of what the base or a side still has."""

    def anew(s):
        s.vector_delete_collection("c")
        s.vector_create_collection("c", 3)
        return s.vector_upsert("c", "both", [1, 2, 3])

    on(forked, "b", anew)
    forked.vector_upsert("c", "mine", [3, 4])
    on(forked, "b", lambda s: s.vector_upsert("c", "passing", [4, 5, 6]))
    on(forked, "b", lambda s: s.vector_delete("c", "passing"))
    [conflict] = forked.branch_merge("b", "default")["conflicts"]
    assert (conflict["primitive"], conflict["key"], conflict["resolution"]) == ("collection", "c", "target")
    assert forked.vector_get("c", "mine")["embedding"].tolist() == [3, 4]


def test_branches_without_an_ancestor(forked):
    forked.branch_create("alone")
    on(forked, "alone", lambda s: (s.vector_create_collection("c", 2), s.vector_upsert("c", "x", [1, 2])))
    report = forked.branch_merge("alone", "default", "strict")
    assert report["keys_applied"] == 1
    assert set(content(forked)["c"][2]) == {"both", "mine", "theirs", "x"}


def test_merges_bring_spaces(forked):
    def work(s):
        s.space_use("mem")
        s.vector_create_collection("deep", 1)
        s.vector_upsert("deep", "k", [1])

    on(forked, "b", work)
    forked.branch_merge("b", "default")
    forked.space_use("mem")
    assert forked.vector_list("deep") == ["k"]


# ---- bundles ----


def history(db, branch):
    def read(s):
        return {
            (c["name"], key): [
                (h["version"], h["timestamp"], h["deleted"], plain(h["value"]))
                for h in s.vector_history(c["name"], key)
            ]
            for c in s.vector_list_collections()
            for key in s.vector_list(c["name"])
        }

    return on(db, branch, read)


def test_bundles(forked, tmp_path):
    forked.vector_upsert("c", "both", [0.5, 0.25], {"n": 2})
    forked.vector_delete("c", "mine")
    forked.vector_upsert("c", "mine", [3, 4])
    forked.vector_create_collection("big", 700, "dot_product")
    forked.vector_upsert("big", "k", np.arange(700))
    path = tmp_path / "b.bundle"
    report = forked.branch_export("default", path)
    assert forked.branch_validate_bundle(path)["checksums_valid"]
    with Strata.cache() as other:
        back = other.branch_import(path, name="copy")
        assert back["keys_written"] == 4
        assert back["entry_count"] == report["entry_count"]
        assert content(other, "copy") == content(forked)
        assert history(other, "copy") == history(forked, "default")
        with other.session() as s:
            s.branch_use("copy")
            assert s.vector_search("c", [1, 0], 5) == forked.vector_search("c", [1, 0], 5)
            assert s.vector_upsert("c", "mine", [1, 1]) == 4


def test_deltas(forked, tmp_path):
    with Strata.cache() as other:
        forked.branch_export("default", tmp_path / "whole")
        other.branch_import(tmp_path / "whole", name="copy")
        since = forked.info()["commit_timestamp"]
        forked.vector_upsert("c", "new", [4, 4])
        forked.vector_delete("c", "mine")
        forked.vector_create_collection("d", 1)
        forked.vector_upsert("d", "k", [1])
        forked.branch_export("default", tmp_path / "delta", since=since)
        other.branch_import(tmp_path / "delta", name="copy")
        assert content(other, "copy") == content(forked)
        assert history(other, "copy") == history(forked, "default")


@pytest.mark.engine
def test_bundles_after_retention(tmp_path):
    from datetime import timedelta

    with Strata.open(tmp_path / "db") as db, Strata.cache() as other:
        for dimension in (2, 3):
            db.vector_delete_collection("c")
            db.vector_create_collection("c", dimension)
            for value in (1, 2):
                db.vector_batch_upsert("c", keys=["a", "b"], vectors=np.full((2, dimension), value))
        db.compact(keep_history=timedelta(0))
        db.vector_upsert("c", "b", [7, 8, 9])
        db.branch_export("default", tmp_path / "bundle")
        other.branch_import(tmp_path / "bundle", name="copy")
        assert content(other, "copy") == content(db)


# ---- all together, at random ----


def test_random_merges(rng, count):
    """Whatever both sides did: one side's changes are kept, and merging back and forth ends with the same on both."""
    for _ in range(20):
        with Strata.cache() as db:
            db.vector_create_collection("c0", 2, "euclidean")
            for key in "abcd":
                db.vector_upsert("c0", key, [rng.randrange(3), 1])
            db.branch_fork("default", "b")
            for branch in ("default", "b"):
                on(db, branch, lambda s: [change(s, rng) for _ in range(rng.randrange(8))])
            db.branch_merge("b", "default", rng.choice(["source", "target", "last_writer_wins"]))
            db.branch_merge("default", "b", "strict")
            assert content(db) == content(db, "b")
            for name, (_, _, rows) in content(db).items():
                if rows:
                    query = next(iter(rows.values()))[0]
                    assert len(db.vector_search(name, query, 99)) == len(rows)
            count("merges", 2)


def change(s, rng: random.Random):
    name = rng.choice(["c0", "c0", "c0", "c1"])
    try:
        dimension = next((c["dimension"] for c in s.vector_list_collections() if c["name"] == name), 2)
        kind = rng.randrange(10)
        if kind == 0:
            s.vector_delete_collection(name)
        elif kind == 1:
            s.vector_create_collection(name, rng.choice([1, 2]), "euclidean")
        elif kind < 4:
            s.vector_delete(name, rng.choice("abcd"))
        else:
            s.vector_upsert(name, rng.choice("abcdef"), [rng.randrange(3) for _ in range(dimension)])
    except (NotFoundError, ConstraintError):
        pass
    assert IS_MODEL or s.vector_list_collections() is not None
