"""What the worker asks of a system.

An adapter is a module with `version() -> str` and `Store`. A document is a key and a text; a query is some words, any
of which may occur, best first. A store has what its system can do of the optional methods.
"""

from __future__ import annotations

from typing import Protocol

Document = tuple[str, str]


class Store(Protocol):
    def __init__(self, folder: str) -> None: ...

    def load(self, documents: list[Document]) -> None:
        """Takes all in batches. Returns when they can be searched as quickly as they ever will."""

    def search(self, query: str, k: int) -> list[str]:
        """The keys of the best documents."""

    def close(self) -> None: ...


class OptionalStore(Store, Protocol):
    def put(self, key: str, text: str) -> None:
        """One document, committed; the next search finds it."""

    def reopen(self) -> None:
        """Closes, and opens what was kept."""

    def fork(self, name: str) -> None: ...

    def use(self, name: str) -> None: ...
