"""The families of data as the comparison with the model sees them: what each reads and writes at random.

A family joins here, with a class and a place in FAMILIES.
"""

import stratadb

NAMES = ["a", "b", "ab", "k/1", "k/2", "k/10", "é", "z"]
SPACES = ["default", "s1", "s2"]
BAD_NAMES = ["", "a\0b", "x" * 1025, "\ud800"]
BAD_VALUES = [2**63, {1}, ["\ud800"], {"a": {2: 1}}]
PREFIXES = [None, "", "a", "k/", "k/1", "q"]


class Twin:
    """An argument that is not the same for both: a timestamp, a cursor."""

    def __init__(self, pair):
        self.pair = pair

    def __repr__(self):
        return f"Twin{self.pair}"


def value(rng):
    return rng.choice(
        [
            None,
            True,
            rng.randrange(10),
            rng.random(),
            float("nan"),
            "text",
            b"bytes",
            [1, [2]],
            {"b": 1, "a": {"n": rng.randrange(9)}},
            "x" * 3000,
        ]
    )


def moment(pair, rng):
    """A time that both know: that of a commit, or the instant before."""
    before = rng.random() < 0.3
    stamps = tuple(stamp - before for stamp in rng.choice(pair.moments))
    pair.meet(*stamps)
    return Twin(stamps)


def past(pair, rng):
    """The argument as_of, mostly left out."""
    if rng.random() < 0.6:
        return {}
    if rng.random() < 0.05:
        pair.meet(10**14, 10**14)
        return {"as_of": 10**14}
    return {"as_of": moment(pair, rng)}


def part(rng, items, least=0):
    """Up to three of them, in any order."""
    return rng.sample(items, rng.randrange(least, 4))


class Kv:
    """Keys and values."""

    def read(self, pair, rng, handles):
        key, prefix, then = rng.choice(NAMES), rng.choice(PREFIXES), past(pair, rng)
        kind = rng.randrange(9)
        if kind == 0:
            pair.check(handles, "kv_get", key, default="none", **then)
        elif kind == 1:
            pair.check(handles, "kv_get_versioned", key, **then)
        elif kind == 2:
            pair.check(handles, "kv_history", key, **then)
        elif kind == 3:
            pair.check(handles, "kv_list", prefix, **then)
        elif kind == 4:
            pair.check(handles, "kv_count", prefix, **then)
        elif kind == 5:
            start, end = rng.choice([None, *NAMES]), rng.choice([None, *NAMES])
            limit, reverse = rng.choice([None, 0, 1, 2, 50]), rng.random() < 0.5
            pair.check(handles, "kv_scan", prefix, start=start, end=end, limit=limit, reverse=reverse, **then)
        elif kind == 6:
            limit, cursor = rng.choice([0, 1, 2, 3, None]), Twin(rng.choice(pair.cursors))
            engine, model = pair.check(handles, "kv_list_paginated", prefix, limit, cursor, **then)
            if isinstance(engine, dict) and engine["cursor"]:
                pair.cursors = [*pair.cursors[-20:], (engine["cursor"], model["cursor"]), (None, None)]
        elif kind == 7:
            pair.check(handles, "kv_batch_get", part(rng, NAMES), **then)
        else:
            pair.check(handles, "kv_exists", key, **then)

    def write(self, pair, rng, handles):
        key = rng.choice(NAMES)
        kind = rng.random()
        if kind < 0.55:
            pair.check(handles, "kv_put", key, value(rng))
        elif kind < 0.75:
            pair.check(handles, "kv_delete", key)
        elif kind < 0.87:
            pair.check(handles, "kv_batch_put", {k: value(rng) for k in part(rng, NAMES, 1)})
        elif kind < 0.95:
            pair.check(handles, "kv_batch_delete", [*part(rng, NAMES, 1), key])
        elif kind < 0.97:
            pair.check(handles, "kv_put", rng.choice(BAD_NAMES), 1)
        else:
            pair.check(handles, "kv_put", key, rng.choice(BAD_VALUES))

    def everything(self, pair, handles):
        pair.check(handles, "kv_scan")
        for key in NAMES:
            pair.check(handles, "kv_history", key)


class Cells:
    """State cells."""

    def read(self, pair, rng, handles):
        cell, then = rng.choice(NAMES), past(pair, rng)
        kind = rng.randrange(4)
        if kind == 0:
            pair.check(handles, "state_get", cell, default="none", **then)
        elif kind == 1:
            pair.check(handles, "state_list", rng.choice(PREFIXES), **then)
        else:
            pair.check(handles, ["state_get_versioned", "state_history"][kind - 2], cell, **then)

    def write(self, pair, rng, handles):
        cell = rng.choice(NAMES)
        kind = rng.random()
        if kind < 0.3:
            pair.check(handles, "state_set", cell, value(rng))
        elif kind < 0.6:
            self.swap(pair, rng, handles, cell)
        elif kind < 0.75:
            pair.check(handles, "state_init", cell, value(rng))
        elif kind < 0.92:
            pair.check(handles, "state_delete", cell)
        elif kind < 0.96:
            pair.check(handles, "state_cas", rng.choice(BAD_NAMES), 1, 2)
        else:
            pair.check(handles, "state_cas", cell, rng.choice(BAD_VALUES), rng.choice(BAD_VALUES))

    def swap(self, pair, rng, handles, cell):
        """By value or by version, with what is there or with something else."""
        found = pair.check(handles, "state_get_versioned", cell)[1]
        there = found if isinstance(found, dict) else {"value": None, "version": 0}
        right = rng.random() < 0.6
        kind = rng.random()
        if kind < 0.5:
            pair.check(handles, "state_cas", cell, value(rng), there["value"] if right else value(rng))
        elif kind < 0.95:
            version = there["version"] if right else rng.randrange(4)
            pair.check(handles, "state_cas", cell, value(rng), expected_version=version)
        else:
            wrong = rng.choice([((1,), 1), ((), -1), ((), 2**63)])
            pair.check(handles, "state_cas", cell, value(rng), *wrong[0], expected_version=wrong[1])

    def everything(self, pair, handles):
        pair.check(handles, "state_list")
        for cell in NAMES:
            pair.check(handles, "state_history", cell)


class Events:
    """The event log."""

    TYPES = ("call", "called", "é")

    def read(self, pair, rng, handles):
        kind, then = rng.random(), past(pair, rng)
        if kind < 0.2:
            pair.check(handles, "event_get", rng.choice([0, 1, 2, 5, 2**63 - 1, -1]), **then)
        elif kind < 0.7:
            times = {name: moment(pair, rng) for name in ("since", "until") if rng.random() < 0.2}
            pair.check(
                handles,
                "event_list",
                rng.choice([None, *self.TYPES, "never"]),
                rng.choice([None, None, 0, 1, 3]),
                rng.choice([None, None, 0, 1, 4, 99]),
                reverse=rng.random() < 0.4,
                **times,
                **then,
            )
        else:
            pair.check(handles, rng.choice(["event_len", "event_types", "event_verify"]), **then)

    def payload(self, rng):
        return {"n": rng.randrange(100), "what": value(rng)}

    def write(self, pair, rng, handles):
        kind = rng.random()
        if kind < 0.6:
            pair.check(handles, "event_append", rng.choice(self.TYPES), self.payload(rng))
        elif kind < 0.9:
            # An empty one has read the end of the log in the model, and nothing in an engine.
            least = 1 if handles[1].in_transaction() else 0
            entries = [(rng.choice(self.TYPES), self.payload(rng)) for _ in range(rng.randrange(least, 4))]
            pair.check(handles, "event_batch_append", entries)
        elif kind < 0.95:
            pair.check(handles, "event_append", rng.choice(BAD_NAMES), {})
        else:
            pair.check(handles, "event_append", "call", rng.choice([None, [], "x", {"a": 2**63}, {1: 2}]))

    def everything(self, pair, handles):
        pair.check(handles, "event_list", None)
        pair.check(handles, "event_verify")
        for kind in self.TYPES:
            pair.check(handles, "event_list", kind, reverse=True)


class Documents:
    """JSON documents."""

    PATHS = ("$", "$", "$.a", "$.a.b", "$.a.c.d", "$['é']", "$.l", "$.l[0]", "$.l[1]", "$.l[-1]", "$.l[3].x", "$.l[99]")
    QUERIES = (
        "$.*",
        "$..*",
        "$.l[*]",
        "$.l[:1]",
        "$..b",
        "$['a','l']",
        "$[?@.b]",
        "$..[?@ == 1]",
        "$.l[?@.x > 1]",
        "$..none",
    )
    CONDITIONS = (
        "@.a",
        "!@.a",
        "@.a.b == 1",
        "$[?@.a.n < 5]",
        " @.l[?@ == 1] || @.b ",
        "@.b == 'text'",
        "@.a.b >= 1 && @.a.b < 3 || @.l[0] == 1",
        "2 > @.a.b && @.a",
        "@ == 'text' || @ <= 5",
        "@.é == 'x' || @.a.n > 3",
        "@.",
    )
    INDEXES = ("i", "i/2", "é")
    BAD_PATHS = ("", "a", "$.", "$[", "$.l[01]", "$ .a ", "$[?@.a==]")
    POINTERS = ("", "/a", "/a/b", "/l", "/l/0", "/l/-", "/l/9", "/é", "/none", "a")

    def document(self, rng):
        return rng.choice([{}, {"a": {"b": 1}, "l": [1, {"x": 2}]}, {"l": [], "é": "x"}, [1, 2], value(rng)])

    def read(self, pair, rng, handles):
        key, then = rng.choice(NAMES), past(pair, rng)
        kind = rng.random()
        if kind < 0.45:
            pair.check(handles, "json_get", key, rng.choice(rng.choice([self.PATHS, self.QUERIES])), **then)
        elif kind < 0.5:
            pair.check(handles, "json_get", key, rng.choice(self.BAD_PATHS), **then)
        elif kind < 0.53:
            pair.check(handles, "json_list_indexes", **then)
        elif kind < 0.65:
            condition = rng.choice(self.CONDITIONS)
            limits = [None, None, 0, 1, 2, *([-1] if condition != "@." else [])]  # of two mistakes either may be named
            pair.check(handles, "json_find", condition, rng.choice(limits), **then)
        elif kind < 0.7:
            pair.check(handles, "json_list", rng.choice(PREFIXES), rng.choice([None, 0, 1, 2]), **then)
        else:
            pair.check(handles, rng.choice(["json_get_versioned", "json_history"]), key, **then)

    def write(self, pair, rng, handles):
        key, path = rng.choice(NAMES), rng.choice(self.PATHS)
        if rng.random() < 0.12:
            self.define(pair, rng, handles, path)
            return
        kind = rng.random()
        if kind < 0.25:
            pair.check(handles, "json_set", key, "$", self.document(rng))
        elif kind < 0.5:
            pair.check(handles, "json_set", key, path, value(rng))
        elif kind < 0.62:
            pair.check(handles, "json_delete", key, rng.choice([path, rng.choice(self.QUERIES)]))
        elif kind < 0.75:
            patch = rng.choice([{"a": None}, {"a": {"b": 2, "c": None}}, {"l": [0], "new": {"x": None}}, 5, None])
            pair.check(handles, "json_merge", key, patch, *([path] if rng.random() < 0.5 else []))
        elif kind < 0.88:
            pair.check(handles, "json_patch", key, [self.operation(rng) for _ in range(rng.randrange(1, 4))])
        elif kind < 0.94:
            pair.check(
                handles,
                "json_batch_set",
                [(rng.choice(NAMES), rng.choice(self.PATHS), value(rng)) for _ in range(rng.randrange(4))],
            )
        elif kind < 0.96:
            pair.check(handles, "json_set", rng.choice(BAD_NAMES), path, 1)
        elif kind < 0.98:
            pair.check(handles, "json_set", key, rng.choice(self.BAD_PATHS), 1)
        else:
            pair.check(handles, "json_set", key, path, rng.choice(BAD_VALUES))

    def define(self, pair, rng, handles, path):
        """An index, made or dropped."""
        name = rng.choice(BAD_NAMES if rng.random() < 0.03 else self.INDEXES)
        if rng.random() < 0.3:
            pair.check(handles, "json_drop_index", name)
        else:
            wrong = name in self.INDEXES and rng.random() < 0.05  # of two mistakes either may be named
            pair.check(handles, "json_create_index", name, rng.choice([*self.BAD_PATHS, "$.*"]) if wrong else path)

    def operation(self, rng):
        """Of a JSON patch; often it does not fit."""
        op = rng.choice(["add", "add", "replace", "remove", "move", "copy", "test", "unknown"])
        operation = {"op": op, "path": rng.choice(self.POINTERS)}
        if op in ("move", "copy"):
            operation["from"] = rng.choice(self.POINTERS)
        elif op != "remove":
            operation["value"] = rng.choice([1, 1.0, {"b": 1}, [1, {"x": 2}], "x"])
        return operation

    def everything(self, pair, handles):
        pair.check(handles, "json_list")
        pair.check(handles, "json_list_indexes")
        for condition in self.CONDITIONS:
            pair.check(handles, "json_find", condition)
        for key in NAMES:
            pair.check(handles, "json_history", key)


class Vectors:
    """Collections of vectors, of few and small numbers, so that many are equally near."""

    NAMES = ("c", "cd", "é")
    METRICS = ("cosine", "euclidean", "dot_product")
    FIELDS = ("n", "n", "tag", "sub.x", "sub", "none", "")

    def vector(self, rng, dimension=None):
        components = [rng.choice([-1, 0, 1, 2, 0.5]) for _ in range(dimension or rng.choice([2, 2, 2, 3]))]
        if rng.random() < 0.03:
            components[0] = rng.choice([float("nan"), float("inf"), 1e39, 10**400, True, "x"])
        return components

    def metadata(self, rng):
        inner = {"x": rng.choice([1, "b", [1, 2]])}
        return rng.choice([None, {}, {"n": rng.randrange(4), "tag": rng.choice("ab")}, {"n": 1.5, "sub": inner}])

    def filters(self, rng):
        if rng.random() < 0.5:
            return None
        ops = [
            "eq",
            "ne",
            "gt",
            "gte",
            "lt",
            "lte",
            "in",
            "contains",
            "exists",
            *(["like"] if rng.random() < 0.1 else []),
        ]
        values = [0, 1, 1.0, 1.5, "a", "b", True, None, [1, "a"], {"x": 1}, float("nan")]
        return [
            {"field": rng.choice(self.FIELDS), "op": rng.choice(ops), "value": rng.choice(values)}
            for _ in range(rng.choice([1, 1, 2]))
        ]

    def read(self, pair, rng, handles):
        name, key, then = rng.choice(self.NAMES), rng.choice(NAMES), past(pair, rng)
        kind = rng.random()
        if kind < 0.35:
            metric, k = rng.choice([None, None, *self.METRICS]), rng.choice([1, 2, 5, 2**62, 0])
            options = {"exact": True} if rng.random() < 0.2 else {}
            query = self.vector(rng, rng.choice([2, 2, 2, 3]))
            pair.check(handles, "vector_search", name, query, k, metric, self.filters(rng), **options, **then)
        elif kind < 0.45:
            queries = [self.vector(rng, 2) for _ in range(rng.randrange(1, 4))]
            pair.check(handles, "vector_batch_search", name, queries, 3, filters=self.filters(rng), **then)
        elif kind < 0.6:
            pair.check(handles, "vector_get", name, key, **then)
        elif kind < 0.75:
            pair.check(handles, "vector_list", name, rng.choice(PREFIXES), limit=rng.choice([None, 0, 1, 2]), **then)
        elif kind < 0.9:
            pair.check(handles, "vector_history", name, key, **then)
        else:
            pair.check(handles, "vector_list_collections", **then)

    def write(self, pair, rng, handles):
        name = rng.choice(self.NAMES)
        if rng.random() < 0.15:
            self.define(pair, rng, handles, name)
            return
        kind = rng.random()
        if kind < 0.5:
            pair.check(handles, "vector_upsert", name, rng.choice(NAMES), self.vector(rng), self.metadata(rng))
        elif kind < 0.7:
            pair.check(handles, "vector_delete", name, rng.choice(NAMES))
        elif kind < 0.85:
            keys = [rng.choice(NAMES) for _ in range(rng.randrange(4))]
            entries = [{"key": key, "vector": self.vector(rng, 2), "metadata": self.metadata(rng)} for key in keys]
            pair.check(handles, "vector_batch_upsert", name, entries)
        elif kind < 0.95:
            keys = [rng.choice(NAMES) for _ in range(rng.randrange(1, 4))]
            rows = [self.vector(rng, 2) for _ in keys]
            pair.check(handles, "vector_batch_upsert", name, keys=keys, vectors=rows)
        else:
            pair.check(handles, "vector_upsert", name, rng.choice(BAD_NAMES), [1, 2])

    def define(self, pair, rng, handles, name):
        kind = rng.random()
        if kind < 0.7:
            metric = rng.choice([None, *self.METRICS, *self.METRICS, "manhattan"])
            pair.check(handles, "vector_create_collection", name, rng.choice([2, 2, 2, 2, 3, 0, 65537]), metric)
        else:
            pair.check(handles, "vector_delete_collection", name)

    def everything(self, pair, handles):
        found, _ = pair.check(handles, "vector_list_collections")
        for name in self.NAMES:
            for key in NAMES:
                pair.check(handles, "vector_history", name, key)
        for collection in found:
            query = [1] * collection["dimension"]
            pair.check(handles, "vector_search", collection["name"], query, 100)


class Search:
    """Search over all of them, by words and fused with vectors."""

    QUERIES = (
        "text",
        "b",
        "text -b",
        '"text b"',
        '"red text" n',
        "te*",
        "a.n:b",
        "n tag",
        "tag:a",
        "what:text",
        "sub.x:b",
        "é",
        "reds",
        "none",
        "-b",
        "",
    )
    TEXTS = ("red text", "a text in b", ["b", "red"], {"n": "text b", "tag": ["a", "red"]}, {"what": {"text": "é"}})
    PRIMITIVES = ("event", "json", "kv", "state", "vector")

    def read(self, pair, rng, handles):
        options = past(pair, rng)
        if rng.random() < 0.3:
            options["primitives"] = part(rng, self.PRIMITIVES)
        if rng.random() < 0.3:
            options["spaces"] = part(rng, [*SPACES, "unknown"])
        if rng.random() < 0.3:
            vector = [rng.choice([1, 2, 0.5]) for _ in range(rng.choice([2, 2, 2, 3]))]
            options |= {"mode": "hybrid", "collection": rng.choice(Vectors.NAMES), "vector": vector}
        pair.check(handles, "search", rng.choice(self.QUERIES), rng.choice([1000, 1000, 1000, 0]), **options)

    def write(self, pair, rng, handles):
        name, text = rng.choice(NAMES), rng.choice(self.TEXTS)
        kind = rng.randrange(4)
        if kind == 0:
            pair.check(handles, "state_set", name, text)
        elif kind == 1:
            pair.check(handles, "json_set", name, "$", text)
        elif kind == 2 and isinstance(text, dict):
            pair.check(handles, "event_append", "call", text)
        else:
            pair.check(handles, "kv_put", name, text)

    def everything(self, pair, handles):
        for query in self.QUERIES:
            pair.check(handles, "search", query, 1000)


ALL = {
    "kv_put": Kv(),
    "state_set": Cells(),
    "event_append": Events(),
    "json_set": Documents(),
    "vector_upsert": Vectors(),
    "search": Search(),
}
FAMILIES = [family for call, family in ALL.items() if hasattr(stratadb.Strata, call)]
