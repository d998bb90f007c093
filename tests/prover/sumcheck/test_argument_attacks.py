"""Attacks on the argument, each by its name: commitments, multiplicities, fractions, claims, statements."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from prover.sumcheck.commitments import commit
from tests.prover.circuits_to_prove import build
from tests.prover.sumcheck.cheating import CheatingWitness, violated
from tests.prover.sumcheck.forging import Forger
from tests.prover.sumcheck.trials import Trial, random_inputs, samples, set_up, statement
from verifier.bn254 import G1_GENERATOR, SCALAR_FIELD, decode_g1, encode_g1
from verifier.msm import multi_scalar_multiply
from verifier.sumcheck.argument import Instance
from verifier.sumcheck.layout import Layout
from verifier.sumcheck.multilinear import bits_of

NAMES = ["a layer", "rescale with a clamp", "max_pool behind a rescale", "top_k", "table", "floor_divide"]


@pytest.fixture(params=NAMES, scope="module")
def trial(request: pytest.FixtureRequest) -> Trial:
    """Circuits that between them have everything: parameters, several chunks, small slots, all tables."""
    circuit = build(request.param)
    return set_up(circuit, random_inputs(circuit, samples(), seed=4))


def attack(trial: Trial, instance: Instance | None = None, witness: Any = None, **steps: Any) -> bool:
    """Whether a forger with other steps succeeds."""
    forger = Forger(trial, witness, instance)
    for name, step in steps.items():
        assert hasattr(forger, name)
        setattr(forger, name, step)
    return trial.checked(forger.prove(), forger.instance)


def true_cells(layout: Layout, polynomial: int) -> Any:
    """Which cells of a polynomial are true cells of a tensor, and not padding."""
    made = np.zeros(1 << layout.polynomials[polynomial].bits, dtype=bool)
    for slot in layout.polynomials[polynomial].slots:
        padded = made[slot.offset : slot.offset + (1 << slot.bits)].reshape(
            [1 << bits_of(n) for n in slot.shape]
        )
        padded[tuple(slice(0, n) for n in slot.shape)] = True
    return made


def committed_cells(layout: Layout, polynomial: int) -> Any:
    """Which cells of a polynomial stand in a chunk that is committed."""
    chunks = layout.polynomials[polynomial].chunks
    size = (1 << layout.polynomials[polynomial].bits) // len(chunks)
    return np.repeat([number is not None for number in chunks], size)


def replaced(cells: list[Any], polynomial: int, place: int, value: int) -> list[Any]:
    """The polynomials' cells with one of them changed."""
    made = [np.array(c, dtype=object) for c in cells]
    made[polynomial][place] = value
    return made


class TestPadding:
    """What pads a committed tensor is never read: it may hold anything, and nothing follows from it."""

    def test_padding_cells_change_nothing(self, trial: Trial) -> None:
        def fill(cells: list[Any]) -> list[Any]:
            made = []
            for i, values in enumerate(cells):
                garbage = np.array([pow(3, 100 + k, SCALAR_FIELD) for k in range(len(values))], dtype=object)
                padding = ~true_cells(trial.plan.advice, i) & committed_cells(trial.plan.advice, i)
                made.append(np.where(padding, garbage, values))
            return made

        assert attack(trial, advice=fill)

    def test_padding_does_not_make_a_false_statement_true(self, trial: Trial) -> None:
        outputs = [np.array(y) for y in trial.witness.outputs]
        outputs[0].reshape(-1)[-1] += 1

        def fill(cells: list[Any]) -> list[Any]:
            return [np.where(true_cells(trial.plan.advice, i), values, 1) for i, values in enumerate(cells)]

        assert not attack(trial, statement(trial.inputs, outputs), advice=fill)

    def test_fractions_behind_the_cap_change_nothing(self, trial: Trial) -> None:
        """The last chunk of the fractions may be longer than the capped level."""
        capped = 1 << trial.plan.tree.cap_bits
        extra = (trial.plan.fraction_chunks << trial.plan.options.chunk_bits) - capped
        if extra <= 0:
            pytest.skip("the capped level fills the chunks")
        gap = capped - trial.plan.tree.cap_nodes
        assert attack(trial, fractions=lambda h, total: [*h, *[0] * gap, *range(5, 5 + extra)])

    def test_fractions_of_nodes_that_are_missing(self, trial: Trial) -> None:
        """Nodes without leaves are within the capped level, and are 0/1."""
        if trial.plan.tree.cap_nodes == 1 << trial.plan.tree.cap_bits:
            pytest.skip("no node is missing")
        assert not attack(trial, fractions=lambda h, total: [*h, 1])
        assert not attack(trial, fractions=lambda h, total: [(h[0] - 5) % SCALAR_FIELD, *h[1:], 5])


class TestCommitments:
    """What is opened is what was committed, cell for cell and chunk for chunk."""

    @pytest.mark.parametrize("opened", [False, True])
    def test_a_cell_committed_otherwise(self, trial: Trial, opened: bool) -> None:
        """Committed wrong and opened right, or the other way around."""
        true = true_cells(trial.plan.advice, 0)
        place = int(np.flatnonzero(true)[-1])

        def change(cells: list[Any]) -> list[Any]:
            return replaced(cells, 0, place, int(cells[0][place]) + 1)

        def back(cells: list[Any]) -> list[Any]:
            return replaced(cells, 0, place, int(cells[0][place]) - 1)

        assert not attack(
            trial, **({"advice": change, "opened_advice": back} if opened else {"advice": change})
        )

    def test_chunks_exchanged(self, trial: Trial) -> None:
        def exchange(points: bytes) -> bytes:
            every = [points[i : i + 64] for i in range(0, len(points), 64)]
            other = next(i for i, point in enumerate(every) if point != every[0])
            every[0], every[other] = every[other], every[0]
            return b"".join(every)

        assert not attack(trial, advice_points=exchange)

    def test_slots_exchanged(self, trial: Trial) -> None:
        """Two tensors of one chunk in each other's place."""
        for i, polynomial in enumerate(trial.plan.advice.polynomials):
            for first in polynomial.slots:
                for second in polynomial.slots:
                    if first.bits == second.bits and first.offset < second.offset:
                        a, b = (slice(s.offset, s.offset + (1 << s.bits)) for s in (first, second))

                        def exchange(cells: list[Any], i: int = i, a: slice = a, b: slice = b) -> list[Any]:
                            made = [np.array(c, dtype=object) for c in cells]
                            made[i][a], made[i][b] = cells[i][b], cells[i][a]
                            return made

                        forger = Forger(trial)
                        cells = exchange(Forger(trial).advice(_cells(trial)))
                        if any((x != y).any() for x, y in zip(cells, _cells(trial), strict=True)):
                            forger.advice = exchange  # type: ignore[method-assign]
                            assert not trial.checked(forger.prove(), forger.instance)
                            return
        pytest.skip("no two tensors share a chunk")

    def test_a_commitment_to_infinity(self, trial: Trial) -> None:
        """Nothing committed at all."""
        assert not attack(trial, advice_points=lambda points: bytes(len(points)))

    def test_a_commitment_moved_by_a_point(self, trial: Trial) -> None:
        """C + [1]_1: a constant more in the first cell."""

        def move(points: bytes) -> bytes:
            first = None if points[:64] == bytes(64) else decode_g1(points[:64])
            moved = multi_scalar_multiply([1, 1], [first, G1_GENERATOR])
            return (bytes(64) if moved is None else encode_g1(moved)) + points[64:]

        assert not attack(trial, advice_points=move)


def _cells(trial: Trial) -> list[Any]:
    return commit(trial.device, trial.plan.advice, trial.plan.options.chunk_bits, trial.witness.value)[1]


class TestWeights:
    """Another model under the same key."""

    @pytest.mark.parametrize("name", ["a layer", "table"])
    @pytest.mark.parametrize("opened", ["the key's", "the cheat's"])
    def test_weights_exchanged(self, name: str, opened: str) -> None:
        circuit = build(name)
        inputs = [x // 20 for x in random_inputs(circuit, samples(), seed=4)]
        trial = set_up(circuit, inputs)
        for node, values in circuit.constants.items():
            if values.size == 1:
                continue
            for other in np.flatnonzero(values.reshape(-1) != values.reshape(-1)[0]):
                swapped = np.array(values)
                swapped.reshape(-1)[[0, other]] = swapped.reshape(-1)[[other, 0]]
                witness = CheatingWitness(trial, parameters={node: swapped})
                if not violated(witness):
                    break
            else:
                pytest.fail("no exchange leaves all values within their bounds")
            # now the statement is true, of another model
            forger = Forger(trial, witness)
            if opened == "the cheat's":
                cells = _parameter_cells(trial, witness)
                forger.parameters = lambda cells=cells: cells  # type: ignore[method-assign]
            assert not trial.checked(forger.prove(), forger.instance)

    def test_chunks_of_the_key_exchanged(self) -> None:
        """A proof does not verify under a key whose commitments stand in another order."""
        circuit = build("table")
        trial = set_up(circuit, random_inputs(circuit, samples(), seed=4))
        proof = trial.prove()
        assert trial.checked(proof)
        assert not trial.checked(proof, parameters=trial.parameters[::-1])


def _parameter_cells(trial: Trial, witness: CheatingWitness) -> list[Any]:
    return commit(trial.device, trial.plan.parameters, trial.plan.options.chunk_bits, witness.value)[1]


class TestLookups:
    """Multiplicities, the cap, and the leaves."""

    def test_a_multiplicity_committed_otherwise(self, trial: Trial) -> None:
        """One more of a row, in commitment and leaves; in the commitment only; in the leaves only."""
        system = trial.plan.system
        for table, tensor in enumerate(system.multiplicities):
            counts = np.array(trial.witness.value(tensor)).astype(object)
            counts[0] += 1
            assert not attack(trial, witness=CheatingWitness(trial, {tensor: counts}, consistent=False))

            def honest(number: int, cells: list[int], table: int = table) -> list[int]:
                return [cells[0] - 1, *cells[1:]] if number == table else cells

            witness = CheatingWitness(trial, {tensor: counts}, consistent=False)
            assert not attack(trial, witness=witness, multiplicities=honest)

            def more(number: int, cells: list[int], table: int = table) -> list[int]:
                return [cells[0] + 1, *cells[1:]] if number == table else cells

            assert not attack(trial, multiplicities=more)

    def test_multiplicities_moved_between_tables(self, trial: Trial) -> None:
        """Row 1 of one table counted for row 1 of another: fingerprints tell tables apart."""
        system = trial.plan.system
        if len(system.multiplicities) < 2:
            pytest.skip("it has one table")
        first, second = system.multiplicities[:2]
        one, two = (np.array(trial.witness.value(t)).astype(object) for t in (first, second))
        one[1], two[1] = one[1] + 1, two[1] - 1
        witness = CheatingWitness(trial, {first: one, second: two}, consistent=False)
        assert not attack(trial, witness=witness)

    def test_fractions_with_the_right_sum(self, trial: Trial) -> None:
        """A multiplicity is wrong, and the capped fractions are moved so that their sum is right."""
        tensor = trial.plan.system.multiplicities[0]
        counts = np.array(trial.witness.value(tensor)).astype(object)
        counts[0] += 1

        def move(fractions: list[int], total: int) -> list[int]:
            return [(fractions[0] + total - sum(fractions)) % SCALAR_FIELD, *fractions[1:]]

        witness = CheatingWitness(trial, {tensor: counts}, consistent=False)
        assert not attack(trial, witness=witness, fractions=move)

    def test_fractions_moved_among_nodes(self, trial: Trial) -> None:
        """The right sum of wrong fractions, of true lookups."""
        if trial.plan.tree.cap_nodes < 2:
            pytest.skip("it has one node")

        def move(fractions: list[int], total: int) -> list[int]:
            return [(fractions[0] + 1) % SCALAR_FIELD, (fractions[1] - 1) % SCALAR_FIELD, *fractions[2:]]

        assert not attack(trial, fractions=move)


class TestClaims:
    """Claims that pass one step, and must not pass the next."""

    @pytest.mark.parametrize("by", [1, SCALAR_FIELD - 1, 12345])
    def test_a_committed_part_moved(self, trial: Trial, by: int) -> None:
        assert not attack(trial, committed_part=lambda value: (value + by) % SCALAR_FIELD)

    def test_a_committed_part_that_takes_what_products_lack(self, trial: Trial) -> None:
        """A false output: the total is right if the committed part takes the difference."""
        outputs = [np.array(y) for y in trial.witness.outputs]
        outputs[0].reshape(-1)[0] -= 1
        assert not attack(trial, statement(trial.inputs, outputs))

    def test_factors_whose_product_is_right(self, trial: Trial) -> None:
        """(2 left) * (right / 2) passes the products' sumcheck."""
        half = pow(2, -1, SCALAR_FIELD)
        found = False

        def scale(values: list[tuple[int, int]]) -> list[tuple[int, int]]:
            nonlocal found
            found = any(left and right for left, right in values)
            return [(2 * left % SCALAR_FIELD, right * half % SCALAR_FIELD) for left, right in values]

        accepted = attack(trial, factors=scale)
        if not found:
            pytest.skip("it has no products")
        assert not accepted

    def test_factors_exchanged(self, trial: Trial) -> None:
        found = False

        def exchange(values: list[tuple[int, int]]) -> list[tuple[int, int]]:
            nonlocal found
            found = any(left != right for left, right in values)
            return [(right, left) for left, right in values]

        accepted = attack(trial, factors=exchange)
        if not found:
            pytest.skip("it has no products")
        assert not accepted
