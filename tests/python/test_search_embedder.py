"""Search by meaning with an embedder: what it is given, when, and that vectors follow branches and history."""

import functools
import gc
import pathlib
import threading
import time
import weakref

import numpy
import pytest
from embedders import Recorder, topics
from stratadb import NotFoundError, StateError, Strata, ValidationError
from support import conflict, contents, in_thread, refused, run

pytestmark = pytest.mark.engine


@pytest.fixture
def embedder():
    return Recorder()


@pytest.fixture(params=["memory", "disk"])
def db(request, tmp_path, embedder):
    """An empty database with an embedder."""
    memory = request.param == "memory"
    with Strata.cache(embedder=embedder) if memory else Strata.open(tmp_path / "db", embedder=embedder) as handle:
        yield handle


def meant(db, query, k=1000, **options):
    return [hit["entity"] for hit in db.search(query, k, mode="semantic", **options)]


def wait_for(condition):
    """Until the background is there; the test fails where it never comes."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "the background does nothing"
        time.sleep(0.01)


def test_by_meaning(db):
    db.kv_put("a", "the hound")
    db.kv_put("b", "soup with bread")
    db.json_set("c", "$", {"title": "a boat", "parts": ["sail", 7]})
    db.state_set("d", ["a cat"])
    assert db.event_append("e", {"text": "an apple"}) == 0
    db.vector_create_collection("v", 1)
    db.vector_upsert("v", "w", [1], {"about": "the sea"})
    assert meant(db, "dog", 2) == ["d", "a"] or set(meant(db, "dog", 2)) == {"a", "d"}
    assert set(meant(db, "food", 2)) == {0, "b"}
    assert set(meant(db, "harbour", 2)) == {"c", ("v", "w")}
    assert len(meant(db, "dog")) == 6
    hit = db.search("dog", 1, mode="semantic", primitives=["kv"])[0]
    assert hit["primitive"] == "kv"
    assert hit["entity"] == "a"
    assert hit["score"] > 0.9
    assert hit["ranks"] == {"keyword": None, "vector": 1}
    assert hit["snippet"] == "the hound"
    assert meant(db, "dog", primitives=["event"]) == [0]
    assert meant(db, "dog", primitives=[]) == []


def test_what_the_embedder_is_given(db, embedder):
    db.kv_put("plain", "just so")
    db.json_set("nested", "$", {"title": "T", "n": 5, "list": ["x", "y"], "in": {"deep": "z"}})
    db.kv_put("nothing", {"n": [1, 2.5, None, b"bytes"], "blank": " \n"})
    db.kv_put("same", "just so")
    db.kv_put("long", "wörd " * 10_000)
    meant(db, "a query")
    given = embedder.texts
    assert sorted(given, key=len)[:2] == ["a query", "just so"] or sorted(given, key=len)[:2] == ["just so", "a query"]
    assert given.count("just so") == 1
    assert given.count("title: T\nlist: x\nlist: y\ndeep: z") == 1
    assert len(given) == 4
    longest = max(given, key=len)
    assert longest == ("wörd " * 10_000)[: len(longest)]
    assert 32 * 1024 - 4 <= len(longest.encode()) <= 32 * 1024
    assert all(isinstance(text, str) for text in given)


def test_texts_are_embedded_once(db, embedder):
    for n in range(5):
        db.kv_put(f"k{n}", f"fox {n}")
    meant(db, "q1")
    embedder.batches.clear()
    meant(db, "q2")
    assert embedder.batches == [["q2"]]
    db.kv_put("k1", "another fox")
    db.kv_put("moved", "fox 3")
    db.kv_delete("k0")
    embedder.batches.clear()
    assert len(meant(db, "q3")) == 5
    assert sorted(embedder.texts) in (["another fox", "q3"], ["q3"])  # the background may have been first


def test_batches(db, embedder):
    db.kv_batch_put({f"k{n}": f"fox {n}" for n in range(300)})
    assert len(meant(db, "dog")) == 300
    assert max(map(len, embedder.batches)) == 64
    assert len(embedder.texts) == len(set(embedder.texts)) == 301


def test_hybrid(db):
    db.kv_put("a", "the hound barks")
    db.kv_put("b", "barks of trees")
    db.kv_put("c", "a cat")
    hits = db.search("hound barks", mode="hybrid")
    words = [hit["entity"] for hit in db.search("hound barks")]
    near = meant(db, "hound barks")
    assert words == ["a", "b"]
    for hit in hits:
        assert hit["ranks"] == {
            "keyword": words.index(hit["entity"]) + 1 if hit["entity"] in words else None,
            "vector": near.index(hit["entity"]) + 1,
        }
        score = sum(1 / (60 + rank) for rank in hit["ranks"].values() if rank)
        assert hit["score"] == pytest.approx(score)
    assert hits[0]["entity"] == "a"
    assert hits[0]["snippet"] == "the **hound** **barks**"


def test_a_vector_of_ones_own_comes_first(db, embedder):
    db.vector_create_collection("v", 2)
    db.vector_upsert("v", "w", [1, 0], {"about": "fox"})
    hits = db.search("fox", mode="hybrid", vector=[1, 0], collection="v")
    assert [hit["entity"] for hit in hits] == [("v", "w")]
    with refused(ValidationError, "invalid_argument"):
        db.search("fox", mode="hybrid", vector=[1, 0])
    with refused(ValidationError, "invalid_argument"):
        db.search("fox", mode="keyword", collection="v")


def test_blank_queries_and_empty_databases(db):
    assert meant(db, "anything") == []
    assert db.search("anything", mode="hybrid") == []
    db.kv_put("a", "fox")
    assert meant(db, "") == meant(db, " \n") == []
    assert meant(db, "\N{FOX FACE}") == ["a"]


def test_spaces(db, embedder):
    db.kv_put("a", "fox")
    db.space_use("other")
    db.kv_put("a", "cat")
    assert meant(db, "dog") == ["a"]
    assert "fox" not in [hit["snippet"] for hit in db.search("dog", mode="semantic")]
    both = db.search("dog", mode="semantic", spaces=["other", "default"])
    assert [(hit["space"], hit["entity"]) for hit in both] == [("default", "a"), ("other", "a")]
    with refused(NotFoundError, "space_not_found"):
        meant(db, "dog", spaces=["nowhere"])


def test_branches_forks_merges_and_the_past(db, embedder):
    db.kv_put("a", "fox")
    db.kv_put("b", "soup")
    then = db.kv_put("c", "boat") and db.info()["commit_timestamp"]
    assert meant(db, "sea", 1) == ["c"]
    db.branch_fork("default", "fork")
    db.branch_use("fork")
    wait_for(lambda: embedder.texts.count("boat") == 1)
    embedder.batches.clear()
    assert meant(db, "sea", 1) == ["c"]
    assert embedder.batches == [["sea"]]
    db.kv_put("c", "cheese")
    db.kv_put("d", "harbour")
    assert meant(db, "sea", 1) == ["d"]
    db.branch_use("default")
    assert meant(db, "sea", 1) == ["c"]
    assert "d" not in meant(db, "sea")
    db.branch_merge("fork", "default")
    embedder.batches.clear()
    assert meant(db, "sea", 1) == ["d"]
    assert embedder.batches == [["sea"]]
    assert meant(db, "sea", as_of=then) == meant(db, "sea", as_of=then)
    assert meant(db, "sea", 1, as_of=then) == ["c"]
    db.branch_fork("default", "old", as_of=then)
    db.branch_use("old")
    assert meant(db, "sea", 1) == ["c"]
    assert len(meant(db, "sea")) == 3
    db.branch_use("default")
    db.branch_revert("default", to=then)
    assert meant(db, "sea", 1) == ["c"]


def test_a_past_that_was_never_searched(db):
    db.kv_put("a", "fox")
    then = db.info()["commit_timestamp"]
    db.kv_put("a", "soup")
    db.kv_delete("a")
    assert meant(db, "food", as_of=then) == ["a"]
    assert meant(db, "food") == []


def test_transactions(db, embedder):
    db.kv_put("a", "soup")
    db.begin()
    db.kv_put("mine", "fox")
    db.kv_delete("a")
    assert meant(db, "dog") == ["mine"]
    assert in_thread(lambda: meant(db.session(), "dog")) == ["a"]
    db.rollback()
    assert meant(db, "dog") == ["a"]
    with db.transaction():
        db.kv_put("mine", "hound")
        assert meant(db, "dog", 1) == ["mine"]
    assert meant(db, "dog", 1) == ["mine"]


def test_a_transaction_has_read_what_it_searched(db):
    db.kv_put("a", "fox")
    with db.session() as one:
        one.begin()
        meant(one, "dog")
        one.kv_put("own", 1)
        db.kv_put("b", "soup")
        conflict(one)
        one.begin()
        meant(one, "dog", primitives=["json"])
        one.kv_put("own", 1)
        db.kv_put("b", "bread")
        one.commit()


def test_nothing_shows(db, tmp_path):
    """Vectors are in no listing, count, version, diff, log or bundle."""
    db.kv_put("a", "fox")
    db.branch_fork("default", "b")

    def shown():
        about = {name: n for name, n in db.info().items() if name in ("branch_count", "total_keys", "commit_timestamp")}
        return (
            contents(db, history=True),
            about,
            db.branch_list(),
            db.branch_get("default"),
            db.branch_log("default"),
            db.branch_diff("default", "b"),
            db.space_list(),
            db.vector_list_collections(),
            db.time_range(),
            db.branch_merge("b", "default", dry_run=True),
        )

    before = shown()
    assert meant(db, "dog") == ["a"]
    time.sleep(0.3)  # for the background
    assert meant(db, "dog") == ["a"]
    assert shown() == before
    assert db.branch_export("default", tmp_path / "bundle")["entry_count"] == 1
    db.branch_import(tmp_path / "bundle", name="imported")
    db.branch_use("imported")
    assert meant(db, "dog") == ["a"]
    assert db.verify()["ok"]


def test_in_the_background(db, embedder):
    db.kv_batch_put({f"k{n}": f"fox {n}" for n in range(100)})
    wait_for(lambda: len(embedder.texts) == 100)
    db.space_use("other")
    db.json_set("j", "$", {"t": "soup"})
    wait_for(lambda: "t: soup" in embedder.texts)
    db.branch_create("new")
    db.branch_use("new")
    db.kv_put("n", "boat")
    wait_for(lambda: "boat" in embedder.texts)
    embedder.batches.clear()
    assert meant(db, "sea") == ["n"]
    assert embedder.batches == [["sea"]]


def test_a_search_comes_before_the_background(db, embedder):
    def slow(texts):
        time.sleep(0.02)
        return [topics(text) for text in texts]

    embedder.instead = slow
    db.kv_batch_put({f"k{n}": f"fox {n}" for n in range(1000)})
    db.space_use("other")
    db.kv_put("a", "cat")
    wait_for(lambda: embedder.batches)
    for n in range(5):
        before = len(embedder.batches)
        assert meant(db, f"dog {n}") == ["a"]
        assert len(embedder.batches) <= before + 3


def test_the_background_waits_for_an_embedder_that_fails(db, embedder):
    def fail(texts):
        raise OSError("no network")

    embedder.instead = fail
    db.kv_put("a", "fox")
    wait_for(lambda: embedder.batches)
    embedder.instead = None
    wait_for(lambda: embedder.texts.count("fox") > 1)
    embedder.batches.clear()
    assert meant(db, "dog") == ["a"]


def test_one_thread_at_a_time(db, embedder):
    db.kv_batch_put({f"k{n}": f"fox {n}" for n in range(200)})
    failed = []

    def search(number):
        try:
            with db.session() as own:
                for _ in range(5):
                    own.kv_put(f"t{number}", f"dog {number}")
                    assert len(meant(own, f"animal {number}")) >= 200
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=search, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert embedder.at_once == 1
    assert len(meant(db, "dog")) == 204


def test_a_search_is_of_one_state(db, embedder):
    """What is written while the embedder works does not make the search begin again."""
    count = 0

    def write_too(texts):
        nonlocal count
        count += 1
        with db.session() as own:
            own.kv_put(f"more {count}", f"boat {count}")
        return [topics(text) for text in texts]

    db.kv_put("a", "fox")
    embedder.instead = write_too
    assert meant(db, "dog") == ["a"] or count > 1  # the background may have written before the search began
    embedder.instead = None
    assert meant(db, "dog", 1) == ["a"]


def test_an_embedder_that_uses_the_handle(db, embedder):
    def use(texts):
        assert db.kv_get("a") == "fox"
        db.search("fox")
        return [topics(text) for text in texts]

    db.kv_put("a", "fox")
    embedder.instead = use
    assert meant(db, "dog") == ["a"]
    db.begin()
    db.kv_put("b", "wolf")
    assert len(meant(db, "dog")) == 2
    db.commit()


def test_an_embedder_that_searches_by_meaning(db, embedder):
    embedder.instead = lambda texts: db.search("x", mode="semantic")
    with refused(StateError, "embedder_failed") as caught:
        db.search("dog", mode="semantic")
    assert isinstance(caught.value.__cause__, StateError)
    embedder.instead = None
    assert meant(db, "dog") == []


def test_an_embedder_that_raises(db, embedder):
    db.kv_put("a", "fox")

    def fail(texts):
        raise OSError("no network")

    embedder.instead = fail
    for mode in ("semantic", "hybrid"):
        with refused(StateError, "embedder_failed") as caught:
            db.search("dog", mode=mode)
        assert isinstance(caught.value.__cause__, OSError)
    assert [hit["entity"] for hit in db.search("fox")] == ["a"]
    embedder.instead = lambda texts: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        db.search("dog", mode="semantic")
    embedder.instead = None
    assert meant(db, "dog") == ["a"]


def test_an_exception_without_words(db, embedder):
    class Wordless(Exception):
        def __str__(self):
            raise OSError

    def fail(texts):
        raise Wordless

    embedder.instead = fail
    with refused(StateError, "embedder_failed") as caught:
        db.search("dog", mode="semantic")
    assert type(caught.value.__cause__) is Wordless


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        "text",
        5,
        [[1, 2, 3]],
        [1.0, 2.0],
        [[1, 2, 3], [1, 2]],
        [[1, 2, 3], [1, 2, float("nan")]],
        [[1, 2, 3], [1, 2, float("inf")]],
        [[1, 2, 3], [1, 2, 1e300]],
        [[], []],
        [["a"], ["b"]],
        [[1, 2, 3]] * 3,
        {"a": 1},
        numpy.zeros((2, 3, 4)),
        numpy.array([["x"], ["y"]]),
    ],
    ids=repr,
)
def test_answers_that_are_no_vectors(db, embedder, answer):
    embedder.instead = lambda texts: answer if len(texts) != 1 or not isinstance(answer, list) else [[None]]
    db.kv_put("a", "fox")
    with refused(ValidationError, "invalid_embedding"):
        db.search("dog", mode="semantic")
    embedder.instead = None
    assert meant(db, "dog") == ["a"]


@pytest.mark.parametrize(
    "made",
    [
        lambda texts: numpy.array([topics(text) for text in texts], dtype=numpy.float16),
        lambda texts: numpy.array([topics(text) for text in texts], order="F"),
        lambda texts: tuple(tuple(topics(text)) for text in texts),
        lambda texts: [numpy.array(topics(text), dtype=numpy.float32) for text in texts],
        lambda texts: memoryview(numpy.array([topics(text) for text in texts])),
    ],
)
def test_answers_of_every_kind(made):
    with Strata.cache(embedder=made) as db:
        db.kv_put("a", "fox")
        db.kv_put("b", "soup")
        assert meant(db, "dog", 1) == ["a"]


def test_vectors_of_zeros(db, embedder):
    embedder.make = lambda text: [0.0, 0.0] if "zero" in text else [1.0, len(text)]
    db.kv_put("a", "zero")
    db.kv_put("b", "one")
    assert meant(db, "one", 1) == ["b"]
    assert meant(db, "zero") == []


def test_another_dimension_than_before(db, embedder):
    db.kv_put("a", "fox")
    assert meant(db, "dog") == ["a"]
    embedder.make = lambda text: [1.0, 2.0]
    with refused(ValidationError, "invalid_embedding"):
        meant(db, "dog")
    db.kv_put("b", "wolf")
    with refused(ValidationError, "invalid_embedding"):
        meant(db, "dog")
    embedder.make = topics
    assert len(meant(db, "dog")) == 2


def test_arguments(tmp_path):
    for odd in ("name", 5, object(), [len]):
        with pytest.raises(TypeError):
            Strata.cache(embedder=odd)
        with pytest.raises(TypeError):
            Strata.open(tmp_path / "db", embedder=odd)
    assert not (tmp_path / "db").exists()
    with Strata.cache(embedder=Recorder()) as db:
        with refused(ValidationError, "unknown_primitive"):
            db.search("x", primitives=["bogus"], mode="semantic")
        with refused(ValidationError, "out_of_range"):
            db.search("x", 0, mode="semantic")
        with pytest.raises(TypeError):
            db.search(5, mode="semantic")
        with pytest.raises(TypeError):
            db.search("x", primitives="kv", mode="semantic")
        with refused(ValidationError, "out_of_range"):
            db.search("x", as_of=5, mode="semantic")
    with Strata.cache() as db, refused(ValidationError, "invalid_argument"):
        db.search("x", mode="semantic")


def test_names_from_an_iterator(db):
    db.kv_put("a", "fox")
    assert meant(db, "dog", primitives=iter(["kv"]), spaces=iter(["default"])) == ["a"]


def test_handles(embedder):
    db = Strata.cache(embedder=embedder)
    db.kv_put("a", "fox")
    other = db.session()
    db.close()
    db.close()
    with refused(StateError, "closed"):
        db.search("x", mode="semantic")
    assert meant(other, "dog") == ["a"]
    other.close()
    count = len(embedder.batches)
    time.sleep(0.3)
    assert len(embedder.batches) == count


def test_a_handle_in_a_cycle_with_its_embedder_is_collected():
    def make():
        def embed(texts):
            return [topics(text) for text in texts if db is not None]

        db = Strata.cache(embedder=embed)
        db.kv_put("a", "fox")
        assert meant(db, "dog") == ["a"]
        return weakref.ref(db)

    reference = make()

    def collected():
        gc.collect()
        return reference() is None

    wait_for(collected)


def test_closing_while_the_embedder_works(tmp_path, embedder):
    """close() does not wait for it, and the folder is free at once."""
    inside = threading.Event()
    go_on = threading.Event()

    def slow(texts):
        inside.set()
        assert go_on.wait(20)
        return [topics(text) for text in texts]

    embedder.instead = slow
    db = Strata.open(tmp_path / "db", embedder=embedder)
    db.kv_put("a", "fox")
    assert inside.wait(20)
    db.close()
    script = "import sys, stratadb\nwith stratadb.Strata.open(sys.argv[1]) as db: print(db.kv_get('a'))"
    try:
        assert run(script, tmp_path / "db").strip() == "fox"
    finally:
        go_on.set()
    embedder.instead = None
    with Strata.open(tmp_path / "db", embedder=embedder) as db:
        assert meant(db, "dog") == ["a"]


def test_closing_in_the_embedder(embedder):
    db = Strata.cache(embedder=embedder)
    embedder.instead = lambda texts: db.close() or [topics(text) for text in texts]
    with refused(StateError, "closed"):
        meant(db, "dog")


def test_closing_in_the_background(tmp_path, embedder):
    """By the embedder itself, in the thread that calls it."""
    db = Strata.open(tmp_path / "db", embedder=embedder)
    closed = threading.Event()

    def close(texts):
        db.close()
        closed.set()
        return [topics(text) for text in texts]

    embedder.instead = close
    db.kv_put("a", "fox")
    assert closed.wait(20)
    embedder.instead = None
    with Strata.open(tmp_path / "db", embedder=embedder) as db:
        assert meant(db, "dog") == ["a"]


class Model:
    def __init__(self):
        self.asked = []

    def embed(self, texts, prefix=""):
        self.asked += texts
        return [topics(prefix + text) for text in texts]


def test_callables_of_every_kind():
    model = Model()
    for embedder in (model.embed, functools.partial(model.embed, prefix="a "), lambda texts: model.embed(texts)):
        with Strata.cache(embedder=embedder) as db:
            db.kv_put("a", "fox")
            db.kv_put("b", "soup")
            assert meant(db, "dog", 1) == ["a"]


def test_opening_twice_with_one_method(tmp_path):
    """A bound method is another object each time, and still the same embedder."""
    model = Model()
    with (
        Strata.open(tmp_path / "db", embedder=model.embed) as one,
        Strata.open(tmp_path / "db", embedder=model.embed) as two,
    ):
        one.kv_put("a", "fox")
        assert meant(one, "dog") == meant(two, "dog") == ["a"]
        assert model.asked.count("fox") == 1


def test_reopening(tmp_path, embedder):
    with Strata.open(tmp_path / "db", embedder=embedder) as db:
        db.kv_batch_put({f"k{n}": f"fox {n}" for n in range(100)} | {"b": "boat"})
        before = db.search("sea", mode="semantic")
    for options in ({}, {"read_only": True}):
        again = Recorder()
        with Strata.open(tmp_path / "db", embedder=again, **options) as db:
            assert db.search("sea", mode="semantic") == before
            # Beside the query one text that says whether it is the same embedder.
            assert len(again.texts) == 2
            assert again.texts[1] == "sea" or again.texts[0] == "sea"


def test_reading_only(tmp_path, embedder):
    with Strata.open(tmp_path / "db") as db:
        db.kv_put("a", "fox")
    files = sorted(path.name for path in (tmp_path / "db").rglob("*"))
    with Strata.open(tmp_path / "db", read_only=True, embedder=embedder) as db:
        assert meant(db, "dog") == ["a"]
        assert meant(db, "cat") == ["a"]
        assert embedder.texts.count("fox") == 1
    assert sorted(path.name for path in (tmp_path / "db").rglob("*")) == files


@pytest.mark.parametrize("dimension", [3, 5])
def test_another_embedder_after_reopening(tmp_path, embedder, dimension):
    """Vectors of two models are never compared, though they may be of one length."""
    with Strata.open(tmp_path / "db", embedder=embedder) as db:
        db.kv_put("a", "fox")
        db.kv_put("b", "soup")
        assert meant(db, "dog", 1) == ["a"]
    other = Recorder(lambda text: [*reversed(topics(text)), *[0.5] * (dimension - 3)])
    with Strata.open(tmp_path / "db", embedder=other) as db:
        assert meant(db, "dog", 1) == ["a"]
        assert meant(db, "food", 1) == ["b"]
        assert {"fox", "soup"} <= set(other.texts)


def test_two_embedders_at_a_time(tmp_path, embedder):
    other = Recorder(lambda text: [*reversed(topics(text)), 0.5])
    with (
        Strata.open(tmp_path / "db", embedder=embedder) as one,
        Strata.open(tmp_path / "db", embedder=other) as two,
        Strata.open(tmp_path / "db") as none,
    ):
        none.kv_put("a", "fox")
        none.kv_put("b", "soup")
        for _ in range(2):
            assert meant(one, "dog", 1) == ["a"]
            assert meant(two, "dog", 1) == ["a"]
            none.kv_put("c", "wolf")
        with refused(ValidationError, "invalid_argument"):
            meant(none, "dog")


@pytest.mark.parametrize("damage", ["header", "first", "middle", "end", "cut", "empty", "foreign"])
def test_a_damaged_file_costs_only_time(tmp_path, embedder, damage):
    with Strata.open(tmp_path / "db", embedder=embedder) as db:
        db.kv_batch_put({f"k{n}": f"fox {n}" for n in range(50)} | {"b": "boat"})
        before = db.search("sea", mode="semantic")
    (file,) = (tmp_path / "db").rglob("embeddings")
    data = bytearray(file.read_bytes())
    place = {"header": 30, "first": 64 + 10, "middle": len(data) // 2, "end": len(data) - 3}.get(damage)
    if place is not None:
        data[place] ^= 0x40
    elif damage == "foreign":
        data[16] ^= 1
    else:
        del data[len(data) // 2 if damage == "cut" else 0 :]
    file.write_bytes(data)
    for _ in range(2):
        with Strata.open(tmp_path / "db", embedder=embedder) as db:
            assert db.search("sea", mode="semantic") == before
            assert db.verify()["ok"]


def test_after_fork(tmp_path):
    script = """
import os, sys
sys.path.insert(0, sys.argv[2])
from embedders import topics
from stratadb import StateError, Strata
embed = lambda texts: list(map(topics, texts))
db = Strata.open(sys.argv[1], embedder=embed)
db.kv_put("a", "fox")
assert db.search("dog", mode="semantic")
child = os.fork()
if child == 0:
    try:
        db.search("dog", mode="semantic")
    except StateError as error:
        assert error.code == "forked"
        db.close()
        with Strata.cache(embedder=embed) as own:
            own.kv_put("b", "cat")
            assert own.search("dog", mode="semantic")[0]["entity"] == "b"
        os._exit(0)
    os._exit(1)
assert os.waitpid(child, 0)[1] == 0
assert db.search("dog", mode="semantic")[0]["entity"] == "a"
print("both")
"""
    assert run(script, tmp_path / "db", pathlib.Path(__file__).parent) == "both\n"


@pytest.mark.parametrize("slow", [False, True])
def test_the_end_of_the_interpreter(tmp_path, slow):
    """With a database left open and the background at work."""
    script = """
import sys, threading, time
from stratadb import Strata
inside = threading.Event()
def embed(texts):
    inside.set()
    time.sleep(float(sys.argv[2]))
    return [[len(text), 1.0] for text in texts]
db = Strata.open(sys.argv[1], embedder=embed)
db.kv_put("a", "fox")
inside.wait()
print("ends")
"""
    assert run(script, tmp_path / "db", 1.0 if slow else 0.0) == "ends\n"
    with Strata.open(tmp_path / "db") as db:
        assert db.kv_get("a") == "fox"
