"""Setup and proof with the sumcheck backend as commands use it: keys, batches, sizes, and what it refuses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from circuits.builder import CircuitBuilder
from circuits.circuit import Circuit, Port
from circuits.compile import compile_file
from circuits.data import load_inputs
from circuits.errors import BoundError, FormatError, InputError
from circuits.executor import execute
from circuits.tensor import IntArray
from prover import memory
from prover.backend import Backend, Choices, Prover
from prover.backends import DEFAULT, backend
from prover.progress import silent
from prover.sumcheck.backend import SumcheckBackend
from prover.sumcheck.cost import proof_bytes
from tests.prover.circuits_to_prove import BUILDS, build
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.recipient import ANYONE, show_address
from verifier.srs import SrsStore, StoredSrs
from verifier.sumcheck.key import decode_key
from verifier.sumcheck.plan import make_plan
from verifier.sumcheck.structure import structure_of
from verifier.sumcheck.tuning import choose_options
from verifier.verify import verify

Srs = Callable[[int], StoredSrs]


def random_batch(circuit: Circuit, batch: int, seed: int = 1) -> list[IntArray]:
    """Inputs within their bounds."""
    rng = np.random.default_rng(seed)
    nodes = [circuit.nodes[port.node] for port in circuit.inputs]
    return [rng.integers(node.lo, node.hi, (batch, *node.shape), endpoint=True) for node in nodes]


@pytest.fixture(scope="module")
def circuit() -> Circuit:
    return build("a layer")


@pytest.fixture(scope="module")
def key(circuit: Circuit, srs: Srs) -> VerifyingKey:
    return SumcheckBackend().setup(circuit, srs, silent).key


@pytest.fixture(scope="module")
def prover(circuit: Circuit, key: VerifyingKey, srs: Srs) -> Prover:
    return SumcheckBackend().load(circuit, key, srs, silent)


def test_it_is_the_default() -> None:
    made: Backend = backend(DEFAULT)
    assert isinstance(made, SumcheckBackend) and made.name == DEFAULT == "sumcheck"


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_proofs_of_a_batch_are_of_the_executors_outputs(
    batch: int, circuit: Circuit, key: VerifyingKey, prover: Prover
) -> None:
    inputs = random_batch(circuit, batch)
    proven = prover.prove(inputs, silent)
    outputs = execute(circuit, inputs)
    samples = [[x for y in outputs for x in y[i].ravel().tolist()] for i in range(batch)]
    assert proven.proof.outputs == tuple(x for sample in samples for x in sample)
    verdict = verify(Proof.decode(proven.proof.encode()), VerifyingKey.decode(key.encode()))
    assert verdict.valid and verdict.insecure_srs
    assert proven.seconds > 0 and proven.peak_rss_bytes > 1 << 20


def test_a_proof_is_for_its_recipient_only(circuit: Circuit, key: VerifyingKey, prover: Prover) -> None:
    alice, bob = bytes(range(20)), bytes(range(1, 21))
    inputs = random_batch(circuit, 1)
    proofs = {recipient: prover.prove(inputs, silent, recipient).proof for recipient in (alice, bob, ANYONE)}
    for made_for, proof in proofs.items():
        assert proof.recipient == made_for
        for claimed in proofs:
            assert verify(dataclasses.replace(proof, recipient=claimed), key).valid == (claimed == made_for)
    assert verify(proofs[alice], key, show_address(alice)).valid
    assert not verify(proofs[alice], key, show_address(bob)).valid
    assert not verify(proofs[ANYONE], key, show_address(alice)).valid


def test_proofs_are_the_same_each_time(circuit: Circuit, key: VerifyingKey, srs: Srs) -> None:
    """On any number of threads: nothing in a proof is random."""
    inputs = random_batch(circuit, 2)
    proofs = {
        SumcheckBackend(threads).load(circuit, key, srs, silent).prove(inputs, silent).proof.encode()
        for threads in (1, 2, None)
    }
    assert len(proofs) == 1


def test_a_setup_is_reproducible_whatever_the_srs_file(circuit: Circuit, key: VerifyingKey, srs: Srs) -> None:
    larger = SumcheckBackend().setup(circuit, lambda k: srs(k + 1), silent)
    assert larger.key.encode() == key.encode()
    assert SumcheckBackend().remake(circuit, key, srs, silent).encode() == key.encode()


def test_a_key_is_remade_with_its_own_choices(circuit: Circuit, key: VerifyingKey, srs: Srs) -> None:
    other = SumcheckBackend().setup(circuit, srs, silent, Choices(chunk_bits=4)).key
    assert other.digest != key.digest
    assert SumcheckBackend().remake(circuit, other, srs, silent).digest == other.digest
    proven = SumcheckBackend().load(circuit, other, srs, silent).prove(random_batch(circuit, 1), silent)
    assert verify(proven.proof, other).valid and not verify(proven.proof, key).valid


def _other_weights() -> Circuit:
    """Like "a layer", with one weight changed that changes no bound."""
    circuit = build("a layer")
    constants = {i: value.copy() for i, value in circuit.constants.items()}
    b = CircuitBuilder()
    numbers: list[int] = []
    for i, node in enumerate(circuit.nodes):
        if node.op == "input":
            numbers.append(b.input(node.label, node.shape, node.lo, node.hi, 1.0, "int"))
        elif node.op == "constant":
            flat = constants[i].reshape(-1)
            flat[np.flatnonzero((flat != flat.max()) & (flat != flat.min()))[0]] += 1
            numbers.append(b.constant(constants[i]))
        else:
            numbers.append(b.add(node.op, [numbers[x] for x in node.inputs], **node.attrs))
    return b.build([Port(p.name, numbers[p.node], 1.0, "int") for p in circuit.outputs], {})


def test_a_proof_with_other_weights_is_refused(circuit: Circuit, key: VerifyingKey, srs: Srs) -> None:
    other = _other_weights()
    theirs = SumcheckBackend().setup(other, srs, silent).key
    proof = SumcheckBackend().load(other, theirs, srs, silent).prove(random_batch(other, 1), silent).proof
    assert verify(proof, theirs).valid
    relabelled = dataclasses.replace(proof, circuit_id=key.circuit_id, key_digest=key.digest)
    assert not verify(relabelled, key).valid
    with pytest.raises(InputError, match="the key is for circuit"):
        SumcheckBackend().load(other, key, srs, silent)
    assert SumcheckBackend().remake(other, key, srs, silent).digest != key.digest


def test_a_key_of_another_version_is_refused(circuit: Circuit, key: VerifyingKey, srs: Srs) -> None:
    structure = key.sections["structure"].replace(b'"inputs"', b'"Inputs"')
    for section, value in (("structure", structure), ("options", b"")):
        with pytest.raises(InputError):
            SumcheckBackend().load(
                circuit,
                dataclasses.replace(key, sections={**key.sections, section: value}),
                srs,
                silent,
            )


def test_a_key_of_ezkl_is_refused(circuit: Circuit, key: VerifyingKey, srs: Srs) -> None:
    with pytest.raises(InputError, match="backend 'ezkl'"):
        SumcheckBackend().load(circuit, dataclasses.replace(key, backend="ezkl"), srs, silent)


def test_a_small_srs_is_refused_and_what_fits_is_named(circuit: Circuit, tmp_path: Path) -> None:
    store = SrsStore(tmp_path)
    with pytest.raises(InputError, match=r"2\^8 points or more\. Run `verinfer srs import") as error:
        SumcheckBackend().setup(circuit, store.find, silent)
    assert "--chunk-bits" not in str(error.value)
    store.generate(5)
    with pytest.raises(InputError, match=r"2\^8 points or more.*--chunk-bits 5 would do"):
        SumcheckBackend().setup(circuit, store.find, silent)
    key = SumcheckBackend().setup(circuit, store.find, silent, Choices(chunk_bits=5)).key
    proven = SumcheckBackend().load(circuit, key, store.find, silent).prove(random_batch(circuit, 1), silent)
    assert verify(proven.proof, key).valid


def test_a_finder_that_gives_too_few_points_is_not_believed(circuit: Circuit, srs: Srs) -> None:
    with pytest.raises(InputError, match=r"has 2\^4 points, and this circuit needs 2\^8"):
        SumcheckBackend().setup(circuit, lambda k: srs(4), silent)


def test_another_srs_than_the_keys_is_refused(circuit: Circuit, key: VerifyingKey, srs: Srs) -> None:
    stored = srs(8)
    head = dataclasses.replace(stored.head, tau_g1=(1, 2))
    with pytest.raises(InputError, match="the key was made with the SRS"):
        SumcheckBackend().load(circuit, key, lambda k: dataclasses.replace(stored, head=head), silent)


@pytest.mark.parametrize("chunk_bits", [0, -1, 23, 99])
def test_chunks_out_of_range_are_refused(chunk_bits: int, circuit: Circuit, srs: Srs) -> None:
    with pytest.raises(InputError, match="chunks have between"):
        SumcheckBackend().setup(circuit, srs, silent, Choices(chunk_bits=chunk_bits))


def test_too_many_chunks_are_refused() -> None:
    b = CircuitBuilder()
    x = b.input("x", (1, 1024), -1, 1, 1.0, "int")
    y = b.add("matmul", [x, b.constant(np.eye(1024, dtype=np.int64))])
    large = b.build([Port("y", y, 1.0, "int")], {})
    with pytest.raises(FormatError, match=r"524,288 chunks of 2\^1 numbers"):
        SumcheckBackend().setup(large, lambda k: pytest.fail("too late"), silent, Choices(chunk_bits=1))


def test_memory_is_counted_before_it_is_taken(
    circuit: Circuit, key: VerifyingKey, srs: Srs, prover: Prover, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 1 << 20)
    steps: list[str] = []
    with pytest.raises(InputError, match=r"this proof takes about 0\.1 GB .*0\.0 GB are available"):
        prover.prove(random_batch(circuit, 1), steps.append)
    with pytest.raises(InputError, match="the setup takes about"):
        SumcheckBackend().setup(circuit, srs, silent)
    assert steps == []


def test_an_input_out_of_bound_is_refused_before_proving(prover: Prover) -> None:
    steps: list[str] = []
    with pytest.raises(BoundError):
        prover.prove([np.array([[[0, 0, 0, 256]]])], steps.append)
    with pytest.raises(InputError):
        prover.prove([np.array(3)], steps.append)
    assert steps == []


@pytest.mark.parametrize("name", sorted(BUILDS))
def test_the_length_of_a_proof_is_known_before(name: str, srs: Srs) -> None:
    made = build(name)
    key = SumcheckBackend().setup(made, srs, silent).key
    proven = SumcheckBackend().load(made, key, srs, silent).prove(random_batch(made, 1), silent)
    estimate = SumcheckBackend().estimate(made)
    assert len(proven.proof.sections["argument"]) == estimate.proof_bytes
    assert estimate.size >= sum(layer.size for layer in estimate.layers)


def test_the_length_of_a_batchs_proof_is_known_before(circuit: Circuit, prover: Prover) -> None:
    options = choose_options(structure_of(circuit))
    for batch in (2, 9):
        proof = prover.prove(random_batch(circuit, batch), silent).proof
        plan = make_plan(structure_of(circuit), options, batch)
        assert len(proof.sections["argument"]) == proof_bytes(plan)


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_digits_are_recognised_and_proved(name: str, digits: Path, srs: Srs) -> None:
    """Eight of them in one proof."""
    circuit = compile_file(digits / f"{name}.onnx", digits / "calibration.npz").circuit
    [images] = load_inputs(circuit, digits / "heldout.npz", False)
    labels = np.load(digits / "heldout_labels.npy")
    key = SumcheckBackend().setup(circuit, srs, silent).key
    proof = SumcheckBackend().load(circuit, key, srs, silent).prove([images[:8]], silent).proof
    assert verify(proof, key).valid
    assert np.argmax(np.reshape(proof.outputs, (8, -1)), axis=1).tolist() == labels[:8].tolist()


def test_a_setup_for_a_chain_has_few_commitments(circuit: Circuit, srs: Srs) -> None:
    """Each commitment costs a contract a multiplication in G1; larger chunks cost the prover little here."""
    plans = []
    for target in ("cpu", "evm"):
        key = SumcheckBackend().setup(circuit, srs, silent, Choices(target)).key  # type: ignore[arg-type]
        plan = decode_key(key).plan(1)
        plans.append(plan.parameters.chunks + plan.advice.chunks + plan.options.chunk_bits)
    assert plans[1] <= plans[0]
