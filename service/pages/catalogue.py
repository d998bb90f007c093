"""What pages show of a version: its layers with their cost, its drawing, and how close it is to its model."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from service.descriptions import Descriptions
from service.errors import NotFound
from service.pages.charts import Spread
from service.registry import ModelView, VersionView
from service.summary import Fidelity, Summary

MOST_LAYERS = 400
"""How many layers a page shows."""


class LayerRow(BaseModel):
    """A layer of a circuit, and its part of what the circuit costs."""

    model_config = ConfigDict(extra="ignore")

    label: str
    shape: list[int]
    operations: list[str]
    macs: int
    witness_elements: int
    cost: dict[str, int]

    @property
    def name(self) -> str:
        """What it is, without where."""
        return self.label.rpartition("/")[2] or (self.operations[-1] if self.operations else "layer")

    @property
    def path(self) -> str:
        """Where it is."""
        return self.label.rpartition("/")[0]


class Estimate(BaseModel):
    """What a proof by a backend will about take, or why there can be none."""

    model_config = ConfigDict(extra="ignore")

    prove_seconds: float | None = None
    proof_bytes: int | None = None
    peak_rss_bytes: int | None = None
    refused: str | None = None


class Anatomy(BaseModel):
    """What a circuit consists of, as the artifact `layers` of a version has it."""

    model_config = ConfigDict(extra="ignore")

    layers: list[LayerRow]
    estimates: dict[str, Estimate]

    def milliseconds(self, layer: LayerRow) -> float:
        """A layer's part of the time of a sumcheck proof, as estimated."""
        found = self.estimates.get("sumcheck")
        whole = sum(one.cost.get("sumcheck", 0) for one in self.layers)
        if found is None or found.prove_seconds is None or not whole:
            return 0.0
        return 1000 * found.prove_seconds * layer.cost.get("sumcheck", 0) / whole


def anatomy_of(descriptions: Descriptions, model: ModelView, version: VersionView) -> Anatomy | None:
    """What a version's circuit consists of; None where that could not be found out. A confined process has
    written it down, so nothing about it is certain.
    """
    try:
        return Anatomy.model_validate(descriptions.layers(model, version))
    except (NotFound, ValueError):
        return None


def name_for(viewer: str, model: ModelView) -> str:
    """What a tenant calls a model."""
    return model.name if model.owner_id == viewer else model.full_name


def summary_of(version: VersionView) -> Summary | None:
    """What is to be known of a version's circuit; None if nobody has written it down."""
    return Summary.model_validate(version.summary) if version.summary else None


def fidelity_rows(versions: Sequence[tuple[int, Fidelity]]) -> list[Spread]:
    """For each version, its mean and largest error as shares of the range of the model's outputs."""
    rows = []
    for number, found in versions:
        scale = found.relative_error / found.max_abs_error if found.max_abs_error else 0.0
        rows.append(Spread(f"v{number}", found.mean_abs_error * scale, found.relative_error))
    return rows
