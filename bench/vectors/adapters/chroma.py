"""Chroma: HNSW beside SQLite, rows with their metadata."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version as installed
from typing import Any

import chromadb

from vectors.adapters.base import Array, Metadata

BREADTHS = (16, 32, 64, 96)
BATCH = 2000


def version() -> str:
    return installed("chromadb")


class Store:
    def __init__(self, folder: str, dimension: int) -> None:
        self._folder = folder
        self._open()
        settings = {"space": "cosine", "max_neighbors": 16, "ef_construction": 200, "ef_search": 96}
        self._rows = self._client.create_collection("rows", configuration={"hnsw": settings}, embedding_function=None)

    def _open(self) -> None:
        settings = chromadb.config.Settings(anonymized_telemetry=False)
        self._client: Any = chromadb.PersistentClient(self._folder, settings=settings)

    def load(self, vectors: Array, metadata: Metadata) -> None:
        for first in range(0, len(vectors), BATCH):
            rows = range(first, min(first + BATCH, len(vectors)))
            fields = [{field: int(values[row]) for field, values in metadata.items()} for row in rows]
            self._rows.add(ids=[str(row) for row in rows], embeddings=vectors[first : first + BATCH], metadatas=fields)

    def search(self, query: Array, k: int, breadth: int) -> list[int]:
        if breadth != getattr(self, "_breadth", None):
            self._rows.modify(configuration={"hnsw": {"ef_search": breadth}})
            self._breadth = breadth
        found = self._rows.query(query_embeddings=query[None], n_results=k, include=["metadatas"])
        return [int(row) for row in found["ids"][0]]

    def filtered(self, query: Array, k: int, field: str, value: int) -> list[int]:
        found = self._rows.query(query_embeddings=query[None], n_results=k, where={field: value}, include=[])
        return [int(row) for row in found["ids"][0]]

    def upsert_one(self, row: int, vector: Array) -> None:
        self._rows.upsert(ids=[str(row)], embeddings=vector[None])

    def overwrite(self, rows: Sequence[int], vectors: Array) -> None:
        for first in range(0, len(rows), BATCH):
            ids = [str(row) for row in rows[first : first + BATCH]]
            self._rows.upsert(ids=ids, embeddings=vectors[first : first + BATCH])

    def close(self) -> None:
        pass
