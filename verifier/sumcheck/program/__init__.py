"""What a contract needs to check proofs of one circuit: the verifier's arithmetic as a program.

`compile_program` runs the verifier (`verifier.sumcheck.argument.follow`) on symbols. What it computes for a
circuit is always the same straight line of operations on field elements, and that line, in the instructions
of one contract's machine, is the program. So the contract knows nothing of circuits, layers or shapes, and
what it computes is what the Python verifier computes.
"""

from __future__ import annotations

import math
from typing import Any

from verifier.key import VerifyingKey
from verifier.sumcheck.argument import follow
from verifier.sumcheck.key import decode_key
from verifier.sumcheck.plan import Plan
from verifier.sumcheck.program.encoding import encode
from verifier.sumcheck.program.recording import Recording
from verifier.sumcheck.system import Public


def compile_program(key: VerifyingKey) -> bytes:
    """The program with which a contract checks proofs of one sample under a key.

    Raises
    ------
    FormatError
        If the key is not one of this backend, or the circuit is too large to be checked on a chain.
    """
    parts = decode_key(key)
    return encode(record(parts.plan(1)), parts.parameters, key.srs)


def record(plan: Plan) -> Recording:
    """The verifier's operations on a proof of the plan."""
    ports = {tensor.port: i for i, tensor in enumerate(plan.system.tensors) if isinstance(tensor, Public)}
    sizes = {port: math.prod(plan.system.shape(tensor)) for port, tensor in ports.items()}
    points = 0 if plan.inputs is None else plan.inputs.chunks
    recording = Recording(points, sum(sizes.values()), plan.parameters.chunks)
    values: dict[int, Any] = {}
    start = 0
    for port in sorted(ports):  # "input" before "output", each by number
        values[ports[port]] = recording.public_values(start, sizes[port])
        start += sizes[port]
    follow(recording, plan, values, recording.known_points())
    return recording
