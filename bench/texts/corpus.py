"""What is searched: entries of a dictionary, and queries made of their words.

The documents are those of Debian's `dict-gcide`, a dictionary of English in 50 MB of text; entries that are too short
to be a document are joined with those that follow. Words of one query come from one document, so that it has an answer.
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections import Counter
from pathlib import Path

DICTIONARY = Path("/usr/share/dictd")
DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
LEAST_BYTES = 150
QUERIES = 200
TERMS = (1, 2, 5)
_WORD = re.compile(r"[a-z]{3,}")

Document = tuple[str, str]


def number(text: str) -> int:
    value = 0
    for digit in text:
        value = value * 64 + DIGITS.index(digit)
    return value


def documents(most: int) -> list[Document]:
    """Up to `most`, each some entries that stand together."""
    whole = gzip.decompress((DICTIONARY / "gcide.dict.dz").read_bytes())
    places = set()
    for line in (DICTIONARY / "gcide.index").read_text(encoding="utf-8").splitlines():
        _, at, size = line.split("\t")
        places.add((number(at), number(size)))
    found: list[Document] = []
    text = ""
    for at, size in sorted(places):
        text += whole[at : at + size].decode("utf-8", "replace")
        if len(text) >= LEAST_BYTES:
            found.append((f"{len(found):07d}", text))
            text = ""
            if len(found) == most:
                break
    random.Random(5).shuffle(found)
    return found


def words_of(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def queries(texts: list[Document]) -> dict[int, list[str]]:
    """By number of words: words that some documents have, and no more than a tenth of them."""
    counts: Counter[str] = Counter()
    for _, text in texts:
        counts.update(set(words_of(text)))
    least, most = max(2, len(texts) // 5000), len(texts) // 10
    rng = random.Random(9)
    made: dict[int, list[str]] = {}
    for terms in TERMS:
        made[terms] = []
        while len(made[terms]) < QUERIES:
            words = sorted({word for word in words_of(rng.choice(texts)[1]) if least <= counts[word] <= most})
            if len(words) >= terms:
                made[terms].append(" ".join(rng.sample(words, terms)))
    return made


def prepare(folder: Path, most: int) -> str | None:
    """Writes documents.json and queries.json once; None, or why it cannot."""
    if (folder / "queries.json").exists():
        return None
    if not (DICTIONARY / "gcide.index").exists():
        return "the texts are missing: apt-get install dict-gcide"
    folder.mkdir(parents=True, exist_ok=True)
    texts = documents(most)
    (folder / "documents.json").write_text(json.dumps(texts))
    (folder / "queries.json").write_text(json.dumps(queries(texts)))
    return None


def load(folder: Path) -> tuple[list[Document], dict[str, list[str]]]:
    texts = [(key, text) for key, text in json.loads((folder / "documents.json").read_text())]
    return texts, json.loads((folder / "queries.json").read_text())
