"""The handler of `prove` jobs: execute the circuit, prove its outputs, check the proof.

request   {"input": digest of an artifact, "alone": true or absent, "recipient": address or absent}: input
          data as JSON, the way `circuits.data` has it; whom alone the proof is for, by default anyone
result    {"output": digest, "proof": digest, "verifying_key": digest,
           "first_sample": i, "samples": n, "proof_samples": m}

The output is JSON {"output_ints": ...}. The proof is about m samples, of which those from i on, n of them,
are the job's. Jobs of one tenant about one version for one recipient that wait at the same time are proved
together where that is cheaper, unless they say `alone`: whoever has such a proof sees the samples of all of
them. Each is executed, and ends, by itself.

A sumcheck key is cheap, so it is made where a version has none yet. By a key that commits to inputs each job
is proved by itself: such a proof is of one sample.
"""

from __future__ import annotations

import io
import json
import math
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from circuits.circuit import Circuit
from circuits.data import load_inputs
from circuits.errors import InputError
from circuits.executor import execute
from circuits.file import load
from circuits.tensor import IntArray
from prover.backend import Backend, FindSrs, Prover, sample_by_sample
from prover.backends import backend
from prover.memory import available_bytes
from service.artifacts import Artifacts
from service.database import Database
from service.errors import LeaseLost
from service.reference_strings import finder
from service.stages import EXECUTE, PROVE, SETUP, VERIFY
from service.version_keys import WITHOUT_SETUP, Subject, find_subject, keep_key, require_key
from service.worker import Context, Interrupted, Result
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.recipient import ANYONE, read_address
from verifier.srs import SrsStore
from verifier.verify import verify

OUTPUT_TYPE, PROOF_TYPE = "application/json", "application/vnd.verinfer.proof"
KEY_TYPE = "application/vnd.verinfer.verifying-key"
MAX_TOGETHER = 32
"""The most samples that are proved together."""
WORTH_IT = 0.8
"""Proving together must take no more than this part of the time that proving one by one takes: other workers
could do the others meanwhile."""
MEMORY_PART = 0.5
"""The part of the free memory that a proof of several jobs may take."""
MAX_KNOWN = 10_000
"""How many estimates are kept."""


class ProveHandler:
    """Does `prove` jobs.

    Parameters
    ----------
    srs
        Where the reference strings are; by default in this user's cache.
    threads
        How many a proof may use; by default one for each processor.
    device
        What proofs are made on; see `prover.backends.backend`.
    """

    def __init__(
        self,
        database: Database,
        artifacts: Artifacts,
        srs: SrsStore | None = None,
        threads: int | None = None,
        device: str = "cpu",
    ) -> None:
        self._database = database
        self._artifacts = artifacts
        self._srs = srs or SrsStore()
        self._threads = threads
        self._device = device
        self._lock = threading.Lock()
        self._together: dict[tuple[str, str], int] = {}
        self._memory: dict[tuple[Subject, int], int] = {}

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
                raise without_folder(error, Path(folder)) from error

    def most_together(self, tier: str, digest: str, circuit: Circuit, memory: int | None) -> int:
        """How many samples of a circuit are best proved at a time by a key that states inputs, in so many
        bytes of memory: 1 where more are not worth it, or do not fit."""
        with self._lock:
            if (tier, digest) not in self._together:
                self._together[tier, digest] = _most_together(tier, circuit, memory)
            return self._together[tier, digest]

    def memory(self, subject: Subject, circuit: Circuit, samples: int) -> int:
        """How many bytes a proof is estimated to take. Raises InputError if it cannot be made."""
        with self._lock:
            if (subject, samples) not in self._memory:
                if len(self._memory) >= MAX_KNOWN:
                    self._memory.clear()
                choices = subject.choices.of_setup
                found = backend(subject.backend).estimate(circuit, choices, samples)
                self._memory[subject, samples] = found.peak_rss_bytes
            return self._memory[subject, samples]


def _most_together(tier: str, circuit: Circuit, memory: int | None) -> int:
    made, free = backend(tier), available_bytes()
    room = min(
        (size for size in (memory, None if free is None else MEMORY_PART * free) if size is not None),
        default=math.inf,
    )
    try:
        made.estimate(circuit, samples=MAX_TOGETHER)
    except InputError:  # not in one proof
        return 1
    one, most = made.estimate(circuit), MAX_TOGETHER
    while most > 1:
        estimate = made.estimate(circuit, samples=most)
        cheaper = estimate.prove_seconds <= WORTH_IT * most * one.prove_seconds
        if cheaper and estimate.peak_rss_bytes <= room:
            return most
        most //= 2
    return 1


def without_folder(error: InputError, folder: Path) -> InputError:
    """The same error for a tenant, whom a folder of ours is no business of."""
    return InputError(str(error).replace(f"{folder}/", ""))


class _Member:
    """A job whose answer is to be proved, by itself or with others."""

    def __init__(self, artifacts: Artifacts, context: Context, folder: Path) -> None:
        self.context = context
        self._artifacts = artifacts
        self._tenant = context.lease.tenant_id
        self._folder = folder
        named = context.lease.request.get("recipient")
        self.recipient = ANYONE if named is None else read_address(named)
        self.inputs: list[IntArray] = []
        self.output = ""
        self.place: Result = context.done(PROVE) or {}
        """Which proof, and which of its samples are the job's."""

    @property
    def samples(self) -> int:
        """How many it has."""
        return int(self.inputs[0].shape[0])

    def execute(self, circuit: Circuit) -> None:
        """Load the inputs, and execute the circuit if that is not done."""
        path = self._folder / "input.json"
        self._folder.mkdir()
        try:
            self._artifacts.fetch(self._tenant, self.context.lease.request["input"], path)
            self.inputs = load_inputs(circuit, path)
        except InputError as error:
            raise without_folder(error, self._folder) from error

        def work() -> Result:
            integers = list(sample_by_sample(execute(circuit, self.inputs)))
            document = json.dumps({"output_ints": integers}).encode()
            return {"output": self._artifacts.put(self._tenant, io.BytesIO(document), OUTPUT_TYPE)}

        self.output = self.context.stage(EXECUTE, work)["output"]

    def finish_proof(self) -> None:
        """Keep where the proof is, if that is not done."""
        if self.context.done(PROVE) is None:
            # A proof of several jobs is paid for by the sample.
            share = self.place["samples"] / self.place["proof_samples"]
            self.context.finish(PROVE, self.place, self.place["seconds"] * share)

    def check(self, proof: Proof) -> Result:
        """Check that a proof that holds is for the job's recipient, and the job's samples of it are its own.
        Raises RuntimeError if not."""
        if proof.recipient != self.recipient:
            raise RuntimeError("the proof is for another recipient than the job's")
        executed = json.loads(b"".join(self._artifacts.read(self._tenant, self.output)))["output_ints"]
        first, total = self.place["first_sample"], self.place["proof_samples"]
        for said, own, what in (
            (proof.outputs, executed, "outputs"),
            (proof.inputs, list(sample_by_sample(self.inputs)), "inputs"),
        ):
            if what == "inputs" and proof.committed is not None:
                continue
            each = len(said) // total
            if list(said[first * each : (first + self.samples) * each]) != own:
                raise RuntimeError(f"the proof is about other {what} than those of the job")
        return {"valid": True, "insecure_srs": proof.insecure_srs}


class _Proving:
    """One attempt at a job, and at those that are proved with it."""

    def __init__(self, handler: ProveHandler, context: Context, folder: Path) -> None:
        self._handler = handler
        self._context = context
        self._folder = folder
        self._artifacts = handler._artifacts
        self._tenant = context.lease.tenant_id
        self._subject = find_subject(handler._database, context.lease.version_id, context.lease.tier)
        require_key(self._subject.backend, self._subject.verifying_key)
        self._key_digest = self._subject.verifying_key
        self._proofs: dict[str, Proof] = {}

    def run(self) -> Result:
        circuit = self._load_circuit()
        lead = _Member(self._artifacts, self._context, self._folder / "own")
        lead.execute(circuit)
        if self._context.memory is not None and self._context.done(PROVE) is None:
            self._context.require_memory(self._handler.memory(self._subject, circuit, lead.samples))
        if self._key_digest is None:
            self._key_digest = self._context.stage(SETUP, lambda: self._set_up(circuit))["verifying_key"]
        key = VerifyingKey.decode(b"".join(self._artifacts.read(self._subject.owner, self._key_digest)))
        others: list[_Member] = []
        if self._context.done(PROVE) is None:
            prover = self._load_prover(circuit, key)
            others = self._gather(lead, circuit)
            self._prove(prover, lead, others)
        # The lead goes last: whatever becomes of it, the others have what is theirs.
        for member in others:
            member.context.attempt(lambda member=member: member.context.succeed(self._end(member, key)))  # type: ignore[misc]
        return self._end(lead, key)

    def _gather(self, lead: _Member, circuit: Circuit) -> list[_Member]:
        """The jobs to be proved with this one, executed. One that was begun before is proved by itself: what
        it failed of should not befall others."""
        lease = lead.context.lease
        if lease.attempt > 1 or lease.request.get("alone") or self._subject.choices.commit_inputs:
            return []
        most = self._handler.most_together(lease.tier, self._subject.circuit, circuit, lead.context.memory)
        room = most - lead.samples
        members = []
        for number, context in enumerate(lead.context.gather(room)):
            member = _Member(self._artifacts, context, self._folder / str(number))
            context.attempt(lambda member=member: member.execute(circuit))  # type: ignore[misc]
            if context.ended or context.done(PROVE) is not None:
                members += [] if context.ended else [member]
            elif member.samples > room:
                context.give_back()
            else:
                room -= member.samples
                members.append(member)
        return members

    def _prove(self, prover: Prover, lead: _Member, others: Sequence[_Member]) -> None:
        """Prove the samples of all, in one proof if that can be made, else one by one."""
        try:
            lead.context.begin(PROVE)
        except (Interrupted, LeaseLost):
            for member in others:
                member.context.give_back()
            raise
        group = [member for member in others if member.context.done(PROVE) is None]
        for member in group:
            member.context.attempt(lambda member=member: member.context.begin(PROVE))  # type: ignore[misc]
        group = [member for member in group if not member.context.ended]
        try:
            self._prove_together(prover, [*group, lead])
        except InputError:
            if not group:
                raise
            # Too much memory, say, which they do not take one by one.
            for member in group:
                member.context.attempt(lambda member=member: self._prove_together(prover, [member]))  # type: ignore[misc]
            self._prove_together(prover, [lead])
        for member in group:
            member.context.attempt(member.finish_proof)

    def _prove_together(self, prover: Prover, group: Sequence[_Member]) -> None:
        """Prove the samples of some jobs for their recipient. Goes on as long as one of them is wanted."""

        def tell(text: str) -> None:
            wanted = [member.context for member in group if not member.context.cancelled]
            for context in wanted or [group[-1].context]:
                try:
                    context.progress(text)
                except (LeaseLost, Interrupted):
                    if not wanted:
                        raise

        joined = [np.concatenate(parts) for parts in zip(*(one.inputs for one in group), strict=True)]
        proven = prover.prove(joined, tell, group[0].recipient)
        digest = self._put(proven.proof.encode(), PROOF_TYPE)
        first = 0
        for member in group:
            member.place = {
                "proof": digest,
                "first_sample": first,
                "samples": member.samples,
                "proof_samples": joined[0].shape[0],
                "seconds": proven.seconds,
            }
            first += member.samples

    def _end(self, member: _Member, key: VerifyingKey) -> Result:
        """Check a job's proof. Returns the job's result."""
        member.finish_proof()
        member.context.stage(VERIFY, lambda: member.check(self._valid(member.place["proof"], key)))
        return {
            "output": member.output,
            **{name: member.place[name] for name in ("proof", "first_sample", "samples", "proof_samples")},
            "verifying_key": self._key_digest,
        }

    def _valid(self, digest: str, key: VerifyingKey) -> Proof:
        """A stored proof that holds; each is checked once. Raises RuntimeError if it does not hold."""
        if digest not in self._proofs:
            proof = Proof.decode(b"".join(self._artifacts.read(self._tenant, digest)))
            verdict = verify(proof, key)
            if not verdict.valid:
                raise RuntimeError(f"the proof does not hold: {verdict.reason}")
            self._proofs[digest] = proof
        return self._proofs[digest]

    def _set_up(self, circuit: Circuit) -> Result:
        subject, find = self._subject, self._find_srs(None)
        made = self._backend().setup(circuit, find, self._context.progress)
        # The owner's, though another tenant may have asked: the key is the version's from here on.
        digest = self._artifacts.put(subject.owner, io.BytesIO(made.key.encode()), KEY_TYPE)
        return {"verifying_key": keep_key(subject, self._handler._database, digest)}

    def _load_prover(self, circuit: Circuit, key: VerifyingKey) -> Prover:
        made, find, progress = self._backend(), self._find_srs(key.srs_id), self._context.progress
        try:
            return made.load(circuit, key, find, progress)
        except InputError:
            # A proving key lies in the cache of the machine that made it, and this may be another. Made
            # again, keys are the same.
            if key.backend in WITHOUT_SETUP or made.setup(circuit, find, progress).key.digest != key.digest:
                raise
            return made.load(circuit, key, find, progress)

    def _backend(self) -> Backend:
        return backend(self._subject.backend, self._handler._threads, self._handler._device)

    def _find_srs(self, srs_id: bytes | None) -> FindSrs:
        return finder(self._handler._srs, srs_id)

    def _load_circuit(self) -> Circuit:
        path = self._folder / "model.circuit"
        return load(self._artifacts.fetch(self._subject.owner, self._subject.circuit, path))

    def _put(self, data: bytes, media_type: str) -> str:
        return self._artifacts.put(self._tenant, io.BytesIO(data), media_type)
