"""Solidity contracts that keep models and check inferences on an EVM chain, and their thin Python bindings."""
