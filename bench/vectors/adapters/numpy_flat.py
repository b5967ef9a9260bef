"""NumPy: a product of the query with the whole matrix."""

from __future__ import annotations

import numpy as np

from vectors.adapters.base import Array, Metadata

BREADTHS = (0,)


def version() -> str:
    return np.__version__


class Store:
    def __init__(self, folder: str, dimension: int) -> None:
        self._vectors: Array = np.empty((0, dimension), np.float32)

    def load(self, vectors: Array, metadata: Metadata) -> None:
        self._vectors = np.array(vectors)
        self._metadata = {field: np.asarray(values) for field, values in metadata.items()}

    def exact(self, query: Array, k: int) -> list[int]:
        scores = self._vectors @ query
        best = np.argpartition(scores, -k)[-k:]
        return [int(row) for row in best[np.argsort(-scores[best])]]

    def filtered(self, query: Array, k: int, field: str, value: int) -> list[int]:
        rows = np.flatnonzero(self._metadata[field] == value)
        scores = self._vectors[rows] @ query
        best = np.argsort(-scores)[:k]
        return [int(row) for row in rows[best]]

    def close(self) -> None:
        pass
