"""The main job on a real model, start to end: compile, set up, prove, check here, deploy, register, check on
a chain.

Then the proof is altered in one byte, and the answer in one digit, and both are refused, here and by the
contract.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from circuits.circuit import Circuit
from circuits.compile import compile_file
from circuits.data import load_inputs, real_outputs
from circuits.executor import execute
from circuits.file import save
from contracts.chain import Chain
from contracts.deployment import Deployment, deploy_contracts
from contracts.devchain import Anvil
from contracts.registry import new_salt
from prover.backends import backend
from prover.progress import Progress
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.srs import SrsStore
from verifier.verify import verify
from verinfer.chain import check, deploy_verifier, find_model, registration

MODELS = ("mlp", "cnn")
CHAIN_BACKEND = "ezkl"


@dataclass
class Report:
    """What the demo did with one model: figures by step, and what became of the forgeries."""

    model: str
    backend: str
    seconds: dict[str, float] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    refused: dict[str, bool] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the honest proof was accepted everywhere and every forgery refused."""
        return bool(
            self.figures.get("valid") and self.figures.get("valid_on_chain") and all(self.refused.values())
        )

    @contextmanager
    def timed(self, step: str, progress: Progress | None = None) -> Iterator[None]:
        """Take a step's time, and show the step unless it shows its own parts."""
        if progress is not None:
            progress(f"{self.model}: {step}")
        began = time.monotonic()
        yield
        self.seconds[step] = time.monotonic() - began


def run(folder: Path, examples: Path, progress: Progress) -> list[Report]:
    """Run the demo on the digits models in `examples`, leaving circuits, keys and proofs in `folder`.

    Raises
    ------
    VerinferError
        If any step fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    progress("starting a local chain")
    with Anvil() as anvil:
        chain = anvil.connect()
        progress("deploying the contracts")
        deployment = deploy_contracts(chain)
        return [one(name, folder, examples, chain, deployment, progress) for name in MODELS]


def one(
    name: str, folder: Path, examples: Path, chain: Chain, deployment: Deployment, progress: Progress
) -> Report:
    """The whole way for one model."""
    report = Report(name, CHAIN_BACKEND)
    with report.timed("compile", progress):
        compiled = compile_file(examples / f"{name}.onnx", examples / "calibration.npz")
        circuit = compiled.circuit
        save(circuit, folder / f"{name}.circuit")
    report.figures |= {
        "circuit_id": "0x" + circuit.circuit_id.hex(),
        "parameters": circuit.parameters,
        "argmax_agreement": compiled.fidelity.argmax_agreement,
    }
    prover = backend(CHAIN_BACKEND)
    prover.check(circuit)
    with report.timed("make a development SRS", progress):
        needed = prover.estimate(circuit).logrows
        if not any(srs.k >= needed for srs in SrsStore().info()):
            SrsStore().generate(needed)
    find = SrsStore().find
    with report.timed("setup"):
        done = prover.setup(circuit, find, progress)
        done.key.save(folder / f"{name}.vk")
    report.figures |= {"rows": done.rows, "proving_key_bytes": done.proving_key_bytes, "cached": done.cached}
    inputs = load_inputs(circuit, examples / "sample.json")
    report.figures["answer"] = int(np.argmax(real_outputs(circuit, execute(circuit, inputs))[0]))
    with report.timed("prove"):
        proven = prover.prove(circuit, [x[0] for x in inputs], done.key, find, progress)
        proven.proof.save(folder / f"{name}.proof")
    report.figures |= {
        "proof_bytes": sum(map(len, proven.proof.sections.values())),
        "peak_rss_bytes": proven.peak_rss_bytes,
        "insecure_srs": proven.proof.insecure_srs,
    }
    with report.timed("verify here", progress):
        key, proof = VerifyingKey.load(folder / f"{name}.vk"), Proof.load(folder / f"{name}.proof")
        report.figures["valid"] = verify(proof, key).valid
    on_chain(report, circuit, proof, key, chain, deployment, progress)
    return report


def on_chain(
    report: Report,
    circuit: Circuit,
    proof: Proof,
    key: VerifyingKey,
    chain: Chain,
    deployment: Deployment,
    progress: Progress,
) -> None:
    """Commit, deploy, register, check on the chain, and try the forgeries."""
    with report.timed("deploy and register", progress):
        salt = new_salt()
        committed = deployment.registry.commit(circuit.circuit_id, salt)
        tier, deployed = deploy_verifier(chain, key)
        registered = deployment.registry.register(registration(key, tier), salt)
    report.figures |= {
        "model_id": hex(registered.model_id),
        "deploy_gas": deployed.gas,
        "register_gas": committed["gasUsed"] + registered.receipt["gasUsed"],
    }
    with report.timed("verify on the chain", progress):
        model = find_model(deployment.verifier, key, registered.model_id)
        accepted = check(deployment.verifier, model, proof, key)
    report.figures |= {"valid_on_chain": accepted["valid"], "verify_gas": accepted.get("gas")}
    with report.timed("refuse forgeries", progress):
        for what, forged in forgeries(proof).items():
            report.refused[f"{what}, here"] = not verify(forged, key).valid
            report.refused[f"{what}, on the chain"] = not check(deployment.verifier, model, forged, key)[
                "valid"
            ]


def forgeries(proof: Proof) -> dict[str, Proof]:
    """The proof with one byte changed, and the proof with another answer."""
    data = bytearray(proof.sections["proof"])
    data[len(data) // 2] ^= 1
    outputs = list(proof.outputs)
    first, second = np.argsort(outputs)[-2:]
    outputs[first], outputs[second] = outputs[second], outputs[first]
    return {
        "a changed byte": replace(proof, sections={**proof.sections, "proof": bytes(data)}),
        "another answer": replace(proof, outputs=tuple(outputs)),
    }
