"""The main job on a real model, start to end: compile, set up, prove, check.

Each model goes by every backend: compile, set up, prove, check; then deploy, register and check on a local
chain. The proof is altered in one byte, and the answer in one digit, and both are refused, here and by the
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
from contracts.deployment import Deployment, deploy_contracts
from contracts.devchain import Anvil
from contracts.registry import new_salt
from prover.backend import Choices
from prover.backends import DEFAULT, backend
from prover.progress import Progress, silent
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.srs import SrsStore
from verifier.verify import verify
from verinfer.chain import check, find_model, registration
from verinfer.chain_tiers import chain_tier

MODELS = ("mlp", "cnn")
BACKENDS = (DEFAULT, "ezkl")
FOR_A_CHAIN = Choices("evm")


@dataclass
class Report:
    """What the demo did with one model by one backend: figures by step, and what became of the forgeries."""

    model: str
    backend: str
    seconds: dict[str, float] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    refused: dict[str, bool] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the honest proof was accepted everywhere and every forgery refused."""
        return bool(
            self.figures.get("valid")
            and self.figures.get("valid_on_chain")
            and self.refused
            and all(self.refused.values())
        )

    @contextmanager
    def timed(self, step: str, progress: Progress | None = None) -> Iterator[None]:
        """Take a step's time, and show the step unless it shows its own parts."""
        if progress is not None:
            progress(f"{self.model}, {self.backend}: {step}")
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
        reports = []
        for name in MODELS:
            for backend_name in BACKENDS:
                report, done = one(name, backend_name, folder, examples, progress)
                on_chain(report, done, deployment, progress)
                reports.append(report)
        return reports


@dataclass(frozen=True)
class Proved:
    """What is left of the way of one model: its circuit, key and proof."""

    circuit: Circuit
    key: VerifyingKey
    proof: Proof


def one(
    name: str, backend_name: str, folder: Path, examples: Path, progress: Progress
) -> tuple[Report, Proved]:
    """The way of one model by one backend, up to the check here."""
    report = Report(name, backend_name)
    with report.timed("compile", progress):
        compiled = compile_file(examples / f"{name}.onnx", examples / "calibration.npz")
        circuit = compiled.circuit
        save(circuit, folder / f"{name}.circuit")
    report.figures |= {
        "circuit_id": "0x" + circuit.circuit_id.hex(),
        "parameters": circuit.parameters,
        "argmax_agreement": compiled.fidelity.argmax_agreement,
    }
    prover = backend(backend_name)
    prover.check(circuit)
    with report.timed("make a development SRS", progress):
        needed = prover.estimate(circuit, FOR_A_CHAIN).srs_k
        if not any(srs.k >= needed for srs in SrsStore().info()):
            SrsStore().generate(needed)
    find = SrsStore().find
    with report.timed("setup"):
        made = prover.setup(circuit, find, progress, FOR_A_CHAIN)
        made.key.save(folder / f"{name}.{backend_name}.vk")
    report.figures |= {
        "size": f"{made.size:,} {prover.unit}",
        "key_bytes": len(made.key.encode()),
        "proving_key_bytes": made.proving_key_bytes,
        "cached": made.cached,
    }
    inputs = load_inputs(circuit, examples / "sample.json")
    report.figures["answer"] = int(np.argmax(real_outputs(circuit, execute(circuit, inputs))[0]))
    with report.timed("load the prover"):
        loaded = prover.load(circuit, made.key, find, progress)
    proven = loaded.prove(inputs, progress)
    proven.proof.save(folder / f"{name}.{backend_name}.proof")
    report.seconds["prove"] = proven.seconds
    report.figures |= {
        "proof_bytes": sum(map(len, proven.proof.sections.values())),
        "peak_rss_bytes": proven.peak_rss_bytes,
        "insecure_srs": proven.proof.insecure_srs,
    }
    key = VerifyingKey.load(folder / f"{name}.{backend_name}.vk")
    proof = Proof.load(folder / f"{name}.{backend_name}.proof")
    with report.timed("verify here", progress):
        report.figures["valid"] = verify(proof, key).valid
    with report.timed("refuse forgeries here", progress):
        for what, forged in forgeries(proof).items():
            report.refused[f"{what}, here"] = not verify(forged, key).valid
    return report, Proved(circuit, key, proof)


def on_chain(report: Report, proved: Proved, deployment: Deployment, progress: Progress) -> None:
    """Commit, deploy, register, check on the chain, and try the forgeries there."""
    key, proof = proved.key, proved.proof
    with report.timed("deploy and register", progress):
        salt = new_salt()
        committed = deployment.registry.commit(proved.circuit.circuit_id, salt)
        deployed = chain_tier(key).deploy(deployment.verifier, key, silent)
        registered = deployment.registry.register(registration(key, deployed.tier), salt)
    report.figures |= {
        "model_id": hex(registered.model_id),
        "deploy_gas": deployed.gas,
        "register_gas": committed["gasUsed"] + registered.receipt["gasUsed"],
    }
    with report.timed("verify on the chain", progress):
        model = find_model(deployment.verifier, key, registered.model_id)
        accepted = check(deployment.verifier, model, proof, key)
    report.figures |= {"valid_on_chain": accepted["valid"], "verify_gas": accepted.get("gas")}
    with report.timed("refuse forgeries on the chain", progress):
        for what, forged in forgeries(proof).items():
            refused = not check(deployment.verifier, model, forged, key)["valid"]
            report.refused[f"{what}, on the chain"] = refused


def forgeries(proof: Proof) -> dict[str, Proof]:
    """The proof with one byte changed, and the proof with another answer."""
    [(section, honest)] = proof.sections.items()
    data = bytearray(honest)
    data[len(data) // 2] ^= 1
    outputs = list(proof.outputs)
    first, second = np.argsort(outputs)[-2:]
    outputs[first], outputs[second] = outputs[second], outputs[first]
    return {
        "a changed byte": replace(proof, sections={section: bytes(data)}),
        "another answer": replace(proof, outputs=tuple(outputs)),
    }
