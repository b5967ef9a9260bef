"""What makes vector search fast: the same answers as comparing with every vector, through everything that happens."""

import pathlib
import random
import threading

import pytest
from conftest import SEED
from stratadb import Strata

np = pytest.importorskip("numpy")
pytestmark = pytest.mark.engine

DIMENSION = 16


def clustered(rng, rows, dimension=DIMENSION, clusters=20):
    """Vectors that lie near each other in groups, as embeddings do."""
    centres = rng.normal(size=(clusters, dimension))
    return (centres[rng.integers(0, clusters, rows)] + 0.4 * rng.normal(size=(rows, dimension))).astype(np.float32)


def nearest(held, query, k, keep=lambda key: True):
    """The keys of a dict of vectors by cosine, best first, ties by key."""
    keys = sorted(key for key in held if keep(key))
    if not keys:
        return []
    matrix = np.array([held[key] for key in keys], dtype=np.float64)
    query = np.asarray(query, dtype=np.float64)
    scores = matrix @ query / np.linalg.norm(matrix, axis=1) / np.linalg.norm(query)
    order = np.argsort(-scores, kind="stable")[:k]
    return [(keys[i], scores[i]) for i in order]


def agrees(db, held, query, k=10, **options):
    found = [(hit["key"], hit["score"]) for hit in db.vector_search("c", query, k, **options)]
    wanted = nearest(held, query, k)
    assert len(found) == len(wanted)
    assert all(key in held for key, _ in found)
    # Scores alone: in float32 two of them may change places.
    assert np.allclose([s for _, s in found], [s for _, s in wanted], atol=2e-6)


def recall(db, held, queries, k=10, keep=lambda key: True, **options):
    hits = 0
    total = 0
    for query in queries:
        wanted = nearest(held, query, k, keep)
        found = db.vector_search("c", query, k, **options)
        assert len(found) == len(wanted)
        least = wanted[-1][1] - 1e-5
        hits += sum(hit["score"] >= least for hit in found)
        total += len(wanted)
    return hits / total


@pytest.mark.parametrize("exact", [False, True])
def test_random_lives_have_the_answers_of_a_plain_comparison(tmp_path, exact):
    rng = np.random.default_rng(SEED)
    dice = random.Random(SEED)
    db = Strata.open(tmp_path / "db")
    db.vector_create_collection("c", DIMENSION)
    branches = {"default": {}}

    def change(held, count):
        keys = [f"k{dice.randrange(400)}" for _ in range(count)]
        vectors = clustered(rng, count)
        db.vector_batch_upsert("c", keys=keys, vectors=vectors)
        held.update(zip(keys, vectors, strict=True))
        for key in dice.sample(sorted(held), min(len(held), count // 4)):
            assert db.vector_delete("c", key)
            del held[key]

    for step in range(60):
        name = dice.choice(sorted(branches))
        db.branch_use(name)
        held = branches[name]
        what = dice.randrange(7)
        if what < 3:
            change(held, dice.choice([1, 5, 60, 200]))
        elif what == 3 and len(branches) < 6:
            branches[f"b{step}"] = dict(held)
            db.branch_fork(name, f"b{step}")
        elif what == 4:
            inside = dict(held)
            db.begin()
            change(inside, 20)
            agrees(db, inside, clustered(rng, 1)[0], exact=exact)
            if dice.random() < 0.5:
                db.commit()
                branches[name] = held = inside
            else:
                db.rollback()
        elif what == 5:
            db.close()
            db = Strata.open(tmp_path / "db")
            db.branch_use(name)
        elif name != "default":
            db.branch_use("default")
            db.branch_delete(name)
            del branches[name]
            held = branches["default"]
        agrees(db, held, clustered(rng, 1)[0], k=dice.choice([1, 10, 50]), exact=exact)
    db.close()


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "dot_product"])
def test_exact_is_exact(metric):
    rng = np.random.default_rng(SEED)
    vectors = clustered(rng, 3000, 64) + 3  # far from the origin
    keys = [f"{i:05}" for i in range(len(vectors))]
    with Strata.cache() as db:
        db.vector_create_collection("c", 64, metric)
        db.vector_batch_upsert("c", keys=keys, vectors=vectors)
        wide = vectors.astype(np.float64)
        for query in vectors[::200] + np.float32(0.1):
            found = db.vector_search("c", query, 20, exact=True)
            product = wide @ query
            scores = {
                "cosine": product / np.linalg.norm(wide, axis=1) / np.linalg.norm(query.astype(np.float64)),
                "euclidean": 1 / (1 + np.linalg.norm(wide - query, axis=1)),
                "dot_product": product,
            }[metric]
            assert np.allclose([hit["score"] for hit in found], np.sort(scores)[::-1][:20], rtol=1e-5)


def test_equal_vectors_come_in_the_order_of_their_keys():
    with Strata.cache() as db:
        db.vector_create_collection("c", DIMENSION)
        vector = np.ones(DIMENSION, dtype=np.float32)
        keys = [f"{i:04}" for i in range(500)]
        db.vector_batch_upsert("c", keys=keys, vectors=np.tile(vector, (500, 1)))
        assert [hit["key"] for hit in db.vector_search("c", vector, 5)] == keys[:5]
        db.vector_upsert("c", "0001", vector)
        assert [hit["key"] for hit in db.vector_search("c", vector, 5, exact=True)] == keys[:5]


def test_filters_give_k_hits_at_any_selectivity():
    rng = np.random.default_rng(SEED)
    vectors = clustered(rng, 6000)
    numbers = rng.integers(0, 1000, len(vectors))
    held = {f"{i:05}": vector for i, vector in enumerate(vectors)}
    with Strata.cache() as db:
        db.vector_create_collection("c", DIMENSION)
        metadata = [{"n": int(n), "deep": {"even": bool(n % 2 == 0)}} for n in numbers]
        db.vector_batch_upsert("c", keys=list(held), vectors=vectors, metadata=metadata)
        queries = clustered(rng, 10)
        for bound in (500, 100, 10, 2):
            wanted = recall(
                db,
                held,
                queries,
                keep=lambda key, bound=bound: numbers[int(key)] < bound,
                filters=[{"field": "n", "op": "lt", "value": bound}],
            )
            assert wanted >= 0.99
        found = db.vector_search("c", queries[0], 5, filters=[{"field": "deep.even", "op": "eq", "value": True}])
        assert all(hit["metadata"]["deep"]["even"] for hit in found)
        assert len(found) == 5


def test_overwriting_and_deleting_leaves_recall(tmp_path):
    rng = np.random.default_rng(SEED)
    vectors = clustered(rng, 4000)
    held = {f"{i:05}": vector for i, vector in enumerate(vectors)}
    db = Strata.open(tmp_path / "db")
    db.vector_create_collection("c", DIMENSION)
    db.vector_batch_upsert("c", keys=list(held), vectors=vectors)
    queries = clustered(rng, 10)
    for _ in range(10):
        keys = [str(key) for key in rng.choice(sorted(held), 400, replace=False)]
        for key, vector in zip(keys[:200], clustered(rng, 200), strict=True):
            held[key] = vector
        db.vector_batch_upsert("c", keys=keys[:200], vectors=np.array([held[key] for key in keys[:200]]))
        for key in keys[200:]:
            db.vector_delete("c", key)
            del held[key]
        assert recall(db, held, queries) >= 0.99
    db.close()


def test_a_restart_uses_the_files_and_damage_to_them_changes_no_answer(tmp_path):
    rng = np.random.default_rng(SEED)
    vectors = clustered(rng, 2000)
    held = {f"{i:05}": vector for i, vector in enumerate(vectors)}
    db = Strata.open(tmp_path / "db")
    db.vector_create_collection("c", DIMENSION)
    db.vector_batch_upsert("c", keys=list(held), vectors=vectors)
    query = clustered(rng, 1)[0]
    wanted = db.vector_search("c", query, 10)
    db.close()
    folder = tmp_path / "db" / "index"
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    with Strata.open(tmp_path / "db", read_only=True) as reader:
        assert reader.vector_search("c", query, 10) == wanted
        assert reader.vector_list_collections()[0]["index"] == "scan"
        assert reader.vector_list_collections()[0]["memory_bytes"] > len(whole)
    assert file.read_bytes() == whole
    dice = random.Random(SEED)
    damages = [whole[:cut] for cut in (0, 10, 64, len(whole) // 2, len(whole) - 1)] + [whole + b"x"]
    for _ in range(20):
        at = dice.randrange(len(whole))
        damages.append(whole[:at] + bytes([whole[at] ^ 1 << dice.randrange(8)]) + whole[at + 1 :])
    for damaged in damages:
        for path in folder.iterdir():
            path.unlink()
        file.write_bytes(damaged)
        (folder / "left-by-somebody").write_bytes(b"?")
        with Strata.open(tmp_path / "db") as db:
            assert db.vector_search("c", query, 10) == wanted
        assert [path.read_bytes() for path in folder.iterdir()] == [whole]


def test_a_change_after_the_files_were_written_is_found(tmp_path):
    rng = np.random.default_rng(SEED)
    vectors = clustered(rng, 1000)
    held = {f"{i:05}": vector for i, vector in enumerate(vectors)}
    with Strata.open(tmp_path / "db") as db:
        db.vector_create_collection("c", DIMENSION)
        db.vector_batch_upsert("c", keys=list(held), vectors=vectors)
        agrees(db, held, vectors[0])
    with Strata.open(tmp_path / "db") as db:
        held["00007"] = held["new"] = vectors[3]
        db.vector_upsert("c", "00007", vectors[3])
        db.vector_upsert("c", "new", vectors[3])
        db.vector_delete("c", "00003")
        del held["00003"]
    with Strata.open(tmp_path / "db") as db:
        agrees(db, held, vectors[3])
        assert {hit["key"] for hit in db.vector_search("c", vectors[3], 2)} == {"00007", "new"}


def test_a_graph_comes_in_the_background_and_outlives_a_restart(tmp_path):
    rng = np.random.default_rng(SEED)
    vectors = clustered(rng, 24_000, clusters=200)
    held = {f"{i:05}": vector for i, vector in enumerate(vectors)}
    queries = clustered(rng, 20, clusters=200)
    with Strata.open(tmp_path / "db") as db:
        db.vector_create_collection("c", DIMENSION)
        db.vector_batch_upsert("c", keys=list(held), vectors=vectors)
        assert recall(db, held, queries[:2]) >= 0.99  # before there is one
        waiting = threading.Event()
        while db.vector_list_collections()[0]["index"] != "hnsw":
            waiting.wait(0.05)
        assert recall(db, held, queries) >= 0.99
        db.branch_fork("default", "fork")
        db.branch_use("fork")
        db.vector_upsert("c", "00000", queries[0])
        held["00000"] = queries[0]
        assert recall(db, held, queries) >= 0.99
        assert db.vector_search("c", queries[0], 1)[0]["key"] == "00000"
    assert pathlib.Path(tmp_path / "db" / "index").exists()
    with Strata.open(tmp_path / "db") as db:
        db.branch_use("fork")
        together = db.vector_batch_search("c", queries, 10)  # by threads, which all read floats from the log
        assert together == [db.vector_search("c", query, 10) for query in queries]
        assert db.vector_search("c", queries[0], 1)[0]["key"] == "00000"
        assert db.vector_list_collections()[0]["index"] == "hnsw"
        assert recall(db, held, queries) >= 0.99
        narrow, wide = (recall(db, held, queries, ef=ef) for ef in (1, 400))
        assert narrow < wide and wide >= 0.99


def test_a_collection_made_anew_in_a_transaction(tmp_path):
    with Strata.open(tmp_path / "db") as db:
        db.vector_create_collection("c", 2)
        db.vector_upsert("c", "old", [1, 0])
        assert db.vector_search("c", [1, 0], 1)[0]["key"] == "old"
        db.begin()
        db.vector_delete_collection("c")
        db.vector_create_collection("c", 3)
        db.vector_upsert("c", "new", [0, 1, 0])
        assert [hit["key"] for hit in db.vector_search("c", [0, 1, 0], 5)] == ["new"]
        db.rollback()
        assert [hit["key"] for hit in db.vector_search("c", [1, 0], 5)] == ["old"]
        db.vector_delete_collection("c")
        db.vector_create_collection("c", 3)
        assert db.vector_search("c", [0, 1, 0], 5) == []
        db.vector_upsert("c", "new", [0, 1, 0])
        assert [hit["key"] for hit in db.vector_search("c", [0, 1, 0], 5)] == ["new"]


def test_threads_search_while_others_write(tmp_path):
    rng = np.random.default_rng(SEED)
    vectors = clustered(rng, 2000)
    failures = []
    with Strata.open(tmp_path / "db") as db:
        db.vector_create_collection("c", DIMENSION)
        db.vector_batch_upsert("c", keys=[f"{i:05}" for i in range(2000)], vectors=vectors)

        def search(session):
            try:
                for query in vectors[:150]:
                    assert len(session.vector_search("c", query, 10)) == 10
            except Exception as error:
                failures.append(error)

        sessions = [db.session() for _ in range(3)]
        threads = [threading.Thread(target=search, args=(session,)) for session in sessions]
        for thread in threads:
            thread.start()
        for i in range(200):
            db.vector_upsert("c", f"{i:05}", vectors[-i - 1])
        for thread in threads:
            thread.join()
        for session in sessions:
            session.close()
    assert failures == []
