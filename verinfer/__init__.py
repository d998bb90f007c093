"""Verifiable inference: compile a model to an integer circuit, prove its answers, check the proofs
anywhere."""
