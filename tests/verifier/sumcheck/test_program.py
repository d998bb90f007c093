"""Programs accept what the verifier accepts, and refuse what it refuses: run by a machine in plain Python."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.contracts.sumcheck_machine import Committed, Rejected, run
from tests.prover.circuits_to_prove import BUILDS, build
from tests.prover.sumcheck.corner_circuits import CORNERS, corner
from tests.prover.sumcheck.trials import COMMITTED, SMALL, TABLED, Trial, random_inputs, set_up, words
from verifier.bn254 import SCALAR_FIELD
from verifier.development_srs import development_head
from verifier.sumcheck.plan import Options
from verifier.sumcheck.program import record
from verifier.sumcheck.program.encoding import PART_BYTES, code_hash, encode, parts_of

CIRCUITS = [*BUILDS, *CORNERS]


def trial_of(name: str, options: Options = SMALL, seed: int = 1) -> Trial:
    circuit = build(name) if name in BUILDS else corner(name)
    trial = set_up(circuit, random_inputs(circuit, 1, seed), options)
    trial.context = development_head().id + bytes(range(96))
    return trial


def program_of(trial: Trial) -> bytes:
    return encode(record(trial.plan), trial.parameters, development_head())


def accepts(program: bytes, trial: Trial, proof: Sequence[int], ports: Sequence[Sequence[int]]) -> bool:
    context = words(trial.context)[1:]
    said = trial.instance.committed
    committed = Committed(int.from_bytes(said.digest, "big"), words(said.points)) if said else None
    try:
        values = [[value % SCALAR_FIELD for value in port] for port in ports]
        run(program, context, values, proof, committed)
    except Rejected:
        return False
    return True


CASES = [
    *((name, options) for name in CIRCUITS for options in (SMALL, TABLED)),
    *((name, COMMITTED) for name in BUILDS),
]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_program_accepts_honest_proofs_and_no_changed_ones(name: str, options: Options) -> None:
    trial = trial_of(name, options)
    program, proof = program_of(trial), words(trial.prove())
    ports = [*trial.instance.inputs, *trial.instance.outputs]
    assert accepts(program, trial, proof, ports)
    rng = random.Random(name)
    for _ in range(2):
        at = rng.randrange(len(proof))
        changed = [*proof[:at], (proof[at] + rng.choice([1, -1, SCALAR_FIELD])) % 2**256, *proof[at + 1 :]]
        assert not accepts(program, trial, changed, ports)
    port = rng.choice([i for i, cells in enumerate(ports) if cells])
    other = [list(cells) for cells in ports]
    other[port][rng.randrange(len(other[port]))] += 1
    # a proof in which nothing depends on a challenge may hold for another input with the same output, too
    inputs = len(trial.instance.inputs)
    changed_statement = replace(trial.instance, inputs=other[:inputs], outputs=other[inputs:])
    expected = trial.checked(trial.prove(), changed_statement)
    assert accepts(program, trial, proof, other) == expected


def test_every_word_of_a_proof_matters() -> None:
    trial = trial_of("attention")
    program, proof = program_of(trial), words(trial.prove())
    ports = [*trial.instance.inputs, *trial.instance.outputs]
    for at in range(len(proof)):
        changed = [*proof[:at], proof[at] ^ 1, *proof[at + 1 :]]
        assert not accepts(program, trial, changed, ports), at


def test_programs_follow_from_the_plan_alone() -> None:
    """Programs for two sets of weights differ in the commitments only; one key gives one program."""
    trial = trial_of("attention")
    assert program_of(trial) == program_of(trial)
    others = encode(record(trial.plan), [None] * len(trial.parameters), development_head())
    assert len(others) == len(program_of(trial))


def test_a_long_program_is_split_and_each_part_is_named_by_the_first() -> None:
    trial = trial_of("attention", Options(chunk_bits=1, limb_bits=1, clamp_bits=0))
    program = program_of(trial)
    parts = parts_of(program)
    assert b"".join(parts) == program
    assert all(len(part) == PART_BYTES for part in parts[:-1])
    hashes = [program[32 * i : 32 * (i + 1)] for i in range(1, len(parts))]
    assert hashes == [code_hash(part) for part in parts[1:]]
