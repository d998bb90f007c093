"""The handler of `prove` jobs: execute the circuit, prove its outputs, check the proof.

request   {"input": digest of an artifact}: input data as JSON, the way `circuits.data` has it
result    {"output": digest, "proof": digest, "verifying_key": digest}: the outputs as JSON
          {"output_ints": ...}, the proof, and the key that it is for

A sumcheck key is cheap, so it is made where a version has none yet.
"""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path
from typing import Any

from circuits.circuit import Circuit
from circuits.data import load_inputs
from circuits.errors import FormatError, InputError
from circuits.executor import execute
from circuits.file import load
from prover.backend import FindSrs, sample_by_sample
from prover.backends import backend
from service.artifacts import Artifacts
from service.database import Database
from service.leases import EXECUTE
from service.version_keys import find_subject, keep_key
from service.worker import Context, Result
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.srs import SrsStore, StoredSrs
from verifier.verify import verify

OUTPUT_TYPE, PROOF_TYPE = "application/json", "application/vnd.verinfer.proof"
KEY_TYPE = "application/vnd.verinfer.verifying-key"
WITHOUT_SETUP = {"sumcheck"}
"""The backends whose keys are made on the way to a first proof."""


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


def require_key(backend: str, verifying_key: str | None) -> None:
    """Raise InputError if a proof would lack a key that takes too long to be made on the way."""
    if verifying_key is None and backend not in WITHOUT_SETUP:
        raise InputError(f"the model's version has no key for {backend}: set it up first")


class _Proving:
    """One attempt at one job. What was loaded for a stage stays for the next."""

    def __init__(self, handler: ProveHandler, context: Context, folder: Path) -> None:
        self._handler = handler
        self._context = context
        self._folder = folder
        self._artifacts = handler._artifacts
        self._tenant = context.lease.tenant_id
        self._subject = find_subject(handler._database, context.lease.version_id, context.lease.tier)
        require_key(self._subject.backend, self._subject.verifying_key)
        self._circuit: Circuit | None = None

    def run(self) -> Result:
        output = self._context.stage(EXECUTE, self._execute)["output"]
        digest = self._subject.verifying_key
        if digest is None:
            digest = self._context.stage("setup", self._set_up)["verifying_key"]
        key = VerifyingKey.decode(b"".join(self._artifacts.read(self._subject.owner, digest)))
        proof = self._context.stage("prove", lambda: self._prove(key))["proof"]
        self._context.stage("verify", lambda: self._verify(output, proof, key))
        return {"output": output, "proof": proof, "verifying_key": digest}

    def _execute(self) -> Result:
        circuit = self._load_circuit()
        integers = list(sample_by_sample(execute(circuit, self._load_inputs(circuit))))
        return {"output": self._put(json.dumps({"output_ints": integers}).encode(), OUTPUT_TYPE)}

    def _set_up(self) -> Result:
        subject, find = self._subject, self._find_srs(None)
        made = backend(subject.backend, self._handler._threads).setup(
            self._load_circuit(), find, self._context.progress
        )
        # The owner's, though another tenant may have asked: the key is the version's from here on.
        digest = self._artifacts.put(subject.owner, io.BytesIO(made.key.encode()), KEY_TYPE)
        return {"verifying_key": keep_key(subject, self._handler._database, digest)}

    def _prove(self, key: VerifyingKey) -> Result:
        prover = backend(key.backend, self._handler._threads).load(
            self._load_circuit(), key, self._find_srs(key.srs_id), self._context.progress
        )
        proven = prover.prove(self._load_inputs(self._load_circuit()), self._context.progress)
        return {"proof": self._put(proven.proof.encode(), PROOF_TYPE), "seconds": proven.seconds}

    def _find_srs(self, srs_id: bytes | None) -> FindSrs:
        def find(k: int) -> StoredSrs:
            try:
                return self._handler._srs.find(k, srs_id)
            except FormatError:
                raise
            except InputError:
                # Where the store lies is none of the tenant's business.
                raise InputError(
                    f"the service has no reference string of 2^{k} points: its operator imports one with "
                    "`verinfer srs import`, or makes one for development with `verinfer srs generate`"
                ) from None

        return find

    def _verify(self, output: str, proof: str, key: VerifyingKey) -> Result:
        executed = json.loads(b"".join(self._artifacts.read(self._tenant, output)))["output_ints"]
        stored = Proof.decode(b"".join(self._artifacts.read(self._tenant, proof)))
        verdict = verify(stored, key)
        if not verdict.valid:
            raise RuntimeError(f"the proof does not hold: {verdict.reason}")
        if list(verdict.outputs) != executed:
            raise RuntimeError("the proof is about other outputs than those executed")
        return {"valid": True, "insecure_srs": verdict.insecure_srs}

    def _load_circuit(self) -> Circuit:
        if self._circuit is None:
            path = self._folder / "model.circuit"
            self._circuit = load(self._artifacts.fetch(self._subject.owner, self._subject.circuit, path))
        return self._circuit

    def _load_inputs(self, circuit: Circuit) -> Any:
        digest = self._context.lease.request["input"]
        return load_inputs(circuit, self._artifacts.fetch(self._tenant, digest, self._folder / "input.json"))

    def _put(self, data: bytes, media_type: str) -> str:
        return self._artifacts.put(self._tenant, io.BytesIO(data), media_type)
