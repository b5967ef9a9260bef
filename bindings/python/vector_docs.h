// The docstrings of Session.vector_*.
// Thread safety: constants.
#pragma once

namespace strata::python {

constexpr char kCreateDoc[] =
    R"(vector_create_collection($self, name, dim, metric=None)
--

Makes a collection for vectors of `dim` components (1 to 65,536) and returns its version.

`metric` says how near two vectors are: "cosine" (None means this), "euclidean" or "dot_product". It goes on counting
versions where a deleted collection of this name ended.

Raises ConstraintError `collection_exists`; ValidationError `invalid_key`, `out_of_range`, `unknown_metric`;
AccessDeniedError `read_only`.

>>> db.vector_create_collection("docs", 3)
1
)";

constexpr char kDeleteCollectionDoc[] =
    R"(vector_delete_collection($self, name)
--

Deletes a collection with all its vectors, as one commit, and returns whether there was one.

Raises ValidationError `invalid_key`; AccessDeniedError `read_only`; ConstraintError `transaction_too_large`.

>>> db.vector_create_collection("docs", 3)
1
>>> db.vector_delete_collection("docs"), db.vector_delete_collection("docs")
(True, False)
)";

constexpr char kListCollectionsDoc[] =
    R"(vector_list_collections($self, *, as_of=None)
--

Returns the collections of the current space by name, as dicts.

Each is `{"name", "dimension", "metric", "count", "index", "memory_bytes"}`: how many vectors it holds, what answers
searches in it, and how much memory that takes. `as_of`: as for `kv_get`. Raises ConstraintError `history_trimmed`.

>>> db.vector_create_collection("docs", 3, "euclidean")
1
>>> found = db.vector_list_collections()[0]
>>> found["name"], found["dimension"], found["metric"], found["count"]
('docs', 3, 'euclidean', 0)
)";

constexpr char kUpsertDoc[] =
    R"(vector_upsert($self, coll, key, vector, metadata=None)
--

Stores a vector with its metadata under `key` and returns the vector's new version.

`vector`: a NumPy array of any number type, any buffer, a DLPack tensor on the CPU, or a list of int and float; it is
kept as float32. `metadata`: a dict, kept as a value of `kv_put` is, or None. Both replace what was there.

Raises NotFoundError `collection_not_found`; ConstraintError `dimension_mismatch`, `transaction_too_large`;
ValidationError `invalid_vector` (NaN, infinity, too large for float32, not of one dimension), `zero_vector` (under
cosine), `invalid_key`, and those of a value; AccessDeniedError `read_only`; TypeError.

>>> db.vector_create_collection("docs", 3)
1
>>> db.vector_upsert("docs", "a", [0.5, 0.25, 1], {"title": "Hello"})
1
)";

constexpr char kBatchUpsertDoc[] =
    R"(vector_batch_upsert($self, coll, entries=None, *, keys=None, vectors=None, metadata=None, progress=None)
--

Stores many vectors in one commit, all or nothing, and returns their versions in the same order.

Either `entries`, a list of `{"key", "vector", "metadata"?}`, or `keys` (a list of str), `vectors` (an array of n rows)
and perhaps `metadata` (a list of dict or None), which is quicker. Of a key given twice the last entry counts, and both
get its version. `progress(done, total)` is called before it takes effect; an exception in it ends the call and nothing
is changed. Errors as for `vector_upsert`, and ValidationError `invalid_entry`, `length_mismatch`, `invalid_argument`;
they name the entry.

>>> db.vector_create_collection("docs", 2)
1
>>> db.vector_batch_upsert("docs", [{"key": "a", "vector": [1, 0]}, {"key": "b", "vector": [0, 1], "metadata": {"n": 1}}])
[1, 1]
>>> db.vector_batch_upsert("docs", keys=["a", "c"], vectors=[[1, 1], [2, 3]], metadata=[{"n": 2}, None])
[2, 1]
)";

constexpr char kGetDoc[] =
    R"(vector_get($self, coll, key, *, as_of=None)
--

Returns `{"key", "embedding", "metadata", "version", "timestamp"}`, or None if there is no such vector or collection.

`embedding` is a NumPy array of float32, a copy. `metadata` is None if there is none. `timestamp` is None for what the
open transaction wrote itself. `as_of`: as for `kv_get`. Raises ValidationError `invalid_key`, `out_of_range`;
ConstraintError `history_trimmed`; StateError `numpy_missing`.

>>> db.vector_create_collection("docs", 2)
1
>>> db.vector_upsert("docs", "a", [1, 0.5], {"n": 1})
1
>>> found = db.vector_get("docs", "a")
>>> found["embedding"].tolist(), found["metadata"], found["version"]
([1.0, 0.5], {'n': 1}, 1)
)";

constexpr char kDeleteDoc[] =
    R"(vector_delete($self, coll, key)
--

Deletes a vector and returns whether it was there; False without the collection, too.

A deletion is a version too: a later upsert goes on from it, and the history keeps what was. Raises ValidationError
`invalid_key`; AccessDeniedError `read_only`.

>>> db.vector_create_collection("docs", 2)
1
>>> db.vector_upsert("docs", "a", [1, 0])
1
>>> db.vector_delete("docs", "a"), db.vector_delete("docs", "a")
(True, False)
)";

constexpr char kListDoc[] =
    R"(vector_list($self, coll, prefix=None, *, limit=None, as_of=None)
--

Returns the keys of a collection that start with `prefix` (None and "" mean all), sorted, at most `limit` of them.

`as_of`: as for `kv_get`. Raises NotFoundError `collection_not_found`; ValidationError `invalid_key`, `out_of_range`;
ConstraintError `history_trimmed`.

>>> db.vector_create_collection("docs", 1)
1
>>> db.vector_batch_upsert("docs", keys=["b", "a:1", "a:2"], vectors=[[1], [2], [3]])
[1, 1, 1]
>>> db.vector_list("docs", "a:")
['a:1', 'a:2']
)";

constexpr char kHistoryDoc[] =
    R"(vector_history($self, coll, key, *, as_of=None)
--

Returns all kept versions of a vector, newest first, or None if it never existed.

Each is `{"value", "version", "timestamp", "deleted"}`, the value `{"embedding", "metadata"}`, or None of a deletion.
Errors as for `vector_get`.

>>> db.vector_create_collection("docs", 2)
1
>>> db.vector_upsert("docs", "a", [1, 0])
1
>>> db.vector_delete("docs", "a")
True
>>> [(entry["version"], entry["deleted"]) for entry in db.vector_history("docs", "a")]
[(2, True), (1, False)]
)";

constexpr char kSearchDoc[] =
    R"(vector_search($self, coll, query, k, metric=None, filters=None, *, exact=False, ef=None, as_of=None)
--

Returns the `k` nearest vectors, best first and equal ones by key, as `{"key", "score", "metadata"}`.

A higher score is nearer: the cosine (-1 to 1), `1 / (1 + distance)` under euclidean, the product itself under
dot_product. Fewer than `k` come back only if fewer vectors match. `metric` asks for another metric than the
collection's, by comparing all. `filters`: a list of `{"field", "op", "value"}`, all of which must hold; ops are eq, ne,
gt, gte, lt, lte, in, contains and exists, and dots in a field lead into nested dicts. `exact=True` compares with every
vector. `ef`: the candidates that a search in a graph keeps, 96 unless given: more find more of the nearest, fewer are
quicker. Inside a transaction its own writes take part. `as_of`: as for `kv_get`.

Raises NotFoundError `collection_not_found`; ConstraintError `dimension_mismatch`, `history_trimmed`; ValidationError
`invalid_vector`, `zero_vector`, `unknown_metric`, `invalid_filter`, `out_of_range` (a `k` or `ef` below 1); TypeError.

>>> db.vector_create_collection("docs", 2)
1
>>> db.vector_batch_upsert("docs", keys=["a", "b"], vectors=[[3, 4], [1, 0]], metadata=[{"n": 1}, {"n": 2}])
[1, 1]
>>> db.vector_search("docs", [1, 0], 1)
[{'key': 'b', 'score': 1.0, 'metadata': {'n': 2}}]
>>> [hit["key"] for hit in db.vector_search("docs", [1, 0], 5, filters=[{"field": "n", "op": "lt", "value": 2}])]
['a']
)";

constexpr char kBatchSearchDoc[] =
    R"(vector_batch_search($self, coll, queries, k, metric=None, filters=None, *, exact=False, ef=None, as_of=None)
--

Does what `vector_search` does for each row of `queries`, on one state of the collection: one list of hits a row.

Errors as for `vector_search`; they name the row.

>>> db.vector_create_collection("docs", 2)
1
>>> db.vector_batch_upsert("docs", keys=["a", "b"], vectors=[[0, 1], [1, 0]])
[1, 1]
>>> [[hit["key"] for hit in hits] for hits in db.vector_batch_search("docs", [[1, 0], [0, 1]], 1)]
[['b'], ['a']]
)";

}  // namespace strata::python
