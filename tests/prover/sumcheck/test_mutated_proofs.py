"""Proofs altered at random, none of which verifies: bits, words, points, parts of other valid proofs."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from circuits.builder import CircuitBuilder
from tests.budget import examples
from tests.prover.sumcheck.test_relation_attacks import trial_of
from tests.prover.sumcheck.trials import Trial
from verifier.bn254 import BASE_FIELD, SCALAR_FIELD
from verifier.input_commitment import InputCommitment
from verifier.sumcheck.plan import Options

SAMPLE = 2500
"""How many in a plain run; `make fuzz` makes 100,000 at its default budget."""


@cache
def trials(commit_inputs: bool = False) -> tuple[Trial, Trial]:
    """A tiny circuit with parameters, products, two kinds of tables and several chunks, on two inputs."""
    options = Options(chunk_bits=3, limb_bits=3, clamp_bits=0, commit_inputs=commit_inputs)
    return trial_of(_build, [3, -2], options=options), trial_of(_build, [-1, 3], options=options)


def _build(b: CircuitBuilder, rng: np.random.Generator) -> list[int]:
    x = b.input("x", (2,), -3, 3, 1.0, "int")
    square = b.add("mul", [x, x])
    small = b.add("rescale", [square], mul=1, shift=1, lo=None, hi=3)
    return [b.add("table", [small, b.constant([5, -7, 2, 1])], lo=0)]


Mutation = Callable[[random.Random, bytes, bytes], bytes]


def flip_a_bit(rng: random.Random, proof: bytes, other: bytes) -> bytes:
    i = rng.randrange(len(proof))
    return proof[:i] + bytes([proof[i] ^ 1 << rng.randrange(8)]) + proof[i + 1 :]


def change_bytes(rng: random.Random, proof: bytes, other: bytes) -> bytes:
    i = rng.randrange(len(proof))
    n = rng.randrange(1, 64)
    return proof[:i] + rng.randbytes(len(proof[i : i + n])) + proof[i + n :]


def put_a_word(rng: random.Random, proof: bytes, other: bytes) -> bytes:
    i = 32 * rng.randrange(len(proof) // 32)
    old = int.from_bytes(proof[i : i + 32], "big")
    choices = [
        0,
        1,
        2,
        SCALAR_FIELD - 1,
        SCALAR_FIELD,
        BASE_FIELD,
        (1 << 256) - 1,
        rng.randrange(SCALAR_FIELD),
    ]
    choices += [(old + d) % SCALAR_FIELD for d in (1, -1, old)] + [-old % SCALAR_FIELD, -old % BASE_FIELD]
    choices += [old + m for m in (SCALAR_FIELD, BASE_FIELD) if old + m < 1 << 256]
    return proof[:i] + rng.choice(choices).to_bytes(32, "big") + proof[i + 32 :]


def exchange_words(rng: random.Random, proof: bytes, other: bytes) -> bytes:
    words = [proof[i : i + 32] for i in range(0, len(proof), 32)]
    i, j = rng.randrange(len(words)), rng.randrange(len(words))
    words[i], words[j] = words[j], words[i]
    return b"".join(words)


def copy_words(rng: random.Random, proof: bytes, other: bytes) -> bytes:
    """Some words from elsewhere in the proof."""
    size = 32 * rng.choice([1, 2, 4])
    i, j = (32 * rng.randrange((len(proof) - size) // 32 + 1) for _ in range(2))
    return proof[:i] + proof[j : j + size] + proof[i + size :]


def take_from_another(rng: random.Random, proof: bytes, other: bytes) -> bytes:
    """A stretch of another valid proof, in its place."""
    i, j = sorted(32 * rng.randrange(len(proof) // 32 + 1) for _ in range(2))
    return proof[:i] + other[i:j] + proof[j:]


def splice(rng: random.Random, proof: bytes, other: bytes) -> bytes:
    """The beginning of one and the end of another."""
    i = 32 * rng.randrange(len(proof) // 32 + 1)
    return rng.choice([proof[:i] + other[i:], other[:i] + proof[i:]])


def change_the_length(rng: random.Random, proof: bytes, other: bytes) -> bytes:
    i, n = rng.randrange(len(proof) + 1), rng.choice([1, 31, 32, 64, 96])
    inserted = rng.choice([bytes(n), rng.randbytes(n), other[i : i + n]])
    return rng.choice([proof[:i] + proof[i + n :], proof[:i] + inserted + proof[i:], proof[:i]])


def shift_two_words(rng: random.Random, proof: bytes, other: bytes) -> bytes:
    """One scalar more and one less by the same: what a careless sum would not notice."""
    words = [int.from_bytes(proof[i : i + 32], "big") for i in range(0, len(proof), 32)]
    i, j = rng.randrange(len(words)), rng.randrange(len(words))
    by = rng.choice([1, rng.randrange(SCALAR_FIELD)])
    words[i], words[j] = (words[i] + by) % SCALAR_FIELD, (words[j] - by) % SCALAR_FIELD
    return b"".join(word.to_bytes(32, "big") for word in words)


MUTATIONS: list[Mutation] = [
    flip_a_bit,
    change_bytes,
    put_a_word,
    exchange_words,
    copy_words,
    take_from_another,
    splice,
    change_the_length,
    shift_two_words,
]


def none_is_accepted(seed: int, count: int) -> None:
    """Try mutations of one proof with parts of another, of public or of committed inputs."""
    rng = random.Random(seed)
    trial, another = trials(seed % 2 == 1)
    proof, other = trial.prove(), another.prove()
    assert trial.checked(proof) and another.checked(other) and len(proof) == len(other)
    for _ in range(count):
        mutation = rng.choice(MUTATIONS)
        changed = mutation(rng, proof, other)
        for _ in range(rng.choice([0, 0, 0, 1, 2])):
            changed = rng.choice(MUTATIONS)(rng, changed, other) if len(changed) > 128 else changed
        if changed != proof:
            assert not trial.checked(changed), (mutation.__name__, changed.hex())


@pytest.mark.parametrize("part", range(10))
def test_mutated_proofs_are_refused(part: int) -> None:
    none_is_accepted(part, SAMPLE // 10)


@pytest.mark.fuzz
@pytest.mark.parametrize("part", range(40))
def test_many_mutated_proofs_are_refused(part: int) -> None:
    none_is_accepted(1000 + part, 125 * examples(1))


@pytest.mark.parametrize("mutation", [flip_a_bit, put_a_word, splice])
def test_mutated_proofs_are_refused_with_pairings(mutation: Mutation) -> None:
    """The sample above replaces pairings by the tau of the development SRS: a few go the whole way."""
    trial, another = trials()
    proof, other = trial.prove(), another.prove()
    assert trial.verified(proof)
    rng = random.Random(5)
    for _ in range(20):
        changed = mutation(rng, proof, other)
        assert changed == proof or not trial.verified(changed)


@pytest.mark.parametrize("commit_inputs", [False, True])
def test_every_word_matters(commit_inputs: bool) -> None:
    """One more in any word, and the proof is none."""
    trial, _ = trials(commit_inputs)
    proof = trial.prove()
    for i in range(0, len(proof), 32):
        word = (int.from_bytes(proof[i : i + 32], "big") + 1) % SCALAR_FIELD
        assert not trial.checked(proof[:i] + word.to_bytes(32, "big") + proof[i + 32 :])


def test_mutated_commitments_to_the_input_are_refused() -> None:
    """Any byte of the root or of a point, and the whole of another input's."""
    (trial, another), rng = trials(commit_inputs=True), random.Random(6)
    proof, true, other = trial.prove(), trial.committed, another.committed
    assert true is not None and other is not None and trial.checked(proof)
    encoded, foreign = true.encode(), other.encode()
    changed = [
        encoded[:i] + bytes([encoded[i] ^ 1 << rng.randrange(8)]) + encoded[i + 1 :] for i in range(96)
    ]
    changed += [foreign, foreign[:32] + encoded[32:], encoded[:32] + foreign[32:], encoded[:32] + bytes(64)]
    for data in changed:
        claim = replace(trial.instance, committed=InputCommitment.decode(data))
        assert not trial.checked(proof, claim)
