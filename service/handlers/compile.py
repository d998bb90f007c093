"""The handler of `compile` jobs: make a version of a model of what its owner has sent.

request   {"model": name, "source": digest, "calibration": digest or null, "options": {...} (see `Options`),
           "public": bool or null, "card": text or null, "setup": [backend, ...],
           "choices": {backend: {...} (see `service.key_choices`)} or absent}
result    {"version_id", "number", "circuit_id", "fidelity", "notes": [text, ...],
           "setup": {backend: {"verifying_key": digest} or {"error": text}}}

The source is an ONNX model, or a circuit that was compiled elsewhere. Neither is read in this process.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from circuits.answer import read_answer
from circuits.errors import InputError
from circuits.file import PREFIX
from circuits.quantise import Options as Quantisation
from service.descriptions import describe
from service.handlers.setup import set_up
from service.key_choices import KeyChoices
from service.models import CIRCUIT_TYPE
from service.parts import Parts
from service.registry import Addition
from service.sandbox.files import CIRCUIT, MODEL
from service.sandbox.sandbox import Limits, Sandbox
from service.settings import Settings
from service.stages import COMPILE, DESCRIBE, READ, REGISTER, setup_for
from service.summary import Summary
from service.worker import Context, Result, TooLarge

SOURCE_TYPE, DATA_TYPE = "application/vnd.verinfer.source", "application/vnd.verinfer.data"
COMPILE_MODEL = "service.sandbox.compiling:compile_model"
READ_CIRCUIT = "service.sandbox.describing:read_circuit"
MAX_NOTES, MAX_NOTE = 20, 1000
_MAGIC = {b"PK\x03\x04": "calibration.npz", b"\x93NUM": "calibration.npy"}


class Options(BaseModel):
    """How a model is compiled, as `verinfer compile` has it."""

    model_config = ConfigDict(strict=True, extra="forbid", populate_by_name=True)

    bits: int = Field(default=12, ge=4, le=16, description="width of weights and activations")
    bits_for: dict[str, int] = Field(
        default_factory=dict, max_length=10_000, description="other widths, by input or ONNX node"
    )
    dims: dict[str, int] = Field(
        default_factory=dict, max_length=1000, description="sizes of symbolic dimensions, by name"
    )
    answer: str | None = Field(
        default=None,
        alias="return",
        max_length=100,
        description="argmax, or top-k=K: answer with indices only",
    )

    @classmethod
    def read(cls, text: str) -> Options:
        """The options in some JSON. Raises InputError."""
        try:
            options = cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = ".".join(map(str, first["loc"]))[:200]
            raise InputError(f"the options are not as they should be: {where}: {first['msg']}") from None
        Quantisation(bits=options.bits, bits_for=options.bits_for)
        if options.answer is not None:
            read_answer(options.answer)
        return options


def compile_limits(settings: Settings) -> Limits:
    """What compiling a model, and reading a circuit, may take."""
    return Limits(
        "the model",
        settings.compile_bytes,
        settings.compile_seconds,
        min(settings.max_artifact_bytes, 16 << 30),
    )


class CompileHandler:
    """Does `compile` jobs."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def __call__(self, context: Context) -> Result:
        """Do a job.

        Raises
        ------
        InputError
            If the source is neither a model nor a circuit, cannot be compiled, or needs more than it may.
        """
        return _Compiling(self._parts, context).run()


class _Compiling:
    """One attempt at one job."""

    def __init__(self, parts: Parts, context: Context) -> None:
        self._parts, self._context = parts, context
        self._tenant = context.lease.tenant_id
        self._request = context.lease.request
        self._limits = compile_limits(parts.settings)

    def run(self) -> Result:
        context = self._context
        compiled = context.stage(COMPILE, self._compile)
        read = context.stage(READ, lambda: self._read(compiled["circuit"]))
        summary = Summary.model_validate(read)
        added = context.stage(REGISTER, lambda: self._register(compiled["circuit"], summary))
        described = context.stage(DESCRIBE, lambda: self._describe(compiled["circuit"], added["version_id"]))
        setup = {
            backend: context.stage(setup_for(backend), lambda b=backend: self._set_up(added["version_id"], b))  # type: ignore[misc]
            for backend in self._request["setup"]
        }
        return {
            **added,
            "circuit_id": summary.circuit_id,
            "fidelity": None if summary.fidelity is None else summary.fidelity.model_dump(),
            "notes": [*compiled["notes"], *described["notes"]],
            "setup": setup,
        }

    def _compile(self) -> Result:
        """The circuit of a model; that of a circuit is itself."""
        with Sandbox(self._limits) as box:
            source = self._fetch(self._request["source"], box.folder / "source")
            if is_circuit(source):
                return {"circuit": self._request["source"], "notes": []}
            source.rename(box.folder / MODEL)
            arguments = {"calibration": self._calibration(box.folder), "options": self._request["options"]}
            made = box.run(COMPILE_MODEL, arguments, self._context.progress, self._context.check)
            notes = [str(note)[:MAX_NOTE] for note in made.get("notes", [])][:MAX_NOTES]
            with box.open(CIRCUIT, self._limits.file_bytes) as file:
                return {
                    "circuit": self._parts.artifacts.put(self._tenant, file, CIRCUIT_TYPE),
                    "notes": notes,
                }

    def _read(self, circuit: str) -> Result:
        settings = self._parts.settings
        bounds = {"nodes": settings.max_nodes, "macs": settings.max_macs, "cells": settings.max_cells}
        with Sandbox(self._limits) as box:
            self._fetch(circuit, box.folder / CIRCUIT)
            return box.run(READ_CIRCUIT, bounds, self._context.progress, self._context.check)

    def _register(self, circuit: str, summary: Summary) -> Result:
        request = self._request
        new = Addition(
            circuit=circuit,
            circuit_id=summary.circuit_id,
            summary=summary.model_dump(),
            source=None if request["source"] == circuit else request["source"],
            calibration=request["calibration"],
            card=request["card"],
            public=request["public"],
            made_by=self._context.lease.job_id,
        )
        version_id, number = self._parts.registry.add(self._tenant, request["model"], new)
        return {"version_id": version_id, "number": number}

    def _describe(self, circuit: str, version_id: str) -> Result:
        """Write down the layers, and draw the graph, where that can be done in the time there is."""
        context = self._context
        try:
            describe(
                self._parts, self._tenant, circuit, version_id, self._limits, context.progress, context.check
            )
        except InputError as error:
            return {"notes": [f"there are no costs by layer and no drawing: {error}"]}
        return {"notes": []}

    def _set_up(self, version_id: str, backend: str) -> Result:
        chosen = self._request.get("choices", {}).get(backend)
        choices = None if chosen is None else KeyChoices.model_validate(chosen)
        try:
            return {"verifying_key": set_up(self._parts, self._context, version_id, backend, choices)}
        except (InputError, TooLarge) as error:  # the version is there, with a key or without
            return {"error": str(error)}

    def _calibration(self, folder: Path) -> str | None:
        digest = self._request["calibration"]
        if digest is None:
            return None
        path = self._fetch(digest, folder / "data")
        with path.open("rb") as file:
            name = _MAGIC.get(file.read(4), "calibration.json")
        path.rename(folder / name)
        return name

    def _fetch(self, digest: str, path: Path) -> Path:
        return self._parts.artifacts.fetch(self._tenant, digest, path)


def is_circuit(path: Path) -> bool:
    """Whether a file is a circuit, or a model: a circuit begins with the length of the JSON that follows."""
    with path.open("rb") as file:
        start = file.read(PREFIX.size + 1)
    return (
        len(start) == PREFIX.size + 1
        and start.endswith(b"{")
        and PREFIX.unpack_from(start)[0] < path.stat().st_size
    )
