"""What a verifying key of this backend holds, section by section.

structure     the circuit without its weights (`structure`)
options       what the setup chose: a byte for each field of `Options`, in its order
parameters    the commitments to the weights: 64 bytes for each chunk of the plan's parameters

The plan of the key's circuit follows from the first two, and the number of commitments from the plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields

from circuits.errors import FormatError
from verifier.bn254 import G1_BYTES, G1Point
from verifier.circuit_header import CircuitHeader
from verifier.key import VerifyingKey
from verifier.powers_of_tau import MAX_K
from verifier.sumcheck.messages import decode_points
from verifier.sumcheck.plan import Options, Plan, make_plan
from verifier.sumcheck.structure import Structure

NAME = "sumcheck"
SECTIONS = frozenset({"structure", "options", "parameters"})
MAX_TABLE_BITS = 24
"""The most bits that an option may give to a table."""


@dataclass(frozen=True)
class KeyParts:
    """The backend's parts of a key.

    Parameters
    ----------
    structure
        The circuit without its weights.
    options
        What the setup chose.
    parameters
        The commitments to the chunks of parameters, None for infinity.
    """

    structure: Structure
    options: Options
    parameters: Sequence[G1Point | None]

    def plan(self, batch: int) -> Plan:
        """The plan of proofs of `batch` inputs.

        Raises
        ------
        FormatError
            If the circuit is too large for it.
        """
        return make_plan(self.structure, self.options, batch)


def encode_sections(structure: Structure, options: Options, parameters: bytes) -> dict[str, bytes]:
    """The sections of a key, given the commitments' 64 bytes each."""
    return {"structure": structure.encode(), "options": bytes(astuple(options)), "parameters": parameters}


def decode_options(data: bytes) -> Options:
    """The options that a section holds.

    Raises
    ------
    FormatError
        If it is none, or an option is out of range.
    """
    count = len(fields(Options))
    if len(data) != count:
        raise FormatError(f"this key is invalid: its options have {len(data)} bytes, not {count}")
    chunk_bits, limb_bits, clamp_bits, commit_inputs = data
    options = Options(chunk_bits, limb_bits, clamp_bits, commit_inputs == 1)
    if not (
        1 <= options.chunk_bits <= MAX_K
        and 1 <= options.limb_bits <= MAX_TABLE_BITS
        and options.clamp_bits <= MAX_TABLE_BITS
        and commit_inputs <= 1
    ):
        raise FormatError(f"this key is invalid: an option of {tuple(data)} is out of range")
    return options


def commits_inputs(key: VerifyingKey) -> bool:
    """Whether statements under a key, of any backend, name a commitment to their inputs, not the values.

    Raises
    ------
    FormatError
        If it is a key of this backend whose options are none.
    """
    return key.backend == NAME and decode_options(key.sections.get("options", b"")).commit_inputs


def decode_key(key: VerifyingKey) -> KeyParts:
    """The backend's parts of a key.

    Raises
    ------
    FormatError
        If a section is missing, unknown or malformed, the structure's ports are not those of the circuit's
        header, or there are not as many commitments as the plan has chunks.
    """
    if key.backend != NAME or set(key.sections) != SECTIONS:
        raise FormatError(f"this key is invalid: its sections are not those of the {NAME} backend")
    structure = Structure.decode(key.sections["structure"])
    _check_ports(structure, key.circuit)
    options = decode_options(key.sections["options"])
    data = key.sections["parameters"]
    expected = make_plan(structure, options, 1).parameters.chunks
    if len(data) != expected * G1_BYTES:
        raise FormatError(f"this key is invalid: its {expected} commitments do not have {len(data)} bytes")
    return KeyParts(structure, options, decode_points(data))


def _check_ports(structure: Structure, header: CircuitHeader) -> None:
    """Check that the structure's ports are those of the header, which the circuit's id binds."""
    for name, nodes, ports in (
        ("input", structure.inputs, header.inputs),
        ("output", structure.outputs, header.outputs),
    ):
        if len(nodes) != len(ports):
            raise FormatError(
                f"this key is invalid: its structure has {len(nodes)} {name}s, and the circuit {len(ports)}"
            )
        for number, (i, port) in enumerate(zip(nodes, ports, strict=True)):
            node = structure.nodes[i]
            if (node.shape, node.lo, node.hi) != (port.shape, port.lo, port.hi):
                raise FormatError(
                    f"this key is invalid: {name} {number} is {node.shape} within [{node.lo}, {node.hi}] in "
                    f"its structure, and {port.shape} within [{port.lo}, {port.hi}] in the circuit's header"
                )
