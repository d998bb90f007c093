"""The OpenAPI document: what FastAPI finds out by itself, and the errors, which are the same everywhere."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service.api.problems import PROTOCOL_PATH

PROBLEM = {
    "title": "Problem",
    "description": "An error, as RFC 9457 has it.",
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail", "request_id"],
}
PROTOCOL_ERROR = {
    "title": "ProtocolError",
    "description": "An error, as the Open Inference Protocol has it.",
    "type": "object",
    "properties": {"error": {"type": "string"}},
    "required": ["error"],
}


def describe_errors(app: FastAPI) -> None:
    """Have an application's document say what it answers when it refuses."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = get_openapi(title=app.title, version=app.version, routes=app.routes)
            schemas = found.setdefault("components", {}).setdefault("schemas", {})
            schemas |= {"Problem": PROBLEM, "ProtocolError": PROTOCOL_ERROR}
            for path, item in found["paths"].items():
                protocol = path == PROTOCOL_PATH or path.startswith(PROTOCOL_PATH + "/")
                for operation in item.values():
                    operation["responses"].pop("422", None)
                    operation["responses"]["default"] = _refusal(protocol)
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            app.openapi_schema = found
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # the way that FastAPI has for it


def _refusal(protocol: bool) -> dict[str, Any]:
    name, media_type = (
        ("ProtocolError", "application/json") if protocol else ("Problem", "application/problem+json")
    )
    return {
        "description": "Refused, or failed; the status says which.",
        "content": {media_type: {"schema": {"$ref": f"#/components/schemas/{name}"}}},
    }
