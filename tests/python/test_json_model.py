"""Changes of large documents beside the executable model of the API: the same answers, the same documents."""

import random

import json_random
import pytest
import stratadb
from conftest import SEED
from model_pair import Pair
from support import scaled


@pytest.mark.parametrize("round_", range(3))
def test_changes_of_documents(strata_model, count, round_):
    seed = f"{SEED}:documents:{round_}"
    print("seed", seed)
    rng = random.Random(seed)
    with stratadb.Strata.cache() as db:
        pair = Pair(db.session, strata_model.Strata)
        handles = pair.handles[0]
        for _ in range(scaled(150)):
            name, args = json_random.change(rng, "d", handles[1].json_get("d"))
            pair.check(handles, name, *args)
            pair.check(handles, "json_get", "d")
            pair.check(handles, "json_get", "d", json_random.path(rng, handles[1].json_get("d")))
        pair.check(handles, "json_get", "d", rng.choice(json_random.BAD_PATHS))
        pair.check(handles, "json_history", "d")
        pair.close()
        count("calls on documents beside the model", pair.calls)
