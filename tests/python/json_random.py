"""Random documents, paths into them, patches of them: what the comparisons with other implementations draw from."""

import json

NAMES = ["a", "b", "name", "é", "odd name", "0", "", "it's", 'say "x"', "漢", "~/", *[f"k{n}" for n in range(30)]]


def scalar(rng):
    numbers = [0, 1, -9, 55, 56, 300, -(2**40), 2**63 - 1, 1.0, 0.5, -1e300]
    long = "x" * rng.choice([100, 127, 128, 255, 300])
    return rng.choice([None, True, False, *numbers, "", "text", "ä" * 40, long, b"", b"\x00\xff"])


def document(rng, depth=0):
    """Containers of all sizes: with and without tables, with sizes of one, two and, rarely, four bytes."""
    kind = rng.random()
    if depth == 0:
        kind /= 2
    if depth > 4 or kind > 0.55:
        return scalar(rng)
    count = rng.choice([0, 1, 2, 3, 5, 15, 16, 17, 32, 33, 40] if depth < 2 else [0, 1, 2, 3, 17])
    if depth == 1 and rng.random() < 0.01:
        return ["x" * 70_000, *range(count)]
    if kind < 0.3:
        names = rng.sample(NAMES, min(count, len(NAMES)))
        return {name: document(rng, depth + 2 if count > 3 else depth + 1) for name in names}
    return [document(rng, depth + 2 if count > 3 else depth + 1) for _ in range(count)]


def steps(rng, value, most=6):
    """Names and indexes that mostly lead to something in `value`."""
    found = []
    while len(found) < most and rng.random() < 0.85:
        if isinstance(value, dict) and value and rng.random() < 0.85:
            found.append(rng.choice(list(value)))
            value = value[found[-1]]
        elif isinstance(value, list) and value and rng.random() < 0.9:
            index = rng.choice([0, len(value) - 1, rng.randrange(len(value))])
            found.append(index - len(value) if rng.random() < 0.3 else index)
            value = value[index]
        else:
            length = len(value) if isinstance(value, list) else 0
            found.append(rng.choice([*NAMES[:8], "new", length, length + 1, -length - 1, 0]))
            value = None
            if rng.random() < 0.5:
                break
    return found


def written(rng, name):
    """A name as one of the ways to write it in a path."""
    plain = name.isidentifier()
    if plain and rng.random() < 0.7:
        return f".{name}"
    if rng.random() < 0.5:
        return f"[{json.dumps(name, ensure_ascii=rng.random() < 0.5)}]"
    return "['" + name.replace("\\", "\\\\").replace("'", "\\'") + "']"


def path(rng, value):
    text = "$"
    for step in steps(rng, value):
        text += written(rng, step) if isinstance(step, str) else f"[{step}]"
    return text


BAD_PATHS = [
    "",
    "a",
    "$.",
    "$[",
    "$[01]",
    "$[-0]",
    "$ ",
    "$.a ",
    "$['a",
    "$['\\x']",
    f"$[{2**53}]",
    "$.1",
    "$..",
    "\ud800",
]


def pointer(rng, value):
    """A JSON Pointer, sometimes with what is no index."""
    parts = [str(rng.choice([step, step, step, "-", "01", "x"]) if isinstance(step, int) else step)
             for step in steps(rng, value, 4)]  # fmt: skip
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


def operation(rng, value):
    kind = rng.choice(["add", "add", "remove", "replace", "move", "copy", "test"])
    made = {"op": kind, "path": pointer(rng, value)}
    if kind in ("move", "copy"):
        made["from"] = pointer(rng, value)
    elif kind != "remove":
        made["value"] = document(rng, 2)
        if kind == "test" and rng.random() < 0.7:
            made["value"] = value
            made["path"] = ""
    return made


def merge_patch(rng, value, depth=0):
    if not isinstance(value, dict) or rng.random() < 0.1:
        return document(rng, 3)
    patch = {}
    for name in rng.sample(list(value), min(len(value), rng.randrange(4))):
        patch[name] = None if rng.random() < 0.3 else merge_patch(rng, value[name], depth + 1)
    for name in rng.sample(NAMES, rng.choice([0, 1, 2, 20])):
        patch.setdefault(name, None if rng.random() < 0.3 else document(rng, 2))
    return dict(rng.sample(list(patch.items()), len(patch)))


def change(rng, key, value):
    """A call that changes document `key`, whose value is `value`: (name, arguments)."""
    kind = rng.random()
    if kind < 0.08:
        return "json_set", (key, "$", document(rng))
    if kind < 0.45:
        return "json_set", (key, path(rng, value), document(rng, rng.choice([2, 3, 9])))
    if kind < 0.6:
        return "json_delete", (key, path(rng, value))
    if kind < 0.75:
        where = rng.choice(["$", "$", path(rng, value)])
        return "json_merge", (key, merge_patch(rng, value), where)
    if kind < 0.95:
        return "json_patch", (key, [operation(rng, value) for _ in range(rng.randrange(4))])
    entries = [(key, path(rng, value), scalar(rng)) for _ in range(rng.randrange(1, 4))]
    return "json_batch_set", (entries,)
