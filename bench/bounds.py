"""What bounds each row, as profiles of this engine (perf, the release build) show it: for the report."""

from __future__ import annotations

BOUNDS = {
    "put_memory": """CPython's call and the encoding of the value (a third), finding the key (a tenth) and the copies of
        the nodes that a commit replaces (memmove 12 %). RocksDB's memory environment keeps no log and no history.""",
    "put_buffered": "as in memory, and one copy of the record into a page of the log that is mapped.",
    "put_strict": "one fdatasync of the log; everything else is under 3 % of it.",
    "put_threads": """threads wait for the interpreter's lock more than for the disk: a group is synced together, but
        its members wake one by one on two cores.""",
    "transaction": """every put answers with the version that it will have, so it looks into a leaf that lies in no
        cache; the commit visits the keys once more in their order and copies each leaf that it touches: 4 KB for one
        row, when a thousand random keys meet thousands of leaves. LevelDB appends to a buffer and answers nothing.""",
    "batch_put": "no look-up before the commit: a fifth is the encoding of values, most of the rest copies of leaves.",
    "get": "CPython's call and the decoding of the value are two thirds; the tree's third is mostly cache misses.",
    "page": """half is CPython (a dict, a list, ten str and the cursor's), then the descent to the cursor's place. The
        cursor is opaque text that survives writes; LMDB's is the last key itself.""",
    "list_all": "making 100,000 str objects, most of it first touches of their memory.",
    "updates_large": """copies of leaves that lie in no cache, and checkpoints beside them, which write every leaf that
        was touched since the last one, however often: a larger `cache_bytes` writes less.""",
    "reopen": "replay finds each key of the log in the tree, and loads the leaf that it lies in.",
    "disk": "every version with its checksum: the log and the tree both hold the newest value.",
    "append_event": "SHA-256 of the event, and two rows of the tree: the event, and its place among those of its type.",
    "events": """ten events of one of 100 types lie in ten leaves, and CPython makes two dicts for each (42 %). The 5 µs
        are of a machine on which SQLite takes 9 for the same row.""",
    "documents": "a set copies the document's 1.9 KB around the change, into the log and into a leaf.",
}


def text_of(workload: str) -> str:
    return " ".join(BOUNDS[workload].split())
