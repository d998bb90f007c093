"""A small circuit registered on a chain, with a key for sumcheck proofs, and accounts that prove it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from eth_typing import ChecksumAddress
from web3.types import RPCEndpoint, TxReceipt

from circuits.circuit import Circuit
from circuits.tensor import IntArray
from circuits.trace import Trace
from contracts.chain import ZERO_ADDRESS, Chain
from contracts.claim_tier import Call
from contracts.claims import Claim
from contracts.deployment import Deployment
from contracts.packing import pack_inputs, pack_outputs
from contracts.registry import new_salt
from prover.backend import Choices, Prover
from prover.backends import backend
from prover.progress import silent
from tests.prover.circuits_to_prove import build
from tests.prover.sumcheck.trials import random_inputs
from verifier.key import VerifyingKey
from verifier.recipient import ANYONE
from verifier.srs import SrsStore
from verinfer.chain import registration
from verinfer.chain_tiers import chain_tier


@dataclass
class Sample:
    """An input of the model and all that is said of it. `commitment` is what proofs name the input by."""

    inputs: Sequence[IntArray]
    root: bytes
    commitment: bytes
    packed: bytes
    output: bytes
    trace: bytes


@dataclass
class ProvedModel:
    """The model, its key, and a prover for it."""

    deployment: Deployment
    circuit: Circuit
    key: VerifyingKey
    prover: Prover
    model_id: int

    @classmethod
    def on(
        cls, deployment: Deployment, folder: Path, name: str = "matmul", choices: Choices | None = None
    ) -> ProvedModel:
        """Set the circuit called `name` up and register it."""
        circuit = build(name)
        store, sumcheck = SrsStore(folder), backend("sumcheck")
        key = sumcheck.setup(circuit, store.generate, silent, choices or Choices()).key
        tier = chain_tier(key).deploy(deployment.verifier, key, silent).tier
        registry, salt = deployment.registry, new_salt()
        registry.commit(key.circuit_id, salt)
        model_id = registry.register(registration(key, tier), salt).model_id
        return cls(deployment, circuit, key, sumcheck.load(circuit, key, store.find, silent), model_id)

    @cached_property
    def system(self) -> bytes:
        """The proof system, 4 bytes."""
        return chain_tier(self.key).system

    def sample(self, seed: int) -> Sample:
        """A random input."""
        inputs = random_inputs(self.circuit, 1, seed)
        trace = Trace.of(self.circuit, inputs)
        proof = self.prover.prove(inputs, silent).proof
        return Sample(
            inputs,
            trace.input_tree.root,
            proof.committed.digest if proof.committed else trace.input_tree.root,
            pack_inputs(self.circuit, inputs),
            pack_outputs(self.circuit, trace.outputs),
            trace.root,
        )

    def proof(self, sample: Sample, recipient: str | None = None) -> bytes:
        """A proof of a sample's outputs for somebody, or for anyone, as contracts take it."""
        bound = bytes.fromhex(recipient[2:]) if recipient else ANYONE
        proof = self.prover.prove(sample.inputs, silent, bound).proof
        return chain_tier(self.key).payload(self.deployment.verifier, self.key, proof)

    def claim(self, sample: Sample, asserter: str, bond: int, window: int, **changes: object) -> Claim:
        """A claim of the sample's outputs to be settled by proofs."""
        terms: dict[str, object] = {"source": ZERO_ADDRESS, "output": sample.output} | changes
        return Claim.of(
            self.model_id,
            sample.root,
            bytes(32),
            terms["output"],  # type: ignore[arg-type]
            asserter=asserter,
            bond=bond,
            window=window,
            source=terms["source"],  # type: ignore[arg-type]
            settled_by=self.system,
        )


@dataclass
class Account:
    """One of the chain's accounts. Each of its transactions is in a block of its own."""

    chain: Chain

    @property
    def address(self) -> ChecksumAddress:
        assert self.chain.signer is not None
        return self.chain.signer.address

    def send(self, call: Call) -> TxReceipt:
        """Send what a binding made for another connection."""
        return self.chain.transact(call.function, call.value)

    def later(self, seconds: int) -> None:
        """Let time go by."""
        self.rpc("evm_increaseTime", seconds)
        self.rpc("evm_mine")

    def mine(self, blocks: int) -> None:
        """Let blocks go by."""
        self.rpc("anvil_mine", hex(blocks))

    def rpc(self, method: str, *arguments: object) -> None:
        answer = self.chain.web3.provider.make_request(RPCEndpoint(method), list(arguments))
        assert "error" not in answer, answer
