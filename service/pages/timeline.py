"""A job's story for people: its stages, when each was begun and done, and what was said meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from service.database import Job, JobEvent, Kind, Status
from service.jobs import Jobs
from service.stages import (
    CLAIM,
    COMPILE,
    DESCRIBE,
    EXECUTE,
    FOLLOW,
    POST,
    PROVE,
    READ,
    REGISTER,
    SETUP,
    VERIFY,
    setup_for,
)

PLANNED = {
    Kind.PROVE: (EXECUTE, PROVE, VERIFY),
    Kind.COMPILE: (COMPILE, READ, REGISTER, DESCRIBE),
    Kind.SETUP: (SETUP,),
    Kind.VERIFY: (VERIFY,),
}
"""The stages that each kind of job has at least, in order."""
WORDS = {
    EXECUTE: ("Run the model", "Computing the answer once more, in exact integers"),
    SETUP: ("Make the key", "Committing to the circuit's weights"),
    PROVE: ("Prove the answer", "Making a proof that these are the circuit's outputs"),
    VERIFY: ("Check the proof", "Verifying it with the independent verifier"),
    CLAIM: ("Prepare the claim", "What is sent is written down first"),
    POST: ("Post the claim", "With a bond, on the chain"),
    FOLLOW: ("Follow the claim", "Until nobody can dispute it any more; disputes are answered"),
    COMPILE: ("Compile the model", "From the ONNX file to a circuit of integers"),
    READ: ("Check the circuit", "Every shape and bound of it, and its size"),
    REGISTER: ("Add the version", "Under its name, with the circuit's id"),
    DESCRIBE: ("Draw it, and count the costs", "Its graph, and what each layer takes to prove"),
    setup_for("sumcheck"): ("Make the sumcheck key", "Committing to the circuit's weights"),
    setup_for("ezkl"): ("Make the ezkl keys", "This takes minutes"),
}
PAGE = 1000


@dataclass
class Stage:
    """A stage of a job."""

    name: str
    title: str
    about: str
    status: str = "queued"
    begun: datetime | None = None
    ended: datetime | None = None
    said: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float | None:
        """How long it took, or has taken so far."""
        if self.begun is None:
            return None
        return ((self.ended or datetime.now(UTC)) - self.begun).total_seconds()


def all_events(jobs: Jobs, job: Job) -> list[JobEvent]:
    """All that happened to a job, in order."""
    events: list[JobEvent] = []
    while True:
        page = jobs.events(job.tenant_id, job.id, events[-1].sequence if events else 0, PAGE)
        events += page
        if len(page) < PAGE:
            return events


def stages(job: Job, events: Sequence[JobEvent]) -> list[Stage]:
    """The job's stages: those that have begun in the order in which they did, then those to come."""
    found: dict[str, Stage] = {}
    current: Stage | None = None
    for event in events:
        if event.event == "stage":
            name = event.data["stage"]
            current = found.setdefault(name, _stage(name))
            _take(current, event.at, event.data)
        elif event.event == "progress" and current is not None:
            words = str(event.data.get("text", ""))
            if not current.said or current.said[-1] != words:
                current.said.append(words)
        elif event.event == "put_back" and current is not None and current.status == Status.RUNNING:
            current.status, current.begun = Status.QUEUED, None
        elif event.event == "finished" and current is not None and current.status == Status.RUNNING:
            current.status, current.ended = str(event.data["status"]), event.at
    if job.finished_at is None:
        for name in PLANNED[job.kind]:
            found.setdefault(name, _stage(name))
    return list(found.values())


def _stage(name: str) -> Stage:
    title, about = WORDS.get(name, (name.replace("_", " ").replace("-", " ").capitalize(), ""))
    return Stage(name, title, about)


def _take(stage: Stage, at: datetime, data: dict[str, Any]) -> None:
    stage.status = str(data["status"])
    if stage.status == Status.RUNNING:
        stage.begun, stage.ended, stage.said = at, None, []
    else:
        stage.ended = at
