"""scann: a tree of partitions with anisotropic hashes, made once, in memory; no metadata."""

from __future__ import annotations

import os
from importlib.metadata import version as installed

import scann

from vectors.adapters.base import Array, Metadata

BREADTHS = (4, 8, 16, 24, 32, 64, 96, 128)
LEAVES = 460  # about two square roots of the number of rows


def version() -> str:
    return installed("scann")


class Store:
    def __init__(self, folder: str, dimension: int) -> None:
        self._folder = folder

    def load(self, vectors: Array, metadata: Metadata) -> None:
        builder = scann.scann_ops_pybind.builder(vectors, 10, "dot_product")
        builder = builder.tree(num_leaves=LEAVES, num_leaves_to_search=32, training_sample_size=len(vectors))
        builder = builder.score_ah(2, anisotropic_quantization_threshold=0.2).reorder(100)
        builder.set_n_training_threads(os.cpu_count())
        self._index = builder.build()

    def search(self, query: Array, k: int, breadth: int) -> list[int]:
        rows, _ = self._index.search(query, k, pre_reorder_num_neighbors=100, leaves_to_search=breadth)
        return list(rows.tolist())

    def batch(self, queries: Array, k: int, breadth: int) -> list[list[int]]:
        rows, _ = self._index.search_batched_parallel(
            queries, k, pre_reorder_num_neighbors=100, leaves_to_search=breadth
        )
        return list(rows.tolist())

    def close(self) -> None:
        pass

    def reopen(self) -> None:
        self._index.serialize(self._folder)
        self._index = scann.scann_ops_pybind.load_searcher(self._folder)
