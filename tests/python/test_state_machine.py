"""The engine beside the executable model, driven by Hypothesis: a failure is cut down to the calls that make it."""

import pathlib
import tempfile

import pytest
from conftest import SEED
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from model_families import FAMILIES
from model_pair import branches, finish, maintain, merges, open_pair, spaces, step, transaction
from support import scaled

DRAWN = st.randoms(use_true_random=False)  # what is drawn from it is shrunk


def machine(strata_model, count):
    @seed(SEED)
    class Machine(RuleBasedStateMachine):
        """Three sessions of each side, every rule an action of one of them."""

        @initialize(durability=st.sampled_from(["memory", "buffered"]))
        def begin(self, durability):
            self.folder = tempfile.TemporaryDirectory()
            self.pair = open_pair(strata_model, pathlib.Path(self.folder.name) / "db", durability)

        @rule(family=st.sampled_from(FAMILIES), rng=DRAWN)
        def read(self, family, rng):
            step(self.pair, rng, family.read)

        @rule(family=st.sampled_from(FAMILIES), rng=DRAWN)
        def write(self, family, rng):
            step(self.pair, rng, family.write)

        @rule(rng=DRAWN)
        def work_on_branches(self, rng):
            step(self.pair, rng, branches)

        @rule(rng=DRAWN)
        def diff_or_merge(self, rng):
            step(self.pair, rng, merges)

        @rule(rng=DRAWN)
        def work_on_spaces(self, rng):
            step(self.pair, rng, spaces)

        @rule(rng=DRAWN)
        def begin_or_end(self, rng):
            step(self.pair, rng, transaction)

        @rule(rng=DRAWN)
        def reopen_or_compact(self, rng):
            step(self.pair, rng, maintain)

        @invariant()
        def sessions_stand_alike(self):
            if hasattr(self, "pair"):
                for engine, model in self.pair.handles:
                    for call in ("in_transaction", "current_branch", "current_space", "branch_list"):
                        assert getattr(engine, call)() == getattr(model, call)()

        def teardown(self):
            if not hasattr(self, "pair"):
                return
            try:
                if not self.pair.differs:
                    finish(self.pair)
            finally:
                self.pair.close()
                self.folder.cleanup()
                count("calls of the state machine", self.pair.calls)

    return Machine


@pytest.mark.slow
def test_the_state_machine(strata_model, count):
    run_state_machine_as_test(
        machine(strata_model, count),
        settings=settings(
            max_examples=scaled(60),
            stateful_step_count=60,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
