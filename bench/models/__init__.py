"""The networks that provers of machine learning are compared on, with random weights, built from nothing but
their published descriptions.

What a proof costs depends on a network's shape and on the bounds of its tensors, not on what it has learnt:
weights are drawn at the scale that training starts from, and normalisation statistics are those of the
network's own activations, so that these neither vanish nor explode.
"""

from bench.models.catalogue import NAMES, calibration, model, parameters

__all__ = ["NAMES", "calibration", "model", "parameters"]
