"""tantivy with its English stemmer."""

from __future__ import annotations

from importlib.metadata import version as installed

import tantivy

from texts.adapters.base import Document


def version() -> str:
    return installed("tantivy")


class Store:
    def __init__(self, folder: str) -> None:
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("key", stored=True, tokenizer_name="raw")
        builder.add_text_field("body", stored=True, tokenizer_name="en_stem")
        self._folder = folder
        self._schema = builder.build()
        self._index = tantivy.Index(self._schema, path=folder)
        self._writer = self._index.writer(heap_size=128 << 20, num_threads=2)

    def load(self, documents: list[Document]) -> None:
        for key, text in documents:
            self._writer.add_document(tantivy.Document(key=key, body=text))
        self._writer.commit()
        self._writer.wait_merging_threads()
        self._index.reload()
        self._writer = self._index.writer(heap_size=128 << 20, num_threads=1)

    def search(self, query: str, k: int) -> list[str]:
        searcher = self._index.searcher()
        found = searcher.search(self._index.parse_query(query, ["body"]), k)
        return [searcher.doc(address)["key"][0] for _, address in found.hits]

    def put(self, key: str, text: str) -> None:
        self._writer.add_document(tantivy.Document(key=key, body=text))
        self._writer.commit()
        self._index.reload()

    def close(self) -> None:
        pass

    def reopen(self) -> None:
        del self._writer
        self._index = tantivy.Index.open(self._folder)
