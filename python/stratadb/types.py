"""The shapes of what the methods return, for annotations. Nothing at run time needs this module."""

from __future__ import annotations

from typing import Any, Literal, TypedDict


class Versioned(TypedDict):
    """`kv_get_versioned`, `state_get_versioned`. `timestamp` is None for a write of the open transaction."""

    value: Any
    version: int
    timestamp: int | None


class HistoryEntry(Versioned):
    """One item of `kv_history` and `state_history`. A deletion has `value` None and `deleted` True."""

    deleted: bool


class SearchHit(TypedDict):
    """One hit of `search`. `entity` is a name, or the sequence of an event; `rank` counts from 1."""

    primitive: Literal["event", "json", "kv", "state", "vector"]
    entity: str | int | tuple[str, str]
    score: float
    rank: int
    snippet: str
    space: str


class SearchRanks(TypedDict):
    """A hit's places in the two rankings of a hybrid search, from 1; None where it is not in that one."""

    keyword: int | None
    vector: int | None


class RankedHit(SearchHit):
    """One hit of `search` with `mode="hybrid"` or `mode="semantic"`."""

    ranks: SearchRanks


class Page(TypedDict):
    """`kv_list_paginated`. `cursor` is None exactly if nothing follows."""

    keys: list[str]
    cursor: str | None


class Event(TypedDict):
    """`event_get`, and one item of `event_list`. `version` is the sequence.

    `timestamp` and `hash` (64 hexadecimal digits) are None for what the open transaction appended.
    """

    sequence: int
    event_type: str
    value: dict[str, Any]
    timestamp: int | None
    version: int
    hash: str | None


class EventVerdict(TypedDict):
    """`event_verify`. `first_bad` is the first sequence that does not fit, None exactly if `valid`."""

    valid: bool
    length: int
    first_bad: int | None


class Found(TypedDict):
    """One item of `json_find`."""

    key: str
    value: Any


class Index(TypedDict):
    """One item of `json_list_indexes`."""

    name: str
    path: str


class Collection(TypedDict):
    """One item of `vector_list_collections`. `index`: what answers searches; `memory_bytes`: how much that takes."""

    name: str
    dimension: int
    metric: Literal["cosine", "euclidean", "dot_product"]
    count: int
    index: str
    memory_bytes: int


class VectorValue(TypedDict):
    """The value of a vector in `vector_history`, diffs and conflicts. `embedding`: a NumPy array of float32."""

    embedding: Any
    metadata: dict[str, Any] | None


class Vector(VectorValue):
    """`vector_get`. `timestamp` is None for what the open transaction wrote."""

    key: str
    version: int
    timestamp: int | None


class VectorVersion(TypedDict):
    """One item of `vector_history`. A deletion has `value` None and `deleted` True."""

    value: VectorValue | None
    version: int
    timestamp: int | None
    deleted: bool


class VectorHit(TypedDict):
    """One item of `vector_search`."""

    key: str
    score: float
    metadata: dict[str, Any] | None


class VectorItemFields(TypedDict):
    """What every entry for `vector_batch_upsert` has."""

    key: str
    vector: Any


class VectorItem(VectorItemFields, total=False):
    """One entry for `vector_batch_upsert`."""

    metadata: dict[str, Any] | None


class VectorFilterFields(TypedDict):
    """What every condition of `vector_search` has."""

    field: str
    op: Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "contains", "exists"]


class VectorFilter(VectorFilterFields, total=False):
    """One condition of `vector_search`. Without a value: `exists` True."""

    value: Any


class BranchInfo(TypedDict):
    """`branch_get`. `version` counts the commits since the branch was made; times are in microseconds."""

    name: str
    id: str
    status: str
    created_at: int
    updated_at: int
    version: int
    parent: str | None
    fork_timestamp: int | None
    key_count: int


class ForkReport(TypedDict):
    """`branch_fork`. `timestamp` is the state that was forked from."""

    source: str
    destination: str
    key_count: int
    timestamp: int


class DiffSummary(TypedDict):
    """How much differs, whatever the limit of entries."""

    total_added: int
    total_removed: int
    total_modified: int


class DiffEntry(TypedDict):
    """What differs; None where a side has nothing. Keys of events are sequences, of vectors (collection, key)."""

    space: str
    primitive: str
    key: str | int | tuple[str, str]
    change: Literal["added", "removed", "modified"]
    a: Any
    b: Any


class DiffReport(TypedDict):
    """`branch_diff`, as seen going from `branch_a` to `branch_b`."""

    branch_a: str
    branch_b: str
    summary: DiffSummary
    entries: list[DiffEntry]


class InDocument(TypedDict, total=False):
    """Of a conflict inside a JSON document: where, as `$['a']['b']`."""

    path: str


class MergeConflict(InDocument):
    """What both sides of a merge changed. None stands where one has nothing.

    With `path` it is about a place in a JSON document, and the values are those there. `resolution` is None where a
    dry run decided nothing; the callable of a merge gets a conflict without it.
    """

    space: str
    primitive: str
    key: str | int | tuple[str, str]
    base: Any
    source: Any
    target: Any
    resolution: Literal["source", "target", "value"] | None


class MergeReport(TypedDict):
    """`branch_merge`. `version` and `timestamp` are the target's after it."""

    source: str
    target: str
    strategy: str
    keys_applied: int
    spaces_merged: int
    conflicts: list[MergeConflict]
    version: int
    timestamp: int


class LoggedCommit(TypedDict):
    """One item of `branch_log`. `changes` counts what the commit wrote or deleted, by primitive."""

    timestamp: int
    message: str | None
    changes: dict[str, int]


class RevertReport(TypedDict):
    """`branch_revert`. `timestamp` is that of the branch's last commit if there was nothing to undo."""

    branch: str
    keys_applied: int
    version: int
    timestamp: int


class ExportReport(TypedDict):
    """`branch_export`. `entry_count` is the number of versions, `bundle_size` that of bytes."""

    branch: str
    branch_id: str
    path: str
    entry_count: int
    bundle_size: int


class ImportReport(TypedDict):
    """`branch_import`. `keys_written` counts what is alive, `entry_count` all versions."""

    branch: str
    entry_count: int
    keys_written: int


class BundleVerdict(TypedDict):
    """`branch_validate_bundle`. `problem` is None exactly if `checksums_valid`."""

    checksums_valid: bool
    branch: str | None
    entry_count: int
    problem: str | None


class Info(TypedDict):
    """`info`. `path` is None for a database in memory."""

    version: str
    path: str | None
    durability: str
    uptime_secs: float
    branch_count: int
    total_keys: int
    disk_bytes: int
    memory_bytes: int
    commit_timestamp: int


class CompactReport(TypedDict):
    """`compact`."""

    bytes_before: int
    bytes_after: int
    versions_removed: int


class VerifyReport(TypedDict):
    """`verify`. `problems` is empty exactly if `ok`."""

    ok: bool
    pages: int
    problems: list[str]


class BackupReport(TypedDict):
    """`backup`. `timestamp` is that of the last commit in the copy, `bytes` is what was written."""

    path: str
    bytes: int
    timestamp: int


class TimeRange(TypedDict):
    """`time_range`: what `as_of` can reach on the current branch, in microseconds."""

    oldest_ts: int
    latest_ts: int
