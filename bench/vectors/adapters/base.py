"""What the worker asks of a system.

An adapter is a module with `version() -> str` and `Store`. Vectors are normalised rows of float32, keys are the numbers
of rows, nearness is the cosine. A store has what its system can do of the optional methods; the report shows the rest
as missing. Where a system has a knob between recall and speed, `BREADTHS` are its settings from quick to thorough, and
`breadth` of a search is one of them; a system without one has `BREADTHS = (0,)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float32]]
# Of each row, by field: the filters' fields, small integers.
Metadata = dict[str, Sequence[int]]


class Store(Protocol):
    def __init__(self, folder: str, dimension: int) -> None: ...

    def load(self, vectors: Array, metadata: Metadata) -> None:
        """Takes rows 0 to n - 1 in batches. Returns when they can be searched as quickly as they ever will."""

    def search(self, query: Array, k: int, breadth: int) -> list[int]:
        """The nearest rows, nearest first."""

    def close(self) -> None: ...


class OptionalStore(Store, Protocol):
    def exact(self, query: Array, k: int) -> list[int]:
        """As search, and nothing is missed."""

    def filtered(self, query: Array, k: int, field: str, value: int) -> list[int]:
        """The nearest of the rows whose field has the value."""

    def batch(self, queries: Array, k: int, breadth: int) -> list[list[int]]:
        """Many queries by one call, with as many threads as it likes."""

    def upsert_one(self, row: int, vector: Array) -> None:
        """One row, durable as the system makes it by default."""

    def durable(self, folder: str) -> Store:
        """An empty one of which `upsert_one` returns when the row is on the disk."""

    def overwrite(self, rows: Sequence[int], vectors: Array) -> None: ...

    def reopen(self) -> None:
        """Closes, and opens what was kept."""

    def fork(self, name: str) -> None: ...
