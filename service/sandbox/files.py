"""The names of files in a sandbox's folder."""

MODEL, CIRCUIT, LAYERS, DRAWING = "model.onnx", "model.circuit", "layers.json", "graph.svg"
PROOF = "proof"
