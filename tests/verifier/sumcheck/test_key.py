"""Keys and proofs of the sumcheck backend as files: sections, ports, options, commitments."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from circuits.builder import CircuitBuilder
from circuits.circuit import Circuit, Port
from circuits.errors import FormatError
from prover.progress import silent
from prover.sumcheck.backend import SumcheckBackend
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.srs import SrsStore
from verifier.sumcheck.key import decode_key
from verifier.sumcheck.verify import SumcheckVerifier, verify_proof
from verifier.verify import verify


@pytest.fixture(scope="module")
def circuit() -> Circuit:
    """Two inputs and two outputs, of different shapes."""
    b = CircuitBuilder()
    x = b.input("x", (1, 4), -100, 100, 1.0, "int")
    z = b.input("z", (3,), 0, 9, 1.0, "int")
    y = b.add("matmul", [x, b.constant(np.arange(-6, 6).reshape(4, 3))])
    ends = [b.add("rescale", [b.add("mul", [y, z])], mul=1, shift=4, lo=-90, hi=90), z]
    return b.build([Port(f"y{i}", node, 1.0, "int") for i, node in enumerate(ends)], {})


@pytest.fixture(scope="module")
def made(circuit: Circuit, tmp_path_factory: pytest.TempPathFactory) -> tuple[VerifyingKey, Proof]:
    """A key, and a proof of two samples."""
    store = SrsStore(tmp_path_factory.mktemp("srs"))
    backend = SumcheckBackend()
    key = backend.setup(circuit, store.generate, silent).key
    inputs = [np.array([[[1, -2, 3, 100]], [[0, 7, -100, 5]]]), np.array([[0, 9, 4], [1, 2, 3]])]
    return key, backend.load(circuit, key, store.find, silent).prove(inputs, silent).proof


@pytest.fixture
def key(made: tuple[VerifyingKey, Proof]) -> VerifyingKey:
    return made[0]


@pytest.fixture
def proof(made: tuple[VerifyingKey, Proof]) -> Proof:
    return made[1]


def with_section(key: VerifyingKey, name: str, value: bytes | None) -> VerifyingKey:
    """The key with one section replaced, or taken out."""
    sections = {**key.sections, name: value}
    return replace(key, sections={n: data for n, data in sections.items() if data is not None})


def test_files_are_read_as_they_were_written(key: VerifyingKey, proof: Proof) -> None:
    verdict = verify(Proof.decode(proof.encode()), VerifyingKey.decode(key.encode()))
    assert verdict.valid, verdict.reason
    assert verdict.insecure_srs
    assert set(key.sections) == {"structure", "options", "parameters"}
    assert set(proof.sections) == {"argument"}


def test_a_statement_has_its_samples_one_after_another(proof: Proof) -> None:
    assert proof.inputs == (1, -2, 3, 100, 0, 9, 4, 0, 7, -100, 5, 1, 2, 3)
    assert proof.outputs[3:6] == (0, 9, 4) and proof.outputs[9:] == (1, 2, 3)


@pytest.mark.parametrize("change", ["swapped samples", "one sample", "mixed samples", "more samples"])
def test_another_batch_is_refused(change: str, key: VerifyingKey, proof: Proof) -> None:
    inputs, outputs = proof.inputs, proof.outputs
    n, m = len(inputs) // 2, len(outputs) // 2
    changed = {
        "swapped samples": (inputs[n:] + inputs[:n], outputs[m:] + outputs[:m]),
        "one sample": (inputs[:n], outputs[:m]),
        "mixed samples": (inputs, outputs[m:] + outputs[:m]),
        "more samples": (inputs + inputs[:n], outputs + outputs[:m]),
    }[change]
    assert not verify(replace(proof, inputs=changed[0], outputs=changed[1]), key).valid


@pytest.mark.parametrize("drop", ["inputs", "outputs"])
def test_samples_must_be_whole(drop: str, key: VerifyingKey, proof: Proof) -> None:
    values = getattr(proof, drop)
    for other in (values[:-1], values[: len(values) // 2], (), (*values, 0), values + values):
        verdict = verify(replace(proof, **{drop: other}), key)
        assert not verdict.valid and "values, but the circuit has" in verdict.reason


def test_a_bound_is_checked_in_every_sample(key: VerifyingKey, proof: Proof) -> None:
    n = len(proof.inputs) // 2
    for place, reason in ((0, "sample 0: element 0 of input 0"), (n + 6, "sample 1: element 2 of input 1")):
        inputs = list(proof.inputs)
        inputs[place] = 101
        verdict = verify(replace(proof, inputs=tuple(inputs)), key)
        assert not verdict.valid and reason in verdict.reason


@pytest.mark.parametrize("name", ["structure", "options", "parameters", "vk"])
def test_other_sections_of_a_key_are_refused(name: str, key: VerifyingKey) -> None:
    with pytest.raises(FormatError, match="sections are not those"):
        decode_key(with_section(key, name, b"" if name == "vk" else None))


@pytest.mark.parametrize("sections", [{}, {"proof": b""}, {"argument": b"", "proof": b""}])
def test_other_sections_of_a_proof_are_refused(
    sections: dict[str, bytes], key: VerifyingKey, proof: Proof
) -> None:
    with pytest.raises(FormatError, match="sections are not those"):
        verify_proof(replace(proof, sections=sections), key)


@pytest.mark.parametrize(
    "options",
    [
        b"",
        b"\x08\x08\x00",
        b"\x08\x08\x00\x00\x00",
        b"\x00\x08\x00\x00",
        b"\x17\x08\x00\x00",
        b"\x08\x08\x00\x02",
    ],
)
def test_options_out_of_range_are_refused(options: bytes, key: VerifyingKey) -> None:
    with pytest.raises(FormatError, match="option"):
        decode_key(with_section(key, "options", options))


@pytest.mark.parametrize("place", range(4))
def test_no_option_may_be_huge(place: int, key: VerifyingKey) -> None:
    options = bytearray(key.sections["options"])
    options[place] = 255
    with pytest.raises(FormatError, match="option"):
        decode_key(with_section(key, "options", bytes(options)))


def test_commitments_are_as_many_as_chunks_and_on_the_curve(key: VerifyingKey) -> None:
    points = key.sections["parameters"]
    assert points
    off = (1).to_bytes(32, "big") + (1).to_bytes(32, "big")
    for other in (b"", points[:-1], points[:-64], points + bytes(64), off + points[64:]):
        with pytest.raises(FormatError):
            decode_key(with_section(key, "parameters", other))


def _change_structure(key: VerifyingKey, change: Callable[[dict[str, Any]], None]) -> VerifyingKey:
    content = json.loads(key.sections["structure"])
    change(content)
    data = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    return with_section(key, "structure", data)


def test_the_ports_are_those_of_the_circuits_header(key: VerifyingKey) -> None:
    def swap_outputs(content: dict[str, Any]) -> None:
        content["outputs"].reverse()

    def drop_output(content: dict[str, Any]) -> None:
        content["outputs"].pop()

    def widen_input(content: dict[str, Any]) -> None:
        content["nodes"][content["inputs"][1]][4] = -1

    for change, reason in (
        (swap_outputs, "output 0 is"),
        (drop_output, "1 outputs"),
        (widen_input, "input 1 is"),
    ):
        with pytest.raises(FormatError, match=reason):
            decode_key(_change_structure(key, change))


def test_a_key_with_another_structure_refuses_the_proof(key: VerifyingKey, proof: Proof) -> None:
    """A rescale with another shift: the key is well-formed, and its digest another."""

    def other_shift(content: dict[str, Any]) -> None:
        [rescale] = [node for node in content["nodes"] if node[0] == "rescale"]
        rescale[2][1] = 5

    other = _change_structure(key, other_shift)
    assert not verify(proof, other).valid
    assert not verify(replace(proof, key_digest=other.digest), other).valid


def test_one_verifier_checks_many_proofs(key: VerifyingKey, proof: Proof) -> None:
    verifier = SumcheckVerifier(key)
    for _ in range(2):
        verifier.check(proof)
