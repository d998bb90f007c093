"""The statement that every tier settles: `outputs = circuit(inputs)` for the circuit with a given id::

    circuit_id = keccak256(tag || keccak256(header) || opsRoot || weightsRoot || scalesHash)
    tag        = keccak256("verinfer circuit v1")

Inputs and outputs are signed integers, flat and row-major, the circuit's ports in order; a statement on
several samples has them one after another. A signed integer n enters BN254's scalar field as n, or as r + n
if it is negative; two integers that differ by a multiple of r would become one, so the bounds are checked on
the integers, before any embedding.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from eth_hash.auto import keccak

from circuits.errors import BoundError, FormatError
from verifier.bn254 import SCALAR_FIELD
from verifier.circuit_header import CircuitHeader, PortEntry
from verifier.input_commitment import InputCommitment
from verifier.merkle import merkle_root, pack_tensor
from verifier.recipient import ANYONE, check_recipient

INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1
HASH_BYTES = 32
_TAG = keccak(b"verinfer circuit v1")


@dataclass(frozen=True)
class Statement:
    """`outputs` are the circuit's outputs on `inputs`.

    Parameters
    ----------
    circuit_id
        32 bytes.
    inputs, outputs
        Signed integers, flat and row-major, all ports of the first sample in order, then those of the next.
    recipient
        The address that this is said to, 20 bytes; `ANYONE` if to no one in particular.
    committed
        What names the input where its values are not said; `inputs` is empty then.
    """

    circuit_id: bytes
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    recipient: bytes = ANYONE
    committed: InputCommitment | None = None

    def __post_init__(self) -> None:
        """Raise FormatError if a field is not of its type or length, or an integer exceeds 64 bits."""
        check_hash("circuit_id", self.circuit_id)
        if self.committed is not None and self.inputs:
            raise FormatError("a statement has its inputs' values or a commitment to them, not both")
        check_int64("inputs", self.inputs)
        check_int64("outputs", self.outputs)
        check_recipient(self.recipient)


def check_hash(name: str, value: object) -> None:
    """Raise FormatError unless `value` is 32 bytes."""
    if not isinstance(value, bytes) or len(value) != HASH_BYTES:
        raise FormatError(f"{name} is not {HASH_BYTES} bytes")


def check_int64(name: str, values: object) -> None:
    """Raise FormatError unless `values` is a tuple of plain integers of at most 64 bits, sign included."""
    if not isinstance(values, tuple):
        raise FormatError(f"{name} is not a tuple of integers")
    for i, value in enumerate(values):
        if type(value) is not int or not INT64_MIN <= value <= INT64_MAX:
            raise FormatError(f"element {i} of {name} is not an integer of 64 bits: {value!r:.80}")


def circuit_id_of(header: bytes, ops_root: bytes, weights_root: bytes, scales_hash: bytes) -> bytes:
    """Return the id of the circuit with these parts.

    Parameters
    ----------
    header
        The binary circuit header.
    ops_root, weights_root
        The Merkle roots of the op records and of the weights, 32 bytes each.
    scales_hash
        keccak256 of the ports' scales, 32 bytes.

    Returns
    -------
    bytes
        32 bytes.

    Raises
    ------
    FormatError
        If a hash is not 32 bytes.
    """
    check_hash("ops_root", ops_root)
    check_hash("weights_root", weights_root)
    check_hash("scales_hash", scales_hash)
    return keccak(_TAG + keccak(header) + ops_root + weights_root + scales_hash)


def split_by_port(name: str, values: Sequence[int], ports: Sequence[PortEntry]) -> list[Sequence[int]]:
    """Split the flat values of all ports into the values of each.

    Raises
    ------
    BoundError
        If there are more or fewer values than the ports have elements.
    """
    expected = sum(port.elements for port in ports)
    if len(values) != expected:
        raise BoundError(f"the statement has {len(values)} {name} values, but the circuit has {expected}")
    parts = []
    start = 0
    for port in ports:
        parts.append(values[start : start + port.elements])
        start += port.elements
    return parts


def check_bounds(name: str, values: Sequence[int], ports: Sequence[PortEntry]) -> None:
    """Check every value, as a signed integer, against the bounds of its port.

    Parameters
    ----------
    name
        ``"input"`` or ``"output"``, for the message.
    values
        Flat values of all ports in order.
    ports
        The ports.

    Raises
    ------
    BoundError
        If the number of values is wrong, or one lies outside its port's bounds.
    """
    for index, (port, part) in enumerate(zip(ports, split_by_port(name, values, ports), strict=True)):
        for i, value in enumerate(part):
            if not port.lo <= value <= port.hi:
                raise BoundError(f"element {i} of {name} {index} is {value}, outside [{port.lo}, {port.hi}]")


def samples_of(statement: Statement, header: CircuitHeader) -> int:
    """The number of samples that a statement is about, at least one.

    Raises
    ------
    BoundError
        If there are not as many inputs and outputs as that many samples have.
    """
    outputs = sum(port.elements for port in header.outputs)
    samples = max(1, len(statement.outputs) // outputs)
    for name, values, ports in reversed(_public(statement, header)):
        each = sum(port.elements for port in ports)
        if len(values) != samples * each:
            raise BoundError(
                f"the statement has {len(values)} {name} values, but the circuit has {each}"
                + (f", so {samples} samples have {samples * each}" if samples > 1 else "")
            )
    return samples


def _public(
    statement: Statement, header: CircuitHeader
) -> list[tuple[str, tuple[int, ...], tuple[PortEntry, ...]]]:
    """The values that a statement says, with what they are called and the ports they are for."""
    outputs = ("output", statement.outputs, header.outputs)
    return [outputs] if statement.committed else [("input", statement.inputs, header.inputs), outputs]


def by_port(values: Sequence[int], ports: Sequence[PortEntry]) -> list[list[int]]:
    """For each port its values in all samples, given those of the samples one after another."""
    each = sum(port.elements for port in ports)
    found: list[list[int]] = [[] for _ in ports]
    for start in range(0, len(values), max(1, each)):
        sample = split_by_port("public", values[start : start + each], ports)
        for own, part in zip(found, sample, strict=True):
            own.extend(part)
    return found


def check_statement(statement: Statement, header: CircuitHeader) -> None:
    """Check the numbers of inputs and outputs, and each against its declared bounds, sample by sample.

    Raises
    ------
    BoundError
        If there are too many or too few values, or one is out of bounds.
    """
    samples = samples_of(statement, header)
    for name, values, ports in _public(statement, header):
        each = len(values) // samples
        for sample in range(samples):
            try:
                check_bounds(name, values[sample * each : (sample + 1) * each], ports)
            except BoundError as error:
                raise BoundError(f"sample {sample}: {error}" if samples > 1 else str(error)) from None


def embed(value: int) -> int:
    """Return the element of BN254's scalar field that stands for a signed integer whose bounds were checked.

    Raises
    ------
    BoundError
        If the integer has more than 64 bits, so that it cannot have passed a check of bounds.
    """
    if not INT64_MIN <= value <= INT64_MAX:
        raise BoundError(f"{value} is not an integer of 64 bits")
    return value % SCALAR_FIELD


def named_input(statement: Statement, header: CircuitHeader) -> bytes | None:
    """The input commitment that a statement on one sample names; None if it is about several.

    Raises
    ------
    BoundError
        If the values are not as many as the circuit's, or out of bounds.
    """
    if statement.committed is not None:
        return statement.committed.digest
    return input_commitment(statement.inputs, header) if samples_of(statement, header) == 1 else None


def input_commitment(inputs: Sequence[int], header: CircuitHeader) -> bytes:
    """Return the root of the input tree: the inputs' tensors in port order, each starting on a new leaf.

    Parameters
    ----------
    inputs
        Flat values of all inputs.
    header
        The circuit's header.

    Returns
    -------
    bytes
        32 bytes, the same for every tier. A key that commits to inputs has another input commitment, which
        this root is one half of (`input_commitment.InputCommitment`).

    Raises
    ------
    BoundError
        If the inputs are not within the declared bounds.
    """
    check_bounds("input", inputs, header.inputs)
    parts = split_by_port("input", inputs, header.inputs)
    return merkle_root(
        [leaf for port, part in zip(header.inputs, parts, strict=True) for leaf in pack_tensor(part, port)]
    )
