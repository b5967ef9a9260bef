"""Search: queries, ranking, snippets, and that it shows exactly what a reader sees."""

import threading

import pytest
from stratadb import NotFoundError, Strata, ValidationError
from support import conflict, refused


def found(db, query, **options):
    """The entities of the hits, in any order."""
    options.setdefault("k", 1000)
    return sorted((hit["entity"] for hit in db.search(query, **options)), key=str)


def test_the_example_of_the_reference(db):
    db.kv_put("k", "hello there")
    db.json_set("j", "$", {"text": "the world"})
    results = db.search("hello world", k=20, primitives=["kv", "json"])
    assert {(hit["primitive"], hit["entity"]) for hit in results} == {("kv", "k"), ("json", "j")}
    assert list(results[0]) == ["primitive", "entity", "score", "rank", "snippet", "space"]
    assert [hit["rank"] for hit in results] == [1, 2]
    assert results[0]["score"] >= results[1]["score"] > 0
    assert {hit["space"] for hit in results} == {"default"}


def test_all_primitives(db):
    db.kv_put("k", ["needle"])
    db.state_set("s", {"deep": {"er": "a needle"}})
    db.json_set("j", "$", {"needle": 1})
    db.event_append("needle", {"other": "x"})
    assert db.event_append("e", {"text": "needles"}) == 1
    assert found(db, "needle") == [1, "j", "k", "s"]
    for primitive, entities in {"kv": ["k"], "state": ["s"], "json": ["j"], "event": [1], "vector": []}.items():
        assert found(db, "needle", primitives=[primitive]) == entities
    assert found(db, "needle", primitives=[]) == []


def test_metadata_of_vectors(db):
    db.vector_create_collection("c", 2)
    db.vector_upsert("c", "v", [1.0, 2.0], {"title": "a needle"})
    db.vector_upsert("c", "w", [1.0, 2.0])
    assert found(db, "needle") == found(db, "title:needle", primitives=["vector"]) == [("c", "v")]
    db.vector_delete("c", "v")
    assert found(db, "needle") == []


def test_queries(db):
    texts = {"1": "red fox", "2": "the fox is red", "3": "red hen", "4": "foxes run", "5": "fixed"}
    for key, text in texts.items():
        db.kv_put(key, text)
    assert found(db, "fox") == ["1", "2", "4"]
    assert found(db, "red fox") == ["1", "2", "3", "4"]
    assert found(db, '"red fox"') == ["1"]
    assert found(db, "red -fox") == ["3"]
    assert found(db, 'red -"red hen"') == ["1", "2"]
    assert found(db, "fo*") == ["1", "2", "4"]
    assert found(db, '"red fox" "fox is"') == []
    assert found(db, "-fox") == []
    assert found(db, "") == []
    assert found(db, "nothing") == []


def test_fields(db):
    db.json_set("a", "$", {"title": "fox", "body": {"text": "hen"}})
    db.json_set("b", "$", {"title": "hen", "body": {"text": ["fox", "cow"]}})
    db.kv_put("c", "title fox")
    assert found(db, "title:fox") == ["a"]
    assert found(db, "text:fox") == found(db, "body.text:fox") == ["b"]
    assert found(db, "ext:fox") == found(db, "title.text:fox") == []
    assert found(db, "text:fo*") == ["b"]
    assert found(db, 'text:"fox cow"') == []  # they stand in two strings
    assert found(db, "hen -title:hen") == ["a"]


def test_ranking(db):
    db.kv_put("twice", "fox fox")
    db.kv_put("once", "fox cow")
    db.kv_put("form", "foxes foxes")
    assert [hit["entity"] for hit in db.search("fox")] == ["twice", "form", "once"]
    db.json_set("name", "$", {"cow": "text"})
    assert [hit["entity"] for hit in db.search("cow")] == ["once", "name"]
    assert [hit["entity"] for hit in db.search("fox", k=1)] == ["twice"]


def test_equal_scores_are_in_order(db):
    for space in ("b", "a"):
        db.space_use(space)
        db.state_set("z", "same")
        db.kv_put("y", "same")
        db.kv_put("x", "same")
        for _n in range(3):
            db.event_append("e", {"": "same"})
    hits = db.search("same", spaces=["b", "a"], primitives=["kv", "state"], k=5)
    names = [(hit["space"], hit["primitive"], hit["entity"]) for hit in hits]
    assert names == [("a", "kv", "x"), ("a", "kv", "y"), ("a", "state", "z"), ("b", "kv", "x"), ("b", "kv", "y")]
    assert [hit["entity"] for hit in db.search("same", primitives=["event"])] == [0, 1, 2]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Crème brûlée", "creme BRULEE"),
        ("ﬁne", "fine"),
        ("東京都の天気", "天気"),
        ("東京都の天気", "京"),
        ("한국어 문서", "국어"),
        ("สวัสดีครับ", "สวัสดี"),
        ("Straße", "strasse"),
        ("ship it 🚀🚀", "🚀"),
        ("كِتَاب", "كتاب"),
        ("version 42", "42"),
        ("snake_case_name", "case"),
    ],
)
def test_languages(db, text, query):
    db.kv_put("k", text)
    db.kv_put("other", "something else")
    assert found(db, query) == ["k"]
    assert "**" in db.search(query)[0]["snippet"]


def test_snippets(db):
    text = "word " * 400 + "a needle, and a pin" + " word" * 400
    db.kv_put("k", text)
    snippet = db.search("needle pin")[0]["snippet"]
    assert "a **needle**, and a **pin** word" in snippet
    assert snippet.replace("**", "") in text
    assert len(snippet.replace("**", "")) <= 160
    db.kv_put("cjk", "東" * 300 + "京" + "都" * 300)
    snippet = db.search("東京")[0]["snippet"]
    assert "東**" in snippet or "**東" in snippet
    assert len(snippet.replace("**", "")) <= 160
    db.kv_put("long", "x" * 100_000)
    assert db.search("x" * 100_000)[0]["snippet"].strip("*") == "x" * 160


def test_changes_are_seen(db):
    assert found(db, "fox") == []
    for n in range(300):
        db.kv_put(f"k{n}", f"fox number n{n}")
        assert found(db, f"n{n}") == [f"k{n}"]
    assert len(found(db, "fox")) == 300
    for n in range(0, 300, 2):
        db.kv_delete(f"k{n}")
    assert len(found(db, "fox")) == 150
    assert found(db, "n8") == []
    db.kv_put("k9", "hen")
    assert found(db, "n9") == []
    assert found(db, "hen") == ["k9"]


def test_transactions(db):
    db.kv_put("a", "fox")
    with pytest.raises(ZeroDivisionError), db.transaction():
        db.kv_put("b", "fox")
        db.kv_delete("a")
        assert found(db, "fox") == ["b"]
        raise ZeroDivisionError
    assert found(db, "fox") == ["a"]
    with db.session() as other:
        other.begin()
        assert found(other, "fox") == ["a"]
        db.kv_put("c", "fox")
        assert found(other, "fox") == ["a"]
        other.kv_put("d", "fox")
        assert found(other, "fox") == ["a", "d"]
        assert found(db, "fox") == ["a", "c"]
        conflict(other)
    assert found(db, "fox") == ["a", "c"]
    with db.session() as other:  # what is not searched does not matter
        other.begin()
        assert found(other, "fox", primitives=["kv"]) == ["a", "c"]
        db.state_set("s", "fox")
        other.kv_put("e", "x")
        other.commit()


def test_branches(db):
    db.kv_put("a", "fox")
    db.kv_put("b", "hen")
    assert found(db, "fox") == ["a"]
    db.branch_fork("default", "other")
    db.branch_use("other")
    assert found(db, "fox hen") == ["a", "b"]
    db.kv_put("c", "fox")
    db.kv_delete("b")
    assert found(db, "fox hen") == ["a", "c"]
    db.branch_use("default")
    assert found(db, "fox hen") == ["a", "b"]
    db.branch_merge("other", "default")
    assert found(db, "fox hen") == ["a", "c"]
    db.branch_delete("other")
    assert found(db, "fox hen") == ["a", "c"]
    db.branch_create("empty")
    db.branch_use("empty")
    assert found(db, "fox hen") == []
    db.kv_put("d", "fox")
    assert found(db, "fox hen") == ["d"]


def test_the_past(db):
    db.kv_put("a", "fox")
    then = db.info()["commit_timestamp"]
    db.kv_put("a", "hen")
    db.kv_put("b", "fox")
    assert found(db, "fox") == ["b"]
    assert found(db, "fox", as_of=then) == ["a"]
    assert found(db, "fox", as_of=then - 1) == []


def test_spaces(db):
    db.kv_put("a", "fox")
    db.space_use("s")
    assert found(db, "fox") == []
    db.kv_put("b", "fox")
    assert found(db, "fox") == ["b"]
    assert found(db, "fox", spaces=["default", "s", "s"]) == ["a", "b"]
    with refused(NotFoundError, "space_not_found"):
        db.search("fox", spaces=["none"])
    with refused(ValidationError, "invalid_space_name"):
        db.search("fox", spaces=["No"])
    db.space_use("unwritten")
    assert found(db, "fox", spaces=["unwritten"]) == []
    db.space_delete("s", force=True)
    with refused(NotFoundError, "space_not_found"):
        db.search("fox", spaces=["s"])


def test_arguments(db):
    with refused(ValidationError, "unknown_primitive"):
        db.search("x", primitives=["kv", "bogus"])
    with refused(ValidationError, "unknown_mode"):
        db.search("x", mode="bogus")
    for k in (0, -1):
        with refused(ValidationError, "out_of_range"):
            db.search("x", k)
    with refused(ValidationError, "invalid_argument"):
        db.search("x", vector=[1.0], collection="c")
    with pytest.raises(TypeError):
        db.search("x", primitives="kv")
    with pytest.raises(TypeError):
        db.search(1)
    assert db.search("x", 2**62) == []


def test_reopening(tmp_path):
    with Strata.open(tmp_path / "db") as db:
        db.kv_put("a", "fox")
        assert found(db, "fox") == ["a"]
        db.kv_put("b", "fox")
    with Strata.open(tmp_path / "db") as db:
        assert found(db, "fox") == ["a", "b"]
    with Strata.open(tmp_path / "db", read_only=True) as db:
        assert found(db, "fox") == ["a", "b"]


@pytest.mark.parametrize(
    "query", ['"', '""', "-", "--", "*", "a:", ":", '-"', "((", "\0", "a:b:c", "\u0301", "🏽", " " * 9999]
)
def test_odd_queries(db, query):
    db.kv_put("k", "text")
    assert db.search(query) == []


def test_odd_documents(db):
    db.kv_put("large", "needle " + "lorem ipsum " * 900_000)
    db.json_set("wide", "$", {f"field{n}": f"value{n}" for n in range(100_000)})
    db.kv_put("every", "".join(chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000))
    db.kv_put("marks", "\u0301" * 10_000)
    assert found(db, "needle") == ["large"]
    assert found(db, "value77777") == found(db, "field77777:value77777") == ["wide"]
    assert found(db, "field77776:value77777") == []
    assert found(db, '"lorem ipsum lorem"') == ["large"]
    assert found(db, " ".join(f"w{n}" for n in range(50_000)) + " needle") == ["large"]


def test_while_others_write(db):
    stop = threading.Event()
    errors = []

    def write():
        try:
            with db.session() as s:
                n = 0
                while not stop.is_set():
                    n += 1
                    with s.transaction():
                        s.kv_put("a", f"pair n{n}")
                        s.kv_put("b", f"pair n{n}")
                    if n % 20 == 0:
                        s.branch_fork("default", "tmp")
                        s.branch_delete("tmp")
        except Exception as error:  # shown below
            errors.append(error)

    db.kv_put("a", "pair n0")
    db.kv_put("b", "pair n0")
    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(100):
            hits = db.search("pair")
            assert sorted(hit["entity"] for hit in hits) == ["a", "b"]
            assert hits[0]["snippet"] == hits[1]["snippet"]
    finally:
        stop.set()
        thread.join()
    assert errors == []


def test_a_search_and_a_deleted_branch(db):
    db.branch_create("gone")
    with db.session() as s:
        s.branch_use("gone")
        s.kv_put("k", "fox")
        assert found(s, "fox") == ["k"]
        db.branch_delete("gone")
        with refused(NotFoundError, "branch_not_found"):
            s.search("fox")
