"""Backends that make proofs. Everything that a verifier must share with them comes from `verifier`."""
