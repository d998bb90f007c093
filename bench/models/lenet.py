"""LeNet-5: two convolutions and three linear layers for 28x28 digits.

LeCun, Bottou, Bengio, Haffner, "Gradient-Based Learning Applied to Document Recognition" (1998), section
II.B, in the form that zkCNN (CCS 2021) and its successors measure: the first convolution padded by 2 in place
of 32x32 images, each map of the second reading all of the first, average pooling without weights, ReLU for
the scaled tanh, linear logits for the radial basis functions. 61,706 parameters.
"""

from __future__ import annotations

import onnx

from bench.models.graph_writer import GraphWriter
from bench.models.image_layers import IMAGE, LOGITS, convolution, image_model, linear, pooled, relu


def lenet5(seed: int) -> onnx.ModelProto:
    """LeNet-5 with average pooling."""
    g = GraphWriter("lenet5", seed)
    x = relu(g, convolution(g, IMAGE, (1, 6), "c1", kernel=5, bias=True))
    x = pooled(g, x, "AveragePool", "s2")
    x = relu(g, convolution(g, x, (6, 16), "c3", kernel=5, pad=0, bias=True))
    x = pooled(g, x, "AveragePool", "s4")
    x = g.node("Flatten", [x], "features")
    x = relu(g, linear(g, x, (400, 120), "c5", gain=2))
    x = relu(g, linear(g, x, (120, 84), "f6", gain=2))
    linear(g, x, (84, 10), LOGITS)
    return image_model(g, 1, 28, 10)
