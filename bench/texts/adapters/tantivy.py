"""tantivy with its English stemmer."""

from __future__ import annotations

import os
import re
from importlib.metadata import version as installed
from typing import Any

import tantivy

from texts.adapters.base import Document

HEAP = 128 << 20
_WORD = re.compile(r"\w+")


def version() -> str:
    return installed("tantivy")


class Store:
    def __init__(self, folder: str) -> None:
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("key", stored=True, tokenizer_name="raw")
        builder.add_text_field("body", stored=True, tokenizer_name="en_stem")
        self._folder = folder
        self._writer: Any = None
        self._schema = builder.build()
        self._index = tantivy.Index(self._schema, path=folder)

    def load(self, documents: list[Document]) -> None:
        writer = self._index.writer(heap_size=HEAP, num_threads=os.cpu_count() or 1)
        for key, text in documents:
            writer.add_document(tantivy.Document(key=key, body=text))
        writer.commit()
        writer.wait_merging_threads()
        self.reopen()

    def search(self, query: str, k: int) -> list[str]:
        searcher = self._index.searcher()
        words = " ".join(_WORD.findall(query))  # its syntax raises for what a text may have in it
        found = searcher.search(self._index.parse_query(words, ["body"]), k)
        return [searcher.doc(address)["key"][0] for _, address in found.hits]

    def put(self, key: str, text: str) -> None:
        self._writer.add_document(tantivy.Document(key=key, body=text))
        self._writer.commit()
        self._index.reload()

    def close(self) -> None:
        pass

    def reopen(self) -> None:
        self._writer = None  # the folder has one at most
        self._index = tantivy.Index.open(self._folder)
        self._writer = self._index.writer(heap_size=HEAP, num_threads=1)
