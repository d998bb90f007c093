"""Programs as bytes, for the machine of `contracts/src/sumcheck` (docs/evm.md describes its instructions)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from eth_hash.auto import keccak

from circuits.errors import FormatError
from verifier.bn254 import encode_g1, encode_g2
from verifier.msm import Sum
from verifier.srs_head import SrsHead
from verifier.sumcheck.program.allocation import allocate
from verifier.sumcheck.program.recording import Recording, Ref
from verifier.sumcheck.program.scheduling import Form, Record, schedule
from verifier.sumcheck.program.selection import Instruction, select

MAGIC, VERSION = b"VERINFpg", 1
PART_BYTES = 24_575
"""What one account holds of a program: EIP-170's 24,576 bytes of code less the STOP in front."""
FIRST_WORD = 16
"""Where programs begin in the machine's memory."""
SPARE = 14
_WORDS = 1 << 16

_OPCODES = {
    "END": 0x00, "ABSORB": 0x01, "SQUEEZE": 0x02, "ROUNDS": 0x03, "ROUNDS_AT": 0x04, "SUM": 0x05, "MUL": 0x06,
    "DOT": 0x07, "EQ": 0x08, "OVERLAP": 0x09, "MASS": 0x0A, "OUTER": 0x0B, "GATHER": 0x0C, "INVERT": 0x0D,
    "ZERO": 0x0E, "CHOOSE": 0x0F, "OPEN": 0x10, "MUL_5": 0x11, "ABSORB_POINTS": 0x12, "EQ_SLOTS": 0x13,
    "SUM2_3": 0x15, "SUM3_2": 0x16,
}  # fmt: skip

_DOT_STRIDED = b"\x14"


def parts_of(program: bytes) -> list[bytes]:
    """What each account holds of a program."""
    return [program[i : i + PART_BYTES] for i in range(0, len(program), PART_BYTES)]


def code_hash(part: bytes) -> bytes:
    """EXTCODEHASH of an account that holds a part."""
    return keccak(b"\0" + part)


def encode(recording: Recording, parameters: Sequence[Sum], srs: SrsHead) -> bytes:
    """The program of a recording.

    Parameters
    ----------
    parameters
        The key's commitments.
    srs
        The SRS of all commitments.

    Raises
    ------
    FormatError
        If the machine's memory would have more words than an instruction can name.
    """
    selection = select(recording)
    steps = [step for block in selection.blocks for step in schedule(block)]
    places, registers = allocate(
        [[(s.result, s.size) for s in _sums(step) if s.result is not None] for step in steps],
        [[ref.operation for s in _sums(step) for ref in s.operands] for step in steps],
    )
    inputs, values = (recording.operations[name].size for name in (recording.inputs, recording.values))
    read_points = {ref.offset // 2 for step in steps for s in _sums(step) for ref in s.operands
                   if ref.operation == recording.parameters}  # fmt: skip
    points = {number: i for i, number in enumerate(sorted(read_points))}
    constants = [word for words in selection.constants.values() for word in words]
    data = b"".join(word.to_bytes(32, "big") for word in constants)
    data += b"".join(_point(parameters[number]) for number in points)

    def assembled(parts: int) -> tuple[int, int, bytes]:
        """The words of values and proof, and the code, for a program of a number of parts."""
        first = FIRST_WORD + parts + 5
        firsts: dict[int, int] = {}
        for name, words in selection.constants.items():
            firsts[name], first = first, first + len(words)
        commitments = first
        code_start = 32 * (first - FIRST_WORD + 2 * len(points))

        def emit(values_at: int) -> bytes:
            proof_at = values_at + inputs + values
            registers_at = proof_at + recording.proof_words
            if registers_at + registers > _WORDS:
                raise FormatError(
                    f"checking this argument takes {registers_at + registers:,} words of a contract's "
                    f"memory, more than {_WORDS:,}: the circuit is too large to be checked on a chain. "
                    f"With {values:,} public values, --commit-inputs at setup or --return argmax when "
                    "compiling may help"
                )

            def word(ref: Ref) -> int:
                if ref.operation == recording.inputs:
                    return values_at + ref.offset
                if ref.operation == recording.values:
                    return values_at + inputs + ref.offset
                if ref.operation == recording.proof:
                    return proof_at + ref.offset
                if ref.operation == recording.parameters:
                    return commitments + 2 * points[ref.offset // 2]
                if ref.operation in firsts:
                    return firsts[ref.operation] + ref.offset
                return registers_at + places[ref.operation] + ref.offset

            return b"".join(_encoded(step, word) for step in steps) + bytes([_OPCODES["END"]])

        length = code_start + len(emit(0))
        values_at = FIRST_WORD + -(-length // 32)
        return values_at, code_start, emit(values_at)

    parts = 1
    while True:
        values_at, code_start, code = assembled(parts)
        length = code_start + len(code)
        if -(-length // PART_BYTES) == parts:
            break
        parts = -(-length // PART_BYTES)
    body = srs.id + encode_g2(srs.tau_g2) + data + code
    later = _later_hashes(body, parts, 32 * parts)
    public = inputs + values
    head_places = (parts, values_at, public, values_at + public, recording.proof_words)
    head = struct.pack(">8s6HIIH2x", MAGIC, VERSION, *head_places, code_start, length, inputs)
    return head + b"".join(later) + body


def _later_hashes(body: bytes, parts: int, before: int) -> list[bytes]:
    """The code hashes of all parts but the first, which holds `before` bytes and what fits of the body."""
    return [code_hash(part) for part in parts_of(bytes(before) + body)[1:]]


def _sums(step: Instruction | Record) -> Sequence[Instruction]:
    return step.sums if isinstance(step, Record) else (step,)


def _point(point: Sum) -> bytes:
    return bytes(64) if point is None else encode_g1(point)


def _encoded(step: Instruction | Record, word: Callable[[Ref], int]) -> bytes:
    if isinstance(step, Record):
        return _encoded_record(step.form, step.sums, word)
    opcode = bytes([_OPCODES[step.kind]])
    operands = [word(ref) for ref in step.operands]
    result = 0 if step.result is None else word(Ref(step.result, 0))
    numbers = step.immediates
    match step.kind:
        case "ABSORB" | "ABSORB_POINTS":
            return opcode + struct.pack(">HH", operands[0], *numbers)
        case "SQUEEZE":
            return opcode + struct.pack(">HH", result, *numbers)
        case "ROUNDS":
            words, total = operands
            count, degree = numbers
            return opcode + struct.pack(">HHHHBB", words, total, result, result + count, count, degree)
        case "ROUNDS_AT":
            words, total, z = operands
            count, _ = numbers
            return opcode + struct.pack(">HHHHHB", words, total, z, result, result + count, count)
        case "SUM" if numbers == (1, 0):
            return bytes([_OPCODES["MUL"]]) + struct.pack(">HHH", result, *operands)
        case "SUM":
            return opcode + struct.pack(f">HBB{len(operands)}H", result, *numbers, *operands)
        case "DOT":
            terms, stride = numbers
            encoded = struct.pack(">HHHH", result, *operands, terms)
            return opcode + encoded if stride == 1 else _DOT_STRIDED + encoded + struct.pack(">H", stride)
        case "EQ_SLOTS":
            levels = b"".join(struct.pack(">HH", *level) for level in _levels(numbers))
            return opcode + struct.pack(">HHB", result, operands[0], len(numbers) - 1) + levels
        case "EQ":
            return opcode + struct.pack(">HHBIH", result, operands[0], *numbers)
        case "OVERLAP":
            return opcode + struct.pack(">HHHBI", result, *operands, *numbers)
        case "MASS":
            return opcode + struct.pack(">HHBI", result, operands[0], *numbers)
        case "OUTER":
            (a, b), (n, m) = operands, numbers
            return opcode + struct.pack(">HHHHH", result, a, n, b, m)
        case "GATHER":
            return opcode + struct.pack(f">HH{len(operands)}H", result, len(operands), *operands)
        case "INVERT":
            return opcode + struct.pack(">HH", result, operands[0])
        case "ZERO":
            return opcode + struct.pack(">H", operands[0])
        case "CHOOSE":
            point, index = operands
            return opcode + struct.pack(">HHBH", result, point, *numbers, index)
        case "OPEN":
            return opcode + struct.pack(f">H{len(operands)}H", len(operands) // 2, *operands)
    raise AssertionError(step.kind)


def _levels(counts: Sequence[int]) -> list[tuple[int, int]]:
    """For each variable: the slots at the depth before it, and how many nodes are needed behind it."""
    needed, levels = 0, []
    for k in reversed(range(1, len(counts))):
        needed = counts[k] + -(-needed // 2)
        levels.append((counts[k - 1], needed))
    return levels[::-1]


def _encoded_record(form: Form, sums: Sequence[Instruction], word: Callable[[Ref], int]) -> bytes:
    code = bytes([_OPCODES[form.name]])
    for each in sums:
        assert each.result is not None
        code += struct.pack(">H", word(Ref(each.result, 0)))
        code += b"".join(struct.pack(">H", word(ref)) for ref in each.operands)
    return code + struct.pack(">H", SPARE) * ((form.size - len(sums)) * (1 + 2 * form.terms))
