"""Turns a float graph and its calibrated ranges into an integer circuit."""

from circuits.quantise.quantiser import Options, quantise

__all__ = ["Options", "quantise"]
