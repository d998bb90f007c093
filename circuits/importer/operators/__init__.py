"""The handlers of all ONNX operators, one family a module; importing the package registers them."""

from circuits.importer.operators import elementwise, linear, movement

__all__ = ["elementwise", "linear", "movement"]
