"""Writes one set: `python -m vectors.make_set real|clustered EMBEDDINGS ROWS QUERIES FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from vectors import dataset


def main(arguments: list[str]) -> None:
    name, embeddings, rows, queries, folder = arguments
    if name == "real":
        all_rows = np.load(embeddings)
        vectors, asked = all_rows[: int(rows)], all_rows[int(rows) :]
    else:
        vectors, asked = dataset.clustered(int(rows), int(queries))
    dataset.complete(name, np.ascontiguousarray(vectors), np.ascontiguousarray(asked), Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
