"""The verifier of the sumcheck backend, and all that its prover shares with it: the argument's relations, the
layout of what is committed, the transcript and the messages. `docs/protocol.md` is its specification."""
