"""The prover of the sumcheck backend, written once against a `Device`."""
