"""Pages about proofs: what one says, checking it here, its files; and checking any proof, by anyone."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from fastapi import APIRouter, Request
from starlette.datastructures import UploadFile
from starlette.responses import RedirectResponse, Response

from circuits.circuit import Circuit
from circuits.errors import FormatError, InputError
from service.api.downloads import download
from service.api.problems import Busy
from service.api.uploads import Uploads
from service.api_keys import Scope
from service.errors import NotFound
from service.handlers.prove import KEY_TYPE, PROOF_TYPE
from service.pages import charts
from service.pages.evidence import Evidence, Names, find_names, job_of, read_evidence
from service.pages.site import Site, upload
from service.parts import Parts
from service.sharing import Shared, share, shared, unshare
from service.verification import Checked, TooMany, Verification
from verifier.key import VerifyingKey
from verifier.proof import Proof

MAX_FILE_BYTES = 64 << 20
"""The largest proof or key that is shown."""
MAX_UPLOAD_BYTES = 8 << 20
"""The largest proof and key together that are checked without an account."""


CHECK = 10
"""As how many requests of a visitor a check counts."""
Timed = tuple[Checked, float]
"""What a check has found, and the seconds it took."""


@dataclass(frozen=True)
class Kept:
    """A proof that this service keeps, and that the visitor may see."""

    digest: str
    owner: str
    """The tenant that has the proof."""
    data: bytes
    proof: Proof
    key: VerifyingKey
    names: Names
    job: str | None
    """The visitor's own job that made it."""
    public: bool


def proof_pages(site: Site, uploads: Uploads, verification: Verification) -> APIRouter:
    """The pages."""
    router = APIRouter(include_in_schema=False)
    parts = site.parts

    async def _check(viewer: str | None, proof: BinaryIO, key: BinaryIO | None) -> Timed:
        begun = time.perf_counter()
        try:
            checked = await asyncio.to_thread(verification.check, viewer, proof, key)
        except TooMany:
            raise Busy("as many proofs are being checked as may: come back in a moment") from None
        return checked, time.perf_counter() - begun

    def _find(request: Request, digest: str) -> Kept:
        """A proof that whoever visits may see: an own one, or a public one. Raises NotFound."""
        caller = site.visitor(request).caller
        public = shared(parts, digest)
        own = None if caller is None else _own(caller.tenant, digest, public)
        if own is not None:
            return own
        if public is None:
            raise NotFound("there is no such proof, or its owner has not made it public")
        data = _read(public.tenant, digest)
        key = VerifyingKey.decode(_read(public.tenant, public.verifying_key))
        names = Names(public.model, public.version, public.verifying_key, public.tenant, None)
        return Kept(digest, public.tenant, data, Proof.decode(data), key, names, None, True)

    def _own(tenant: str, digest: str, public: Shared | None) -> Kept | None:
        try:
            data = _read(tenant, digest)
            proof = Proof.decode(data)
        except (NotFound, FormatError):
            return None
        names = find_names(parts.database, parts.artifacts, proof, tenant)
        if names is None or names.version_id is None:
            return None
        key = VerifyingKey.decode(_read(names.owner, names.key))
        job = job_of(parts.database, tenant, names.version_id, digest)
        mine = public is not None and public.tenant == tenant
        return Kept(digest, tenant, data, proof, key, names, job, mine)

    def _read(tenant: str, digest: str) -> bytes:
        if parts.artifacts.describe(tenant, digest).size > MAX_FILE_BYTES:
            raise NotFound(f"there is no proof or key {digest}")
        return b"".join(parts.artifacts.read(tenant, digest))

    def _circuit(kept: Kept) -> Circuit | None:
        if kept.names.model is None:
            return None
        try:
            return parts.models.find(kept.owner, kept.names.model, kept.names.version).circuit
        except NotFound:
            return None

    def _page(request: Request, kept: Kept, checked: Timed | None) -> Response:
        evidence = read_evidence(kept.data, kept.proof, kept.key, _circuit(kept))
        if "HX-Request" in request.headers:
            return site.render(request, "verdict.html", checked=checked, insecure=evidence.insecure)
        return site.render(
            request,
            "proof.html",
            kept=kept,
            evidence=evidence,
            checked=checked,
            insecure=evidence.insecure,
            bar=charts.bar,
            link=str(request.url_for("proof_page", digest=kept.digest)),
        )

    @router.get("/proofs/{digest}", name="proof_page")
    def shown(request: Request, digest: str) -> Response:
        return _page(request, _find(request, digest), None)

    @router.post("/proofs/{digest}/verify")
    async def check(request: Request, digest: str) -> Response:
        site.access.count_visitor(request, CHECK)
        kept = await asyncio.to_thread(_find, request, digest)
        await site.form(request)
        return _page(request, kept, await _check(None, io.BytesIO(kept.data), io.BytesIO(kept.key.encode())))

    @router.post("/proofs/{digest}/share")
    async def publish(request: Request, digest: str) -> Response:
        return await _share(request, digest, share)

    @router.post("/proofs/{digest}/unshare")
    async def withdraw(request: Request, digest: str) -> Response:
        return await _share(request, digest, unshare)

    async def _share(request: Request, digest: str, how: Callable[[Parts, str, str], object]) -> Response:
        kept = await asyncio.to_thread(_find, request, digest)
        await site.form(request)
        caller = request.state.visitor.caller
        if caller is None or kept.job is None:
            raise NotFound("only who has had a proof made says who may see it")
        caller.require(Scope.JOBS)
        await asyncio.to_thread(how, parts, caller.tenant, kept.job)
        return RedirectResponse(f"/proofs/{digest}", 303)

    @router.get("/proofs/{digest}/proof")
    def proof_file(request: Request, digest: str) -> Response:
        kept = _find(request, digest)
        return download(parts.artifacts, kept.owner, digest, f"{digest[:12]}.proof", PROOF_TYPE)

    @router.get("/proofs/{digest}/key")
    def key_file(request: Request, digest: str) -> Response:
        kept = _find(request, digest)
        names = kept.names
        return download(parts.artifacts, names.owner, names.key, f"{names.key[:12]}.vk", KEY_TYPE)

    @router.get("/verify")
    def ask(request: Request) -> Response:
        site.visitor(request)
        return _verify_page(request, None, None, None)

    def _verify_page(
        request: Request,
        evidence: Evidence | None,
        checked: Timed | None,
        problem: str | None,
    ) -> Response:
        return site.render(
            request,
            "verify.html",
            200 if problem is None else 400,
            evidence=evidence,
            checked=checked,
            insecure=evidence is not None and evidence.insecure,
            problem=problem,
            bar=charts.bar,
        )

    @router.post("/verify")
    async def check_any(request: Request) -> Response:
        site.access.count_visitor(request, CHECK)
        visitor = await asyncio.to_thread(site.visitor, request)
        async with site.upload(request, uploads, MAX_UPLOAD_BYTES) as form:
            proof_file, key_file = upload(form, "proof"), upload(form, "key")
            try:
                if proof_file is None:
                    raise InputError("choose the file with the proof")
                viewer = None if visitor.caller is None else visitor.caller.tenant
                checked = await _check(viewer, proof_file.file, None if key_file is None else key_file.file)
                evidence = await asyncio.to_thread(_readable, viewer, proof_file, key_file)
            except InputError as error:
                return _verify_page(request, None, None, str(error))
        return _verify_page(request, evidence, checked, None)

    def _readable(viewer: str | None, proof_file: UploadFile, key_file: UploadFile | None) -> Evidence | None:
        """What a proof says, whose check has just ended; None if it is not about the key's circuit."""
        proof_file.file.seek(0)
        data = proof_file.file.read()
        try:
            proof = Proof.decode(data)
            if key_file is None:
                names = find_names(parts.database, parts.artifacts, proof, viewer)
                key = None if names is None else VerifyingKey.decode(_read(names.owner, names.key))
            else:
                key_file.file.seek(0)
                key = VerifyingKey.decode(key_file.file.read())
            if key is None or proof.circuit_id != key.circuit_id:
                return None
            return read_evidence(data, proof, key, None)
        except InputError:
            return None

    return router
