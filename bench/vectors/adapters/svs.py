"""Intel's svs: a Vamana graph of float32 rows in memory; no metadata."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.metadata import version as installed

import numpy as np
import svs

from vectors.adapters.base import Array, Metadata

BREADTHS = (16, 24, 32, 48, 64, 96, 128, 192)


def version() -> str:
    return installed("scalable-vs")


class Store:
    def __init__(self, folder: str, dimension: int) -> None:
        self._folders = [os.path.join(folder, name) for name in ("config", "graph", "data")]

    def load(self, vectors: Array, metadata: Metadata) -> None:
        parameters = svs.VamanaBuildParameters(graph_max_degree=32, window_size=200, alpha=0.95)
        ids = np.arange(len(vectors), dtype=np.uint64)
        self._index = svs.DynamicVamana.build(
            parameters, vectors, ids, svs.DistanceType.MIP, num_threads=os.cpu_count() or 1
        )
        self._index.num_threads = 1

    def search(self, query: Array, k: int, breadth: int) -> list[int]:
        self._index.search_window_size = breadth
        return [int(row) for row in self._index.search(query[None], k)[0][0]]

    def batch(self, queries: Array, k: int, breadth: int) -> list[list[int]]:
        self._index.search_window_size = breadth
        self._index.num_threads = os.cpu_count() or 1
        found = self._index.search(queries, k)[0]
        self._index.num_threads = 1
        return [[int(row) for row in rows] for rows in found]

    def overwrite(self, rows: Sequence[int], vectors: Array) -> None:
        ids = np.asarray(rows, dtype=np.uint64)
        self._index.delete(ids)
        self._index.consolidate()
        self._index.add(vectors, ids)

    def close(self) -> None:
        pass

    def reopen(self) -> None:
        self._index.save(*self._folders)
        config, graph, data = self._folders
        loader = svs.VectorDataLoader(data, svs.DataType.float32)
        self._index = svs.DynamicVamana(config, svs.GraphLoader(graph), loader, svs.DistanceType.MIP)
        self._index.num_threads = 1
