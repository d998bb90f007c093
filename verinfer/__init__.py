"""Verifiable inference: compile a model to an integer circuit, prove its answers, check the proofs anywhere.

The names of `verinfer.api` are found here too, loaded when first used, so that commands start quickly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from verinfer.api import (
        CheckFailed,
        Circuit,
        Compiled,
        InputError,
        Proof,
        Verdict,
        VerifyingKey,
        VerinferError,
        compile,
        prove,
        run,
        setup,
        verify,
    )

__all__ = [
    "CheckFailed",
    "Circuit",
    "Compiled",
    "InputError",
    "Proof",
    "Verdict",
    "VerifyingKey",
    "VerinferError",
    "compile",
    "prove",
    "run",
    "setup",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'verinfer' has no attribute {name!r}")
    from verinfer import api

    return getattr(api, name)
