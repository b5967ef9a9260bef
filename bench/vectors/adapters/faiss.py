"""faiss: HNSW and flat in memory; no metadata, a filter is a bitmap of rows."""

from __future__ import annotations

import os
from importlib.metadata import version as installed

import faiss
import numpy as np

from vectors.adapters.base import Array, Metadata

BREADTHS = (16, 24, 32, 48, 64, 96, 128, 192)


def version() -> str:
    return installed("faiss-cpu")


class Store:
    def __init__(self, folder: str, dimension: int) -> None:
        self._file = os.path.join(folder, "index")
        self._index = faiss.IndexHNSWFlat(dimension, 16, faiss.METRIC_INNER_PRODUCT)
        self._index.hnsw.efConstruction = 200
        self._flat = faiss.IndexFlatIP(dimension)

    def load(self, vectors: Array, metadata: Metadata) -> None:
        self._index.add(vectors)
        self._metadata = {field: np.asarray(values) for field, values in metadata.items()}
        self._flat.add(vectors)
        faiss.omp_set_num_threads(1)

    def search(self, query: Array, k: int, breadth: int) -> list[int]:
        self._index.hnsw.efSearch = breadth
        return list(self._index.search(query[None], k)[1][0].tolist())

    def exact(self, query: Array, k: int) -> list[int]:
        return list(self._flat.search(query[None], k)[1][0].tolist())

    def filtered(self, query: Array, k: int, field: str, value: int) -> list[int]:
        chosen = faiss.IDSelectorBatch(np.flatnonzero(self._metadata[field] == value))
        parameters = faiss.SearchParametersHNSW(sel=chosen, efSearch=96)
        return list(self._index.search(query[None], k, params=parameters)[1][0].tolist())

    def batch(self, queries: Array, k: int, breadth: int) -> list[list[int]]:
        self._index.hnsw.efSearch = breadth
        faiss.omp_set_num_threads(os.cpu_count())
        found = self._index.search(queries, k)[1].tolist()
        faiss.omp_set_num_threads(1)
        return list(found)

    def close(self) -> None:
        pass

    def reopen(self) -> None:
        faiss.write_index(self._index, self._file)
        self.open_again()

    def open_again(self) -> None:
        self._index = faiss.read_index(self._file)
