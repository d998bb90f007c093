"""The handler of `prove` jobs: execute the circuit, prove its outputs, check the proof.

request   {"input": digest of an artifact}: input data as JSON, the way `circuits.data` has it
result    {"output": digest, "proof": digest}: the outputs as JSON {"output_ints": ...}, and the proof
"""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path
from typing import Any

from sqlalchemy import select

from circuits.circuit import Circuit
from circuits.data import load_inputs
from circuits.errors import InputError
from circuits.executor import execute
from circuits.file import load
from prover.backend import sample_by_sample
from prover.backends import backend
from service.artifacts import Artifacts
from service.database import Database, Model, Version, VersionKey
from service.leases import EXECUTE
from service.worker import Context, Result
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.srs import SrsStore
from verifier.verify import verify

OUTPUT_TYPE, PROOF_TYPE = "application/json", "application/vnd.verinfer.proof"


class ProveHandler:
    """Does `prove` jobs.

    Parameters
    ----------
    srs
        Where the reference strings are; by default in this user's cache.
    threads
        How many a proof may use; by default one for each processor.
    """

    def __init__(
        self,
        database: Database,
        artifacts: Artifacts,
        srs: SrsStore | None = None,
        threads: int | None = None,
    ) -> None:
        self._database = database
        self._artifacts = artifacts
        self._srs = srs or SrsStore()
        self._threads = threads

    def __call__(self, context: Context) -> Result:
        """Do a job.

        Raises
        ------
        InputError
            If the version has no key of the tier, or the input does not fit the circuit.
        RuntimeError
            If the proof does not hold. That is a bug.
        """
        with tempfile.TemporaryDirectory(prefix="verinfer-") as folder:
            try:
                return _Proving(self, context, Path(folder)).run()
            except InputError as error:
                # The tenant is shown the message, and the folder is none of its business.
                raise InputError(str(error).replace(f"{folder}/", "")) from error

    def subject(self, version_id: str | None, tier: str) -> tuple[str, str, str]:
        """Whose model a version is, and the digests of its circuit and verifying key. Raises InputError."""
        with self._database.read() as session:
            found = session.execute(
                select(Model.tenant_id, Version.circuit, VersionKey.verifying_key)
                .join(Version, Version.model_id == Model.id)
                .join(VersionKey, VersionKey.version_id == Version.id)
                .where(Version.id == version_id, VersionKey.backend == tier)
            ).one_or_none()
        if found is None:
            raise InputError(f"the model's version has no key for {tier}: set it up first")
        owner, circuit, key = found
        return owner, circuit, key


class _Proving:
    """One attempt at one job. What was loaded for a stage stays for the next."""

    def __init__(self, handler: ProveHandler, context: Context, folder: Path) -> None:
        self._handler = handler
        self._context = context
        self._folder = folder
        self._artifacts = handler._artifacts
        self._tenant = context.lease.tenant_id
        lease = context.lease
        self._owner, self._circuit_digest, self._key_digest = handler.subject(lease.version_id, lease.tier)
        self._circuit: Circuit | None = None

    def run(self) -> Result:
        output = self._context.stage(EXECUTE, self._execute)["output"]
        proof = self._context.stage("prove", self._prove)["proof"]
        self._context.stage("verify", lambda: self._verify(output, proof))
        return {"output": output, "proof": proof}

    def _execute(self) -> Result:
        circuit = self._load_circuit()
        integers = list(sample_by_sample(execute(circuit, self._load_inputs(circuit))))
        return {"output": self._put(json.dumps({"output_ints": integers}).encode(), OUTPUT_TYPE)}

    def _prove(self) -> Result:
        lease, handler = self._context.lease, self._handler
        circuit, key = self._load_circuit(), self._load_key()

        def find(k: int) -> Any:
            return handler._srs.find(k, key.srs_id)

        prover = backend(lease.tier, handler._threads).load(circuit, key, find, self._context.progress)
        proven = prover.prove(self._load_inputs(circuit), self._context.progress)
        return {"proof": self._put(proven.proof.encode(), PROOF_TYPE), "seconds": proven.seconds}

    def _verify(self, output: str, proof: str) -> Result:
        executed = json.loads(b"".join(self._artifacts.read(self._tenant, output)))["output_ints"]
        stored = Proof.decode(b"".join(self._artifacts.read(self._tenant, proof)))
        verdict = verify(stored, self._load_key())
        if not verdict.valid:
            raise RuntimeError(f"the proof does not hold: {verdict.reason}")
        if list(verdict.outputs) != executed:
            raise RuntimeError("the proof is about other outputs than those executed")
        return {"valid": True, "insecure_srs": verdict.insecure_srs}

    def _load_circuit(self) -> Circuit:
        if self._circuit is None:
            path = self._folder / "model.circuit"
            self._circuit = load(self._artifacts.fetch(self._owner, self._circuit_digest, path))
        return self._circuit

    def _load_inputs(self, circuit: Circuit) -> Any:
        digest = self._context.lease.request["input"]
        return load_inputs(circuit, self._artifacts.fetch(self._tenant, digest, self._folder / "input.json"))

    def _load_key(self) -> VerifyingKey:
        return VerifyingKey.decode(b"".join(self._artifacts.read(self._owner, self._key_digest)))

    def _put(self, data: bytes, media_type: str) -> str:
        return self._artifacts.put(self._tenant, io.BytesIO(data), media_type)
