"""Proofs by the ezkl library (Halo2 with KZG over BN254): constant size, minutes, small models."""
