"""Setup, proof and check with ezkl, and all that must not pass."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from circuits.builder import CircuitBuilder
from circuits.circuit import Circuit, Node, Port
from circuits.errors import BoundError, CheckFailed, InputError, UnsupportedError
from circuits.executor import execute
from prover.backend import Backend, Choices
from prover.ezkl import backend as ezkl_backend
from prover.ezkl.backend import EzklBackend
from prover.keys import KeyCache
from prover.progress import silent
from tests.prover.circuits_to_prove import build
from tests.prover.conftest import Proved
from verifier.ezkl import EzklVerifier
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.srs import StoredSrs
from verifier.verify import verify

Srs = Callable[[int], StoredSrs]


def _other_weights(circuit: Circuit) -> Circuit:
    """The same circuit with one weight of its last layer changed."""
    constants = {i: value.copy() for i, value in circuit.constants.items()}
    last = constants[max(constants)]
    flat = last.reshape(-1)
    flat[np.flatnonzero((flat != flat.max()) & (flat != flat.min()))[0]] += 1
    return dataclasses.replace(circuit, constants=constants)


def _rebuilt(circuit: Circuit) -> Circuit:
    """The circuit with bounds computed anew."""
    b = CircuitBuilder()
    numbers: list[int] = []
    for i, node in enumerate(circuit.nodes):
        if node.op == "input":
            numbers.append(b.input(node.label, node.shape, node.lo, node.hi, 1.0, "int"))
        elif node.op == "constant":
            numbers.append(b.constant(circuit.constants[i]))
        else:
            numbers.append(b.add(node.op, [numbers[x] for x in node.inputs], **node.attrs))
    return b.build([Port(p.name, numbers[p.node], 1.0, "int") for p in circuit.outputs], {})


def test_the_proof_is_of_the_executors_outputs(proved: Proved) -> None:
    proof, key = proved.proven.proof, proved.set_up.key
    [expected] = execute(proved.circuit, proved.inputs)
    assert proof.outputs == tuple(int(x) for x in expected.ravel())
    assert proof.inputs == tuple(int(x) for x in proved.inputs[0].ravel())
    verdict = verify(Proof.decode(proof.encode()), VerifyingKey.decode(key.encode()))
    assert verdict.valid and verdict.insecure_srs
    assert proved.proven.seconds > 0 and proved.proven.peak_rss_bytes > 1 << 20
    assert proved.set_up.peak_rss_bytes > 1 << 20 and not proved.set_up.cached


def test_the_backend_is_a_backend(proved: Proved) -> None:
    backend: Backend = proved.backend
    assert backend.name == proved.set_up.key.backend == "ezkl"


@pytest.mark.parametrize("part", ["inputs", "outputs"])
def test_a_changed_value_is_refused(proved: Proved, part: str) -> None:
    proof, key = proved.proven.proof, proved.set_up.key
    values = getattr(proof, part)
    changed = dataclasses.replace(proof, **{part: (values[0] + 1, *values[1:])})
    verdict = verify(changed, key)
    assert not verdict.valid and "proof is invalid" in verdict.reason
    swapped = dataclasses.replace(proof, **{part: values[::-1]})
    assert not verify(swapped, key).valid


def test_a_proof_with_other_weights_is_refused(proved: Proved, cache: KeyCache, srs: Srs) -> None:
    """The same statement, honestly proved for another model, does not pass for this one."""
    other = _rebuilt(_other_weights(proved.circuit))
    assert other.circuit_id != proved.circuit.circuit_id
    backend = EzklBackend(cache)
    key = backend.setup(other, srs, silent).key
    proof = backend.load(other, key, srs, silent).prove(proved.inputs, silent).proof
    assert verify(proof, key).valid

    mine = proved.set_up.key
    assert not verify(proof, mine).valid
    relabelled = dataclasses.replace(proof, circuit_id=mine.circuit_id, key_digest=mine.digest)
    verdict = verify(relabelled, mine)
    assert not verdict.valid and "proof is invalid" in verdict.reason
    with EzklVerifier(mine) as verifier, pytest.raises(CheckFailed):
        verifier.check(dataclasses.replace(relabelled, outputs=proved.proven.proof.outputs))


def test_a_prover_with_other_weights_cannot_use_this_models_key(proved: Proved, srs: Srs) -> None:
    other = _rebuilt(_other_weights(proved.circuit))
    with pytest.raises(InputError, match="the key is for circuit"):
        proved.backend.load(other, proved.set_up.key, srs, silent)


def test_setup_is_reproducible_and_cached(proved: Proved, cache: KeyCache, srs: Srs) -> None:
    key = proved.set_up.key
    anew = EzklBackend(cache).setup(proved.circuit, srs, silent)
    assert not anew.cached and anew.key.encode() == key.encode()
    again = EzklBackend(cache).setup(proved.circuit, srs, silent)
    assert again.cached and again.key.encode() == key.encode()


def test_a_larger_srs_gives_the_same_key(proved: Proved, cache: KeyCache, srs: Srs) -> None:
    larger = EzklBackend(cache).setup(proved.circuit, lambda k: srs(k + 1), silent)
    assert larger.key.encode() == proved.set_up.key.encode()


def test_a_damaged_proving_key_is_not_used(proved: Proved, cache: KeyCache, srs: Srs) -> None:
    backend = EzklBackend(cache)
    backend.setup(proved.circuit, srs, silent)
    [path] = cache.folder.glob("*/proving.key")
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(InputError, match="run `verinfer setup`"):
        backend.load(proved.circuit, proved.set_up.key, srs, silent)
    assert not backend.setup(proved.circuit, srs, silent).cached


def test_a_small_srs_is_refused_and_the_size_named(proved: Proved, cache: KeyCache, srs: Srs) -> None:
    sizes = []

    def too_small(k: int) -> StoredSrs:
        sizes.append(k)
        return srs(k - 1)

    with pytest.raises(InputError) as error:
        EzklBackend(cache).setup(proved.circuit, too_small, silent)
    [k] = sizes
    assert f"has 2^{k - 1} points, and this circuit needs 2^{k}" in str(error.value)
    assert not list(cache.folder.glob("*/proving.key"))


def test_outputs_that_differ_from_the_executors_fail_loudly(
    proved: Proved, srs: Srs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(circuit: Circuit, inputs: list[np.ndarray]) -> list[np.ndarray]:
        first, *others = execute(circuit, inputs)
        return [first + np.eye(*first.shape[-2:], dtype=first.dtype), *others]

    monkeypatch.setattr(ezkl_backend, "execute", wrong)
    prover = proved.backend.load(proved.circuit, proved.set_up.key, srs, silent)
    with pytest.raises(CheckFailed, match=r"other values than the executor.*1 of 6 differ"):
        prover.prove(proved.inputs, silent)


def test_an_input_out_of_bound_is_refused_before_proving(proved: Proved, srs: Srs) -> None:
    steps: list[str] = []
    prover = proved.backend.load(proved.circuit, proved.set_up.key, srs, silent)
    with pytest.raises(BoundError):
        prover.prove([np.array([[[0, 0, 0, 256]]])], steps.append)
    assert "proving" not in steps


def test_a_batch_is_refused(proved: Proved, srs: Srs) -> None:
    prover = proved.backend.load(proved.circuit, proved.set_up.key, srs, silent)
    with pytest.raises(InputError, match="2 samples were given"):
        prover.prove([np.zeros((2, 1, 4), dtype=np.int64)], silent)
    proof = proved.proven.proof
    doubled = dataclasses.replace(proof, inputs=2 * proof.inputs, outputs=2 * proof.outputs)
    verdict = verify(doubled, proved.set_up.key)
    assert not verdict.valid and "about one sample" in verdict.reason


def test_a_recipient_is_refused(proved: Proved, srs: Srs) -> None:
    prover = proved.backend.load(proved.circuit, proved.set_up.key, srs, silent)
    with pytest.raises(InputError, match="can bind no recipient"):
        prover.prove(proved.inputs, silent, bytes(range(20)))
    verdict = verify(dataclasses.replace(proved.proven.proof, recipient=bytes(range(20))), proved.set_up.key)
    assert not verdict.valid and "binds no recipient" in verdict.reason


def test_chunks_are_not_for_ezkl(proved: Proved, cache: KeyCache, srs: Srs) -> None:
    with pytest.raises(InputError, match="has no chunks"):
        EzklBackend(cache).setup(proved.circuit, srs, silent, Choices(chunk_bits=8))


def test_a_key_is_made_anew(proved: Proved, srs: Srs) -> None:
    key = proved.set_up.key
    assert proved.backend.remake(proved.circuit, key, srs, silent).encode() == key.encode()


def test_what_ezkl_cannot_take_is_refused_at_once(proved: Proved, cache: KeyCache, srs: Srs) -> None:
    node = Node("input", (), {}, (2,), 0, 1, "x")
    strange = Node("fold_space", (0,), {}, (2,), 0, 1, "encoder/Warp")
    circuit = Circuit((node, strange), {}, (Port("x", 0, 1.0, "int"),), (Port("y", 1, 1.0, "int"),))
    backend = EzklBackend(cache)
    for refuse in (backend.check, backend.estimate):
        with pytest.raises(UnsupportedError, match=r"encoder/Warp \(fold_space\)"):
            refuse(circuit)


def test_a_circuit_too_large_for_ezkl_is_refused_at_once() -> None:
    b = CircuitBuilder()
    x = b.input("x", (1, 4096), -100, 100, 1.0, "int")
    b.label = "big/Gemm"
    y = b.add("matmul", [x, b.constant(np.ones((4096, 4100), np.int64))])
    circuit = b.build([Port("y", y, 1.0, "int")], {})
    with pytest.raises(UnsupportedError, match=r"big/Gemm \(matmul\).*too many for ezkl"):
        EzklBackend().estimate(circuit)


def test_the_estimate_is_near_the_truth_and_names_layers(proved: Proved) -> None:
    estimate = proved.backend.estimate(proved.circuit)
    assert 0.8 < estimate.size / proved.set_up.size < 1.2
    assert {layer.op for layer in estimate.layers} >= {"matmul", "rescale"}
    assert sum(layer.size for layer in estimate.layers) >= estimate.size


@pytest.mark.parametrize("name", ["max_pool behind a rescale", "gather with a runtime index", "table"])
def test_other_circuits_prove(name: str, cache: KeyCache, srs: Srs) -> None:
    """One circuit for each of ezkl's arguments: decomposition, dynamic lookup, division."""
    circuit = build(name)
    backend = EzklBackend(cache)
    key = backend.setup(circuit, srs, silent).key
    rng = np.random.default_rng(2)
    bounds = [circuit.nodes[port.node] for port in circuit.inputs]
    inputs = [rng.integers(node.lo, node.hi + 1, (1, *node.shape)) for node in bounds]
    proof = backend.load(circuit, key, srs, silent).prove(inputs, silent).proof
    assert verify(proof, key).valid
    wrong = (proof.outputs[0] ^ 1, *proof.outputs[1:])
    assert not verify(dataclasses.replace(proof, outputs=wrong), key).valid
