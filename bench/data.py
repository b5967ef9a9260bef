"""The records that every system is measured with: the same keys and values in the same order."""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Any

SEED = 20260101
GROUP = 1000  # keys that share a prefix
WORDS = [
    "agent",
    "branch",
    "commit",
    "context",
    "decide",
    "embed",
    "error",
    "fetch",
    "file",
    "goal",
    "index",
    "memory",
    "message",
    "model",
    "note",
    "observe",
    "plan",
    "prompt",
    "query",
    "reason",
    "result",
    "retry",
    "role",
    "search",
    "session",
    "state",
    "step",
    "store",
    "summary",
    "task",
    "test",
    "token",
    "tool",
    "trace",
    "user",
    "value",
    "vector",
    "version",
    "window",
    "write",
]


def group_prefix(group: int) -> str:
    return f"agent{group:04d}/"


def key_of(number: int) -> str:
    # An odd factor permutes the 32-bit numbers: distinct keys, in an order that has nothing to do with `number`.
    return f"{group_prefix(number // GROUP)}{number * 2654435761 % (1 << 32):08x}"


def shuffled_keys(count: int) -> list[str]:
    keys = [key_of(number) for number in range(count)]
    random.Random(SEED).shuffle(keys)
    return keys


def missing_keys(count: int) -> list[str]:
    """Keys that lie among the stored ones but are not stored."""
    return [key + "x" for key in shuffled_keys(count)]


@lru_cache(maxsize=1)
def value_pool() -> list[dict[str, Any]]:
    """Different values of about 100 bytes as JSON."""
    chooser = random.Random(SEED)
    return [
        {
            "id": number,
            "kind": chooser.choice(WORDS),
            "score": round(chooser.random(), 4),
            "text": " ".join(chooser.choices(WORDS, k=7))[:42].ljust(42, "."),
            "done": chooser.random() < 0.5,
        }
        for number in range(4096)
    ]


# A place in every document: its path, and how Python goes there.
NESTED_PATH = "$.steps[7].arguments.limit"


def nested_parent(document: dict[str, Any]) -> dict[str, Any]:
    """What holds the place; its name is "limit"."""
    parent: dict[str, Any] = document["steps"][7]["arguments"]
    return parent


def document(number: int) -> dict[str, Any]:
    """About 1.9 KB as JSON: a task of an agent with its steps."""
    value = value_pool()[number % len(value_pool())]
    steps = [
        {
            "number": step,
            "tool": WORDS[(number + step) % len(WORDS)],
            "arguments": {"query": value["text"], "limit": step * 10},
            "done": step % 3 == 0,
            "result": None,
        }
        for step in range(13)
    ]
    return {"id": number, "title": value["text"], "owner": {"name": "agent", "team": value["kind"]}, "steps": steps}


def records(keys: list[str]) -> list[tuple[str, dict[str, Any]]]:
    pool = value_pool()
    return [(key, pool[number % len(pool)]) for number, key in enumerate(keys)]


def chunks(items: list[Any], size: int) -> list[list[Any]]:
    return [items[first : first + size] for first in range(0, len(items), size)]
