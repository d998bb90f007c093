"""Attacks on statements and encodings: a proof is of one statement, under one key, in one form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from py_ecc.fields import optimized_bn128_FQ2 as FQ2
from py_ecc.optimized_bn128.optimized_curve import double, normalize

from circuits.errors import CheckFailed, FormatError
from tests.prover.circuits_to_prove import build, rescale
from tests.prover.sumcheck.corner_circuits import corner
from tests.prover.sumcheck.forging import Forger
from tests.prover.sumcheck.test_argument_attacks import NAMES
from tests.prover.sumcheck.test_relation_attacks import trial_of
from tests.prover.sumcheck.trials import (
    CONTEXT,
    SMALL,
    TABLED,
    Trial,
    random_inputs,
    samples,
    set_up,
    statement,
)
from verifier.bn254 import BASE_FIELD, SCALAR_FIELD, decode_g1, encode_g1
from verifier.development_srs import development_head
from verifier.srs_head import SrsHead
from verifier.sumcheck import argument
from verifier.sumcheck.argument import Instance
from verifier.sumcheck.plan import Options


@pytest.fixture(params=NAMES, scope="module")
def trial(request: pytest.FixtureRequest) -> Trial:
    """Circuits that between them have everything."""
    circuit = build(request.param)
    return set_up(circuit, random_inputs(circuit, samples(), seed=4))


def claimed(trial: Trial, instance: Instance) -> bool:
    """Whether a prover with the true witness gets away with another statement."""
    return trial.checked(Forger(trial, instance=instance).prove(), instance)


class TestStatements:
    """A proof is of its statement only."""

    def test_every_output_and_input_moved_by_one(self, trial: Trial) -> None:
        proof = trial.prove()
        assert trial.checked(proof)
        for kind in ("inputs", "outputs"):
            for port in range(len(getattr(trial.instance, kind))):
                for cell in (0, -1):
                    moved = [list(values) for values in getattr(trial.instance, kind)]
                    moved[port][cell] += 1
                    given = {"inputs": trial.instance.inputs, "outputs": trial.instance.outputs, kind: moved}
                    false = Instance(CONTEXT, **given)
                    assert not trial.checked(proof, false)
                    if kind == "outputs":
                        assert not claimed(trial, false)

    @pytest.mark.parametrize("place", range(0, 128, 7))
    def test_another_srs_circuit_key_or_recipient_in_the_context(self, trial: Trial, place: int) -> None:
        context = bytearray(CONTEXT)
        context[place] ^= 1
        instance = Instance(bytes(context), trial.instance.inputs, trial.instance.outputs)
        assert not trial.checked(trial.prove(), instance)

    def test_samples_of_a_batch_exchanged(self) -> None:
        circuit = build("a layer")
        trial = set_up(circuit, [np.array([[[0, 17, 255, 128]], [[1, 2, 3, 4]]])])
        outputs = [y[::-1] for y in trial.witness.outputs]
        assert not trial.checked(trial.prove(), statement(trial.inputs, outputs))
        inputs = [x[::-1] for x in trial.inputs]
        assert not trial.checked(trial.prove(), statement(inputs, trial.witness.outputs))
        assert not trial.checked(trial.prove(), statement(inputs, outputs))

    def test_a_batch_of_another_size(self) -> None:
        circuit = build("a layer")
        two = set_up(circuit, [np.array([[[0, 17, 255, 128]]] * 2)])
        one = set_up(circuit, [np.array([[[0, 17, 255, 128]]])])
        assert not one.checked(two.prove())
        assert not two.checked(one.prove())

    def test_another_circuit_of_the_same_shapes(self) -> None:
        """The same tensors and tables, and another multiplier."""
        trials = []
        for mul in (3, 5):
            trials.append(trial_of(rescale((0, 1000), mul, 5, None, None), range(20)))
        first, second = trials
        assert len(first.prove()) == len(second.prove())
        assert not second.checked(first.prove(), first.instance)
        assert not second.checked(first.prove())

    def test_other_options(self) -> None:
        circuit = build("rescale with a clamp")
        inputs = random_inputs(circuit, 1, seed=1)
        proofs = {}
        options = [SMALL, TABLED, Options(4, 6, 0), Options(5, 5, 0)]
        trials = [set_up(circuit, inputs, each) for each in options]
        for i, each in enumerate(trials):
            proofs[i] = each.prove()
        for i, each in enumerate(trials):
            for j, proof in proofs.items():
                assert each.checked(proof) == (i == j)

    def test_another_srs(self) -> None:
        """A proof for one tau fails the pairing check of another."""
        trial = set_up(build("a layer"), [np.array([[[0, 17, 255, 128]]])])
        head = development_head()
        other = SrsHead(head.tau_g1, _double_g2(head))
        proof = trial.prove()
        arguments = (trial.plan, trial.instance, trial.parameters)
        argument.verify(proof, *arguments, head)
        with pytest.raises(CheckFailed, match="pairing"):
            argument.verify(proof, *arguments, other)


def _double_g2(head: SrsHead) -> Any:
    x, y = normalize(double((FQ2(head.tau_g2[0]), FQ2(head.tau_g2[1]), FQ2.one())))
    return tuple(tuple(int(c) for c in value.coeffs) for value in (x, y))


class TestEncodings:
    """There is one encoding of a proof."""

    def test_lengths(self, trial: Trial) -> None:
        proof = trial.prove()
        for changed in (
            b"",
            proof[:-1],
            proof[:-32],
            proof[32:],
            proof + b"\0",
            proof + bytes(32),
            proof * 2,
        ):
            assert not trial.checked(changed)

    def test_no_word_has_another_representation(self, trial: Trial) -> None:
        """Scalars plus r, coordinates plus p: every word, with either."""
        proof = trial.prove()
        for i in range(0, len(proof), 32):
            word = int.from_bytes(proof[i : i + 32], "big")
            for modulus in (SCALAR_FIELD, BASE_FIELD):
                if word + modulus < 1 << 256:
                    changed = proof[:i] + (word + modulus).to_bytes(32, "big") + proof[i + 32 :]
                    assert not trial.checked(changed)

    def test_points_negated(self, trial: Trial) -> None:
        """-C for C, in every place that holds a point."""
        proof = trial.prove()
        for i in range(0, len(proof) - 63, 32):
            try:
                x, y = decode_g1(proof[i : i + 64])
            except FormatError:
                continue
            changed = proof[:i] + encode_g1((x, BASE_FIELD - y)) + proof[i + 64 :]
            assert not trial.checked(changed)


def test_a_constant_that_is_an_output_is_that_constant() -> None:
    circuit = corner("constants as outputs")
    trial = set_up(circuit, random_inputs(circuit, 1, seed=1))
    outputs: list[Any] = [np.array(y) for y in trial.witness.outputs]
    for port in (0, 2):
        wrong = [np.array(y) for y in outputs]
        wrong[port].reshape(-1)[0] += 1
        assert not claimed(trial, statement(trial.inputs, wrong))
