"""Fuzzing with coverage (atheris): bytes from a stranger as a key, a proof, a structure or an argument.

``python -m tests.prover.sumcheck.fuzz_target SEEDS -runs=N`` takes the arguments of libFuzzer; with
``--seeds`` it writes valid files into the folder SEEDS and ends. Whatever is read is refused with an error of
the project's own, or is the one encoding of what it holds. No argument but the one valid one may verify.
"""

from __future__ import annotations

import inspect
import sys
from functools import cache
from pathlib import Path

import atheris  # type: ignore[import-not-found]
from eth_hash.auto import keccak

from circuits.errors import VerinferError
from tests.prover.sumcheck.test_mutated_proofs import trials
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.sumcheck.key import decode_options
from verifier.sumcheck.plan import make_plan
from verifier.sumcheck.structure import Structure, structure_of

DIGEST_BYTES = 32
MOST_CELLS = 1 << 16


@cache
def valid_argument() -> bytes:
    """The one proof that verifies."""
    return trials()[0].prove()


def sealed(body: bytes) -> bytes:
    """A file with the digest that fits it, as whoever alters one would make it."""
    return body + keccak(body)


def read_proof(data: bytes) -> None:
    """A proof file without its digest."""
    whole = sealed(data)
    assert Proof.decode(whole).encode() == whole


def read_key(data: bytes) -> None:
    """A key file without its digest."""
    whole = sealed(data)
    assert VerifyingKey.decode(whole).encode() == whole


def read_structure(data: bytes) -> None:
    """Four bytes of options, and a structure."""
    options, structure = decode_options(data[:4]), Structure.decode(data[4:])
    assert structure.encode() == data[4:]
    if sum(node.size for node in structure.nodes) <= MOST_CELLS:
        make_plan(structure, options, 1)


def check_argument(data: bytes) -> None:
    """An argument of a true statement."""
    trial, _ = trials()
    assert data == valid_argument() or not trial.checked(data)


TARGETS = (read_proof, read_key, read_structure, check_argument)


def one_input(data: bytes) -> None:
    """The first byte says what the others are."""
    if data:
        try:
            TARGETS[data[0] % len(TARGETS)](data[1:])
        except VerinferError:
            return


def seeds() -> list[bytes]:
    """A valid input for each target."""
    trial, _ = trials()
    key, structure = trial.key(), structure_of(trial.circuit)
    values = (tuple(int(v) for v in x.reshape(-1)) for x in (trial.inputs[0], trial.witness.outputs[0]))
    proof = Proof("sumcheck", key.circuit_id, key.digest, True, *values, {"argument": valid_argument()})
    files = (proof.encode()[:-DIGEST_BYTES], key.encode()[:-DIGEST_BYTES])
    options = key.sections["options"]
    contents = (*files, options + structure.encode(), valid_argument())
    return [bytes([i]) + content for i, content in enumerate(contents)]


def instrument(*prefixes: str) -> None:
    """Count the coverage of the functions of modules. (An editable install's imports cannot be hooked.)"""
    for name, module in list(sys.modules.items()):
        if name.startswith(prefixes):
            for owner in (module, *(v for v in vars(module).values() if inspect.isclass(v))):
                for value in list(vars(owner).values()):
                    if inspect.isfunction(value) and value.__module__ == name:
                        atheris.instrument_func(value)


def main() -> None:
    """Write the seeds, or fuzz."""
    if "--seeds" in sys.argv:
        for i, seed in enumerate(seeds()):
            (Path(sys.argv[1]) / TARGETS[i].__name__).write_bytes(seed)
        return
    for number, seed in enumerate(seeds()):
        TARGETS[number](seed[1:])
    instrument("verifier.", "circuits.json_depth")
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
