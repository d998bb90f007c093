"""The error of an argument, and that the page tells it as the code does."""

from __future__ import annotations

from pathlib import Path

from tests.prover.sumcheck.test_operations import NAMES, circuit_called
from tests.prover.sumcheck.trials import SMALL, TABLED
from verifier.powers_of_tau import MAX_K
from verifier.sumcheck.plan import make_plan
from verifier.sumcheck.soundness import Step, steps, total
from verifier.sumcheck.structure import structure_of

PAGE = Path(__file__).parents[3] / "docs" / "protocol.md"


def test_every_circuit_is_sound_far_beyond_the_curve() -> None:
    for name in NAMES:
        for options in (SMALL, TABLED):
            plan = make_plan(structure_of(circuit_called(name)), options, 3)
            assert total(steps(plan, 1 << MAX_K)).bits > 220, name


def test_the_page_has_every_step() -> None:
    plan = make_plan(structure_of(circuit_called("attention")), SMALL, 1)
    page = PAGE.read_text()
    for step in steps(plan, 1 << MAX_K):
        assert f"| {step.name} | 2^-" in page


def test_steps_add_up() -> None:
    one, two = Step("one", 1), Step("two", 3)
    assert total([one, two]).numerator == 4
    assert abs(one.bits - 2 - total([one, two]).bits) < 1e-9
    assert 253 < one.bits < 254


def test_the_largest_tree_that_the_page_names() -> None:
    assert 207 <= Step("alpha", 2 << 45).bits < 208
