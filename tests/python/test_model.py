"""Random calls on the engine and on the executable model of the API: the same answers.

The model is found by the environment variable STRATA_MODEL or in `../shared/model` beside the project.
"""

import random

import pytest
from conftest import SEED
from model_pair import finish, open_pair, step
from support import scaled


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["memory", "buffered", "strict"])
def test_the_same_calls_give_the_same_answers(strata_model, tmp_path, count, durability):
    for n in range(scaled({"memory": 60, "buffered": 28, "strict": 6}[durability])):
        seed = f"{SEED}:{durability}:{n}"
        print("seed", seed)
        rng = random.Random(seed)
        pair = open_pair(strata_model, tmp_path / str(n), durability)
        while pair.calls < 450:
            step(pair, rng)
        finish(pair)
        pair.close()
        count("calls beside the model", pair.calls)
