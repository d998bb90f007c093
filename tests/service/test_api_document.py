"""The API by its own OpenAPI document: whatever is sent, nothing fails inside; answers are as described."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service.application import application
from service.parts import LOCAL_TENANT
from tests.budget import examples
from tests.service.serving import add_model, compiled, opened, served

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Iterator[Any]:
    """The document of a running service."""
    with opened(tmp_path_factory.mktemp("service")) as parts, served(application(parts)) as where:
        add_model(parts, parts.tenant(LOCAL_TENANT), compiled(digits))
        yield schemathesis.openapi.from_url(f"http://{where}/openapi.json")


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
def test_nothing_fails_inside(document: Any, mode: GenerationMode) -> None:
    failures: dict[str, str] = {}
    for found in document.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=examples(8), deadline=None, database=None, suppress_health_check=list(HealthCheck)
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case: Any) -> None:
            case.call_and_validate(checks=CHECKS, timeout=30)

        try:
            check()
        except Unsatisfiable:  # nothing about it can be wrong
            assert mode is GenerationMode.NEGATIVE
        except (Failure, FailureGroup) as error:
            failures[operation.label] = str(error)
    assert not failures, "\n\n".join(f"{label}\n{message}" for label, message in failures.items())
