"""bm25s: a matrix of scores in memory, made once; stemming by PyStemmer."""

from __future__ import annotations

from importlib.metadata import version as installed
from typing import Any

import bm25s
import Stemmer

from texts.adapters.base import Document


def version() -> str:
    return installed("bm25s")


class Store:
    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._stemmer = Stemmer.Stemmer("english")
        self._index: Any = bm25s.BM25()

    def load(self, documents: list[Document]) -> None:
        self._keys = [key for key, _ in documents]
        tokens = bm25s.tokenize(
            [text for _, text in documents], stopwords="en", stemmer=self._stemmer, show_progress=False
        )
        self._index.index(tokens, show_progress=False)
        self._index.save(self._folder)

    def search(self, query: str, k: int) -> list[str]:
        tokens = bm25s.tokenize(query, stopwords="en", stemmer=self._stemmer, show_progress=False)
        rows, _ = self._index.retrieve(tokens, k=k, show_progress=False)
        return [self._keys[int(row)] for row in rows[0]]

    def close(self) -> None:
        pass
