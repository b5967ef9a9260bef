"""Random writes on branches, forks, merges and in transactions: search by meaning beside all texts compared."""

import contextlib
import hashlib
import math
import random

import pytest
from conftest import SEED
from stratadb import ConflictError, Strata
from support import scaled

pytestmark = pytest.mark.engine

TEXTS = [f"text {n}" for n in range(12)]
NAMES = [f"n{n}" for n in range(6)]
SPACES = ["default", "other"]


def vector(text):
    """Another one for each text, so that no wrong one goes unnoticed."""
    digest = hashlib.sha256(text.encode()).digest()
    return [byte - 127.5 for byte in digest[:8]]


def embed(texts):
    return [vector(text) for text in texts]


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.dist(a, [0] * 8) / math.dist(b, [0] * 8)


def expected(db, query, spaces, as_of):
    """{(space, primitive, entity): score} of all that a reader sees."""
    found, before = {}, db.current_space()
    for space in spaces:
        db.space_use(space)
        texts = {("kv", key): db.kv_get(key, as_of=as_of) for key in db.kv_list(as_of=as_of)}
        texts |= {("state", cell): db.state_get(cell, as_of=as_of) for cell in db.state_list(as_of=as_of)}
        texts |= {("json", key): f"t: {db.json_get(key, as_of=as_of)['t']}" for key in db.json_list(as_of=as_of)}
        texts |= {("event", e["sequence"]): f"t: {e['value']['t']}" for e in db.event_list(None, as_of=as_of)}
        for (primitive, entity), text in texts.items():
            if isinstance(text, str):
                found[space, primitive, entity] = cosine(vector(query), vector(text))
    db.space_use(before)
    return found


def compare(db, rng, moments):
    query, as_of = rng.choice(TEXTS), rng.choice([None, None, None, *moments[-3:]])
    spaces = rng.choice([["default"], ["other"], SPACES])
    if not set(spaces) <= {"default", *db.space_list(as_of=as_of)}:
        return 0
    hits = db.search(query, 1000, spaces=spaces, mode="semantic", as_of=as_of)
    scores = {(hit["space"], hit["primitive"], hit["entity"]): hit["score"] for hit in hits}
    assert scores == pytest.approx(expected(db, query, spaces, as_of), abs=1e-5)
    assert list(scores.values()) == sorted(scores.values(), reverse=True)
    assert [hit["ranks"]["vector"] for hit in hits] == list(range(1, len(hits) + 1))
    few = db.search(query, 3, spaces=spaces, mode="semantic", as_of=as_of)
    assert [hit["score"] for hit in few] == [hit["score"] for hit in hits[:3]]
    return 1


def write(db, rng):
    name, text = rng.choice(NAMES), rng.choice(TEXTS)
    kind = rng.randrange(8)
    if kind < 2:
        db.kv_put(name, rng.choice([text, text, 5]))
    elif kind == 2:
        db.state_set(name, text)
    elif kind == 3:
        db.json_set(name, "$", {"t": text, "n": rng.random()})
    elif kind == 4:
        db.event_append("e", {"t": text})
    elif kind == 5:
        db.kv_delete(name)
    elif kind == 6:
        db.json_delete(name, "$")
    else:
        db.state_delete(name)


def act(db, rng, moments):
    """One step that is no search."""
    kind = rng.random()
    if kind < 0.6:
        db.space_use(rng.choice(SPACES))
        write(db, rng)
    elif kind < 0.75:
        db.begin()
        for _ in range(rng.randrange(1, 5)):
            db.space_use(rng.choice(SPACES))
            write(db, rng)
            compare(db, rng, [])
        if rng.random() < 0.5:
            db.rollback()
        else:
            with contextlib.suppress(ConflictError):
                db.commit()
    elif kind < 0.83:
        moments.clear()  # which another branch may not have
        db.branch_use(rng.choice(db.branch_list()))
    elif kind < 0.9 and len(db.branch_list()) < 6:
        db.branch_fork(db.current_branch(), f"b{rng.randrange(10**9)}")
    elif kind < 0.97:
        db.branch_merge(rng.choice(db.branch_list()), rng.choice(db.branch_list()), "source")
    elif moments:
        db.branch_revert(db.current_branch(), to=rng.choice(moments))
    moments.append(db.info()["commit_timestamp"])


@pytest.mark.parametrize("durability", ["memory", "buffered"])
def test_by_meaning_as_every_text_says(tmp_path, count, durability):
    compared = 0
    for n in range(scaled(6)):
        rng = random.Random(f"{SEED}:{durability}:{n}")
        memory = durability == "memory"
        db = Strata.cache(embedder=embed) if memory else Strata.open(tmp_path / str(n), embedder=embed)
        moments = []
        for _ in range(120):
            try:
                act(db, rng, moments)
            except ValueError as error:  # a branch into itself
                assert error.code == "merge_into_itself"
            compared += compare(db, rng, moments)
            if not memory and rng.random() < 0.04:
                branch = db.current_branch()
                db.close()
                db = Strata.open(tmp_path / str(n), embedder=embed)
                db.branch_use(branch)
        db.close()
    count("searches by meaning compared", compared)
    assert compared > scaled(6) * 60
