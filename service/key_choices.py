"""What a model's owner may choose of the keys of a version.

The size of chunks is left to the target: it decides which reference string is needed, and how many points a
key has, and both are the operator's to bear. So are reference strings, threads and devices.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from circuits.errors import InputError
from prover.backend import Choices, Target

COMMITTING = {"sumcheck"}
"""The backends whose proofs can name a commitment to their input instead of its values."""
TARGETED = {"sumcheck"}
"""The backends of which a target changes anything."""


class KeyChoices(BaseModel):
    """How a key is made, and with it what its proofs state and cost."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    target: Target = Field(
        default="cpu",
        description="where proofs are to be cheap: made on a CPU, or checked by a contract (evm)",
    )
    commit_inputs: bool = Field(
        default=False,
        description="proofs name a commitment to their input instead of its values, one sample each",
    )

    @property
    def of_setup(self) -> Choices:
        """The same as a backend takes it."""
        return Choices(target=self.target, commit_inputs=self.commit_inputs)


DEFAULT_CHOICES = KeyChoices()
_BY_BACKEND = TypeAdapter(dict[str, KeyChoices])


def check_choices(backend: str, choices: KeyChoices) -> None:
    """Raise InputError if a backend has not what was chosen."""
    if choices.commit_inputs and backend not in COMMITTING:
        raise InputError(f"proofs by {backend} state their inputs: they cannot commit to them")
    if choices.target != DEFAULT_CHOICES.target and backend not in TARGETED:
        raise InputError(f"keys for {backend} are the same for every target: leave it out")


def read_choices(text: str | bytes) -> KeyChoices:
    """The choices in some JSON. Raises InputError."""
    try:
        return KeyChoices.model_validate_json(text)
    except ValidationError as error:
        raise _refused(error) from None


def read_choices_by_backend(text: str) -> dict[str, KeyChoices]:
    """The choices for each backend in some JSON. Raises InputError."""
    try:
        return _BY_BACKEND.validate_json(text)
    except ValidationError as error:
        raise _refused(error) from None


def _refused(error: ValidationError) -> InputError:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(map(str, first["loc"]))[:200]
    return InputError(f"the choices are not as they should be: {where}: {first['msg']}")
