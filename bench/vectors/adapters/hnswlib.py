"""hnswlib: a graph of float32 rows in memory; no metadata, a filter is a Python function."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.metadata import version as installed

import hnswlib
import numpy as np

from vectors.adapters.base import Array, Metadata

BREADTHS = (16, 24, 32, 48, 64, 96, 128, 192)


def version() -> str:
    return installed("hnswlib")


class Store:
    def __init__(self, folder: str, dimension: int) -> None:
        self._file = os.path.join(folder, "index")
        self._dimension = dimension
        self._index = hnswlib.Index("cosine", dimension)

    def load(self, vectors: Array, metadata: Metadata) -> None:
        self._index.init_index(len(vectors) * 2, M=16, ef_construction=200)
        self._index.add_items(vectors, np.arange(len(vectors)), num_threads=os.cpu_count())
        self._index.set_num_threads(1)
        self._metadata = metadata

    def search(self, query: Array, k: int, breadth: int) -> list[int]:
        self._index.set_ef(breadth)
        labels, _ = self._index.knn_query(query, k)
        return list(labels[0].tolist())

    def batch(self, queries: Array, k: int, breadth: int) -> list[list[int]]:
        self._index.set_ef(breadth)
        labels, _ = self._index.knn_query(queries, k, num_threads=os.cpu_count())
        return list(labels.tolist())

    def filtered(self, query: Array, k: int, field: str, value: int) -> list[int]:
        values = np.asarray(self._metadata[field])
        self._index.set_ef(96)
        most = min(k, int((values == value).sum()))  # it raises where it finds fewer than asked for
        labels, _ = self._index.knn_query(query, most, num_threads=1, filter=lambda row: bool(values[row] == value))
        return list(labels[0].tolist())

    def overwrite(self, rows: Sequence[int], vectors: Array) -> None:
        self._index.add_items(vectors, np.asarray(rows), num_threads=1)

    def close(self) -> None:
        pass

    def reopen(self) -> None:
        self._index.save_index(self._file)
        self.open_again()

    def open_again(self) -> None:
        self._index = hnswlib.Index("cosine", self._dimension)
        self._index.load_index(self._file)
        self._index.set_num_threads(1)
