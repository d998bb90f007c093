"""Solidity contracts that register models and check inferences on an EVM chain, and thin Python bindings."""
