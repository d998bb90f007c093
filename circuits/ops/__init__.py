"""The operations of a circuit, one idea a module; importing the package registers them all."""

from circuits.ops import arithmetic, comparison, contraction, maximum, movement, narrowing, source, top_k
from circuits.ops.base import REGISTRY, Attrs, Op, op

__all__ = [
    "REGISTRY",
    "Attrs",
    "Op",
    "arithmetic",
    "comparison",
    "contraction",
    "maximum",
    "movement",
    "narrowing",
    "op",
    "source",
    "top_k",
]
