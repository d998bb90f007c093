"""What checking a sumcheck proof costs on a chain, measured on anvil, with where the gas goes.

`python -m bench.gas NAME=FILE.circuit[:commit][:argmax][:BITS] ... [-o RESULTS]` prints a table, and writes
RESULTS.json and RESULTS.md. `commit` commits to the inputs, `argmax` answers with the largest cell of the
output, a number takes chunks of 2^number cells. Keys are otherwise those of `setup --target evm`; the proofs
are made with the development string's public tau.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.keeping import keep
from bench.known_tau import KnownTauBackend, find
from circuits.answer import largest_only
from circuits.circuit import Circuit
from contracts.deployment import Deployment, deploy_contracts
from contracts.devchain import Anvil
from contracts.registry import new_salt
from prover.backend import Choices
from prover.progress import silent
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.statement import named_input
from verifier.sumcheck.key import decode_key
from verifier.sumcheck.program import compile_program, record
from verifier.verify import verify
from verinfer.chain import registration
from verinfer.chain_tiers import chain_tier

SNAPSHOT = Path(__file__).parents[1] / "contracts" / "snapshots" / "Machine.json"
BASE = 21_000
"""What every transaction costs."""
DEAR_BYTE = 40
"""What EIP-7623 makes of a byte of calldata where it dominates, in place of 16; 64 has been proposed."""
PROPOSED_BYTE = 64


def main(arguments: list[str]) -> None:
    """Measure the circuits named on the command line."""
    output = Path(arguments[arguments.index("-o") + 1]) if "-o" in arguments else None
    specs = [argument for argument in arguments if "=" in argument]
    rows = []
    with Anvil("--gas-limit", "100000000") as anvil:
        deployment = deploy_contracts(anvil.connect())
        for spec in specs:
            rows.append(measured(deployment, *spec.split("=", 1)))
            print(line(rows[-1]), flush=True)
    if output is not None:
        keep(output, rows, table(rows))


def measured(deployment: Deployment, name: str, spec: str) -> dict[str, Any]:
    """One circuit's figures."""
    path, *flags = spec.split(":")
    circuit = Circuit.load(path)
    if "argmax" in flags:
        circuit = largest_only(circuit, 1)
    backend = KnownTauBackend()
    bits = next((int(flag) for flag in flags if flag.isdigit()), None)
    key = backend.setup(circuit, find, silent, Choices("evm", bits, "commit" in flags)).key
    prover = backend.load(circuit, key, find, silent)
    random = np.random.default_rng(1)
    nodes = [circuit.nodes[port.node] for port in circuit.inputs]
    inputs = [random.integers(n.lo, n.hi, (1, *n.shape), endpoint=True).astype(n.dtype) for n in nodes]
    proof = prover.prove(inputs, silent).proof
    if not verify(proof, key).valid:
        raise AssertionError(f"the proof of {name} is invalid")
    return {
        "model": name,
        "inputs": "committed" if "commit" in flags else "values",
        **on_chain(deployment, key, proof),
    }


def on_chain(deployment: Deployment, key: VerifyingKey, proof: Proof) -> dict[str, Any]:
    """Register the key's model, send the proof, and take the receipt apart."""
    registry, verifier = deployment.registry, deployment.verifier
    tier = chain_tier(key)
    stored = tier.deploy(verifier, key, silent)
    salt = new_salt()
    registry.commit(key.circuit_id, salt)
    model = registry.register(registration(key, stored.tier), salt)
    commitment = named_input(proof.statement, key.circuit)
    payload = tier.payload(verifier, key, proof)
    receipt = verifier.record(model.model_id, commitment, proof.outputs, payload)
    data = bytes(verifier.chain.web3.eth.get_transaction(receipt["transactionHash"])["input"])
    calldata = sum(16 if byte else 4 for byte in data)
    snapshot = {name: int(gas) for name, gas in json.loads(SNAPSHOT.read_text()).items()}
    parts = decode_key(key)
    recording = record(parts.plan(1))
    points = sum(len(op.operands) // 2 for op in recording.operations if op.kind == "OPEN")
    rounds = sum(op.immediates[0] for op in recording.operations if op.kind.startswith("ROUNDS"))
    opening = snapshot["OPEN, no point"] + points * snapshot["OPEN, each point"]
    in_rounds = rounds * (snapshot["ROUNDS_AT, 11"] - snapshot["ROUNDS_AT, 1"]) // 10
    execution = receipt["gasUsed"] - BASE - calldata
    return {
        "gas": receipt["gasUsed"],
        "gas_at_40": BASE + DEAR_BYTE * len(data) + execution,
        "gas_at_64": BASE + PROPOSED_BYTE * len(data) + execution,
        "calldata_bytes": len(data),
        "calldata": calldata,
        "opening": opening,
        "rounds": in_rounds,
        "rest": execution - opening - in_rounds,
        "points": points,
        "chunk_bits": parts.options.chunk_bits,
        "program_bytes": len(compile_program(key)),
        "storing": stored.gas,
        "proof_bytes": len(proof.sections["argument"]),
    }


def line(row: dict[str, Any]) -> str:
    """A row of the table."""
    cells: Sequence[Any] = (
        row["model"], row["inputs"], f"{row['gas']:,}", f"{row['gas_at_40']:,}", f"{row['gas_at_64']:,}",
        f"{row['calldata']:,}", f"{row['opening']:,}", f"{row['rounds']:,}", f"{row['rest']:,}",
        row["points"], f"2^{row['chunk_bits']}", f"{row['program_bytes']:,}", f"{row['storing']:,}",
    )  # fmt: skip
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


HEAD = (
    "| model | inputs | gas | at 40 a byte | at 64 a byte | calldata | opening | rounds | rest | points "
    "| chunks | program, bytes | storing it |\n" + "|---" * 13 + "|\n"
)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """All rows, as Markdown."""
    return HEAD + "".join(line(row) + "\n" for row in rows)


if __name__ == "__main__":
    main(sys.argv[1:])
