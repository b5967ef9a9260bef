"""Quality of ranking: nDCG@10 over collections that people judged, in the form of BEIR.

A collection is a folder with corpus.jsonl ({"_id", "title", "text"}), queries.jsonl ({"_id", "text"}) and
qrels/test.tsv (a head line, then query, document and grade). None is part of the project.
"""

from __future__ import annotations

import json
import math
import re
import statistics
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

K = 10
_WORD = re.compile(r"\w+")


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]


def documents(folder: Path) -> list[tuple[str, str]]:
    return [
        (str(one["_id"]), f"{one.get('title') or ''}\n{one['text']}".strip()) for one in lines(folder / "corpus.jsonl")
    ]


def grades(folder: Path) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for line in (folder / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        found[query][document] = float(grade)
    return found


def gain(values: list[float]) -> float:
    return sum(value / math.log2(place + 2) for place, value in enumerate(values[:K]))


def ndcg(folder: Path, search: Callable[[str, int], list[str]]) -> float:
    """The mean over all queries that have an answer."""
    wanted = grades(folder)
    scores = []
    for query in lines(folder / "queries.jsonl"):
        known = wanted.get(str(query["_id"]), {})
        ideal = gain(sorted(known.values(), reverse=True))
        if ideal > 0:
            # Words alone: what stands between them is syntax to some systems, and an error to others.
            found = search(" ".join(_WORD.findall(query["text"])), K)
            scores.append(gain([known.get(key, 0.0) for key in found]) / ideal)
    return statistics.fmean(scores)
