"""The parts of `vectors` and `texts` that need no peer: what is right, what is best, and ours on little data."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import specialists_report as tables

np = pytest.importorskip("numpy")

from texts import corpus, judged  # noqa: E402
from texts import worker as text_worker  # noqa: E402
from texts.adapters import fts5  # noqa: E402
from texts.adapters import strata as our_texts  # noqa: E402
from vectors import dataset  # noqa: E402
from vectors import worker as vector_worker  # noqa: E402
from vectors.adapters import numpy_flat  # noqa: E402
from vectors.adapters import strata as our_vectors  # noqa: E402


@pytest.fixture
def few_vectors(monkeypatch: pytest.MonkeyPatch) -> dataset.Data:
    monkeypatch.setattr(vector_worker, "REPEATS", 1)
    vectors, queries = dataset.clustered(2000, 10, dimension=16, clusters=5)
    return dataset.with_truth("few", vectors, queries, dataset.metadata_of(vectors, np.random.default_rng(1)))


def few_texts() -> list[corpus.Document]:
    words = ["anchor", "basket", "candle", "dragon", "engine", "falcon", "garden", "hammer"]
    return [
        (f"{number:04d}", " ".join(words[(number * step) % len(words)] for step in range(1, 6)) + f" page{number}")
        for number in range(60)
    ]


def test_recall_counts_rows_by_their_score(few_vectors: dataset.Data) -> None:
    scores = few_vectors.vectors @ few_vectors.queries[0]
    best = [int(row) for row in np.argsort(-scores)[:10]]
    worst = [int(row) for row in np.argsort(scores)[:10]]
    assert few_vectors.recall(0, best) == 1.0
    assert few_vectors.recall(0, best[:5] + worst[:5]) == 0.5
    assert few_vectors.recall(0, best[:1] * 10) == 0.1  # one row, whatever often it is named
    assert few_vectors.recall(0, worst, "tenth") <= 0.1


@pytest.mark.parametrize("module", [our_vectors, numpy_flat], ids=["strata", "numpy"])
def test_vectors_are_found_with_and_without_filters(module: Any, few_vectors: dataset.Data, tmp_path: Path) -> None:
    figures = vector_worker.measure(module, few_vectors, str(tmp_path))
    assert figures["exact"]["recall"] == 1.0
    for field in ("half", "tenth", "near"):
        assert figures[f"filter_{field}"]["recall"] == 1.0, field
    if module is our_vectors:
        assert figures["curve"][0]["recall"] == 1.0
        assert figures["overwrite"]["recall"] == 1.0
        assert set(figures["fork"]) == {"ms", "parent_ms", "fork_ms"}


@pytest.mark.parametrize("module", [our_texts, fts5], ids=["strata", "fts5"])
def test_texts_are_found_as_soon_as_they_are_put(module: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(text_worker, "REPEATS", 1)
    monkeypatch.setattr(text_worker, "PUTS", 5)
    data = tmp_path / "data"
    data.mkdir()
    (data / "documents.json").write_text(json.dumps(few_texts()))
    (data / "queries.json").write_text(json.dumps({"1": ["anchor"], "2": ["anchor basket"], "5": ["engine"]}))
    figures = text_worker.measure(module, str(tmp_path), data, [])
    assert figures["documents"] == 60
    assert figures["put"]["found_ms"] > 0
    assert (figures["index_x"] == 0) == (module is our_texts)  # ours keeps no file of so little


def test_queries_are_made_of_words_that_some_documents_have() -> None:
    texts = [(key, text) for key, text in few_texts() for _ in range(3)]
    common = {word for _, text in texts for word in corpus.words_of(text)}
    made = corpus.queries([*texts, *((f"x{n}", f"filler{'abcdefghij'[n % 10]} other") for n in range(2000))])
    assert set(made) == {1, 2, 5}
    assert all(len(query.split()) == terms for terms, queries in made.items() for query in queries)
    assert {word for query in made[2] for word in query.split()} <= common


def test_ndcg_is_one_in_the_best_order_and_falls_with_it(tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "find"}\n{"_id": "none", "text": "nothing"}\n')
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\ta\t2\nq\tb\t1\n")
    assert judged.ndcg(tmp_path, lambda text, k: ["a", "b"]) == 1.0
    swapped = judged.ndcg(tmp_path, lambda text, k: ["b", "a"])
    assert swapped == pytest.approx((1 + 2 / math.log2(3)) / (2 + 1 / math.log2(3)))
    assert judged.ndcg(tmp_path, lambda text, k: []) == 0.0


def test_a_row_is_held_against_the_best_peer_or_the_one_named() -> None:
    titles = {"strata": "ours", "a": "A", "b": "B"}
    results = {"strata": {"x": 4.0}, "a": {"x": 3.0}, "b": {"x": 1.0}}
    row = tables.Row("row", "/s", tables.inside("x"), "higher", ratio=2.0)
    assert "| A | 1.33 | ≥ 2 x best | **missed** |" in tables.table([row], results, titles)
    named = tables.Row("row", "/s", tables.inside("x"), "higher", ratio=2.0, peer="b")
    assert "| B | 4.00 | ≥ 2 x B | met |" in tables.table([named], results, titles)
    alone = tables.Row("row", "ms", tables.inside("missing"), absolute=1.0)
    assert "| - | - | ≤ 1 ms | - |" in tables.table([alone], results, titles)
