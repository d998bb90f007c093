"""From an answer that is to be settled to the job that settles it."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from circuits.errors import InputError
from circuits.tensor import IntArray
from service.database import Kind
from service.jobs import Order
from service.models import Served
from service.parts import Parts
from service.version_keys import find_subject, require_key, require_samples
from verifier.recipient import read_address, show_address

INPUT_TYPE = "application/json"


class Tier(StrEnum):
    """How an answer is settled."""

    NONE = "none"
    SUMCHECK = "sumcheck"
    EZKL = "ezkl"
    OPTIMISTIC = "optimistic"


ONE_SAMPLE = {Tier.EZKL, Tier.OPTIMISTIC}
"""The tiers that settle a single answer at a time."""
BINDING = {Tier.SUMCHECK}
"""The tiers whose proofs can be made for one recipient."""


@dataclass(frozen=True)
class Settlement:
    """What a job is to settle.

    Parameters
    ----------
    inputs
        Integers of shape (batch, *port's shape), as `circuits.executor.checked` gives them.
    alone
        Whether the proof must not be shared with other jobs of the tenant.
    recipient
        The Ethereum address for which alone the proof is to hold; None for anyone.
    """

    tenant: str
    model: Served
    tier: Tier
    inputs: Sequence[IntArray]
    idempotency_key: str | None = None
    alone: bool = False
    recipient: str | None = None


def bound_to(tier: Tier, recipient: str | None) -> str | None:
    """A recipient's address in its one spelling, with its checksum.

    Raises
    ------
    InputError
        If it is no address, or what settles by the tier binds no recipient.
    """
    if recipient is None:
        return None
    if tier not in BINDING:
        raise InputError(
            f"the tier {tier.value!r} binds no recipient: leave it out, or use "
            + " or ".join(sorted(BINDING))
        )
    return show_address(read_address(recipient))


class Submitter:
    """Makes jobs of settlements. The same settlement under the same idempotency key is the same job."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def __call__(self, settlement: Settlement) -> str:
        """Keep a job, for good, and return its id.

        Raises
        ------
        InputError
            If this service does not settle by that tier, the tier binds no recipient or the recipient is no
            address, or the version lacks a key that cannot be made on the way.
        Conflict
            If the idempotency key was used for another request.
        QuotaExceeded
            If the tenant may not have another job.
        """
        tier, version = settlement.tier, settlement.model.version_id
        samples = settlement.inputs[0].shape[0]
        if tier is Tier.NONE:
            raise InputError("the tier 'none' settles nothing: it is for answers without a job")
        recipient = bound_to(tier, settlement.recipient)
        if tier is Tier.OPTIMISTIC:
            if not self._parts.settings.has_chain:
                raise InputError(
                    "this service has no chain to post claims to, so it has no tier 'optimistic'"
                )
        else:
            subject = find_subject(self._parts.database, version, tier)
            require_key(tier, subject.verifying_key)
            require_samples(subject, samples)
        if tier in ONE_SAMPLE and samples != 1:
            raise InputError(
                f"there are {samples} samples, and the tier {tier.value!r} settles one at a time"
            )
        request: dict[str, Any] = {"input": self._keep_input(settlement)}
        if settlement.alone:
            request["alone"] = True
        if recipient is not None:
            request["recipient"] = recipient
        order = Order(Kind.PROVE, tier, request, version)
        return self._parts.jobs.submit(settlement.tenant, order, settlement.idempotency_key).id

    def _keep_input(self, settlement: Settlement) -> str:
        """The digest of the inputs as an artifact, which `circuits.data` reads."""
        flat = [array.reshape(array.shape[0], -1).tolist() for array in settlement.inputs]
        document = json.dumps({"input_ints": flat}, separators=(",", ":"))
        return self._parts.artifacts.put(settlement.tenant, io.BytesIO(document.encode()), INPUT_TYPE)
