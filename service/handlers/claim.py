"""The handler of `prove` jobs of the tier `optimistic`: execute the circuit, post the answer as a claim with
a bond, and follow the claim until it is final or lost.

request   {"input": digest of an artifact}: one sample, as `circuits.data` has it
result    {"output": digest, "claim": {"claim_id": "0x...", "status": "FINAL", ...}}

    execute   the outputs
    claim     the claim, with a bond of its own; from here on it will be posted
    post      its transaction is in a block
    follow    it is final, by blocks that others stand on

The job's proof runs until the claim is final, without a worker for most of the time: it is looked at now and
then. What is sent is written down before, by purpose, in a database of the account's own
(`challenger.sender`): whatever ends a worker, no bond is spent twice. Each look also does what is due for all
claims of the account: disputes are answered, claims made final, bonds fetched.
"""

from __future__ import annotations

import io
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import structlog
from sqlalchemy import select

from challenger.asserting import Assertion, assert_answer, find_model
from challenger.intent import Intent, Underfunded
from challenger.lock import InUse
from challenger.process import Setup, assembled
from challenger.records import Standing
from challenger.watcher import Habits, Watcher
from circuits.circuit import Circuit
from circuits.data import load_inputs
from circuits.errors import ChainError, CheckFailed, InputError
from circuits.executor import execute
from circuits.file import load
from circuits.tensor import IntArray
from contracts.chain import Chain, ContractRefused
from contracts.claim_status import ClaimStatus
from contracts.dispute_tier import DisputeTier
from contracts.inference_oracle import distinct_bond
from contracts.signer import KeySigner
from prover.backend import sample_by_sample
from service.database import JobEvent
from service.handlers.prove import OUTPUT_TYPE, without_folder
from service.parts import Parts
from service.settings import Settings
from service.stages import CLAIM, EXECUTE, FOLLOW, POST
from service.version_keys import find_subject
from service.worker import Context, Postponed, Result

POST_SECONDS, LOOK_SECONDS = 30.0, 0.5
"""For how long a worker waits for a claim's block, and how often it looks."""
BUSY = timedelta(seconds=2)
"""How long a job waits where another worker uses the account."""

log = structlog.get_logger(__name__)


class _Refused(InputError):
    """The contract will not have the claim, now or later."""


class ClaimHandler:
    """Does `prove` jobs of the tier `optimistic`, by the settings' chain."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def __call__(self, context: Context) -> Result:
        """Do a job, as far as it can be done now.

        Raises
        ------
        InputError
            If the input does not fit, the circuit is not registered on the chain, the contract refuses the
            claim, or the claim was lost.
        Postponed
            If it is to be looked at again later.
        """
        with tempfile.TemporaryDirectory(prefix="verinfer-") as folder:
            try:
                return _Claiming(self._parts, context, Path(folder)).run()
            except InputError as error:
                raise without_folder(error, Path(folder)) from error


class _Claiming:
    """One look at one job."""

    def __init__(self, parts: Parts, context: Context, folder: Path) -> None:
        self._parts, self._context, self._folder = parts, context, folder
        self._settings = parts.settings
        lease = context.lease
        self._tenant = lease.tenant_id
        self._subject = find_subject(parts.database, lease.version_id, lease.tier)
        self._circuit: Circuit | None = None

    def run(self) -> Result:
        output = self._context.stage(EXECUTE, self._execute)["output"]
        claimed = self._context.stage(CLAIM, self._claim)
        # A wish to cancel that came before that stage was done is heard here; none comes after it.
        self._context.check_now()
        posted = self._context.done(POST)
        if posted is None:
            posted = self._context.stage(POST, lambda: self._post(claimed))
            self._context.begin(FOLLOW)
        self._follow(claimed)
        return {"output": output, "claim": {**claimed, **posted, "status": ClaimStatus.FINAL.name}}

    def _execute(self) -> Result:
        circuit = self._load_circuit()
        integers = list(sample_by_sample(execute(circuit, self._inputs(circuit))))
        document = json.dumps({"output_ints": integers}).encode()
        return {"output": self._parts.artifacts.put(self._tenant, io.BytesIO(document), OUTPUT_TYPE)}

    def _claim(self) -> Result:
        """What is claimed, and for which bond, for good."""
        with self._chain() as tier:
            self._context.progress("executing, and hashing the trace")
            least = tier.parameters()
            # Two jobs may ask the same: their claims differ by some wei.
            bond, window = distinct_bond(least.min_bond), self._settings.chain_window or least.min_window
            assertion = self._assert(tier, bond, window)
            return {
                "claim_id": f"0x{assertion.claim_id.hex()}",
                "chain_id": tier.chain.chain_id,
                "tier": tier.address,
                "model_id": hex(assertion.claim.model_id),
                "input": f"0x{assertion.claim.input.hex()}",
                "trace": f"0x{assertion.claim.trace.hex()}",
                # A number beyond 2^53 is no JSON that every reader reads.
                "bond_wei": str(bond),
                "window": window,
            }

    def _post(self, claimed: Result) -> Result:
        claim_id = bytes.fromhex(claimed["claim_id"][2:])
        with self._watcher() as watcher:
            if watcher.tier.status(claim_id) is ClaimStatus.NONE:
                assertion = self._assert(watcher.tier, int(claimed["bond_wei"]), claimed["window"])
                if assertion.claim_id != claim_id:
                    raise RuntimeError("the claim is another one than that which was to be posted")
                call = assertion.calls[0]
                self._context.progress("posting the claim")
                watcher.sender.want(Intent.of(f"claim:{claimed['claim_id']}", call.function, call.value))
            until = time.monotonic() + POST_SECONDS
            while watcher.tier.status(claim_id) is ClaimStatus.NONE:
                if time.monotonic() > until or self._context.stopping:
                    raise Postponed(BUSY)
                watcher.cycle()
                time.sleep(LOOK_SECONDS)
            return {"deadline": watcher.tier.state(claim_id).deadline}

    def _follow(self, claimed: Result) -> None:
        """Return if the claim is final, by events deep enough. Raises InputError if it was lost."""
        claim_id = bytes.fromhex(claimed["claim_id"][2:])
        with self._watcher() as watcher:
            watcher.cycle()
            state = watcher.tier.state(claim_id)
            if state.status is ClaimStatus.NONE:
                # Its block was re-organised away; the sender sends it again.
                self._say("the claim's block is gone: it is posted again")
            elif state.games:
                self._say(f"disputes about the claim that are open: {state.games}")
            standing = watcher.standing(claim_id)
        if standing is Standing.REVOKED:
            raise InputError(f"the claim {claimed['claim_id']} was disputed and lost, and its bond with it")
        if standing is not Standing.FINAL:
            raise Postponed(self._later)

    @property
    def _later(self) -> timedelta:
        return timedelta(seconds=self._settings.chain_poll_seconds)

    def _assert(self, tier: DisputeTier, bond: int, window: int) -> Assertion:
        circuit, account = self._load_circuit(), _signer(self._settings).address
        model = find_model(tier.registry, circuit)
        return assert_answer(
            tier, model, circuit, self._inputs(circuit), asserter=account, bond=bond, window=window
        )

    @contextmanager
    def _chain(self) -> Iterator[DisputeTier]:
        """The tier, for reading. What it does not answer now it may answer later."""
        settings = self._settings
        assert settings.chain_rpc is not None and settings.chain_tier is not None
        with self._patiently():
            yield DisputeTier(Chain.connect(settings.chain_rpc.get_secret_value()), settings.chain_tier)

    @contextmanager
    def _watcher(self) -> Iterator[Watcher]:
        """What sends and defends, alone with the account for as long as the block lasts."""
        settings = self._settings
        assert settings.chain_rpc is not None and settings.chain_tier is not None
        habits = Habits(
            sample=0.0, start=settings.chain_from_block, confirmations=settings.chain_confirmations
        )
        setup = Setup(
            [settings.chain_rpc.get_secret_value()],
            settings.chain_tier,
            self._known_circuits(),
            settings.chain_database_url,
            habits=habits,
        )
        try:
            with self._patiently(), assembled(setup, _signer(settings)) as watcher:
                yield watcher
        except InUse:
            raise Postponed(BUSY) from None
        except _Refused:
            raise
        except InputError as error:
            # Something of the settings: it is the operator's to mend, and no tenant's to read.
            log.error("claims cannot be sent", reason=str(error))
            raise Postponed(self._later) from error

    @contextmanager
    def _patiently(self) -> Iterator[None]:
        """Postpone the job where something is wrong that may pass. With a bond at stake, a chain that does
        not answer is no reason to give a job up."""
        try:
            yield
        except (ContractRefused, CheckFailed) as error:
            raise _Refused(f"the claim cannot be posted: {error}") from error
        except Underfunded as error:
            log.error("the account that posts claims lacks funds", reason=str(error))
            self._say("the service's account lacks funds to post the claim: it waits")
            raise Postponed(self._later) from error
        except ChainError as error:
            log.warning("the chain cannot be used", reason=str(error))
            raise Postponed(self._later) from error

    def _say(self, text: str) -> None:
        """Tell the tenant, unless it was the last thing told: looks are many."""
        newest = (
            select(JobEvent)
            .where(JobEvent.job_id == self._context.lease.job_id)
            .order_by(JobEvent.sequence.desc())
            .limit(1)
        )
        with self._parts.database.read() as session:
            event = session.scalar(newest)
        if event is None or event.data.get("text") != text:
            self._context.progress(text)

    def _known_circuits(self) -> Path:
        """The folder with the circuits that claims were posted about: disputes are answered with them."""
        folder = self._settings.data / "claimed" / str(self._settings.chain_tier).lower()
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self._subject.circuit}.circuit"
        if not path.exists():
            self._parts.artifacts.fetch(self._subject.owner, self._subject.circuit, path)
        return folder

    def _load_circuit(self) -> Circuit:
        if self._circuit is None:
            path = self._folder / "model.circuit"
            fetched = self._parts.artifacts.fetch(self._subject.owner, self._subject.circuit, path)
            self._circuit = load(fetched)
        return self._circuit

    def _inputs(self, circuit: Circuit) -> list[IntArray]:
        digest = self._context.lease.request["input"]
        path = self._folder / "input.json"
        return load_inputs(circuit, self._parts.artifacts.fetch(self._tenant, digest, path))


def _signer(settings: Settings) -> KeySigner:
    assert settings.chain_key is not None
    return KeySigner.from_key(settings.chain_key.get_secret_value())
