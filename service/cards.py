"""Model cards: what a model is for and where it comes from, in its owner's words.

A card is what model hubs have: metadata in YAML between two lines of three dashes, then free text, which is
Markdown. Either may be missing.

    ---
    license: apache-2.0
    language: [en, de]
    tags: [images, digits]
    ---
    # Digits
    Trained on ...

The names are those of Hugging Face's model cards. Those in `Metadata` are checked; others are kept, and mean
nothing here. All values are read as text: `no` is Norwegian and not false.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from circuits.errors import InputError

MAX_CARD_BYTES = 1 << 16
MAX_DEPTH = 8
_FENCE = "---"
_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)

Line = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]*$")]
Lines = Annotated[
    list[Line], Field(max_length=100), BeforeValidator(lambda x: [x] if isinstance(x, str) and x else x)
]
"""One or several: `en`, or `[en, de]`."""


class Metadata(BaseModel):
    """What is known of a card's metadata."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    license: Line | None = Field(default=None, description="an SPDX identifier in lower case, or `other`")
    license_name: Line | None = Field(default=None, description="what a licence is called that is `other`")
    license_link: Line | None = Field(default=None, description="where it is")
    language: Lines = Field(default_factory=list, description="ISO 639 codes")
    tags: Lines = Field(default_factory=list, description="words to find the model by")
    datasets: Lines = Field(default_factory=list, description="what it was trained on")
    metrics: Lines = Field(default_factory=list, description="what it was measured by")
    base_model: Lines = Field(default_factory=list, description="what it was made from")
    library_name: Line | None = Field(default=None, description="what it was trained with")
    pipeline_tag: Line | None = Field(default=None, description="its task: `image-classification`")


@dataclass(frozen=True)
class Card:
    """A card, read."""

    metadata: Metadata
    body: str
    """The free text, Markdown."""


def read_card(text: str) -> Card:
    """Read a card.

    Raises
    ------
    InputError
        If it is too long, its metadata are no YAML, or what is known of them is not as it should be.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise InputError("the card is no text: it has half a character") from None
    if size > MAX_CARD_BYTES:
        raise InputError(f"the card has {size} bytes, over the limit of {MAX_CARD_BYTES}")
    if "\0" in text:
        raise InputError("the card has a null character")
    lines = text.splitlines()
    if not lines or lines[0].rstrip() != _FENCE:
        return Card(Metadata(), text)
    ends = [i for i, line in enumerate(lines) if i and line.rstrip() == _FENCE]
    if not ends:
        raise InputError(f"the card's metadata do not end: a second line {_FENCE} is missing")
    found = _yaml("\n".join(lines[1 : ends[0]]))
    try:
        metadata = Metadata.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"the card's metadata: {where}: {first['msg']}") from None
    return Card(metadata, "\n".join(lines[ends[0] + 1 :]).strip("\n"))


def _yaml(text: str) -> dict[str, Any]:
    """YAML that is a mapping, of texts only. What could grow or recurse is refused before it is built."""
    try:
        depth = 0
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.AliasEvent):
                raise InputError(
                    f"the card's metadata: {_where(event.start_mark)}: aliases are not read here"
                )
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise InputError(f"the card's metadata are nested over {MAX_DEPTH} deep")
        found = yaml.load(text, Loader=_Loader)  # it makes texts, lists and mappings only
    except yaml.MarkedYAMLError as error:
        raise InputError(
            f"the card's metadata are no YAML: {_where(error.problem_mark)}: {error.problem}"
        ) from None
    except yaml.YAMLError as error:
        raise InputError(f"the card's metadata are no YAML: {' '.join(str(error).split())[:200]}") from None
    if found in ("", None):
        return {}
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise InputError("the card's metadata are no names with values: `license: apache-2.0`")
    return found


def _where(mark: Any) -> str:
    return "somewhere" if mark is None else f"line {mark.line + 2}"
