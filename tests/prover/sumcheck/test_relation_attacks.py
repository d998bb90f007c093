"""Attacks on the relations of operations, each by its name: a cheat with the best witness it can make.

Each states what the cheat claims; the rest follows by computation. All are told of the one circuit in which
they could do the most harm, and none is a proof.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from circuits.builder import CircuitBuilder
from circuits.circuit import Port
from tests.prover.circuits_to_prove import Build, binary, rescale, unary
from tests.prover.sumcheck.cheating import CheatingWitness, violated
from tests.prover.sumcheck.forging import Forger
from tests.prover.sumcheck.trials import SMALL, TABLED, Trial, set_up
from verifier.bn254 import SCALAR_FIELD
from verifier.sumcheck.plan import Options
from verifier.sumcheck.system import Advice


def trial_of(build_one: Build, *inputs: Any, options: Options = SMALL) -> Trial:
    """A trial of a circuit on one sample."""
    builder = CircuitBuilder()
    outputs = build_one(builder, np.random.default_rng(1))
    circuit = builder.build([Port(f"y{i}", node, 1.0, "int") for i, node in enumerate(outputs)], {})
    return set_up(circuit, [np.array([x]) for x in inputs], options)


def advice(trial: Trial, role: str, number: int = 0) -> int:
    """The tensor that holds a role, by its number among those that do."""
    tensors = trial.plan.system.committed().items()
    return [i for i, t in tensors if isinstance(t, Advice) and t.role[0] == role][number]


def assert_refused(
    trial: Trial, changed: Mapping[int, Any], outputs: Sequence[Any] | None = None, honest: bool = False
) -> None:
    """Check that a cheat with these cells fails.

    Parameters
    ----------
    outputs
        What the cells make the outputs, to be sure that the attack is what its name says.
    honest
        Whether advice that is not given stays as it was.
    """
    shaped = {i: np.array(v, dtype=object).reshape(trial.plan.system.shape(i)) for i, v in changed.items()}
    witness = CheatingWitness(trial, shaped, consistent=not honest)
    if outputs is not None:
        assert [y.reshape(-1).tolist() for y in witness.outputs] == [list(y) for y in outputs]
    assert violated(witness)
    forger = Forger(trial, witness)
    assert not trial.checked(forger.prove(), forger.instance)


class TestRescale:
    """x * mul + half = 2^shift * q + r, y = clamp(q)."""

    def test_a_quotient_too_small_by_one(self) -> None:
        """r = 2^shift."""
        trial = trial_of(rescale((0, 100), 1, 3, None, None), [40] * 20)
        assert_refused(trial, {advice(trial, "node"): [4] + [5] * 19}, [[4] + [5] * 19])

    def test_a_quotient_too_large_by_one(self) -> None:
        """r = -1, or as little as it can be."""
        trial = trial_of(rescale((0, 100), 1, 3, None, None), [43] * 20)
        assert_refused(trial, {advice(trial, "node"): [6] + [5] * 19}, [[6] + [5] * 19])

    @pytest.mark.parametrize("remainder", [0, 1, 7])
    def test_a_quotient_that_is_a_fraction_of_the_field(self, remainder: int) -> None:
        """(x + half - r) / 2^shift in the field has the remainder r."""
        trial = trial_of(rescale((0, 100), 1, 3, None, None), [41] * 20)
        quotient = (41 + 4 - remainder) * pow(8, -1, SCALAR_FIELD) % SCALAR_FIELD
        if quotient == 5:
            quotient = (41 + 4 - 6) * pow(8, -1, SCALAR_FIELD) % SCALAR_FIELD
        assert_refused(trial, {advice(trial, "node"): [quotient] + [5] * 19})

    @pytest.mark.parametrize("options", [SMALL, TABLED])
    @pytest.mark.parametrize(("limit", "claimed"), [(7, 8), (7, 6), (-7, -8), (-7, -6), (7, -7)])
    def test_a_clamp_off_by_one(self, limit: int, claimed: int, options: Options) -> None:
        """The excess takes the difference."""
        trial = trial_of(rescale((-100, 100), 1, 1, -7, 7), [40 if limit > 0 else -40] * 20, options=options)
        changed = {advice(trial, "node"): [claimed] + [limit] * 19}
        if options == SMALL:
            high, low = (20 - claimed, 0) if limit > 0 else (0, claimed + 20)
            changed[advice(trial, "excess_high")] = [high] + [13 if limit > 0 else 0] * 19
            changed[advice(trial, "excess_low")] = [low] + [0 if limit > 0 else 13] * 19
        assert_refused(trial, changed, [[claimed] + [limit] * 19])

    def test_an_excess_on_both_sides(self) -> None:
        """q = y + e_hi - e_lo holds for more than one pair."""
        trial = trial_of(rescale((-100, 100), 1, 1, -7, 7), [6] * 20)
        both = {advice(trial, name): [1] + [0] * 19 for name in ("excess_high", "excess_low")}
        assert_refused(trial, both, [[3] * 20])

    def test_an_excess_where_nothing_exceeds(self) -> None:
        trial = trial_of(rescale((-100, 100), 1, 1, None, 7), [6] * 20)
        changed = {advice(trial, "node"): [-5] + [3] * 19, advice(trial, "excess_high"): [8] + [0] * 19}
        assert_refused(trial, changed, [[-5] + [3] * 19])

    def test_a_negative_excess(self) -> None:
        """y above the limit, with e_hi < 0 to bring it back."""
        trial = trial_of(rescale((-100, 100), 1, 1, None, 7), [14] * 20)
        changed = {advice(trial, "node"): [8] + [7] * 19, advice(trial, "excess_high"): [-1] + [0] * 19}
        assert_refused(trial, changed, [[8] + [7] * 19])

    def test_complementary_products_that_cancel(self) -> None:
        """e_hi * (hi - y) + e_lo * (y - lo) = 0 with y outside of [lo, hi]."""
        trial = trial_of(rescale((-100, 100), 1, 1, -7, 7), [16] * 20)
        # y = 21: e_hi * -14 + e_lo * 28 = 0 with e_hi = 2 e_lo, and y + e_hi - e_lo = 8
        changed = {
            advice(trial, "node"): [21] + [7] * 19,
            advice(trial, "excess_high"): [-26] + [1] * 19,
            advice(trial, "excess_low"): [-13] + [0] * 19,
        }
        assert_refused(trial, changed, [[21] + [7] * 19])

    def test_a_pair_of_two_rows_of_a_clamp(self) -> None:
        """The quotient of one row, the clamped number of another."""
        trial = trial_of(rescale((-100, 100), 1, 1, -7, 7), [6] * 20, options=TABLED)
        assert_refused(trial, {advice(trial, "node"): [4] + [3] * 19}, [[4] + [3] * 19])
        assert_refused(trial, {advice(trial, "quotient"): [4] + [3] * 19}, [[3] * 20])

    def test_limbs_that_lend_to_each_other(self) -> None:
        """A limb less by one, so that the one beneath, which is virtual, holds 2^limb_bits more."""
        trial = trial_of(rescale((0, 100000), 1, 12, None, None), [40000] * 20)
        limbs = trial.witness.value(advice(trial, "limb")).reshape(-1).tolist()
        assert_refused(trial, {advice(trial, "limb"): [limbs[0] - 1, *limbs[1:]]}, [[10] * 20])


class TestTable:
    """(x, y) is a row."""

    def test_a_value_of_another_row(self) -> None:
        trial = self.trial([3, 0])
        assert_refused(trial, {advice(trial, "node"): [12, 10]}, [[12, 10]])

    @pytest.mark.parametrize("claimed", [0, 1, SCALAR_FIELD - 1])
    def test_a_value_of_no_row(self, claimed: int) -> None:
        """Zero above all: what pads a table is no row of it."""
        trial = self.trial([3, 0])
        assert_refused(trial, {advice(trial, "node"): [claimed, 10]})

    def test_a_value_of_another_table(self) -> None:
        """(1, 11) is a row of the other table, and has another number there."""

        def build(b: CircuitBuilder, rng: np.random.Generator) -> list[int]:
            x = b.input("x", (2,), 0, 4, 1.0, "int")
            tables = [b.constant(values) for values in ([10, 11, 12, 13, 14], [20, 21, 22, 23, 24])]
            return [b.add("table", [x, t], lo=0) for t in tables]

        trial = trial_of(build, [1, 1])
        assert_refused(trial, {advice(trial, "node", 1): [11, 21]}, [[11, 11], [11, 21]])

    def trial(self, x: list[int]) -> Trial:
        def build(b: CircuitBuilder, rng: np.random.Generator) -> list[int]:
            table = b.constant([10, 11, 12, 13, 14])
            return [b.add("table", [b.input("x", (2,), 0, 4, 1.0, "int"), table], lo=0)]

        return trial_of(build, x)


class TestFloorDivide:
    """x = d * q + r, 0 <= r < d."""

    @pytest.mark.parametrize("claimed", [2, 4, 0, -3])
    def test_a_quotient_off(self, claimed: int) -> None:
        trial = trial_of(binary("floor_divide", (2,), (2,), (-50, 70), (1, 9)), [27, 24], [8, 8])
        assert_refused(trial, {advice(trial, "node"): [claimed, 3]}, [[claimed, 3]])

    @pytest.mark.parametrize("remainder", [0, 1, 7])
    def test_a_quotient_that_is_a_fraction_of_the_field(self, remainder: int) -> None:
        trial = trial_of(binary("floor_divide", (2,), (2,), (-50, 70), (1, 9)), [27, 24], [8, 8])
        quotient = (27 - remainder) * pow(8, -1, SCALAR_FIELD) % SCALAR_FIELD
        assert_refused(trial, {advice(trial, "node"): [quotient, 3]})

    def test_a_remainder_equal_to_the_divisor(self) -> None:
        trial = trial_of(binary("floor_divide", (2,), (2,), (-50, 70), (1, 9)), [24, 24], [8, 8])
        assert_refused(trial, {advice(trial, "node"): [2, 3]}, [[2, 3]])


class TestMaximum:
    """m is at least each candidate, and equal to one of them."""

    @pytest.mark.parametrize("claimed", [6, 4, 3, 100])
    def test_a_maximum_not_attained_or_exceeded(self, claimed: int) -> None:
        trial = trial_of(binary("max", (2,), (2,)), [5, 1], [3, 1])
        assert_refused(trial, {advice(trial, "maximum"): [claimed, 1]}, [[claimed, 1]])

    def test_a_pool_that_takes_its_padding_for_a_maximum(self) -> None:
        """Outside of the input nothing counts: zero above an input that is all negative."""
        window = {"kernel": [2], "strides": [1], "pads_before": [1], "pads_after": [0], "dilations": [1]}
        trial = trial_of(unary("max_pool", (1, 3, 1), (-9, 9), **window), [[[-5], [-4], [-3]]])
        tensor = advice(trial, "maximum")
        assert_refused(trial, {tensor: [9, 5, 6]}, [[0, -4, -3]])

    def test_a_choice_of_two_halves(self) -> None:
        """m = (x_0 + x_1) / 2 with halves of the field for a one-hot choice."""
        trial = trial_of(unary("reduce_max", (4,), (-9, 9), axes=[0]), [2, 8, 1, 0])
        half = pow(2, -1, SCALAR_FIELD)
        choice = {advice(trial, "one_hot"): [half, half, 0, 0], advice(trial, "node"): [5]}
        assert_refused(trial, choice, [[5]])

    @pytest.mark.parametrize("choice", [[2, -1, 0, 0], [0, 1, 1, -1], [1, 1, 0, 0], [0, 0, 0, 0]])
    def test_a_choice_that_is_not_one_hot(self, choice: list[int]) -> None:
        x = [2, 8, 1, 0]
        best = sum(a * b for a, b in zip(choice, x, strict=True))
        trial = trial_of(unary("reduce_max", (4,), (-9, 9), axes=[0]), x)
        changed = {advice(trial, "one_hot"): choice, advice(trial, "node"): [best]}
        assert_refused(trial, changed, [[best]])

    def test_a_choice_of_another_cell(self) -> None:
        trial = trial_of(unary("reduce_max", (4,), (-9, 9), axes=[0]), [2, 8, 1, 0])
        changed = {advice(trial, "one_hot"): [1, 0, 0, 0], advice(trial, "node"): [2]}
        assert_refused(trial, changed, [[2]])

    def test_another_choice_among_equals_changes_nothing(self) -> None:
        """The one freedom: which of the greatest cells is pointed at. The output is the same."""
        trial = trial_of(unary("reduce_max", (4,), (-9, 9), axes=[0]), [2, 8, 8, 0])
        hot = np.array([0, 0, 1, 0], dtype=object).reshape(1, 4)
        witness = CheatingWitness(trial, {advice(trial, "one_hot"): hot})
        forger = Forger(trial, witness)
        assert not violated(witness)
        assert forger.instance == trial.instance and trial.checked(forger.prove())


class TestGreater:
    """c is 0 or 1, and (2c - 1) * (a - b) - c >= 0."""

    @pytest.mark.parametrize(("a", "b"), [(3, 2), (2, 3), (3, 3), (-9, 9), (9, -9)])
    def test_the_other_bit(self, a: int, b: int) -> None:
        trial = trial_of(binary("greater", (2,), (2,), (-9, 9), (-9, 9)), [a, 1], [b, 0])
        assert_refused(trial, {advice(trial, "node"): [int(a <= b), 1]}, [[int(a <= b), 1]])

    @pytest.mark.parametrize("bit", [2, -1, pow(2, -1, SCALAR_FIELD)])
    def test_no_bit_at_all(self, bit: int) -> None:
        trial = trial_of(binary("greater", (2,), (2,), (-9, 9), (-9, 9)), [3, 1], [3, 0])
        assert_refused(trial, {advice(trial, "node"): [bit, 1]})


class TestOrder:
    """top_k: one-hot choices that fall, ties to the lowest index, all others after them."""

    X = (4, 7, 7, 2, 4)

    @pytest.mark.parametrize(
        ("k", "claimed"),
        [
            (1, [2]),  # the tie broken the other way
            (1, [0]),  # not the greatest
            (2, [2, 1]),  # equal values in the wrong order
            (2, [1, 1]),  # one cell twice
            (2, [1, 0]),  # an equal one left out
            (3, [1, 2, 4]),  # the last tie broken the other way
            (3, [1, 0, 2]),  # not falling
            (5, [1, 2, 4, 0, 3]),
        ],
    )
    def test_a_wrong_order(self, k: int, claimed: list[int]) -> None:
        trial = trial_of(unary("top_k", (5,), (-9, 9), axis=0, k=k), list(self.X))
        hot = np.zeros((k, 5), dtype=object)
        hot[np.arange(k), claimed] = 1
        assert_refused(trial, {advice(trial, "top_k"): hot}, [claimed])

    def test_a_wrong_word_on_which_index_is_greater(self) -> None:
        """The bit that waives the difference of one."""
        trial = trial_of(unary("top_k", (5,), (-9, 9), axis=0, k=2), list(self.X))
        hot = np.zeros((2, 5), dtype=object)
        hot[[0, 1], [2, 1]] = 1
        changed = {advice(trial, "top_k"): hot, advice(trial, "positive"): [0]}
        assert_refused(trial, changed, [[2, 1]])

    def test_an_index_between_two(self) -> None:
        """Halves of cells 0 and 2 claim the index 1."""
        half = pow(2, -1, SCALAR_FIELD)
        trial = trial_of(unary("top_k", (3,), (-9, 9), axis=0, k=1), [4, 4, 4])
        assert_refused(trial, {advice(trial, "top_k"): [half, 0, half]}, [[1]])


class TestGather:
    """A one-hot choice that names the index."""

    HALF = pow(2, -1, SCALAR_FIELD)

    @pytest.mark.parametrize("hot", [[0, 1, 0], [1, 1, -1], [HALF, 0, HALF]])
    def test_a_choice_of_another_row(self, hot: list[int]) -> None:
        """The last two name the index 1 by their sums, without being one-hot."""

        def build(b: CircuitBuilder, rng: np.random.Generator) -> list[int]:
            i = b.input("i", (1,), 0, 1, 1.0, "int")
            index = b.add("add", [b.add("mul", [i, i]), i])
            return [b.add("gather", [b.input("x", (3,), -9, 9, 1.0, "int"), index], axis=0)]

        trial = trial_of(build, [1] if hot == [0, 1, 0] else [0], [5, -3, 8])
        assert_refused(trial, {advice(trial, "index_one_hot"): hot})


class TestCopies:
    """Products that are factors again are committed."""

    def test_a_copy_that_is_not_the_product(self) -> None:
        def build(b: CircuitBuilder, rng: np.random.Generator) -> list[int]:
            x = b.input("x", (3,), -9, 9, 1.0, "int")
            square = b.add("mul", [x, x])
            return [b.add("mul", [square, square])]

        trial = trial_of(build, [2, 3, 4])
        assert_refused(trial, {advice(trial, "copy"): [4, 9, 17]}, [[16, 81, 289]])
        assert_refused(trial, {advice(trial, "copy"): [4, 9, -16]}, [[16, 81, 256]])

    def test_a_copy_of_a_product_whose_weights_do_not_factor(self) -> None:
        def build(b: CircuitBuilder, rng: np.random.Generator) -> list[int]:
            x, y = b.input("x", (3, 1), -9, 9, 1.0, "int"), b.input("y", (1, 3), -9, 9, 1.0, "int")
            return [b.add("reshape", [b.add("mul", [x, y])], shape=[9])]

        trial = trial_of(build, [[1], [2], [3]], [[1, 2, 3]])
        true = [1, 2, 3, 2, 4, 6, 3, 6, 9]
        assert_refused(trial, {advice(trial, "copy"): [*true[:-1], 8]}, [[*true[:-1], 8]])
