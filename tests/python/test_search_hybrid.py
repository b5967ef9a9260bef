"""Hybrid and semantic search with vectors of a collection: fusion, ranks, and that it shows what a reader sees."""

import pytest
from stratadb import ConstraintError, NotFoundError, Strata, ValidationError
from support import conflict, refused


@pytest.fixture
def docs(db):
    """Four vectors around the compass; two keys beside them."""
    db.vector_create_collection("c", 2)
    for key, vector, title in [
        ("east", [1, 0], "the red fox"),
        ("north", [0, 1], "a red hen"),
        ("northeast", [1, 1], "nothing of interest"),
        ("west", [-1, 0], None),
    ]:
        db.vector_upsert("c", key, vector, title and {"title": title})
    db.kv_put("k", "red fox red fox")
    db.kv_put("l", "blue")
    return db


def ranks(hits):
    return [(hit["entity"], hit["ranks"]["keyword"], hit["ranks"]["vector"]) for hit in hits]


def test_semantic_is_the_order_of_the_vectors(docs):
    hits = docs.search("red", mode="semantic", vector=[1, 0.1], collection="c")
    assert [hit["entity"][1] for hit in hits] == ["east", "northeast", "north", "west"]
    assert ranks(hits) == [(("c", hit["entity"][1]), None, n) for n, hit in enumerate(hits, 1)]
    near = docs.vector_search("c", [1, 0.1], 4)
    assert [hit["score"] for hit in hits] == pytest.approx([hit["score"] for hit in near])
    assert [hit["rank"] for hit in hits] == [1, 2, 3, 4]
    assert hits[0]["snippet"] == "the **red** fox"
    assert hits[1]["snippet"] == "nothing of interest"
    assert hits[3]["snippet"] == ""
    assert list(hits[0]) == ["primitive", "entity", "score", "rank", "snippet", "space", "ranks"]
    assert {(hit["primitive"], hit["space"]) for hit in hits} == {("vector", "default")}
    assert len(docs.search("red", 2, mode="semantic", vector=[1, 0], collection="c")) == 2


def test_hybrid_is_reciprocal_rank_fusion(docs):
    words = [hit["entity"] for hit in docs.search("red fox", 100)]
    near = [("c", hit["key"]) for hit in docs.vector_search("c", [0, 1], 100)]
    expected = {}
    for ranking in (words, near):
        for rank, entity in enumerate(ranking, 1):
            expected[entity] = expected.get(entity, 0) + 1 / (60 + rank)
    hits = docs.search("red fox", mode="hybrid", vector=[0, 1], collection="c")
    assert {hit["entity"]: hit["score"] for hit in hits} == pytest.approx(expected)
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)
    for hit in hits:
        for name, ranking in (("keyword", words), ("vector", near)):
            place = ranking.index(hit["entity"]) + 1 if hit["entity"] in ranking else None
            assert hit["ranks"][name] == place
    assert len(docs.search("red fox", 1, mode="hybrid", vector=[0, 1], collection="c")) == 1


def test_more_than_a_hundred_of_each(db):
    db.vector_create_collection("c", 2)
    keys = [f"{n:03}" for n in range(150)]
    db.vector_batch_upsert(
        "c", keys=keys, vectors=[[150 - n, n] for n in range(150)], metadata=[{"t": "fox"} for _ in keys]
    )
    few = db.search("fox", 10, mode="hybrid", vector=[1, 0], collection="c")
    many = db.search("fox", 150, mode="hybrid", vector=[1, 0], collection="c")
    assert len(few) == 10
    assert len(many) == 150
    assert many[-1]["ranks"]["vector"] == 150
    assert [hit["entity"][1] for hit in few] == keys[:10]


def test_ties_are_broken_by_space_primitive_and_name(db):
    db.vector_create_collection("c", 1)
    db.vector_upsert("c", "v", [1])
    db.kv_put("z", "fox")
    db.event_append("e", {"t": "wolf"})
    hits = db.search("fox", mode="hybrid", vector=[1], collection="c")
    assert [hit["primitive"] for hit in hits] == ["kv", "vector"]
    assert hits[0]["score"] == hits[1]["score"] == 1 / 61
    hits = db.search("wolf", mode="hybrid", vector=[1], collection="c")
    assert [hit["entity"] for hit in hits] == [0, ("c", "v")]


def test_without_words(docs):
    for query in ("", "   ", "-red", '"'):
        hits = docs.search(query, mode="hybrid", vector=[1, 0], collection="c")
        assert [hit["ranks"]["keyword"] for hit in hits] == [None] * 4
    hits = docs.search("fox", mode="hybrid", vector=[1, 0], collection="c", primitives=["kv"])
    assert [hit["primitive"] for hit in hits] == ["kv"] + ["vector"] * 4  # the collection is searched all the same
    assert ranks(hits)[:2] == [("k", 1, None), (("c", "east"), None, 1)]


def test_spaces(docs):
    docs.space_use("other")
    docs.kv_put("o", "red fox")
    with refused(NotFoundError, "collection_not_found"):
        docs.search("fox", mode="hybrid", vector=[1, 0], collection="c", spaces=["default"])
    docs.space_use("default")
    hits = docs.search("fox", mode="hybrid", vector=[1, 0], collection="c", spaces=["other"])
    assert ("other", "o") in {(hit["space"], hit["entity"]) for hit in hits}
    assert {hit["space"] for hit in hits if hit["primitive"] == "vector"} == {"default"}


def test_branches_forks_and_the_past(docs):
    before = docs.info()["commit_timestamp"]
    docs.branch_fork("default", "b")
    docs.vector_upsert("c", "south", [0, -1], {"title": "fox"})
    docs.vector_delete("c", "east")

    def near():
        return [hit["entity"][1] for hit in docs.search("x", mode="semantic", vector=[1, -0.1], collection="c")]

    assert near() == ["northeast", "south", "north", "west"]
    then = docs.search("fox", mode="hybrid", vector=[1, 0], collection="c", as_of=before)
    docs.branch_use("b")
    assert near() == ["east", "northeast", "north", "west"]
    here = docs.search("fox", mode="hybrid", vector=[1, 0], collection="c")
    assert ranks(then) == ranks(here)
    docs.branch_use("default")
    docs.branch_merge("b", "default")
    assert near() == ["northeast", "south", "north", "west"]
    docs.vector_delete_collection("c")
    with refused(NotFoundError, "collection_not_found"):
        near()
    assert ranks(docs.search("fox", mode="hybrid", vector=[1, 0], collection="c", as_of=before)) == ranks(then)


def test_transactions(docs):
    with docs.session() as one:
        one.begin()
        one.vector_upsert("c", "mine", [1, 0.001], {"title": "fox"})
        hits = one.search("fox", mode="hybrid", vector=[1, 0.001], collection="c")
        assert hits[0]["entity"] == ("c", "mine")
        assert hits[0]["ranks"]["vector"] == 1
        assert ("c", "mine") not in {
            h["entity"] for h in docs.search("", 9, mode="hybrid", vector=[1, 0], collection="c")
        }
        one.rollback()
        assert ("c", "mine") not in {
            h["entity"] for h in one.search("", 9, mode="hybrid", vector=[1, 0], collection="c")
        }


@pytest.mark.parametrize("mode", ["hybrid", "semantic"])
def test_a_transaction_has_read_the_collection_and_the_words(docs, mode):
    for write in (
        lambda: docs.vector_upsert("c", "new", [5, 5]),
        lambda: docs.kv_put("new", "nothing"),
    ):
        with docs.session() as one:
            one.begin()
            one.search("fox", mode=mode, vector=[1, 0], collection="c")
            one.kv_put("own", 1)
            write()
            conflict(one)


def test_errors(docs):
    for mode in ("hybrid", "semantic"):
        for given in ({}, {"vector": [1, 0]}, {"collection": "c"}):
            with refused(ValidationError, "invalid_argument"):
                docs.search("x", mode=mode, **given)
        with refused(NotFoundError, "collection_not_found"):
            docs.search("x", mode=mode, vector=[1, 0], collection="nowhere")
        with refused(ConstraintError, "dimension_mismatch"):
            docs.search("x", mode=mode, vector=[1, 0, 0], collection="c")
        with refused(ValidationError, "zero_vector"):
            docs.search("x", mode=mode, vector=[0, 0], collection="c")
        with refused(ValidationError, "invalid_vector"):
            docs.search("x", mode=mode, vector=[1, float("nan")], collection="c")
        with refused(ValidationError, "out_of_range"):
            docs.search("x", 0, mode=mode, vector=[1, 0], collection="c")
        with pytest.raises(TypeError):
            docs.search("x", mode=mode, vector="east", collection="c")
        with pytest.raises(TypeError):
            docs.search("x", mode=mode, vector=[1, 0], collection=1)
        assert len(docs.search("fox", 2**62, mode=mode, vector=[1, 0], collection="c")) >= 4


@pytest.mark.engine
def test_reopening(tmp_path):
    with Strata.open(tmp_path / "db") as db:
        db.vector_create_collection("c", 2)
        db.vector_upsert("c", "v", [1, 0], {"t": "fox"})
        before = db.search("fox", mode="hybrid", vector=[1, 0], collection="c")
    for read_only in (False, True):
        with Strata.open(tmp_path / "db", read_only=read_only) as db:
            assert db.search("fox", mode="hybrid", vector=[1, 0], collection="c") == before
