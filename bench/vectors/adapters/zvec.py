"""zvec: HNSW in a collection on disk, rows with their fields."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.metadata import version as installed
from typing import Any

import zvec

from vectors.adapters.base import Array, Metadata

BREADTHS = (16, 24, 32, 48, 64, 96, 128, 192)
BATCH = 1000


def version() -> str:
    return installed("zvec")


class Store:
    def __init__(self, folder: str, dimension: int) -> None:
        self._path = os.path.join(folder, "rows")
        self._dimension = dimension
        zvec.init(log_level=zvec.LogLevel.ERROR)

    def load(self, vectors: Array, metadata: Metadata) -> None:
        self._metadata = metadata
        fields = [
            zvec.FieldSchema(field, zvec.DataType.INT64, index_param=zvec.InvertIndexParam()) for field in metadata
        ]
        graph = zvec.HnswIndexParam(metric_type=zvec.MetricType.COSINE, m=16, ef_construction=200)
        vector = zvec.VectorSchema("vector", zvec.DataType.VECTOR_FP32, self._dimension, graph)
        schema = zvec.CollectionSchema("rows", fields=fields, vectors=vector)
        self._rows: Any = zvec.create_and_open(self._path, schema)
        self._upsert(range(len(vectors)), vectors)
        self._rows.optimize()

    def _upsert(self, rows: Sequence[int], vectors: Array) -> None:
        for first in range(0, len(rows), BATCH):
            part = zip(rows[first : first + BATCH], vectors[first : first + BATCH], strict=True)
            self._rows.upsert(
                [
                    zvec.Doc(
                        str(row),
                        vectors={"vector": vector},
                        fields={field: int(values[row]) for field, values in self._metadata.items()},
                    )
                    for row, vector in part
                ]
            )

    def _ask(self, query: Array, k: int, breadth: int, wanted: str | None) -> list[int]:
        asked = zvec.Query(field_name="vector", vector=query, param=zvec.HnswQueryParam(ef=breadth))
        return [int(doc.id) for doc in self._rows.query(asked, topk=k, filter=wanted)]

    def search(self, query: Array, k: int, breadth: int) -> list[int]:
        return self._ask(query, k, breadth, None)

    def filtered(self, query: Array, k: int, field: str, value: int) -> list[int]:
        return self._ask(query, k, 96, f"{field} = {value}")

    def upsert_one(self, row: int, vector: Array) -> None:
        self._upsert([row], vector[None])

    def overwrite(self, rows: Sequence[int], vectors: Array) -> None:
        self._upsert(rows, vectors)

    def close(self) -> None:
        self._rows.flush()

    def reopen(self) -> None:
        self._rows.flush()
        del self._rows
        self._rows = zvec.open(self._path)
