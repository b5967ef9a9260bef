"""What is searched: real sentence embeddings where they can be made, and clustered random vectors.

Files of a folder, made once: vectors and queries (normalised float32), metadata fields, and for each query the true
nearest rows, of all rows and of those that each filter lets pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vectors.shapes import FILTERS

Array = Any
K = 10
# Rows of equal scores are as good as each other; so are those that float32 cannot tell apart.
TOLERANCE = 2e-5


@dataclass
class Data:
    name: str
    vectors: Array
    queries: Array
    metadata: dict[str, Array]
    worst: dict[str, Array]  # by filter ("": none), the score of the k-th best row of each query

    def recall(self, query: int, found: list[int], field: str = "") -> float:
        """The share of the k best that was found."""
        if field:
            found = [row for row in found if self.metadata[field][row] == 0]
        distinct = list(dict.fromkeys(found))[:K]
        scores = self.vectors[distinct] @ self.queries[query]
        return float((scores >= self.worst[field][query] - TOLERANCE).sum()) / K

    def first(self, rows: int | None) -> Data:
        """The same with no more than so many rows, for who is slow."""
        if rows is None or rows >= len(self.vectors):
            return self
        metadata = {field: values[:rows] for field, values in self.metadata.items()}
        return with_truth(self.name, self.vectors[:rows], self.queries, metadata)


def metadata_of(vectors: Array, rng: Any) -> dict[str, Array]:
    fields = {name: rng.integers(0, share, len(vectors)) for name, share in FILTERS.items() if name != "near"}
    # The nearest of ten anchors, from the one with the fewest rows on: queries lie inside of it or far away.
    anchors = vectors[rng.choice(len(vectors), FILTERS["near"], replace=False)]
    fields["near"] = np.argmax(vectors @ anchors.T, axis=1)
    return fields


def worst_scores(vectors: Array, queries: Array, allowed: Array | None) -> Array:
    rows = vectors if allowed is None else vectors[allowed]
    if len(rows) < K:
        return np.full(len(queries), -np.inf, np.float32)
    scores = queries @ rows.T
    return np.partition(scores, -K, axis=1)[:, -K].copy()


def with_truth(name: str, vectors: Array, queries: Array, metadata: dict[str, Array]) -> Data:
    worst = {"": worst_scores(vectors, queries, None)}
    worst |= {field: worst_scores(vectors, queries, values == 0) for field, values in metadata.items()}
    return Data(name, vectors, queries, metadata, worst)


def complete(name: str, vectors: Array, queries: Array, folder: Path) -> None:
    metadata = metadata_of(vectors, np.random.default_rng(7))
    save(with_truth(name, vectors, queries, metadata), folder)


def save(data: Data, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "vectors.npy", data.vectors)
    np.save(folder / "queries.npy", data.queries)
    np.savez(folder / "metadata.npz", **data.metadata)
    np.savez(folder / "worst.npz", **{field or "all": scores for field, scores in data.worst.items()})


def load(folder: Path) -> Data:
    with np.load(folder / "metadata.npz") as metadata, np.load(folder / "worst.npz") as worst:
        return Data(
            folder.name,
            np.load(folder / "vectors.npy"),
            np.load(folder / "queries.npy"),
            dict(metadata),
            {"" if field == "all" else field: scores for field, scores in worst.items()},
        )


def clustered(rows: int, queries: int, dimension: int = 384, clusters: int = 200) -> tuple[Array, Array]:
    rng = np.random.default_rng(11)
    centres = rng.standard_normal((clusters, dimension), np.float32)
    points = centres[rng.integers(0, clusters, rows + queries)]
    points += rng.standard_normal(points.shape, np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points[:rows], points[rows:]
