"""The report on text search: speed and quality in one page."""

from __future__ import annotations

from typing import Any

from specialists import Figures
from specialists_report import Row, head_of, inside, table


def query_row(terms: int, name: str, key: str) -> Row:
    words = "one word" if terms == 1 else f"{terms} words"
    return Row(f"query of {words}, {name}", "ms", inside("queries", str(terms), key), ratio=1.0)


ROWS = [
    *(query_row(terms, name, key) for name, key in (("p50", "p50_ms"), ("p99", "p99_ms")) for terms in (1, 2, 5)),
    Row("a put, until search finds it", "ms", inside("put", "found_ms"), absolute=0.1),
    Row("the put itself", "ms", inside("put", "put_ms")),
    Row("indexing", "documents/s", inside("load_per_s"), "higher", absolute=20_000),
    Row("on disk, against the text", "x", inside("index_x"), absolute=1.0),
    Row("open and first search", "ms", inside("open_ms")),
    Row("fork", "ms", inside("fork", "ms")),
    Row("first search on the fork", "ms", inside("fork", "first_ms")),
    Row("search on the fork", "ms", inside("fork", "fork_ms")),
    Row("search on its parent", "ms", inside("fork", "parent_ms")),
    Row("mean nDCG@10", "", inside("mean_ndcg"), "higher", ratio=1.0),
]


def quality(results: dict[str, Figures], titles: dict[str, str], collections: list[str]) -> str:
    if not collections:
        return "Not measured: no judged collections were named (`--judged FOLDER`)."
    rows = [Row(name, "nDCG@10", inside("ndcg", name), "higher") for name in collections]
    return table(rows, results, titles)


def page(facts: Figures, results: dict[str, Figures], peers: list[Any], problems: dict[str, str]) -> str:
    titles = {peer.name: peer.title for peer in peers}
    one = next(iter(results.values()))
    parts = head_of("Performance of text search", "./dev bench texts", facts)
    parts += [
        f"{one['documents']:,} documents, {one['text_mb']:.0f} MB of text, the best 10.",
        table(ROWS, results, titles),
        "## Quality",
        quality(results, titles, facts["collections"]),
    ]
    if problems:
        parts.append("Left out: " + "; ".join(f"{titles[name]}: {why}" for name, why in problems.items()) + ".")
    parts += ["## What bounds them", BOUNDS, "## How it is measured", METHOD, "## Versions and options"]
    parts.append(
        "\n".join(
            f"- **{peer.title}** {results.get(peer.name, {}).get('version', '')}: {peer.options}." for peer in peers
        )
    )
    return "\n\n".join(parts) + "\n"


METHOD = """\
- Each system runs in an environment and a process of its own, one after the other; queries are timed call by call from
  Python, 200 of each length, and a figure is that of the series in the middle of three.
- The documents are entries of a dictionary of English (Debian's dict-gcide). The words of a query come from one
  document, each of them in at least 20 documents and at most a tenth of all; any of them may match.
- Here a hit brings its snippet with the matches marked; peers answer their stored keys alone.
- On disk: all that a system keeps, the documents' text included where it stores them; here the index alone."""

BOUNDS = """\
- **queries**: of two and five words, two fifths are decoding lists of documents and adding up their scores, three
  tenths the snippets (the words around the matches are read and looked up again), a tenth memory for them, a
  twentieth getting the documents out of the tree. StrataDB 0.14.5 keeps no places of words, and its snippet is the
  beginning of the text.
- **open and first search**: files of the index are compared with the documents of the tree, one by one, before they are
  believed; peers believe their files.
- **mean nDCG@10**: BM25 as in the literature (k1 1.2, b 0.75). LanceDB and bm25s leave the commonest words out; here a
  search for them has to find them, so they count a tenth."""
