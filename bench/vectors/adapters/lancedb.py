"""LanceDB: IVF_PQ with refinement, rows with their fields on disk."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version as installed
from typing import Any

import lancedb
import pyarrow as pa

from vectors.adapters.base import Array, Metadata

BREADTHS = (8, 16, 32, 64, 128)
REFINE = 10


def version() -> str:
    return installed("lancedb")


def rows_of(ids: Sequence[int], vectors: Array, metadata: Metadata) -> Any:
    flat = pa.array(vectors.reshape(-1), pa.float32())
    columns = {
        "id": pa.array(list(ids), pa.int64()),
        "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
    }
    columns |= {field: pa.array([int(values[row]) for row in ids], pa.int64()) for field, values in metadata.items()}
    return pa.table(columns)


class Store:
    def __init__(self, folder: str, dimension: int) -> None:
        self._folder = folder
        self._db: Any = lancedb.connect(folder)

    def load(self, vectors: Array, metadata: Metadata) -> None:
        self._metadata = metadata
        self._table = self._db.create_table("rows", rows_of(range(len(vectors)), vectors, metadata))
        self._table.create_index(
            metric="cosine", vector_column_name="vector", index_type="IVF_PQ", num_partitions=230, num_sub_vectors=48
        )
        for field in metadata:
            self._table.create_scalar_index(field, index_type="BITMAP")

    def _ask(self, query: Array, k: int, breadth: int) -> Any:
        asked = self._table.search(query).metric("cosine").nprobes(breadth).refine_factor(REFINE)
        return asked.select(["id"]).limit(k)

    def search(self, query: Array, k: int, breadth: int) -> list[int]:
        return list(self._ask(query, k, breadth).to_arrow()["id"].to_pylist())

    def exact(self, query: Array, k: int) -> list[int]:
        asked = self._table.search(query).metric("cosine").bypass_vector_index().select(["id"]).limit(k)
        return list(asked.to_arrow()["id"].to_pylist())

    def filtered(self, query: Array, k: int, field: str, value: int) -> list[int]:
        asked = self._ask(query, k, 64).where(f"{field} = {value}", prefilter=True)
        return list(asked.to_arrow()["id"].to_pylist())

    def overwrite(self, rows: Sequence[int], vectors: Array) -> None:
        changed = rows_of(rows, vectors, self._metadata)
        self._table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(changed)

    def close(self) -> None:
        pass

    def reopen(self) -> None:
        self._db = lancedb.connect(self._folder)
        self._table = self._db.open_table("rows")
