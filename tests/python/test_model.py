"""The engine beside the executable model of the API: the same random calls, the same answers.

The model is found by the environment variable STRATA_MODEL or in `../shared/model` beside the project. Timestamps
differ between the two, so each commit's pair of them is remembered: where one answers a time, the other must answer
its partner, and both must commit at the same calls.
"""

import datetime
import importlib
import os
import pathlib
import random
import sys
import time

import pytest
import stratadb
from conftest import SEED
from support import scaled

MODEL = pathlib.Path(os.environ.get("STRATA_MODEL") or pathlib.Path(__file__).parents[3] / "shared" / "model")
KEYS = ["a", "b", "ab", "k/1", "k/2", "k/10", "é", "z"]
SPACES = ["default", "s1", "s2"]
TIMES = {"timestamp", "created_at", "updated_at", "fork_timestamp", "oldest_ts", "latest_ts"}


@pytest.fixture(scope="module")
def strata_model():
    if not (MODEL / "strata_model").is_dir():
        print(f"no model at {MODEL}: set STRATA_MODEL")
        pytest.skip("the executable model is not there")
    sys.path.insert(0, str(MODEL))
    try:
        return importlib.import_module("strata_model")
    except ImportError as error:
        print(f"the model needs {error.name}")
        pytest.skip(f"the executable model needs {error.name}")
    finally:
        sys.path.remove(str(MODEL))


class Pair:
    """Sessions of both, side by side."""

    def __init__(self, open_engine, model):
        self.open_engine = open_engine
        self.root = model.cache()
        self.partners = {}  # timestamp of the engine -> those of the model that mean the same
        self.moments = []  # pairs of timestamps, oldest first
        self.latest = (0, 0)
        self.cursors = [(None, None)]
        self.calls = 0
        self.open()

    def open(self):
        first = self.open_engine()
        self.handles = [(first, self.root.session())]
        self.handles += [(first.session(), self.root.session()) for _ in range(2)]
        self.note_commit("open")

    def close(self):
        for pair in self.handles:
            for handle in pair:
                handle.close()

    # ---- time ----

    def meet(self, engine, model):
        self.partners.setdefault(engine, set()).add(model)

    def note_commit(self, what):
        """Called after every call: both have just committed, or neither."""
        stamps = tuple(handle.info()["commit_timestamp"] for handle in self.handles[0])
        moved = [stamp > before for stamp, before in zip(stamps, self.latest, strict=True)]
        assert stamps == self.latest or all(moved) or what.startswith(("branch_delete", "compact", "open")), (
            f"call {self.calls}, {what}: only one of the two committed, {self.latest} before and {stamps} after"
        )
        self.latest = stamps
        self.meet(*stamps)
        if all(moved):  # else the instant before has no partner: what is no commit may take a time in the engine
            self.moments.append(stamps)

    # ---- one call on both ----

    def same(self, engine, model, name=None):
        """Equal, timestamps as partners; `name` is the member the two stand under."""
        if name in TIMES:
            return engine is model is None or model in self.partners.get(engine, ())
        if name == "id":
            return type(engine) is str
        if name == "cursor":
            return (engine is None) == (model is None)
        if type(engine) is not type(model):
            return False
        if type(engine) is dict:
            return list(engine) == list(model) and all(self.same(engine[n], model[n], n) for n in engine)
        if type(engine) in (list, tuple):
            return len(engine) == len(model) and all(self.same(e, m) for e, m in zip(engine, model, strict=True))
        return engine == model

    def check(self, handles, name, *args, **kwargs):
        """The same call on both, with one of each where an argument is a `Twin`. Returns both answers."""
        self.calls += 1
        results = []
        for side in (0, 1):
            mine = [each.pair[side] if isinstance(each, Twin) else each for each in args]
            named = {n: each.pair[side] if isinstance(each, Twin) else each for n, each in kwargs.items()}
            try:
                results.append(("answer", getattr(handles[side], name)(*mine, **named)))
            except (RuntimeError, TypeError) as error:
                results.append((type(error).__name__, getattr(error, "code", None)))
        engine, model = results
        if name == "branch_fork" and engine[1] == "branch_exists" and model[1] == "history_trimmed":
            model = engine  # two things are wrong at once
        self.note_commit(f"{name} {args} {kwargs}\nengine {engine}\nmodel  {model}\n")
        member = "timestamp" if name == "commit" and engine[0] == "answer" else None
        assert engine[0] == model[0] and self.same(engine[1], model[1], member), (
            f"call {self.calls}: {name} {args} {kwargs}\nengine {engine}\nmodel  {model}"
        )
        return engine[1], model[1]


class Twin:
    """An argument that is not the same for both: a timestamp, a cursor."""

    def __init__(self, pair):
        self.pair = pair

    def __repr__(self):
        return f"Twin{self.pair}"


# ---- what is drawn ----


def value(rng):
    return rng.choice(
        [
            None,
            True,
            rng.randrange(10),
            rng.random(),
            "text",
            b"bytes",
            [1, [2]],
            {"b": 1, "a": {"n": rng.randrange(9)}},
            "x" * 3000,
        ]
    )


def as_of(pair, rng):
    """Mostly now; else one of the moments, or the instant before it."""
    if rng.random() < 0.6:
        return {}
    if rng.random() < 0.05:
        pair.meet(10**14, 10**14)
        return {"as_of": 10**14}
    moment = rng.choice(pair.moments)
    before = rng.random() < 0.3
    stamps = tuple(stamp - before for stamp in moment)
    pair.meet(*stamps)
    return {"as_of": Twin(stamps)}


def read(pair, rng, handles):
    prefix = rng.choice([None, "", "a", "k/", "k/1", "q"])
    past = as_of(pair, rng)
    key = rng.choice(KEYS)
    kind = rng.randrange(10)
    if kind == 0:
        pair.check(handles, "kv_get", key, default="none", **past)
    elif kind == 1:
        pair.check(handles, "kv_get_versioned", key, **past)
    elif kind == 2:
        pair.check(handles, "kv_history", key, **past)
    elif kind == 3:
        pair.check(handles, "kv_list", prefix, **past)
    elif kind == 4:
        pair.check(handles, "kv_count", prefix, **past)
    elif kind == 5:
        start, end = rng.choice([None, *KEYS]), rng.choice([None, *KEYS])
        limit, reverse = rng.choice([None, 0, 1, 2, 50]), rng.random() < 0.5
        pair.check(handles, "kv_scan", prefix, start=start, end=end, limit=limit, reverse=reverse, **past)
    elif kind == 6:
        limit, cursor = rng.choice([0, 1, 2, 3, None]), Twin(rng.choice(pair.cursors))
        engine, model = pair.check(handles, "kv_list_paginated", prefix, limit, cursor, **past)
        if isinstance(engine, dict) and engine["cursor"]:
            pair.cursors = [*pair.cursors[-20:], (engine["cursor"], model["cursor"]), (None, None)]
    elif kind == 7:
        pair.check(handles, "kv_batch_get", rng.choices(KEYS, k=rng.randrange(4)), **past)
    elif kind == 8:
        pair.check(handles, "kv_exists", key, **past)
    else:
        if not handles[1].in_transaction():  # in which an engine may read a wider range than the model
            pair.check(handles, "space_list", **past)
        pair.check(handles, "space_exists", rng.choice(SPACES), **past)


def write(pair, rng, handles):
    key = rng.choice(KEYS)
    kind = rng.random()
    if kind < 0.5:
        pair.check(handles, "kv_put", key, value(rng))
    elif kind < 0.7:
        pair.check(handles, "kv_delete", key)
    elif kind < 0.8:
        pair.check(handles, "kv_batch_put", {k: value(rng) for k in rng.sample(KEYS, rng.randrange(1, 4))})
    elif kind < 0.85:
        pair.check(handles, "kv_batch_delete", rng.choices(KEYS, k=rng.randrange(1, 4)))
    elif kind < 0.87:
        pair.check(handles, "kv_put", rng.choice(["", "a\0b", "x" * 1025, "\ud800"]), 1)
    elif kind < 0.89:
        pair.check(handles, "kv_put", key, rng.choice([2**63, {1}, ["\ud800"], {"a": {2: 1}}]))
    elif kind < 0.95:
        pair.check(handles, "space_use", rng.choice(SPACES))
    elif kind < 0.97:
        if not handles[1].in_transaction():  # where an engine may see a conflict that the model does not
            pair.check(handles, "space_create", rng.choice(SPACES))
    else:
        pair.check(handles, "space_delete", rng.choice(SPACES), force=rng.random() < 0.7)


def branches(pair, rng, handles):
    known = handles[1].branch_list()
    name = rng.choice([*known, "f0", "f1", "f2", "f3", "no such"])
    kind = rng.random()
    if kind < 0.25:
        pair.check(handles, "branch_fork", rng.choice([*known, "no such"]), name, **as_of(pair, rng))
    elif kind < 0.6:
        pair.check(handles, "branch_use", name)
    elif kind < 0.65:
        pair.check(handles, "branch_create", name)
    elif kind < 0.75:
        pair.check(handles, "branch_delete", name)
    elif kind < 0.85:
        pair.check(handles, "branch_get", name)
    elif kind < 0.9:
        pair.check(handles, "branch_exists", name)
    else:
        pair.check(
            handles, rng.choice(["branch_list", "current_branch", "current_space", "time_range", "in_transaction"])
        )


def transaction(pair, rng, handles):
    if not handles[1].in_transaction():
        options = {"isolation": rng.choice(["serializable", "serializable", "snapshot"])}
        pair.check(handles, "begin", rng.random() < 0.1, **options)
    else:
        pair.check(handles, "rollback" if rng.random() < 0.25 else "commit")


def maintain(pair, rng, handles):
    """Compaction and reopening, with no transaction open anywhere."""
    for each in pair.handles:
        if each[1].in_transaction():
            pair.check(each, "rollback")
    if rng.random() < 0.5 and pair.latest == pair.moments[-1]:  # else the two count back from different times
        keep = rng.choice([None, datetime.timedelta(0), datetime.timedelta(days=1)])
        for handle in handles:
            handle.compact(keep_history=keep)
        pair.note_commit("compact")
    elif rng.random() < 0.3:
        assert handles[0].verify()["ok"], handles[0].verify()
    else:
        pair.close()
        pair.open()


def everything(pair):
    """All branches, spaces and histories of both."""
    engine, model = pair.handles[0][0].session(), pair.handles[0][1].session()
    handles = [engine, model]
    for branch in model.branch_list():
        pair.check(handles, "branch_use", branch)
        pair.check(handles, "branch_get", branch)
        pair.check(handles, "time_range")
        for space in model.space_list():
            pair.check(handles, "space_use", space)
            pair.check(handles, "kv_scan")
            for key in KEYS:
                pair.check(handles, "kv_history", key)
    assert engine.info()["total_keys"] == model.info()["total_keys"]
    assert engine.info()["branch_count"] == model.info()["branch_count"]
    engine.close()
    model.close()


@pytest.mark.parametrize("durability", ["memory", "buffered", "strict"])
@pytest.mark.parametrize("round_", range(4))
def test_the_same_calls_give_the_same_answers(strata_model, tmp_path, durability, round_):
    seed = f"{SEED}:{durability}:{round_}"
    rng = random.Random(seed)
    count = scaled(450)
    if durability == "memory":
        kept = stratadb.Strata.cache()  # so that closing the sessions does not end it
        pair = Pair(kept.session, strata_model.Strata)
    else:
        pair = Pair(lambda: stratadb.Strata.open(tmp_path / "db", durability=durability), strata_model.Strata)
    began = time.perf_counter()
    actions = [read] * 40 + [write] * 40 + [branches] * 12 + [transaction] * 18 + [maintain]
    try:
        while pair.calls < count:
            handles = rng.choice(pair.handles)
            if handles[1].current_branch() not in handles[1].branch_list() and not handles[1].in_transaction():
                pair.check(handles, "branch_use", "default")
            rng.choice(actions)(pair, rng, handles)
        for each in pair.handles:
            if each[1].in_transaction():
                pair.check(each, "commit")
        everything(pair)
    finally:
        print(f"{pair.calls} calls, {len(pair.moments)} commits, seed {seed}, {time.perf_counter() - began:.1f} s")
    pair.close()
