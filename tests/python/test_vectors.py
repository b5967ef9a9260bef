"""Vectors: collections, rows, search, filters, transactions, history."""

import threading

import pytest
from conftest import IS_MODEL
from stratadb import ConflictError, ConstraintError, NotFoundError, StateError, Strata, ValidationError
from support import conflict, refused

np = pytest.importorskip("numpy")


@pytest.fixture
def coll(db):
    """A database with the collection c of two dimensions and three vectors."""
    db.vector_create_collection("c", 2)
    db.vector_batch_upsert(
        "c",
        keys=["a", "b", "d"],
        vectors=[[1, 0], [0, 1], [1, 1]],
        metadata=[{"n": 1, "tag": "x"}, {"n": 2.5, "sub": {"deep": True}}, None],
    )
    return db


def keys_of(hits):
    return [hit["key"] for hit in hits]


# ---- collections ----


def test_collections(db):
    assert db.vector_list_collections() == []
    assert db.vector_create_collection("b", 3) == 1
    assert db.vector_create_collection("a", 65536, "dot_product") == 1
    assert db.vector_create_collection("é", 1, metric="euclidean") == 1
    found = db.vector_list_collections()
    assert [(c["name"], c["dimension"], c["metric"], c["count"]) for c in found] == [
        ("a", 65536, "dot_product", 0),
        ("b", 3, "cosine", 0),
        ("é", 1, "euclidean", 0),
    ]
    assert all(isinstance(c["index"], str) and isinstance(c["memory_bytes"], int) for c in found)
    with refused(ConstraintError, "collection_exists"):
        db.vector_create_collection("b", 3)
    assert db.vector_delete_collection("b") is True
    assert db.vector_delete_collection("b") is False
    assert db.vector_create_collection("b", 5, "euclidean") == 3
    assert db.info()["total_keys"] == 0


def test_a_collection_takes_its_vectors_with_it(coll):
    then = coll.info()["commit_timestamp"]
    assert coll.vector_delete_collection("c") is True
    assert coll.vector_get("c", "a") is None
    with refused(NotFoundError, "collection_not_found"):
        coll.vector_list("c")
    assert coll.vector_create_collection("c", 2) == 3
    assert coll.vector_list("c") == []
    assert coll.vector_search("c", [1, 0], 5) == []
    assert coll.vector_upsert("c", "a", [2, 0]) == 3  # 1, deleted, 3
    assert keys_of(coll.vector_search("c", [1, 0], 5, as_of=then)) == ["a", "d", "b"]
    assert coll.vector_list_collections(as_of=then)[0]["count"] == 3


def test_collections_belong_to_their_space(coll):
    coll.space_use("other")
    assert coll.vector_list_collections() == []
    with refused(NotFoundError, "collection_not_found"):
        coll.vector_upsert("c", "a", [1, 2])
    coll.vector_create_collection("c", 1)
    coll.vector_upsert("c", "z", [1])
    assert "other" in coll.space_list()
    coll.space_use("default")
    assert coll.vector_list("c") == ["a", "b", "d"]
    with refused(ConstraintError, "space_not_empty"):
        coll.space_delete("other")
    coll.space_delete("other", force=True)
    assert coll.vector_list("c") == ["a", "b", "d"]
    coll.space_use("other")
    assert coll.vector_list_collections() == []


# ---- rows ----


def test_upsert_and_get(db):
    db.vector_create_collection("c", 3)
    assert db.vector_upsert("c", "k", [1, 2.5, -3], {"a": {"b": [1, None]}}) == 1
    first = db.info()["commit_timestamp"]
    found = db.vector_get("c", "k")
    assert list(found) == ["key", "embedding", "metadata", "version", "timestamp"]
    assert found["key"] == "k"
    assert found["embedding"].dtype == np.float32
    assert found["embedding"].tolist() == [1, 2.5, -3]
    assert found["metadata"] == {"a": {"b": [1, None]}}
    assert (found["version"], found["timestamp"]) == (1, first)
    found["embedding"][0] = 9  # a copy
    assert db.vector_get("c", "k")["embedding"][0] == 1
    assert db.vector_upsert("c", "k", [0, 0, 1]) == 2
    assert db.vector_get("c", "k")["metadata"] is None
    assert db.vector_get("c", "k", as_of=first)["metadata"] == {"a": {"b": [1, None]}}
    assert db.vector_get("c", "no") is None
    assert db.vector_get("no", "k") is None


def test_delete_and_history(coll):
    assert coll.vector_delete("c", "a") is True
    assert coll.vector_delete("c", "a") is False
    assert coll.vector_delete("no", "a") is False
    assert coll.vector_upsert("c", "a", [3, 4]) == 3
    history = coll.vector_history("c", "a")
    assert [(h["version"], h["deleted"], h["value"] is None) for h in history] == [
        (3, False, False),
        (2, True, True),
        (1, False, False),
    ]
    assert history[0]["value"]["embedding"].tolist() == [3, 4]
    assert history[2]["value"]["metadata"] == {"n": 1, "tag": "x"}
    assert history[0]["timestamp"] > history[1]["timestamp"] > history[2]["timestamp"]
    assert len(coll.vector_history("c", "a", as_of=history[2]["timestamp"])) == 1
    assert coll.vector_history("c", "no") is None
    assert coll.vector_history("no", "a") is None


def test_list(coll):
    assert coll.vector_list("c") == ["a", "b", "d"]
    coll.vector_upsert("c", "da", [1, 2])
    assert coll.vector_list("c", "d") == ["d", "da"]
    assert coll.vector_list("c", limit=2) == ["a", "b"]
    assert coll.vector_list("c", "", limit=0) == []
    assert coll.vector_list("c", "zz") == []
    with refused(NotFoundError, "collection_not_found"):
        coll.vector_list("no")
    with refused(ValidationError, "out_of_range"):
        coll.vector_list("c", limit=-1)


def test_names_that_continue_each_other(db):
    """Collections a and ab, keys that begin alike: no range takes in another."""
    for name in ("a", "ab", "a\x01"):
        db.vector_create_collection(name, 1)
        db.vector_upsert(name, "k" + name, [1])
    assert db.vector_list("a") == ["ka"]
    assert db.vector_list("ab") == ["kab"]
    assert db.vector_delete_collection("a")
    assert db.vector_list("ab") == ["kab"]
    assert db.vector_list("a\x01") == ["ka\x01"]


@pytest.mark.parametrize("dimension", [1, 2, 511, 512, 513, 65536])
def test_dimensions(db, dimension):
    """Rows of every size, those that would lie beside their keys and those that never could."""
    db.vector_create_collection("c", dimension, "euclidean")
    values = np.arange(dimension, dtype=np.float32) - 7
    db.vector_upsert("c", "k", values, {"d": dimension})
    assert (db.vector_get("c", "k")["embedding"] == values).all()
    hit = db.vector_search("c", values, 1)[0]
    assert hit == {"key": "k", "score": 1.0, "metadata": {"d": dimension}}


# ---- batches ----


def test_batch_of_entries(db):
    db.vector_create_collection("c", 2)
    entries = [
        {"key": "b", "vector": [1, 2], "metadata": {"n": 1}},
        {"key": "a", "vector": np.array([3, 4])},
        {"key": "b", "vector": (5, 6), "metadata": None},
    ]
    assert db.vector_batch_upsert("c", entries) == [1, 1, 1]
    assert db.vector_get("c", "b")["embedding"].tolist() == [5, 6]
    assert db.vector_get("c", "b")["metadata"] is None
    assert db.vector_batch_upsert("c", iter(entries[:1])) == [2]
    assert db.vector_batch_upsert("c", []) == []


def test_batch_of_columns(db):
    db.vector_create_collection("c", 2)
    array = np.arange(6).reshape(3, 2) + 1
    assert db.vector_batch_upsert("c", keys=["x", "z", "y"], vectors=array) == [1, 1, 1]
    assert db.vector_get("c", "z")["embedding"].tolist() == [3, 4]
    assert db.vector_batch_upsert("c", keys=("x",), vectors=[[9, 9]], metadata=iter([{"m": 1}])) == [2]
    assert db.vector_get("c", "x")["metadata"] == {"m": 1}
    assert db.vector_batch_upsert("c", keys=[], vectors=np.empty((0, 2))) == []


def test_batches_are_all_or_nothing(coll):
    before = coll.info()["commit_timestamp"]
    good = {"key": "g", "vector": [1, 2]}
    bad = [
        (ConstraintError, "dimension_mismatch", {"key": "bad", "vector": [1, 2, 3]}),
        (ConstraintError, "dimension_mismatch", {"key": "bad", "vector": []}),
        (ConstraintError, "dimension_mismatch", {"key": "bad", "vector": np.zeros(70_000)}),
        (ValidationError, "invalid_vector", {"key": "bad", "vector": [1, float("nan")]}),
        (ValidationError, "invalid_vector", {"key": "bad", "vector": [1, -float("inf")]}),
        (ValidationError, "invalid_vector", {"key": "bad", "vector": [1, 1e39]}),
        (ValidationError, "invalid_vector", {"key": "bad", "vector": [1, 10**400]}),
        (ValidationError, "invalid_vector", {"key": "bad", "vector": np.ones((1, 2))}),
        (ValidationError, "zero_vector", {"key": "bad", "vector": [0, -0.0]}),
        (ValidationError, "invalid_key", {"key": "", "vector": [1, 2]}),
        (ValidationError, "invalid_entry", {"key": "bad"}),
        (ValidationError, "invalid_entry", {"key": "bad", "vector": [1, 2], "meta": {}}),
        (ValidationError, "integer_out_of_range", {"key": "bad", "vector": [1, 2], "metadata": {"n": 2**64}}),
    ]
    for kind, code, entry in bad:
        with refused(kind, code) as caught:
            coll.vector_batch_upsert("c", [good, good, entry, good])
        assert IS_MODEL or "entry 2" in str(caught.value), caught.value
    for entry in (
        7,
        None,
        {"key": 1, "vector": [1, 2]},
        {"key": "k", "vector": "ab"},
        {"key": "k", "vector": [True, 1]},
    ):
        with pytest.raises(TypeError):
            coll.vector_batch_upsert("c", [good, entry])
    with pytest.raises(TypeError) as caught:
        coll.vector_batch_upsert("c", [good, {"key": "k", "vector": [1, 2], "metadata": {"x": {1: 2}}}])
    assert IS_MODEL or str(caught.value).startswith("metadata of entry 1: ")
    assert coll.info()["commit_timestamp"] == before
    assert coll.vector_list("c") == ["a", "b", "d"]


def test_batches_of_another_shape(coll):
    for arguments in (
        {"keys": ["a"], "vectors": [[1, 2], [3, 4]]},
        {"keys": ["a", "b"], "vectors": [[1, 2]]},
        {"keys": ["a"], "vectors": [[1, 2]], "metadata": []},
    ):
        with refused(ValidationError, "length_mismatch"):
            coll.vector_batch_upsert("c", **arguments)
    with refused(ValidationError, "invalid_argument"):
        coll.vector_batch_upsert("c", [], keys=["a"], vectors=[[1, 2]])
    with refused(ValidationError, "invalid_vector"):
        coll.vector_batch_upsert("c", keys=["a"], vectors=[1, 2])
    with refused(ValidationError, "invalid_vector"):
        coll.vector_batch_upsert("c", keys=["a", "b"], vectors=[[1, 2], [3]])
    for arguments in ({}, {"keys": ["a"]}, {"vectors": [[1, 2]]}, {"keys": "ab", "vectors": [[1, 2]]}):
        with pytest.raises(TypeError):
            coll.vector_batch_upsert("c", **arguments)
    with refused(NotFoundError, "collection_not_found"):
        coll.vector_batch_upsert("no", [])


def test_progress_of_a_batch(coll):
    seen = []
    array = np.ones((10_000, 2), dtype=np.float32)
    keys = [f"{i:05}" for i in range(10_000)]
    coll.vector_batch_upsert("c", keys=keys, vectors=array, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (10_000, 10_000)
    assert len(coll.vector_list("c")) == 10_003

    def stop(done, total):
        raise KeyError("enough")

    with pytest.raises(KeyError):
        coll.vector_batch_upsert("c", [{"key": "new", "vector": [1, 2]}], progress=stop)
    assert coll.vector_get("c", "new") is None


# ---- search ----


def exact(metric, query, vector):
    q, v = np.float64(query), np.float64(vector)
    if metric == "dot_product":
        return q @ v
    if metric == "euclidean":
        return 1 / (1 + np.sqrt(((q - v) ** 2).sum()))
    norm = np.sqrt(q @ q) * np.sqrt(v @ v)
    return q @ v / norm if norm else 0.0


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "dot_product"])
def test_search_is_exact(db, metric):
    rng = np.random.default_rng(3)
    vectors = rng.standard_normal((300, 17)).astype(np.float32)
    db.vector_create_collection("c", 17, metric)
    keys = [f"k{i:03}" for i in range(300)]
    db.vector_batch_upsert("c", keys=keys, vectors=vectors, metadata=[{"i": i} for i in range(300)])
    queries = rng.standard_normal((5, 17))
    batch = db.vector_batch_search("c", queries, 20)
    for query, hits in zip(queries, batch, strict=True):
        assert hits == db.vector_search("c", query, 20) == db.vector_search("c", query, 20, exact=True)
        scores = np.array([exact(metric, np.float32(query), v) for v in vectors])
        best = sorted(range(300), key=lambda i: (-scores[i], keys[i]))[:20]
        assert keys_of(hits) == [keys[i] for i in best]
        assert np.allclose([hit["score"] for hit in hits], scores[best], rtol=1e-5, atol=1e-6)
        assert [hit["metadata"]["i"] for hit in hits] == best
    other = "euclidean" if metric == "cosine" else "cosine"
    scores = [exact(other, np.float32(queries[0]), v) for v in vectors]
    hits = db.vector_search("c", queries[0], 3, metric=other)
    assert np.allclose([hit["score"] for hit in hits], sorted(scores, reverse=True)[:3], rtol=1e-5)


def test_equal_vectors_come_by_key(db):
    db.vector_create_collection("c", 3)
    keys = ["é", "b", "a", "ab", "z"]
    db.vector_batch_upsert("c", keys=keys, vectors=[[1, 2, 3]] * 5)
    hits = db.vector_search("c", [3, 2, 1], 3)
    assert keys_of(hits) == ["a", "ab", "b"]
    assert len({hit["score"] for hit in hits}) == 1
    assert keys_of(db.vector_search("c", [3, 2, 1], 10**18)) == sorted(keys, key=str.encode)


def test_scores_at_the_edge_of_float32(db):
    """Sums of squares that float32 cannot hold."""
    db.vector_create_collection("c", 2)
    db.vector_batch_upsert("c", keys=["big", "small", "side"], vectors=[[3e38, 3e38], [1e-40, 1e-40], [1, -1]])
    for query in ([1, 1], [1e38, 1e38], [1e-42, 1e-42]):
        hits = db.vector_search("c", query, 3)
        assert keys_of(hits) == ["big", "small", "side"]
        assert np.allclose([hit["score"] for hit in hits], [1, 1, 0], atol=1e-6)
    hits = db.vector_search("c", [3e38, 3e38], 3, metric="euclidean")
    assert hits[0] == {"key": "big", "score": 1.0, "metadata": None}
    assert all(0 <= hit["score"] <= 1 for hit in hits)


def test_a_stored_zero_has_no_direction(db):
    db.vector_create_collection("c", 2, "dot_product")
    assert db.vector_upsert("c", "zero", [0, 0]) == 1
    db.vector_upsert("c", "back", [-1, 0])
    assert db.vector_search("c", [0, 0], 1)[0]["score"] == 0
    hits = db.vector_search("c", [1, 0], 2, metric="cosine")
    assert [(hit["key"], hit["score"]) for hit in hits] == [("zero", 0.0), ("back", -1.0)]
    with refused(ValidationError, "zero_vector"):
        db.vector_search("c", [0, 0], 1, metric="cosine")


def test_searches_that_are_refused(coll):
    for arguments, kind, code in (
        (("no", [1, 0], 1), NotFoundError, "collection_not_found"),
        (("c", [1, 0, 0], 1), ConstraintError, "dimension_mismatch"),
        (("c", [], 1), ConstraintError, "dimension_mismatch"),
        (("c", [0, 0], 1), ValidationError, "zero_vector"),
        (("c", [1, float("nan")], 1), ValidationError, "invalid_vector"),
        (("c", [[1, 0]], 1), TypeError, None),
        (("c", np.ones((1, 2)), 1), ValidationError, "invalid_vector"),
        (("c", [1, 0], 0), ValidationError, "out_of_range"),
        (("c", [1, 0], -1), ValidationError, "out_of_range"),
        (("c", [1, 0], 2**63), ValidationError, "out_of_range"),
        (("c", [1, 0], 1.0), TypeError, None),
        (("c", [1, 0], True), TypeError, None),
        (("c", [1, 0], 1, "manhattan"), ValidationError, "unknown_metric"),
        (("c", [1, 0], 1, 7), TypeError, None),
        (("c", None, 1), TypeError, None),
    ):
        if kind is TypeError:
            with pytest.raises(TypeError):
                coll.vector_search(*arguments)
        else:
            with refused(kind, code):
                coll.vector_search(*arguments)
    for queries, code in (([1, 0], "invalid_vector"), ([[1, 0], [0, 0]], "zero_vector")):
        with refused(ValidationError, code):
            coll.vector_batch_search("c", queries, 1)
    with refused(NotFoundError, "collection_not_found"):
        coll.vector_batch_search("no", np.empty((0, 2)), 1)
    assert coll.vector_batch_search("c", np.empty((0, 2)), 1) == []


# ---- filters ----


@pytest.mark.parametrize(
    ("field", "op", "value", "expected"),
    [
        ("n", "eq", 1, "a"),
        ("n", "eq", 1.0, "a"),
        ("n", "eq", True, ""),
        ("n", "ne", 1, "bcefgh"),
        ("n", "gt", 1, "bc"),
        ("n", "gte", 1, "abc"),
        ("n", "lt", 2**53 + 1, "abc"),
        ("n", "lte", float("inf"), "abc"),
        ("n", "gt", "1", ""),
        ("n", "eq", float("nan"), ""),
        ("n", "ne", float("nan"), "abcefgh"),
        ("n", "in", [1, "x", None], "ae"),
        ("n", "in", [], ""),
        ("n", "contains", "x", ""),
        ("n", "exists", True, "abcefgh"),
        ("n", "exists", False, "di"),
        ("t", "eq", "ab", "a"),
        ("t", "gt", "ab", "b"),
        ("t", "contains", "b", "ab"),
        ("t", "contains", "", "ab"),
        ("t", "contains", 2, "c"),
        ("t", "contains", 2.0, "c"),
        ("t", "contains", [3], "c"),
        ("t", "eq", [1, 2, [3]], "c"),
        ("t", "eq", [1.0, 2, [3]], ""),
        ("s.x", "eq", 5, "a"),
        ("s.x.y", "eq", 6, "b"),
        ("s.x.y", "exists", False, "acdefghi"),
        ("s", "eq", {"x": 5}, "a"),
        ("l.0", "exists", True, ""),
        ("", "exists", True, "h"),
        (".", "eq", 2, "h"),
    ],
)
def test_filters(db, field, op, value, expected):
    metadata = {
        "a": {"n": 1, "t": "ab", "s": {"x": 5}},
        "b": {"n": 2.5, "t": "b", "s": {"x": {"y": 6}}},
        "c": {"n": 2**53, "t": [1, 2, [3]], "l": [1]},
        "d": {},
        "e": {"n": None},
        "f": {"n": [1]},
        "g": {"n": {"n": 1}},
        "h": {"n": False, "": {"": 2}},
        "i": None,
    }
    db.vector_create_collection("c", 1, "euclidean")
    db.vector_batch_upsert("c", keys=list(metadata), vectors=[[i] for i in range(9)], metadata=list(metadata.values()))
    hits = db.vector_search("c", [0], 10, filters=[{"field": field, "op": op, "value": value}])
    assert "".join(keys_of(hits)) == expected


def test_filters_hold_together(coll):
    both = [{"field": "n", "op": "exists"}, {"field": "n", "op": "gt", "value": 1}]
    assert keys_of(coll.vector_search("c", [1, 0], 5, filters=both)) == ["b"]
    assert keys_of(coll.vector_search("c", [1, 0], 1, filters=both)) == ["b"]
    assert len(coll.vector_search("c", [1, 0], 5, filters=[])) == 3
    assert len(coll.vector_search("c", [1, 0], 5, None, tuple(both))) == 1
    assert coll.vector_batch_search("c", [[1, 0], [0, 1]], 5, filters=both)[1][0]["key"] == "b"


@pytest.mark.parametrize(
    "filters",
    [
        [{"field": "n", "op": "like", "value": 1}],
        [{"field": "n", "op": "eq"}],
        [{"field": "n", "value": 1}],
        [{"op": "eq", "value": 1}],
        [{}],
        [{"field": "n", "op": "eq", "value": 1, "or": 2}],
        [{"field": "n", "op": "in", "value": "abc"}],
        [{"field": "n", "op": "exists", "value": 1}],
    ],
)
def test_filters_of_another_shape(coll, filters):
    with refused(ValidationError, "invalid_filter") as caught:
        coll.vector_search("c", [1, 0], 1, filters=[{"field": "n", "op": "exists"}, *filters])
    assert IS_MODEL or "filters[1]" in str(caught.value)


@pytest.mark.parametrize(
    "filters",
    [7, "n", {"field": "n"}, [7], [[]], [None], [{"field": 7, "op": "eq", "value": 1}], [{"field": "n", "op": 7}]],
)
def test_filters_of_another_type(coll, filters):
    with pytest.raises(TypeError):
        coll.vector_search("c", [1, 0], 1, filters=filters)


# ---- transactions ----


def test_a_transaction_sees_its_own_writes(coll):
    with coll.session() as s:
        s.begin()
        assert s.vector_upsert("c", "e", [1, 0.1]) == 1
        assert s.vector_upsert("c", "e", [1, 0.2]) == 1
        assert s.vector_delete("c", "a") is True
        assert s.vector_upsert("c", "b", [5, 0]) == 2
        assert keys_of(s.vector_search("c", [1, 0], 5)) == ["b", "e", "d"]
        assert s.vector_list("c") == ["b", "d", "e"]
        assert s.vector_list_collections()[0]["count"] == 3
        assert s.vector_get("c", "e")["timestamp"] is None
        assert [h["version"] for h in s.vector_history("c", "b")] == [2, 1]
        now = s.info()["commit_timestamp"]
        assert keys_of(s.vector_search("c", [1, 0], 5, as_of=now)) == ["a", "d", "b"]
        assert keys_of(coll.vector_search("c", [1, 0], 5)) == ["a", "d", "b"]
        s.commit()
    assert keys_of(coll.vector_search("c", [1, 0], 5)) == ["b", "e", "d"]


def test_a_rollback_leaves_nothing(coll):
    coll.begin()
    coll.vector_create_collection("new", 1)
    coll.vector_upsert("new", "k", [1])
    coll.vector_delete_collection("c")
    assert [c["name"] for c in coll.vector_list_collections()] == ["new"]
    coll.rollback()
    assert [c["name"] for c in coll.vector_list_collections()] == ["c"]
    assert len(coll.vector_search("c", [1, 0], 5)) == 3


def test_an_error_undoes_its_call_alone(coll):
    coll.begin()
    coll.vector_upsert("c", "e", [1, 2])
    with refused(ConstraintError, "dimension_mismatch"):
        coll.vector_batch_upsert("c", [{"key": "f", "vector": [1, 2]}, {"key": "g", "vector": [1]}])
    assert coll.vector_list("c") == ["a", "b", "d", "e"]
    coll.commit()
    assert coll.vector_list("c") == ["a", "b", "d", "e"]


def test_a_search_reads_its_collection(coll):
    for write in (
        lambda: coll.vector_upsert("c", "far", [-1, 0]),
        lambda: coll.vector_delete("c", "b"),
        lambda: coll.vector_delete_collection("c"),
    ):
        with coll.session() as s:
            s.begin()
            s.vector_search("c", [1, 0], 1, filters=[{"field": "n", "op": "eq", "value": 1}])
            s.kv_put("k", 1)
            write()
            conflict(s)


def test_other_collections_are_not_read(coll):
    coll.vector_create_collection("other", 2)
    with coll.session() as s:
        s.begin()
        s.vector_search("c", [1, 0], 1)
        s.kv_put("k", 1)
        coll.vector_upsert("other", "a", [1, 2])
        s.commit()


def test_writes_rest_on_the_definition(coll, isolation):
    with coll.session() as s:
        s.begin(isolation=isolation)
        s.vector_upsert("c", "e", [1, 2])
        coll.vector_delete_collection("c")
        conflict(s)
    assert coll.vector_get("c", "e") is None


def test_a_deletion_rests_on_the_contents(coll, isolation):
    with coll.session() as s:
        s.begin(isolation=isolation)
        s.vector_delete_collection("c")
        coll.vector_upsert("c", "e", [1, 2])
        conflict(s)
    assert coll.vector_list("c") == ["a", "b", "d", "e"]


def test_single_writes_never_conflict(coll):
    """Outside of a transaction, from several threads, beside the deletion of their collection."""

    def write(n):
        with coll.session() as s:
            for i in range(30):
                try:
                    s.vector_upsert("c", f"{n}:{i}", [1, i])
                except NotFoundError as error:
                    assert error.code == "collection_not_found"

    threads = [threading.Thread(target=write, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        coll.vector_delete_collection("c")
        assert coll.vector_list_collections() == []
        coll.vector_create_collection("c", 2)
    for thread in threads:
        thread.join()
    assert set(keys_of(coll.vector_search("c", [1, 0], 1000))) == set(coll.vector_list("c"))


def test_read_only_transactions(coll):
    coll.begin(read_only=True)
    assert keys_of(coll.vector_search("c", [1, 0], 1)) == ["a"]
    for write in (
        lambda: coll.vector_upsert("c", "a", [1, 2]),
        lambda: coll.vector_create_collection("x", 2),
        lambda: coll.vector_delete("c", "a"),
        lambda: coll.vector_delete_collection("c"),
    ):
        with pytest.raises(Exception) as caught:
            write()
        assert caught.value.code == "read_only"
    coll.rollback()


# ---- branches, time, disk ----


def test_forks_share_and_part(coll):
    coll.branch_fork("default", "f")
    with coll.session() as s:
        s.branch_use("f")
        s.vector_upsert("c", "a", [0, 5])
        s.vector_delete("c", "d")
        assert keys_of(s.vector_search("c", [0, 1], 5)) == ["a", "b"]
        assert s.vector_history("c", "a")[0]["version"] == 2
    assert keys_of(coll.vector_search("c", [1, 0], 5)) == ["a", "d", "b"]
    assert coll.branch_get("f")["key_count"] == 2


def test_the_past(coll):
    times = [coll.info()["commit_timestamp"]]
    states = [coll.vector_search("c", [1, 0.1], 9)]
    for step in range(6):
        if step % 3 == 2:
            coll.vector_delete("c", "b")
        else:
            coll.vector_batch_upsert("c", keys=["b", f"n{step}"], vectors=[[step + 1, 1], [1, step]])
        times.append(coll.info()["commit_timestamp"])
        states.append(coll.vector_search("c", [1, 0.1], 9))
    for then, state in zip(times, states, strict=True):
        assert coll.vector_search("c", [1, 0.1], 9, as_of=then) == state
        assert coll.vector_batch_search("c", [[1, 0.1]], 9, as_of=then) == [state]
        assert sorted(keys_of(state)) == coll.vector_list("c", as_of=then)
    coll.branch_fork("default", "then", as_of=times[2])
    coll.branch_use("then")
    assert coll.vector_search("c", [1, 0.1], 9) == states[2]
    with refused(NotFoundError, "collection_not_found"):
        coll.vector_search("c", [1, 0], 1, as_of=coll.time_range()["oldest_ts"])


@pytest.mark.engine
def test_vectors_outlive_the_process(tmp_path):
    rng = np.random.default_rng(5)
    vectors = rng.standard_normal((500, 33)).astype(np.float32)
    with Strata.open(tmp_path / "db") as db:
        db.vector_create_collection("c", 33)
        db.vector_batch_upsert("c", keys=[f"{i}" for i in range(500)], vectors=vectors)
        db.vector_batch_upsert("c", keys=[f"{i}" for i in range(50)], vectors=-vectors[:50])
        before = db.vector_search("c", vectors[70], 20)
        past = db.vector_history("c", "3")
        assert db.verify()["ok"]
    with Strata.open(tmp_path / "db", read_only=True) as db:
        assert db.vector_search("c", vectors[70], 20) == before
        assert repr(db.vector_history("c", "3")) == repr(past)
        assert db.verify()["ok"]


@pytest.mark.engine
def test_vectors_outlive_their_log(tmp_path):
    """Retention drops the segments that they lie in, so they move."""
    from datetime import timedelta

    with Strata.open(tmp_path / "db") as db:
        db.vector_create_collection("c", 3)
        for round in range(3):
            db.vector_batch_upsert("c", keys=[f"{i}" for i in range(200)], vectors=np.full((200, 3), round + 1))
        before = db.vector_search("c", [1, 2, 3], 300)
        db.compact(keep_history=timedelta(0))
        assert len(db.vector_history("c", "7")) == 1
        assert db.vector_search("c", [1, 2, 3], 300) == before
        db.vector_upsert("c", "7", [0, 0, 1])
        assert db.vector_get("c", "8")["embedding"].tolist() == [3, 3, 3]
        db.compact(keep_history=timedelta(0))
        assert db.verify()["ok"]
    with Strata.open(tmp_path / "db") as db:
        assert db.vector_search("c", [0, 0, 1], 1)[0]["key"] == "7"
        assert len(db.vector_list("c")) == 200


@pytest.mark.engine
def test_backups_hold_vectors(coll, tmp_path):
    coll.backup(tmp_path / "copy")
    with Strata.open(tmp_path / "copy") as copy:
        assert copy.vector_search("c", [1, 0], 5) == coll.vector_search("c", [1, 0], 5)


def test_a_closed_handle(coll):
    other = coll.session()
    other.close()
    with refused(StateError, "closed"):
        other.vector_search("c", [1, 0], 1)


def test_conflicts_are_run_again(coll):
    def add(db):
        count = len(db.vector_list("c"))
        db.vector_upsert("c", f"n{count}", [1, count])
        return count

    assert coll.run(add) == 3
    with coll.session() as s, pytest.raises(ConflictError):
        s.begin()
        add(s)
        coll.run(add)
        s.commit()
