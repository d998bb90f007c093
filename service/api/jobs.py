"""Jobs over HTTP: submit, look, cancel, try again, and fetch what was made."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError
from starlette.concurrency import run_in_threadpool

from circuits.data import inputs_of
from circuits.errors import InputError
from circuits.executor import checked
from service.api.bodies import Bodies, idempotency_key, require_json
from service.api.downloads import download
from service.database import Kind, Status
from service.errors import Conflict, NotFound
from service.handlers.prove import OUTPUT_TYPE, PROOF_TYPE
from service.job_views import Filter, Listed, Shown, list_jobs, show_job
from service.jobs import PAGE
from service.parts import Parts
from service.submitting import Settlement, Submitter, Tier

MODEL_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}(@[^\x00-\x1f]{1,200})?$"
"""NAME, or NAME@TENANT."""
NUMBER_PATTERN = r"^[0-9]{1,18}$"
ID_PATTERN = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
JobId = Annotated[str, Path(pattern=ID_PATTERN, description="the job's id")]


class JobRequest(BaseModel):
    """A proof that is wanted, of a model's answer on inputs: numbers, or the circuit's integers."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    model: str = Field(
        pattern=MODEL_PATTERN, description="NAME, or NAME@TENANT for a public one of another's"
    )
    version: str | None = Field(None, pattern=NUMBER_PATTERN, description="by default the newest")
    tier: Tier = Field(Tier.SUMCHECK, description="how the answer is settled")
    input_data: list[list[Any]] | None = Field(
        None, description="a flat list for each input, or a list of such lists, one for each sample"
    )
    input_ints: list[list[Any]] | None = Field(None, description="the same as the circuit's integers")
    saturate: StrictBool = Field(False, description="clamp inputs to their bounds instead of refusing them")
    alone: StrictBool = Field(
        False,
        description="the proof is not to be shared with other jobs, whose samples it would show as well",
    )
    recipient: str | None = Field(
        None, description="the Ethereum address for which alone the proof is to hold; by default for anyone"
    )


class JobLinks(BaseModel):
    """Where more of a job is. What is not there yet is null; `public` is told of a job by itself only."""

    self: str
    events: str
    result: str | None = None
    output: str | None = None
    proof: str | None = None
    public: str | None = None


class JobSummary(BaseModel):
    """A job in a list. `status` sums up `execution` and `proof`."""

    model_config = ConfigDict(protected_namespaces=())

    id: str
    kind: Kind
    tier: str
    model: str | None
    version: str | None
    status: Status
    execution: Status
    proof: Status
    stage: str | None
    attempts: int
    cancel_requested: bool
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    links: JobLinks


class Timings(BaseModel):
    """How long a job has waited and taken, in seconds; null where it has not begun or not ended."""

    waited: float | None
    taken: float | None


class JobView(JobSummary):
    """A job, with what its worker last said, and when each stage was done."""

    recipient: str | None = Field(description="the address for which alone the proof holds; null: anyone")
    progress: str | None
    memory: int | None = Field(
        description="how many bytes it takes, once a worker has left it for having less; it waits for another"
    )
    timings: Timings
    stages: dict[str, datetime]


class JobPage(BaseModel):
    """Some jobs, the newest first, and what `before` must be for those that follow."""

    items: list[JobSummary]
    next: str | None


class JobResult(BaseModel):
    """What a job has given: of a proof, digests of its artifacts and which samples of it are the job's."""

    id: str
    kind: Kind
    result: dict[str, Any]
    links: JobLinks


def jobs_router(
    parts: Parts, submit: Submitter, who: Callable[..., Any], bodies: Bodies, max_samples: int
) -> APIRouter:
    """The endpoints.

    Parameters
    ----------
    who
        A FastAPI dependency that gives the id of the tenant that asks, or raises.
    bodies
        What requests are read with.
    max_samples
        The largest batch in a request.
    """
    router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])
    database = parts.database

    def accept(tenant: str, body: bytes, key: str | None) -> JobView:
        try:
            asked = JobRequest.model_validate_json(body)
        except ValidationError as error:
            raise RequestValidationError(error.errors(include_context=False, include_input=False)) from None
        model = parts.models.find(tenant, asked.model, asked.version)
        document = asked.model_dump(include={"input_data", "input_ints"}, exclude_none=True)
        inputs = checked(model.circuit, inputs_of(model.circuit, document, "the request", asked.saturate))
        if inputs[0].shape[0] > max_samples:
            raise InputError(f"there are {inputs[0].shape[0]} samples, over the limit of {max_samples}")
        job = submit(Settlement(tenant, model, asked.tier, inputs, key, asked.alone, asked.recipient))
        return _view(show_job(database, tenant, job))

    body_schema = {
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "the same request under the same key is the same job",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": JobRequest.model_json_schema()}},
        },
    }

    @router.post("", status_code=202, openapi_extra=body_schema)
    async def submit_job(request: Request, response: Response, tenant: str = Depends(who)) -> JobView:
        """Have an answer proved. The job is there for good once this has answered."""
        key = idempotency_key(request)
        require_json(request)
        async with bodies.read(request, tenant) as body:
            view = await run_in_threadpool(accept, tenant, body, key)
        response.headers["Location"] = view.links.self
        return view

    @router.get("")
    def all_jobs(
        status: Status | None = None,
        kind: Kind | None = None,
        model: Annotated[str | None, Query(pattern=MODEL_PATTERN)] = None,
        before: Annotated[str | None, Query(pattern=ID_PATTERN)] = None,
        limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
        tenant: str = Depends(who),
    ) -> JobPage:
        """The jobs, the newest first."""
        found = list_jobs(database, tenant, Filter(status, kind, model), before, limit + 1)
        return JobPage(
            items=[_summary(job) for job in found[:limit]],
            next=found[limit - 1].job.id if len(found) > limit else None,
        )

    @router.get("/{job_id}")
    def one_job(job_id: JobId, tenant: str = Depends(who)) -> JobView:
        """A job as it is now."""
        return _view(show_job(database, tenant, job_id))

    @router.get("/{job_id}/result")
    def result(job_id: JobId, tenant: str = Depends(who)) -> JobResult:
        """What a job has given. 409 if it has not ended, or ended without a result."""
        shown = show_job(database, tenant, job_id)
        if shown.job.result is None:
            raise Conflict(_without(shown, "result"))
        return JobResult(id=job_id, kind=shown.job.kind, result=shown.job.result, links=_links(shown))

    @router.get(
        "/{job_id}/output",
        response_class=StreamingResponse,
        responses={200: {"content": {OUTPUT_TYPE: {}}}},
    )
    def output(job_id: JobId, tenant: str = Depends(who)) -> Response:
        """A job's outputs, `{"output_ints": [...]}`, which are there before the proof is."""
        shown = show_job(database, tenant, job_id)
        if shown.output is None:
            raise _lacking(shown, "output")
        return download(parts.artifacts, tenant, shown.output, f"{job_id}.output.json", OUTPUT_TYPE)

    @router.get(
        "/{job_id}/proof",
        response_class=StreamingResponse,
        responses={200: {"content": {PROOF_TYPE: {"schema": {"type": "string", "format": "binary"}}}}},
    )
    def proof(job_id: JobId, tenant: str = Depends(who)) -> Response:
        """A job's proof, as `verinfer verify` reads it."""
        shown = show_job(database, tenant, job_id)
        if shown.proof is None:
            raise _lacking(shown, "proof")
        return download(parts.artifacts, tenant, shown.proof, f"{job_id}.proof", PROOF_TYPE)

    @router.post("/{job_id}/cancel")
    def cancel(job_id: JobId, tenant: str = Depends(who)) -> JobView:
        """Cancel a job: at once if it waits, else as soon as its worker notices. An ended one stays so."""
        parts.jobs.cancel(tenant, job_id)
        return _view(show_job(database, tenant, job_id))

    @router.post("/{job_id}/retry")
    def retry(job_id: JobId, tenant: str = Depends(who)) -> JobView:
        """Put a failed or cancelled job into the queue again. Stages that are done are not done again."""
        parts.jobs.retry(tenant, job_id)
        return _view(show_job(database, tenant, job_id))

    return router


def _links(listed: Listed) -> JobLinks:
    path = f"/api/v1/jobs/{listed.job.id}"
    result = listed.job.result or {}
    executed = isinstance(listed, Shown) and listed.output is not None
    return JobLinks(
        self=path,
        events=f"{path}/events",
        result=None if listed.job.result is None else f"{path}/result",
        output=f"{path}/output" if executed or "output" in result else None,
        proof=f"{path}/proof" if "proof" in result else None,
        public=f"/api/v1/proofs/{listed.proof}" if isinstance(listed, Shown) and listed.public else None,
    )


def _fields(listed: Listed) -> dict[str, Any]:
    job = listed.job
    return {
        "id": job.id,
        "kind": job.kind,
        "tier": job.tier,
        "model": listed.model,
        "version": listed.version,
        "status": listed.status,
        "execution": job.execution,
        "proof": job.proof,
        "stage": job.stage,
        "attempts": job.attempts,
        "cancel_requested": job.cancel_requested,
        "error": job.error,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "links": _links(listed),
    }


def _summary(listed: Listed) -> JobSummary:
    return JobSummary(**_fields(listed))


def _view(shown: Shown) -> JobView:
    job = shown.job
    return JobView(
        **_fields(shown),
        recipient=job.request.get("recipient"),
        progress=shown.progress,
        memory=job.memory,
        timings=Timings(
            waited=_seconds(job.created_at, job.started_at), taken=_seconds(job.started_at, job.finished_at)
        ),
        stages=shown.stages,
    )


def _seconds(begin: datetime | None, end: datetime | None) -> float | None:
    return None if begin is None or end is None else max(0.0, (end - begin).total_seconds())


def _lacking(shown: Shown, what: str) -> NotFound | Conflict:
    if shown.job.kind is not Kind.PROVE:
        return NotFound(f"a {shown.job.kind} job has no {what}")
    return Conflict(_without(shown, what))


def _without(shown: Shown, what: str) -> str:
    if shown.job.finished_at is None:
        return f"the job has no {what} yet: it is {shown.status}"
    return f"the job {shown.status} and has no {what}"
