"""Attacks on committed inputs: a proof is of the input whose commitment the statement names, of no other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from circuits.builder import CircuitBuilder
from circuits.circuit import Circuit, Port
from circuits.errors import BoundError, FormatError
from prover.sumcheck import merge
from prover.sumcheck.inputs import commit_inputs
from tests.prover.circuits_to_prove import build
from tests.prover.sumcheck.cheating import CheatingWitness, violated
from tests.prover.sumcheck.forging import Forger
from tests.prover.sumcheck.trials import (
    COMMITTED,
    SMALL,
    TrapdoorDevice,
    Trial,
    holds,
    known_tau,
    random_inputs,
    set_up,
)
from verifier.bn254 import SCALAR_FIELD, encode_g1
from verifier.circuit_header import parse_header
from verifier.development_srs import TAU
from verifier.input_commitment import InputCommitment
from verifier.msm import multi_scalar_multiply
from verifier.sumcheck.argument import Instance
from verifier.sumcheck.messages import decode_points
from verifier.sumcheck.plan import Options, make_plan
from verifier.sumcheck.structure import structure_of
from verifier.sumcheck.system import CommittedInput
from verifier.sumcheck.tuning import choose_options

HALF = pow(2, -1, SCALAR_FIELD)


def doubling(*bounds: tuple[int, int], shape: tuple[int, ...] = (3, 5)) -> Circuit:
    """y = x + x for an input of each bound: nothing but the inputs' own demands can refuse a cell."""
    b = CircuitBuilder()
    inputs = [b.input(f"x{i}", shape, lo, hi, 1.0, "int") for i, (lo, hi) in enumerate(bounds)]
    return b.build([Port(f"y{i}", b.add("add", [x, x]), 1.0, "int") for i, x in enumerate(inputs)], {})


def trial_of(circuit: Circuit, seed: int = 1, options: Options = COMMITTED) -> Trial:
    return set_up(circuit, random_inputs(circuit, 1, seed), options)


def claimed(forger: Forger) -> bool:
    """Whether a prover gets away with it."""
    return forger.trial.checked(forger.prove(), forger.instance)


def named(trial: Trial, root: bytes | None = None, points: bytes | None = None) -> Instance:
    """The trial's statement with another root or other points."""
    true = trial.committed
    assert true is not None
    other = InputCommitment(true.root if root is None else root, true.points if points is None else points)
    return replace(trial.instance, committed=other)


def points_of(trial: Trial) -> list[bytes]:
    assert trial.committed is not None
    return [trial.committed.points[i : i + 64] for i in range(0, len(trial.committed.points), 64)]


def whole(trial: Trial, port: int = 0) -> int:
    """The committed tensor of a port."""
    tensors = trial.plan.system.committed().items()
    return next(i for i, t in tensors if isinstance(t, CommittedInput) and t.port == port)


class TestCommitments:
    """One input, one commitment."""

    def test_it_depends_on_the_input_and_the_chunks_only(self) -> None:
        circuit = build("a layer")
        inputs = random_inputs(circuit, 1, seed=3)
        found = [
            set_up(circuit, inputs, Options(4, limb_bits, clamp_bits, commit_inputs=True)).committed
            for limb_bits, clamp_bits in ((5, 0), (8, 14), (3, 0))
        ]
        assert found[0] == found[1] == found[2] is not None
        made = commit_inputs(TrapdoorDevice(), parse_header(circuit.header), 4, inputs)
        assert made == found[0]
        assert trial_of(circuit, seed=4).committed != made

    def test_a_ports_points_do_not_depend_on_another_port(self) -> None:
        circuit = doubling((-9, 9), (-9, 9))
        first, second = random_inputs(circuit, 1, seed=1), random_inputs(circuit, 1, seed=2)
        mixed = [points_of(set_up(circuit, x, COMMITTED)) for x in (first, [first[0], second[1]])]
        assert len(mixed[0]) == 4  # 3 x 5 cells stand in 4 x 8, two chunks of 16, for each port
        assert mixed[0][:2] == mixed[1][:2] and mixed[0][2:] != mixed[1][2:]

    def test_the_commitment_spelled_out(self) -> None:
        """A port of 3 x 5 cells: 2 bits and 3, of which the second chunk begins at the third row."""
        trial = trial_of(doubling((-9, 9)))
        x = np.zeros((4, 8), dtype=object)
        x[:3, :5] = trial.inputs[0][0]
        scalars = [sum(int(v) * TAU**i for i, v in enumerate(chunk)) for chunk in x.reshape(2, 16)]
        made = [multi_scalar_multiply([s % SCALAR_FIELD], [(1, 2)]) for s in scalars]
        assert points_of(trial) == [encode_g1(point) for point in made if point]

    def test_a_chunk_of_padding_is_not_committed(self) -> None:
        trial = trial_of(doubling((1, 9), shape=(5, 16)))
        assert len(points_of(trial)) == 5 and trial.plan.inputs is not None
        assert trial.plan.inputs.polynomials[0].chunks == [0, 1, 2, 3, 4, None, None, None]
        assert trial.checked(trial.prove())

    def test_an_input_of_zeros_is_at_infinity(self) -> None:
        circuit = doubling((-9, 9))
        trial = set_up(circuit, [np.zeros((1, 3, 5), dtype=np.int8)], COMMITTED)
        assert points_of(trial) == [bytes(64)] * 2 and trial.checked(trial.prove())


class TestStatements:
    """A proof is of the named commitment only."""

    def test_another_input_under_the_same_commitment(self) -> None:
        trial = trial_of(doubling((-9, 9)))
        other = set_up(trial.circuit, random_inputs(trial.circuit, 1, seed=9), COMMITTED)
        for claim in (other.instance, replace(trial.instance, outputs=other.instance.outputs)):
            assert not trial.checked(trial.prove(), claim)
            assert not trial.checked(other.prove(), claim) or claim == other.instance
            assert not claimed(Forger(trial, instance=claim))
            assert not claimed(Forger(other, instance=claim)) or claim == other.instance

    def test_every_point_and_the_root_are_bound(self) -> None:
        trial = trial_of(doubling((-9, 9), (-9, 9)))
        proof, points = trial.prove(), points_of(trial)
        for i, point in enumerate(points):
            [old] = decode_points(point)
            for other in (bytes(64), points[i - 1], encode_g1(multi_scalar_multiply([2], [old]) or (1, 2))):
                changed = named(trial, points=b"".join([*points[:i], other, *points[i + 1 :]]))
                assert not trial.checked(proof, changed)
                assert not claimed(Forger(trial, instance=changed))
        assert not trial.checked(proof, named(trial, root=bytes(32)))

    def test_the_root_is_the_word_of_whoever_names_it(self) -> None:
        """No argument reads it: a prover may name any, and only `verinfer input check` can tell."""
        trial = trial_of(doubling((-9, 9)))
        other = named(trial, root=bytes(32))
        assert claimed(Forger(trial, instance=other))
        assert other.committed != trial.committed

    def test_swapped_ports_and_exchanged_chunks(self) -> None:
        trial = trial_of(doubling((-9, 9), (-9, 9)))
        points = points_of(trial)
        for order in ((2, 3, 0, 1), (1, 0, 2, 3), (0, 1, 3, 2), (0, 3, 2, 1)):
            changed = named(trial, points=b"".join(points[i] for i in order))
            assert not trial.checked(trial.prove(), changed)
            assert not claimed(Forger(trial, instance=changed))

    def test_fewer_or_more_points(self) -> None:
        trial = trial_of(doubling((-9, 9)))
        points = points_of(trial)
        for other in ([], points[:1], [*points, bytes(64)], [*points, *points]):
            assert not trial.checked(trial.prove(), named(trial, points=b"".join(other)))

    def test_a_point_off_the_curve(self) -> None:
        trial = trial_of(doubling((-9, 9)))
        off = (1).to_bytes(32, "big") * 2
        assert not trial.checked(trial.prove(), named(trial, points=off + points_of(trial)[1]))

    def test_the_commitment_of_another_layout_or_srs_size(self) -> None:
        """5 cells fill one chunk of either size: the point is the same, and its polynomial is another's."""
        circuit = doubling((-9, 9), shape=(5,))
        inputs = random_inputs(circuit, 1, seed=1)
        four, five = (set_up(circuit, inputs, replace(COMMITTED, chunk_bits=n)) for n in (4, 5))
        assert four.committed == five.committed
        assert not four.checked(five.prove()) and not five.checked(four.prove())
        large = doubling((-9, 9), shape=(40,))
        inputs = random_inputs(large, 1, seed=1)
        four, five = (set_up(large, inputs, replace(COMMITTED, chunk_bits=n)) for n in (4, 5))
        assert not four.checked(four.prove(), replace(four.instance, committed=five.committed))
        assert not five.checked(five.prove(), replace(five.instance, committed=four.committed))
        # as many points as there should be, of chunks twice as long
        padded = InputCommitment(five.committed.root, five.committed.points + bytes(64))  # type: ignore[union-attr]
        claim = replace(four.instance, committed=padded)
        assert not claimed(Forger(four, instance=claim))

    def test_values_for_a_commitment_and_the_other_way_round(self) -> None:
        circuit = doubling((-9, 9))
        inputs = random_inputs(circuit, 1, seed=1)
        public, committed = set_up(circuit, inputs, SMALL), set_up(circuit, inputs, COMMITTED)
        for trial in (public, committed):
            assert trial.checked(trial.prove())
            for other in (public, committed):
                assert (trial is other) == trial.checked(trial.prove(), other.instance)
        both = replace(public.instance, committed=committed.committed)
        assert not public.checked(public.prove(), both) and not committed.checked(committed.prove(), both)

    def test_more_than_one_sample_has_no_plan(self) -> None:
        with pytest.raises(FormatError, match="one sample"):
            make_plan(structure_of(doubling((-9, 9))), COMMITTED, 2)


class TestBounds:
    """Every cell is an integer within the bounds of its port, exactly."""

    BOUNDS = ((0, 9), (-9, 9), (0, 31), (-16, 15), (0, 4095), (-2048, 2047), (-1000, 2000), (-70000, 5))
    """By one lookup, by exact limbs, by limbs from both sides."""

    @pytest.mark.parametrize(("lo", "hi"), BOUNDS)
    def test_a_cell_beyond_a_bound(self, lo: int, hi: int) -> None:
        trial = trial_of(doubling((lo, hi)))
        for cell in (lo - 1, hi + 1, 2 * hi + 40, lo - 2**40, 2**63, 2**64 + lo, SCALAR_FIELD // 2):
            assert not self.proves(trial, cell)
        for cell in (lo, hi):
            assert self.proves(trial, cell)

    @pytest.mark.parametrize(("lo", "hi"), BOUNDS)
    @pytest.mark.parametrize("denominator", [2, 3, 32, 1 << 12])
    def test_a_fraction_of_the_field(self, lo: int, hi: int, denominator: int) -> None:
        inverse = pow(denominator, -1, SCALAR_FIELD)
        trial = trial_of(doubling((lo, hi)))
        for numerator in (1, -1, denominator * hi + 1, denominator * lo - 1):
            assert not self.proves(trial, numerator * inverse % SCALAR_FIELD)

    def test_a_bound_of_one_value(self) -> None:
        b = CircuitBuilder()
        x = b.input("x", (3,), 7, 7, 1.0, "int")
        y = b.input("y", (3,), 0, 9, 1.0, "int")
        circuit = b.build([Port("z", b.add("add", [x, y]), 1.0, "int")], {})
        trial = trial_of(circuit)
        for cell in (6, 8, 0):
            assert not self.proves(trial, cell)

    def test_what_was_added_to_the_modulus_is_the_same_cell(self) -> None:
        """x + r is x where nothing but field elements are said: the commitment is that of x."""
        trial = trial_of(doubling((-9, 9)))
        cells = trial.witness.value(whole(trial)).astype(object)
        forger = Forger(trial, CheatingWitness(trial, {whole(trial): cells + SCALAR_FIELD}))
        assert forger.instance.committed == trial.committed and claimed(forger)

    def test_bounds_too_far_apart_have_no_plan(self) -> None:
        b = CircuitBuilder()
        x = b.input("x", (2,), -(2**62) - 1, 2**62, 1.0, "int")
        circuit = b.build([Port("y", b.add("slice", [x], starts=[0], steps=[1], sizes=[1]), 1.0, "int")], {})
        make_plan(structure_of(circuit), SMALL, 1)
        with pytest.raises(BoundError, match=r"node 0 .*64 bits"):
            make_plan(structure_of(circuit), COMMITTED, 1)

    def proves(self, trial: Trial, cell: int) -> bool:
        """Whether a proof with this cell as the last true one is accepted, of a statement of its own."""
        cells = trial.witness.value(whole(trial)).astype(object)
        last = tuple(n - 1 for n in trial.inputs[0].shape)
        cells[last] = cell
        forger = Forger(trial, CheatingWitness(trial, {whole(trial): cells}))
        accepted = claimed(forger)
        assert accepted == (not violated(forger.witness))
        return accepted


class TestPadding:
    """All that is not the input is zero, so that there is one commitment to an input."""

    @pytest.mark.parametrize("shape", [(3, 5), (5,), (1,), (3, 1, 7), (16,), (2, 3, 8)])
    def test_no_cell_of_padding_may_be_anything_else(self, shape: tuple[int, ...]) -> None:
        trial = trial_of(doubling((-9, 9), shape=shape))
        cells = trial.witness.value(whole(trial))
        inside = np.zeros(cells.shape, dtype=bool)
        inside[tuple(slice(0, n) for n in (1, *shape))] = True
        assert trial.plan.inputs is not None
        live = np.repeat([c is not None for c in trial.plan.inputs.polynomials[0].chunks], 16)
        for place in np.flatnonzero(~inside.reshape(-1) & live)[:: max(1, cells.size // 8)]:
            for value in (1, -1, HALF):
                changed = cells.astype(object)
                changed.reshape(-1)[place] = value
                forger = Forger(trial, CheatingWitness(trial, {whole(trial): changed}))
                assert forger.instance.committed != trial.committed
                assert forger.instance.outputs == trial.instance.outputs
                assert violated(forger.witness) and not claimed(forger)

    @pytest.mark.parametrize("shape", [(3, 5), (16,), (4, 16)])
    @pytest.mark.parametrize("coefficient", [0, 1, HALF])
    def test_no_coefficient_beyond_a_chunk(self, shape: tuple[int, ...], coefficient: int) -> None:
        """A commitment to a longer polynomial, opened as what it is: it does not fold to a constant."""
        trial = trial_of(doubling((-9, 9), shape=shape))
        points, size = decode_points(b"".join(points_of(trial))), 1 << trial.plan.options.chunk_bits
        extra = multi_scalar_multiply([coefficient * pow(TAU, size, SCALAR_FIELD) % SCALAR_FIELD], [(1, 2)])
        longer = multi_scalar_multiply([1, 1], [points[0], extra])
        encoded = [bytes(64) if p is None else encode_g1(p) for p in (longer, *points[1:])]
        instance = named(trial, points=b"".join(encoded))
        true_scalars, true_open, seen = merge.chunk_scalars, merge._open, []

        def scalars(*arguments: Any) -> list[int]:
            seen.append(true_scalars(*arguments))
            return seen[-1]

        def open_(speaker: Any, device: Any, vector: Any, point: Any) -> None:
            tail = device.vector([seen[-1][trial.plan.parameters.chunks] * coefficient % SCALAR_FIELD])
            true_open(speaker, device, device.joined([vector, tail], 2 * size), point)

        with (
            patch("prover.sumcheck.merge.chunk_scalars", scalars),
            patch("prover.sumcheck.merge._open", open_),
        ):
            proof = Forger(trial, instance=instance).prove()
        with known_tau():
            assert holds(proof, trial.plan, instance, trial.parameters) == (coefficient == 0)


class TestUses:
    """What reads an input reads the committed one."""

    def test_an_index_that_is_committed(self) -> None:
        b = CircuitBuilder()
        index, x = b.input("i", (1,), 0, 2, 1.0, "int"), b.input("x", (3,), -9, 9, 1.0, "int")
        circuit = b.build([Port("y", b.add("gather", [x, index], axis=0), 1.0, "int")], {})
        trial = set_up(circuit, [np.array([[1]]), np.array([[5, -3, 8]])], COMMITTED)
        assert trial.instance.outputs == [[-3]] and trial.checked(trial.prove())
        [hot] = [
            i
            for i, t in trial.plan.system.committed().items()
            if getattr(t, "role", "-")[0] == "index_one_hot"
        ]
        for choice in ([1, 0, 0], [HALF, 0, HALF], [0, 1, 1], [1, 1, -1]):
            changed = np.array(choice, dtype=object).reshape(1, 1, 3)
            forger = Forger(trial, CheatingWitness(trial, {hot: changed}))
            # the commitment is to the true index
            assert forger.instance.committed == trial.committed
            assert violated(forger.witness) and not claimed(forger)

    def test_an_input_that_is_an_output(self) -> None:
        b = CircuitBuilder()
        x = b.input("x", (3,), -9, 9, 1.0, "int")
        trial = trial_of(b.build([Port("y", x, 1.0, "int")], {}))
        assert trial.checked(trial.prove())
        [[first, *others]] = trial.instance.outputs
        false = replace(trial.instance, outputs=[[first + 1, *others]])
        assert not trial.checked(trial.prove(), false) and not claimed(Forger(trial, instance=false))


def test_a_proof_verifies_with_pairings() -> None:
    trial = trial_of(build("a layer"))
    assert trial.verified(trial.prove())


def test_the_best_options_are_a_choice_of_their_own() -> None:
    structure = structure_of(build("a layer"))
    assert choose_options(structure, True).commit_inputs and not choose_options(structure).commit_inputs
