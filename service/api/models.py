"""Models over HTTP: uploading, listing, versions, cards, downloads, costs by layer, keys, deleting.

Who has no account sees what is public. A model is NAME, or NAME@TENANT for a public one of another's.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from circuits.errors import InputError
from service.api.access import Access
from service.api.bodies import idempotency_key, read_body
from service.api.downloads import download
from service.api.jobs import ID_PATTERN, MODEL_PATTERN
from service.api.uploads import Form, Uploads, form_schema
from service.api_keys import Scope
from service.cards import MAX_CARD_BYTES, Metadata, read_card
from service.descriptions import DRAWING_TYPE, Descriptions
from service.errors import NotFound
from service.handlers.compile import Options
from service.handlers.prove import KEY_TYPE
from service.jobs import Order
from service.key_choices import KeyChoices, read_choices, read_choices_by_backend
from service.models import CIRCUIT_TYPE
from service.parts import Parts
from service.registry import PAGE, ModelView, VersionView
from service.setting_up import setup_order
from service.summary import Fidelity, Summary
from service.uploading import Upload, submit_upload, upload_limit

MAX_JSON_BYTES = 1 << 12
DEFAULT_SETUP = "sumcheck"
TEXTS = {
    "name": "the model's name; there is a new version if you have one of that name",
    "options": "JSON: "
    + "; ".join(
        f"{field.alias or name}: {field.description}" for name, field in Options.model_fields.items()
    ),
    "public": "true or false: whether everybody may use it; a new model is private",
    "card": "its model card: YAML metadata between --- lines, then Markdown",
    "setup": f"the backends to make keys for, with commas between; by default {DEFAULT_SETUP}",
    "choices": "JSON, by backend: "
    + "; ".join(f"{name}: {field.description}" for name, field in KeyChoices.model_fields.items()),
}
FILES = {
    "model": "an ONNX file, in which all weights are, or a .circuit file",
    "calibration": "samples of the model's inputs: .npz, .npy or JSON",
}
PICTURE = {
    "X-Content-Type-Options": "nosniff",
    # Opened by itself, a drawing is a document: it may style itself, and do nothing else.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
}
Name = Annotated[str, Path(pattern=MODEL_PATTERN, description="NAME, or NAME@TENANT")]
Number = Annotated[str, Path(pattern=r"^([1-9][0-9]{0,8}|newest)$", description="a number, or `newest`")]
Backend = Annotated[str, Path(pattern=r"^[a-z0-9]{1,40}$", description="sumcheck or ezkl")]


class _Out(BaseModel):
    model_config = ConfigDict(protected_namespaces=())


class VersionOut(_Out):
    """A version of a model."""

    number: int
    circuit_id: str
    created_at: datetime
    summary: Summary | None = Field(description="null for versions of older programs")
    keys: dict[str, str] = Field(description="the digest of the verifying key, by backend")
    choices: dict[str, KeyChoices] = Field(description="how each of these keys was made")
    circuit_digest: str = Field(description="SHA-256 of the circuit's file")


class ModelOut(_Out):
    """A model, with its newest version."""

    name: str
    owner: str
    full_name: str = Field(description="NAME@TENANT, as everybody calls it")
    mine: bool
    public: bool
    created_at: datetime
    version: VersionOut


class ModelPage(_Out):
    """Some models, and what `before` must be for those that follow."""

    items: list[ModelOut]
    next: str | None


class VersionPage(_Out):
    """Some versions, the newest first, and what `before` must be for those that follow."""

    items: list[VersionOut]
    next: str | None


class JobOut(_Out):
    """What was begun."""

    job: str
    url: str = Field(description="where the job is")


class Publicity(_Out):
    """Whether everybody may use a model."""

    model_config = ConfigDict(extra="forbid", strict=True)

    public: bool


class CardOut(_Out):
    """A model card, as it was written and as it was read."""

    card: str
    metadata: Metadata
    body: str


class LayerOut(_Out):
    """The operations of one ONNX node; see `service.layers.Layer`."""

    label: str
    operations: list[str]
    shape: list[int]
    reads: list[int]
    macs: int
    witness_elements: int
    cost: dict[str, int]


class LayersOut(_Out):
    """The layers in order, what each backend would take for one sample, and how faithful the circuit is."""

    circuit_id: str
    layers: list[LayerOut]
    estimates: dict[str, dict[str, Any]]
    fidelity: Fidelity | None


def models_router(parts: Parts, access: Access, uploads: Uploads, descriptions: Descriptions) -> APIRouter:
    """The endpoints."""
    router = APIRouter(prefix="/api/v1/models", tags=["models"])
    registry, body_seconds = parts.registry, parts.settings.body_seconds
    visitor, owner = access.visitor, access.tenant(Scope.MODELS)

    def begun(tenant: str, order: Order, key: str | None) -> JobOut:
        job = parts.jobs.submit(tenant, order, key)
        return JobOut(job=job.id, url=f"/api/v1/jobs/{job.id}")

    @router.post(
        "",
        status_code=202,
        response_model=JobOut,
        openapi_extra=form_schema(TEXTS, FILES, ["name", "model"]),
    )
    async def upload(request: Request, response: Response, tenant: str = Depends(owner)) -> JobOut:
        """Make a model, or a new version of one. The answer is a job, which compiles it."""
        key = idempotency_key(request)
        limit = await asyncio.to_thread(upload_limit, parts, tenant)
        async with uploads.read(request, limit, frozenset(TEXTS), frozenset(FILES)) as form:
            job = await asyncio.to_thread(lambda: submit_upload(parts, tenant, _upload(form), key))
        response.headers["Location"] = f"/api/v1/jobs/{job.id}"
        return JobOut(job=job.id, url=f"/api/v1/jobs/{job.id}")

    @router.get("")
    def models(
        public: Annotated[bool, Query(description="those of others that are public, not your own")] = False,
        before: Annotated[str | None, Query(pattern=ID_PATTERN)] = None,
        limit: Annotated[int, Query(ge=1, le=100)] = PAGE,
        viewer: str | None = Depends(visitor),
    ) -> ModelPage:
        """Your models, or those that others have made public, the newest first."""
        found = registry.list(viewer, public or viewer is None, before, limit)
        items = [_model(model, viewer) for model in found]
        return ModelPage(items=items, next=found[-1].id if len(found) == limit else None)

    @router.get("/{name}")
    def model(name: Name, viewer: str | None = Depends(visitor)) -> ModelOut:
        """A model, with its newest version."""
        return _model(registry.find(viewer, name)[0], viewer)

    @router.patch("/{name}", openapi_extra=_json_body(Publicity))
    async def publish(request: Request, name: Name, tenant: str = Depends(owner)) -> ModelOut:
        """Make a model public, or private. Proofs that others have made with it stay theirs."""
        body = await read_body(request, MAX_JSON_BYTES, body_seconds)
        try:
            wanted = Publicity.model_validate_json(body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = ".".join(map(str, first["loc"]))[:80]
            raise InputError(f"the request is not as it should be: {where}: {first['msg']}") from None
        return _model(await asyncio.to_thread(registry.publish, tenant, name, wanted.public), tenant)

    @router.delete("/{name}", status_code=204)
    def delete(name: Name, tenant: str = Depends(owner)) -> None:
        """Delete a model, its versions and their keys. One with proofs stays: they need it to be checked."""
        registry.delete(tenant, name)

    @router.get("/{name}/versions")
    def versions(
        name: Name,
        before: Annotated[int | None, Query(ge=1, le=1 << 31)] = None,
        limit: Annotated[int, Query(ge=1, le=100)] = PAGE,
        viewer: str | None = Depends(visitor),
    ) -> VersionPage:
        """A model's versions, the newest first."""
        found = registry.versions(viewer, name, before, limit)
        items = [_version(version) for version in found]
        return VersionPage(items=items, next=str(found[-1].number) if len(found) == limit else None)

    def find(viewer: str | None, name: str, number: str) -> tuple[ModelView, VersionView]:
        return registry.find(viewer, name, None if number == "newest" else number)

    @router.get("/{name}/versions/{number}")
    def version(name: Name, number: Number, viewer: str | None = Depends(visitor)) -> VersionOut:
        """A version of a model."""
        return _version(find(viewer, name, number)[1])

    @router.get("/{name}/versions/{number}/card")
    def card(name: Name, number: Number, viewer: str | None = Depends(visitor)) -> CardOut:
        """A version's card. It is that of the version before until it is changed."""
        return _card(find(viewer, name, number)[1])

    @router.put("/{name}/versions/{number}/card", openapi_extra=_text_body("the card"))
    async def put_card(request: Request, name: Name, number: Number, tenant: str = Depends(owner)) -> CardOut:
        """Change a version's card: the body is its text, UTF-8."""
        try:
            text = (await read_body(request, MAX_CARD_BYTES, body_seconds)).decode()
        except UnicodeDecodeError:
            raise InputError("the card is no text in UTF-8") from None
        chosen = None if number == "newest" else number
        return _card(await asyncio.to_thread(registry.put_card, tenant, name, chosen, text))

    @router.get("/{name}/versions/{number}/circuit", response_class=Response, responses=_file(CIRCUIT_TYPE))
    def circuit(
        request: Request, name: Name, number: Number, viewer: str | None = Depends(visitor)
    ) -> Response:
        """The circuit's file. Its ETag is its SHA-256."""
        model, version = find(viewer, name, number)
        filename = f"{model.name}-{version.number}.circuit"
        return _download(request, parts, model, version.circuit, filename, CIRCUIT_TYPE)

    @router.get(
        "/{name}/versions/{number}/keys/{backend}", response_class=Response, responses=_file(KEY_TYPE)
    )
    def verifying_key(
        request: Request, name: Name, number: Number, backend: Backend, viewer: str | None = Depends(visitor)
    ) -> Response:
        """The verifying key for a backend: what proofs of this version are checked against."""
        model, version = find(viewer, name, number)
        if backend not in version.keys:
            raise NotFound(f"the version has no key for {backend!r}: it is made by POST .../setup/{backend}")
        filename = f"{model.name}-{version.number}-{backend}.vk"
        return _download(request, parts, model, version.keys[backend].verifying_key, filename, KEY_TYPE)

    @router.post(
        "/{name}/versions/{number}/setup/{backend}",
        status_code=202,
        openapi_extra=_json_body(KeyChoices, required=False),
    )
    async def setup(
        request: Request, name: Name, number: Number, backend: Backend, tenant: str = Depends(owner)
    ) -> JobOut:
        """Make a version's keys for a backend, with what the body chooses. The answer is a job. 409 if there
        is a key that was made otherwise."""
        body = await read_body(request, MAX_JSON_BYTES, body_seconds)
        choices = read_choices(body) if body else None
        return await asyncio.to_thread(
            set_up, tenant, name, number, backend, choices, idempotency_key(request)
        )

    def set_up(
        tenant: str, name: str, number: str, backend: str, choices: KeyChoices | None, key: str | None
    ) -> JobOut:
        model, version = find(tenant, name, number)
        if model.owner_id != tenant:
            raise NotFound(f"there is no model {name!r:.120} of your own")
        return begun(tenant, setup_order(parts.database, version.id, backend, choices), key)

    @router.get("/{name}/versions/{number}/layers")
    def layers(name: Name, number: Number, viewer: str | None = Depends(visitor)) -> LayersOut:
        """A version's layers and what each costs: to run, in committed values, and by backend."""
        model, version = find(viewer, name, number)
        summary = _summary(version)
        return LayersOut(
            circuit_id="0x" + version.circuit_id,
            fidelity=None if summary is None else summary.fidelity,
            **descriptions.layers(model, version),
        )

    @router.get("/{name}/versions/{number}/graph.svg", response_class=Response, responses=_file(DRAWING_TYPE))
    def graph(
        request: Request, name: Name, number: Number, viewer: str | None = Depends(visitor)
    ) -> Response:
        """A drawing of a version's graph."""
        model, version = find(viewer, name, number)
        digest, picture = descriptions.drawing(model, version)
        headers = {"ETag": f'"{digest}"', **PICTURE}
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(picture, 200, headers, DRAWING_TYPE)

    return router


def _upload(form: Form) -> Upload:
    setup = form.texts.get("setup", DEFAULT_SETUP)
    return Upload(
        form.text("name"),
        form.file("model"),
        form.files.get("calibration"),
        Options.read(form.texts.get("options", "{}")),
        _flag(form.texts.get("public")),
        form.texts.get("card"),
        tuple(dict.fromkeys(backend.strip() for backend in setup.split(",") if backend.strip())),
        read_choices_by_backend(form.texts.get("choices", "{}")),
    )


def _flag(text: str | None) -> bool | None:
    if text not in (None, "true", "false"):
        raise InputError(f"the field 'public' is true or false, not {text!r:.40}")
    return None if text is None else text == "true"


def _model(model: ModelView, viewer: str | None) -> ModelOut:
    return ModelOut(
        name=model.name,
        owner=model.owner,
        full_name=model.full_name,
        mine=model.owner_id == viewer,
        public=model.public,
        created_at=model.created_at,
        version=_version(model.newest),
    )


def _version(version: VersionView) -> VersionOut:
    return VersionOut(
        number=version.number,
        circuit_id="0x" + version.circuit_id,
        created_at=version.created_at,
        summary=_summary(version),
        keys={backend: key.verifying_key for backend, key in version.keys.items()},
        choices={backend: key.choices for backend, key in version.keys.items()},
        circuit_digest=version.circuit,
    )


def _summary(version: VersionView) -> Summary | None:
    return Summary.model_validate(version.summary) if version.summary else None


def _card(version: VersionView) -> CardOut:
    read = read_card(version.card)
    return CardOut(card=version.card, metadata=read.metadata, body=read.body)


def _download(
    request: Request, parts: Parts, model: ModelView, digest: str, filename: str, media_type: str
) -> Response:
    etag = f'"{digest}"'
    if request.headers.get("If-None-Match") == etag:
        return Response(status_code=304, headers={"ETag": etag})
    return download(parts.artifacts, model.owner_id, digest, filename, media_type)


def _file(media_type: str) -> dict[int | str, dict[str, Any]]:
    """What an answer with a file is, for the OpenAPI document."""
    content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return {200: {"content": content}, 304: {"description": "it is the one that If-None-Match names"}}


def _json_body(model: type[BaseModel], required: bool = True) -> dict[str, Any]:
    content = {"application/json": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": required, "content": content}}


def _text_body(what: str) -> dict[str, Any]:
    content = {"text/markdown": {"schema": {"type": "string", "description": what}}}
    return {"requestBody": {"required": True, "content": content}}
