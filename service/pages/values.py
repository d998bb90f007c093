"""Inputs and outputs of models as people type, upload and read them."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from circuits.circuit import Circuit, Port
from circuits.data import InputPort, input_ports, match, taken
from circuits.errors import InputError
from circuits.executor import checked
from circuits.json_depth import MAX_DEPTH, too_deep
from circuits.tensor import IntArray, Shape
from service.pages.charts import picture
from service.pages.words import number

SMALLEST_IMAGE, LARGEST_IMAGE = 4, 64
BRIGHTEST = (1.0, 255.0, 16.0, 15.0, 100.0)
"""What images commonly reach."""
MOST_BARS = 32
MOST_SHOWN = 256
"""How many numbers of an output that is not drawn are shown."""


@dataclass(frozen=True)
class Canvas:
    """What can be drawn for a model: a square image, from `low` (nothing) to `high` (ink)."""

    side: int
    low: float
    high: float


def canvas(circuit: Circuit) -> Canvas | None:
    """What can be drawn for a model; None if its input is no small square image."""
    ports = input_ports(circuit)
    side = image_side(ports[0].shape)
    if len(ports) != 1 or side is None:
        return None
    [port] = ports
    high = _brightest(port)
    return Canvas(side, max(port.lo * port.scale, 0.0), high) if high > max(port.lo * port.scale, 0) else None


def _brightest(port: InputPort) -> float:
    """What the brightest pixels of an input mostly are.

    A real input's bound is two to four times what calibration has seen (`circuits.quantise`), so the bound
    and what images commonly reach tell it.
    """
    high = port.hi * port.scale
    if port.kind != "real":
        return high
    return next((usual for usual in BRIGHTEST if high / 4 < usual <= high / 2), high / 2)


def image_side(shape: Shape) -> int | None:
    """The side of a small square image; None if a tensor of this shape is none."""
    sizes = [size for size in shape if size != 1]
    if len(sizes) != 2 or sizes[0] != sizes[1] or not SMALLEST_IMAGE <= sizes[0] <= LARGEST_IMAGE:
        return None
    return sizes[0]


def example(circuit: Circuit) -> str:
    """Numbers that a model takes, as JSON, for people to change: the middle of each bound, rounded."""
    lists = []
    for port in input_ports(circuit):
        middle = (port.lo + port.hi) // 2 * port.scale
        value = int(middle) if port.kind != "real" else float(f"{middle:.3g}")
        lists.append([value] * math.prod(port.shape))
    return json.dumps({"input_data": lists})


def read_values(
    circuit: Circuit, text: str, name: str = "input.json", saturate: bool = False
) -> list[IntArray]:
    """The integers for a circuit's inputs, each shaped (batch, *port's shape), from what somebody gave.

    Parameters
    ----------
    text
        CSV with a sample on each line, a heading or none, for models with one input; or JSON: a list of
        numbers, or as `circuits.data` has it.
    name
        The file's name; only its suffix counts.
    saturate
        Clamp numbers to the inputs' bounds instead of refusing them.

    Raises
    ------
    InputError, BoundError
        If that does not fit the circuit.
    """
    ports = input_ports(circuit)
    if not text.strip():
        raise InputError("there is no input: draw or type something, or choose a file")
    if name.lower().endswith(".csv"):
        arrays, integers = [_csv(ports, text)], False
    else:
        arrays, integers = _json(text)
    shaped = match(arrays, None, [(port.name, port.shape) for port in ports], "the input")
    return checked(circuit, taken(ports, shaped, integers, saturate))


def _csv(ports: Sequence[InputPort], text: str) -> NDArray[Any]:
    if len(ports) != 1:
        raise InputError(f"the model has {len(ports)} inputs, and CSV has room for one: give JSON")
    try:
        rows = [row for row in csv.reader(io.StringIO(text)) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise InputError(f"this is no CSV: {error}") from None
    if rows and not all(map(_is_number, rows[0])):
        del rows[0]
    if not rows:
        raise InputError("the CSV has no row of numbers")
    size = math.prod(ports[0].shape)
    for place, row in enumerate(rows, start=1):
        if len(row) != size:
            raise InputError(f"row {place} of the CSV has {len(row)} numbers; the model takes {size}")
        for cell in row:
            if not _is_number(cell):
                raise InputError(f"row {place} of the CSV has {cell!r:.40}, which is no number")
    array = np.array([[float(cell) for cell in row] for row in rows])
    return array.reshape(len(rows), *ports[0].shape)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _json(text: str) -> tuple[list[NDArray[Any]], bool]:
    if too_deep(text):
        raise InputError(f"the JSON is nested deeper than {MAX_DEPTH}")
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InputError(f"this is no JSON: {error}") from None
    integers = False
    if isinstance(value, dict):
        names = [name for name in ("input_data", "input_ints") if name in value]
        if len(names) != 1:
            raise InputError('the JSON is neither a list nor {"input_data": [[...]]}')
        integers, value = names == ["input_ints"], value[names[0]]
    elif not (isinstance(value, list) and value and isinstance(value[0], list)):
        value = [value]
    if not isinstance(value, list):
        raise InputError("the JSON has no list of numbers for each input")
    try:
        arrays = [np.asarray(one) for one in value]
    except ValueError:
        raise InputError("the JSON's lists are of unequal lengths") from None
    if integers and any(array.dtype.kind not in "iu" for array in arrays):
        raise InputError("input_ints holds something else than integers")
    return arrays, integers


@dataclass(frozen=True)
class Cell:
    """One number of an output."""

    name: str
    text: str
    share: float
    """How long its bar is, 0 to 1."""
    largest: bool


@dataclass(frozen=True)
class Shown:
    """One tensor of one sample as a page shows it."""

    name: str
    shape: Shape
    picture: Markup | None
    """It drawn, if it is a small square image."""
    cells: tuple[Cell, ...]
    """Each number with a bar, where they are few; none otherwise."""
    choice: str | None
    """The place of the largest number, or the only one there is."""
    text: str
    """The numbers."""


@dataclass(frozen=True)
class Tensor:
    """What is known of a port beside its values."""

    name: str
    shape: Shape
    lo: int
    hi: int
    scale: float
    kind: str


def tensors_of(circuit: Circuit, ports: Sequence[Port]) -> list[Tensor]:
    """A circuit's inputs or outputs."""
    found = []
    for port in ports:
        node = circuit.nodes[port.node]
        found.append(Tensor(port.name, node.shape, node.lo, node.hi, port.scale, port.kind))
    return found


def show(tensor: Tensor, values: Sequence[int]) -> Shown:
    """One sample of a tensor, flat, as a page shows it."""
    side = image_side(tensor.shape)
    # Bounds leave room over what images mostly reach: the brightest pixel is white.
    drawn = None if side is None else picture(values, side, min(0, *values), max(1, *values))
    texts = _texts([_real(tensor, value) for value in values])
    few = 2 <= len(values) <= MOST_BARS and len([size for size in tensor.shape if size != 1]) == 1
    cells: tuple[Cell, ...] = ()
    choice = texts[0] if len(values) == 1 else None
    if few:
        top, low = max(values), min(values)
        spread = max(top - low, 1)
        cells = tuple(
            Cell(str(k), text, (value - low) / spread, value == top)
            for k, (value, text) in enumerate(zip(values, texts, strict=True))
        )
        choice = str(values.index(top))
    text = ", ".join(texts[:MOST_SHOWN])
    if len(texts) > MOST_SHOWN:
        text += f", … and {len(texts) - MOST_SHOWN:,} more"
    return Shown(tensor.name, tensor.shape, drawn, cells, choice, text)


def _texts(reals: Sequence[float | int]) -> list[str]:
    """Numbers as text, all with as many digits behind the point as their size allows."""
    if not any(isinstance(real, float) for real in reals):
        return [number(real) for real in reals]
    top = max(map(abs, reals))
    if not 1e-3 <= top < 1e6:
        return [number(real) for real in reals]
    digits = max(0, 4 - max(1, math.ceil(math.log10(top))))
    return [f"{real:,.{digits}f}".replace("-", "\N{MINUS SIGN}") for real in reals]


def _real(tensor: Tensor, value: int) -> float | int:
    return value * tensor.scale if tensor.kind == "real" or tensor.scale != 1 else value
