"""Pages about models: the list, adding one, one by itself with its graph, costs, fidelity and files."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from pathlib import Path

from fastapi import APIRouter, Depends, Request
from markupsafe import Markup
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from circuits.errors import InputError
from prover.backends import BACKENDS
from service.api.downloads import download
from service.api.uploads import Uploads
from service.api_keys import Caller, Scope
from service.cards import read_card
from service.descriptions import Descriptions
from service.errors import NotFound
from service.handlers.compile import Options
from service.handlers.prove import KEY_TYPE
from service.key_choices import COMMITTING, KeyChoices
from service.models import CIRCUIT_TYPE
from service.pages import charts
from service.pages.catalogue import MOST_LAYERS, anatomy_of, fidelity_rows, name_for, summary_of
from service.pages.security import DRAWING_POLICY
from service.pages.site import MAX_FORM_BYTES, Site, text, upload
from service.registry import ModelView, VersionView
from service.setting_up import setup_order
from service.uploading import Upload, submit_upload, upload_limit

MOST_VERSIONS = 8
"""How many versions a chart compares."""
MOST_LISTED = 200
EXAMPLE_NAME = "digits"


def model_pages(site: Site, uploads: Uploads, descriptions: Descriptions, example: Path | None) -> APIRouter:
    """The pages.

    Parameters
    ----------
    example
        The folder of an example that can be added by one button; None if there is none.
    """
    router = APIRouter(include_in_schema=False)
    parts = site.parts
    member, author = Depends(site.member()), Depends(site.member(Scope.MODELS))

    @router.get("/models")
    def listed(request: Request, caller: Caller = member) -> Response:
        return site.render(
            request,
            "models.html",
            own=parts.registry.list(caller.tenant, limit=MOST_LISTED),
            others=parts.registry.list(caller.tenant, others=True, limit=MOST_LISTED),
            example=example is not None,
        )

    @router.get("/models/new")
    def new(request: Request, caller: Caller = author) -> Response:
        return _form(request, {}, None)

    def _form(request: Request, given: dict[str, str], problem: str | None) -> Response:
        code = 200 if problem is None else 400
        return site.render(
            request, "model_new.html", code, given=given, problem=problem, backends=list(BACKENDS)
        )

    @router.post("/models")
    async def add(request: Request, caller: Caller = author) -> Response:
        await site.access.admit(caller.tenant)
        most = await asyncio.to_thread(upload_limit, parts, caller.tenant)
        async with site.upload(request, uploads, most + MAX_FORM_BYTES) as form:
            try:
                job = await asyncio.to_thread(_submit_upload, form, caller)
            except InputError as error:
                given = {
                    name: text(form, name)
                    for name in ("name", "bits", "card", "public", "target", "commit_inputs")
                }
                return _form(request, given, str(error))
        return RedirectResponse(f"/jobs/{job}", 303)

    def _submit_upload(form: FormData, caller: Caller) -> str:
        source, calibration = upload(form, "source"), upload(form, "calibration")
        if source is None:
            raise InputError("choose the file of the model")
        backends = tuple(str(backend) for backend in form.getlist("setup"))
        bits, card = text(form, "bits").strip(), text(form, "card").replace("\r\n", "\n")
        wanted = Upload(
            text(form, "name").strip() or Path(source.filename or "").stem,
            source.file,
            None if calibration is None else calibration.file,
            Options() if not bits else Options.read(f'{{"bits": {_digits(bits)}}}'),
            True if text(form, "public") == "yes" else None,
            card or None,
            backends,
            {backend: _choices(form) for backend in backends if backend in COMMITTING},
        )
        return submit_upload(parts, caller.tenant, wanted, None).id

    @router.post("/models/example")
    async def add_example(request: Request, caller: Caller = author) -> Response:
        await site.access.admit(caller.tenant)
        await site.form(request)
        if example is None:
            raise NotFound("this service has no example")
        job = await asyncio.to_thread(_submit_example, example, caller)
        return RedirectResponse(f"/jobs/{job}", 303)

    def _submit_example(folder: Path, caller: Caller) -> str:
        source, data = ((folder / name).read_bytes() for name in ("cnn.onnx", "calibration.npz"))
        wanted = Upload(
            EXAMPLE_NAME, io.BytesIO(source), io.BytesIO(data), Options(), None, None, ("sumcheck",)
        )
        return submit_upload(parts, caller.tenant, wanted, None).id

    @router.get("/models/{name}")
    def shown(request: Request, name: str, version: str | None = None, caller: Caller = member) -> Response:
        model, found = parts.registry.find(caller.tenant, name, version)
        versions = parts.registry.versions(caller.tenant, name, limit=MOST_VERSIONS)
        summary = summary_of(found)
        return site.render(
            request,
            "model.html",
            name=name,
            model=model,
            version=found,
            versions=[one.number for one in versions],
            own=model.owner_id == caller.tenant,
            summary=summary,
            card=read_card(found.card),
            anatomy=anatomy_of(descriptions, model, found),
            most_layers=MOST_LAYERS,
            chart=_fidelity_chart(found, versions),
            circuit_size=parts.artifacts.describe(model.owner_id, found.circuit).size,
            bar=charts.bar,
            missing=[backend for backend in BACKENDS if backend not in found.keys],
            choosing=COMMITTING,
        )

    @router.get("/models/{name}/graph.svg")
    def graph(name: str, version: str | None = None, caller: Caller = member) -> Response:
        _, drawing = descriptions.drawing(*parts.registry.find(caller.tenant, name, version))
        headers = {"Content-Security-Policy": DRAWING_POLICY, "Cache-Control": "private, max-age=3600"}
        return Response(drawing, 200, headers, "image/svg+xml")

    @router.get("/models/{name}/circuit")
    def circuit(name: str, version: str | None = None, caller: Caller = member) -> Response:
        model, found = parts.registry.find(caller.tenant, name, version)
        return _file(model, found.circuit, f"{model.name}-v{found.number}.circuit", CIRCUIT_TYPE)

    @router.get("/models/{name}/keys/{backend}")
    def key(name: str, backend: str, version: str | None = None, caller: Caller = member) -> Response:
        model, found = parts.registry.find(caller.tenant, name, version)
        if backend not in found.keys:
            raise NotFound(f"the model has no key for {backend!r:.40}")
        filename = f"{model.name}-v{found.number}-{backend}.vk"
        return _file(model, found.keys[backend].verifying_key, filename, KEY_TYPE)

    def _file(model: ModelView, digest: str, filename: str, media_type: str) -> Response:
        return download(parts.artifacts, model.owner_id, digest, filename, media_type)

    @router.post("/models/{name}/keys")
    async def make_key(request: Request, name: str, caller: Caller = author) -> Response:
        await site.access.admit(caller.tenant)
        form = await site.form(request)
        backend, version = text(form, "backend"), text(form, "version")
        choices = _choices(form) if backend in COMMITTING else None
        job = await asyncio.to_thread(_submit_setup, caller, name, version or None, backend, choices)
        return RedirectResponse(f"/jobs/{job}", 303)

    def _submit_setup(
        caller: Caller, name: str, version: str | None, backend: str, choices: KeyChoices | None
    ) -> str:
        model, found = parts.registry.find(caller.tenant, name, version)
        if model.owner_id != caller.tenant:
            raise NotFound(f"only the owner of {name_for(caller.tenant, model)} makes its keys")
        return parts.jobs.submit(caller.tenant, setup_order(parts.database, found.id, backend, choices)).id

    return router


def _fidelity_chart(version: VersionView, versions: Sequence[VersionView]) -> Markup | None:
    summary = summary_of(version)
    if summary is None or summary.fidelity is None:
        return None
    found = []
    for one in reversed(versions):
        other = summary_of(one)
        if other is not None and other.fidelity is not None:
            found.append((one.number, other.fidelity))
    return charts.spreads(
        fidelity_rows(found), "mean error", "largest error", "error, as a share of the outputs' range"
    )


def _choices(form: FormData) -> KeyChoices:
    """What a form chooses of keys."""
    return KeyChoices(
        target="evm" if text(form, "target") == "evm" else "cpu",
        commit_inputs=text(form, "commit_inputs") == "yes",
    )


def _digits(text: str) -> str:
    if not (text.isascii() and text.isdigit() and len(text) <= 2):
        raise InputError(f"the number of bits is {text!r:.20}: expected 4 to 16")
    return str(int(text))
