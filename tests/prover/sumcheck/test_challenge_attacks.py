"""Provers who know a challenge before they have said what it must bind.

In a world where one challenge is foretold each of these proves a false statement, so the attack is a real
one; in ours the same prover, with its best guess, is refused. That every word said moves every challenge
after it is tested as well.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from circuits.builder import CircuitBuilder
from tests.prover.circuits_to_prove import binary, build
from tests.prover.sumcheck.cheating import CheatingWitness, violated
from tests.prover.sumcheck.foretelling import (
    NUMBERS,
    challenges_of,
    forged_in,
    refused_but_where_foretold,
)
from tests.prover.sumcheck.forging import Forger
from tests.prover.sumcheck.test_relation_attacks import advice, trial_of
from tests.prover.sumcheck.trials import from_words, random_inputs, set_up, words
from verifier.bn254 import SCALAR_FIELD
from verifier.sumcheck.argument import Instance
from verifier.sumcheck.multilinear import eq_vector

GAMMA, ALPHA = NUMBERS[:2]


def test_every_word_moves_every_later_challenge() -> None:
    """And the public values, the context and the batch move all."""
    circuit = build("a layer")
    trial = set_up(circuit, random_inputs(circuit, 2, seed=1))
    proof = trial.prove()
    honest = challenges_of(trial, proof)
    said_before = honest.absorbed - len(proof)
    assert said_before > 0
    for i in range(0, len(proof), 32):
        changed = bytearray(proof)
        changed[i + 31] ^= 1
        other = challenges_of(trial, bytes(changed))
        after = [k for k, length in enumerate(honest.lengths) if length > said_before + i]
        first = after[0] if after else len(honest.made)
        assert other.made[:first] == honest.made[: min(first, len(other.made))]
        assert not set(other.made[first:]) & set(honest.made)
    for field in ("inputs", "outputs"):
        values = [list(v) for v in getattr(trial.instance, field)]
        values[0][-1] += 1
        false = Instance(**{**vars(trial.instance), field: values})
        assert not set(challenges_of(trial, proof, false).made) & set(honest.made)
    one = set_up(circuit, [x[:1] for x in trial.inputs])
    assert challenges_of(one, one.prove()).made[0] != honest.made[0]


def test_the_last_word_is_bound_by_the_pairing() -> None:
    """Nothing is drawn after the witness of the opening."""
    circuit = build("a layer")
    trial = set_up(circuit, random_inputs(circuit, 2, seed=1))
    proof = trial.prove()
    honest = challenges_of(trial, proof)
    assert honest.lengths[-1] == honest.absorbed - 64
    assert not trial.checked(proof[:-64] + bytes(64))


def _table(b: CircuitBuilder, rng: np.random.Generator) -> list[int]:
    table = b.constant([10, 11, 12, 13, 14])
    return [b.add("table", [b.input("x", (2,), 0, 4, 1.0, "int"), table], lo=0)]


def test_alpha_known_before_the_multiplicities() -> None:
    """One multiplicity makes up for a cell that is no row: m += (alpha - row) / (alpha - cell)."""
    trial = trial_of(_table, [3, 0])
    wrong = np.array([[99, 10]], dtype=object)
    node, counts = advice(trial, "node"), advice(trial, "multiplicity")

    def cheat(alpha: int, gamma: int) -> CheatingWitness:
        cell, row = (1 + gamma * x + gamma * gamma * y for x, y in ((3, 99), (0, 10)))
        more = (alpha - row) * pow(alpha - cell, -1, SCALAR_FIELD) % SCALAR_FIELD
        return CheatingWitness(trial, {node: wrong, counts: np.array([1 + more, 0, 0, 0, 0])})

    witness = cheat(ALPHA, GAMMA)
    assert violated(witness) and witness.outputs[0].tolist() == [[99, 10]]
    forger = Forger(trial, witness)
    refused_but_where_foretold(trial, NUMBERS, forged_in(NUMBERS, forger), forger.instance)
    guess = challenges_of(trial, trial.prove()).made
    forger = Forger(trial, cheat(guess[1], guess[0]))
    assert not trial.checked(forger.prove(), forger.instance)


def test_gamma_known_before_the_advice() -> None:
    """A cell with the fingerprint of another row: 1 + 3 gamma + y gamma^2 = 1 + 0 gamma + 10 gamma^2."""
    trial = trial_of(_table, [3, 0])
    node, counts = advice(trial, "node"), advice(trial, "multiplicity")

    def cheat(gamma: int) -> CheatingWitness:
        y = 10 - 3 * pow(gamma, -1, SCALAR_FIELD)
        wrong = np.array([[y % SCALAR_FIELD, 10]], dtype=object)
        return CheatingWitness(trial, {node: wrong, counts: np.array([2, 0, 0, 0, 0])})

    assert violated(cheat(GAMMA))
    forger = Forger(trial, cheat(GAMMA))
    refused_but_where_foretold(trial, NUMBERS, forged_in(NUMBERS, forger), forger.instance)
    forger = Forger(trial, cheat(challenges_of(trial, trial.prove()).made[0]))
    assert not trial.checked(forger.prove(), forger.instance)


def test_the_point_known_before_the_statement() -> None:
    """Two errors in one tensor that must be zero, with eq(z, 0) e_0 + eq(z, 1) e_1 = 0."""

    def build_one(b: CircuitBuilder, rng: np.random.Generator) -> list[int]:
        return [b.add("add", [b.input("x", (2,), 0, 9, 1.0, "int"), b.constant([6, 6])])]

    trial = trial_of(build_one, [3, 4])
    assert trial.plan.tree.bits == 0 and trial.plan.point_bits == 1
    zero, one = eq_vector(NUMBERS[2:3], 2)
    false = Instance(trial.context, trial.instance.inputs, [[9 + one, 10 - zero]])
    refused_but_where_foretold(trial, NUMBERS, forged_in(NUMBERS, Forger(trial, instance=false)), false)


def test_the_mix_known_before_the_errors() -> None:
    """The errors of two tensors that must be zero cancel: mix^2 e_1 + mix^3 e_2 = 0."""

    def build_one(b: CircuitBuilder, rng: np.random.Generator) -> list[int]:
        x = b.input("x", (1,), 0, 9, 1.0, "int")
        return [b.add("add", [x, b.constant(1)]), b.add("add", [x, b.constant(2)])]

    trial = trial_of(build_one, [3])
    assert trial.plan.tree.bits == trial.plan.point_bits == 0
    false = Instance(trial.context, trial.instance.inputs, [[4 + NUMBERS[2]], [5 - 1]])
    refused_but_where_foretold(trial, NUMBERS, forged_in(NUMBERS, Forger(trial, instance=false)), false)


class Products(Forger):
    """Of a product of two inputs, nothing being committed: the false part of the total is kept in `lie`."""

    lie = 0
    said: tuple[int, int] | None = None
    true: tuple[int, int] = (0, 0)

    @classmethod
    def of(cls, error: int) -> Products:
        """The prover of a false statement: the first output is more by `error`."""
        trial = trial_of(binary("matmul", (2, 4), (4, 2), (-9, 9), (-9, 9)), [[1, 2, 3, 4]] * 2, [[1, 2]] * 4)
        first, *others = trial.instance.outputs[0]
        false = Instance(trial.context, trial.instance.inputs, [[first + error, *others]])
        return cls(trial, instance=false)

    def committed_part(self, value: int) -> int:
        self.lie = value
        return 0

    def factors(self, values: list[tuple[int, int]]) -> list[tuple[int, int]]:
        [self.true] = values
        return [self.said] if self.said else values

    @property
    def place(self) -> int:
        """The word with which the rounds begin: after points, the cap's three scalars, and the part."""
        assert not self.plan.system.lookups
        return 2 * self.plan.advice.chunks + 2 * self.plan.fraction_chunks + 3 + 1

    @property
    def challenges(self) -> Sequence[int]:
        """The foretold challenges from the rounds on: those before are gamma, alpha, the point and mix."""
        return NUMBERS[2 + self.plan.point_bits + 1 :]


def test_a_round_known_before_its_message() -> None:
    """A total that is false by t is right again behind the round: c_0 moves by  -t r / (1 - 2r)."""
    forger = Products.of(1)
    proof = words(forged_in(NUMBERS, forger))
    assert forger.lie
    r = forger.challenges[0]
    proof[forger.place] -= forger.lie * r * pow(1 - 2 * r, -1, SCALAR_FIELD)
    proof[forger.place] %= SCALAR_FIELD
    refused_but_where_foretold(forger.trial, NUMBERS, from_words(proof), forger.instance)


def test_the_merge_known_before_the_factors() -> None:
    """Factors l + a, r + b with a mix + b mix^2 = 0, of the false total that their product needs."""
    probe = Products.of(1)
    forged_in(NUMBERS, probe)
    rounds = 2  # the contracted axis of four
    r_1, r_2, mix = probe.challenges[: rounds + 1]
    b = 77
    said = tuple((v + e) % SCALAR_FIELD for v, e in zip(probe.true, (-b * mix, b), strict=True))
    moved = (said[0] * said[1] - probe.true[0] * probe.true[1]) * pow(r_1 * r_2, -1, SCALAR_FIELD)
    forger = Products.of(moved * pow(probe.lie, -1, SCALAR_FIELD) % SCALAR_FIELD)
    forger.said = (said[0], said[1])
    refused_but_where_foretold(forger.trial, NUMBERS, forged_in(NUMBERS, forger), forger.instance)
