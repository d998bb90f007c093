"""Reads an ONNX model, safely, into a float graph."""
