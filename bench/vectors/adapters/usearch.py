"""usearch: a graph in memory, rows as bfloat16; no metadata."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.metadata import version as installed

import numpy as np
from usearch.index import Index

from vectors.adapters.base import Array, Metadata

BREADTHS = (16, 24, 32, 48, 64, 96, 128, 192)


def version() -> str:
    return installed("usearch")


class Store:
    def __init__(self, folder: str, dimension: int) -> None:
        self._file = os.path.join(folder, "index")
        self._index = Index(ndim=dimension, metric="cos", dtype="bf16", connectivity=16, expansion_add=200)

    def load(self, vectors: Array, metadata: Metadata) -> None:
        self._index.add(np.arange(len(vectors)), vectors, threads=os.cpu_count())

    def search(self, query: Array, k: int, breadth: int) -> list[int]:
        self._index.expansion_search = breadth
        return [int(key) for key in self._index.search(query, k, threads=1).keys]

    def exact(self, query: Array, k: int) -> list[int]:
        return [int(key) for key in self._index.search(query, k, threads=1, exact=True).keys]

    def batch(self, queries: Array, k: int, breadth: int) -> list[list[int]]:
        self._index.expansion_search = breadth
        found = self._index.search(queries, k, threads=os.cpu_count())
        return [[int(key) for key in keys] for keys in found.keys]

    def overwrite(self, rows: Sequence[int], vectors: Array) -> None:
        self._index.remove(np.asarray(rows))
        self._index.add(np.asarray(rows), vectors, threads=1)

    def close(self) -> None:
        pass

    def reopen(self) -> None:
        self._index.save(self._file)
        self.open_again()

    def open_again(self) -> None:
        restored = Index.restore(self._file, view=True)
        assert restored is not None
        self._index = restored
