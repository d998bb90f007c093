"""From an ONNX model to an exact integer circuit: import, quantisation, the circuit and its file, execution,
the trace."""
