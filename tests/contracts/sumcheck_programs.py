"""Programs for the sumcheck tier's machine: an assembler, and programs made at random.

A random program does random instructions on random words. Then it compares every register that it wrote with
what the machine in Python says it must hold, by ZERO, and ends with an OPEN that holds.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from eth_hash.auto import keccak
from py_ecc.optimized_bn128.optimized_curve import G1, G2, multiply, normalize

from tests.contracts.sumcheck_machine import (
    MAGIC,
    PART_BYTES,
    PROGRAM,
    SPARE,
    VERSION,
    Committed,
    Machine,
    ProgramError,
    Rejected,
)
from verifier.bn254 import SCALAR_FIELD as R
from verifier.bn254 import G1Point, G2Point, encode_g2

OPCODES = {
    "END": 0x00, "ABSORB": 0x01, "SQUEEZE": 0x02, "ROUNDS": 0x03, "ROUNDS_AT": 0x04, "SUM": 0x05, "MUL": 0x06,
    "DOT": 0x07, "EQ": 0x08, "OVERLAP": 0x09, "MASS": 0x0A, "OUTER": 0x0B, "GATHER": 0x0C, "INVERT": 0x0D,
    "ZERO": 0x0E, "CHOOSE": 0x0F, "OPEN": 0x10, "MUL_5": 0x11, "ABSORB_POINTS": 0x12, "EQ_SLOTS": 0x13,
    "DOT_STRIDED": 0x14, "SUM2_3": 0x15, "SUM3_2": 0x16,
}  # fmt: skip
WIDTHS = {  # of operands, where they are not all u16
    "ROUNDS": (2, 2, 2, 2, 1, 1), "ROUNDS_AT": (2, 2, 2, 2, 2, 1), "SUM": (2, 1, 1), "EQ": (2, 2, 1, 4, 2),
    "EQ_SLOTS": (2, 2, 1), "OVERLAP": (2, 2, 2, 1, 4), "MASS": (2, 2, 1, 4), "CHOOSE": (2, 2, 1, 2),
}  # fmt: skip


def instruction(name: str, *operands: int) -> bytes:
    """The bytes of an instruction."""
    widths = WIDTHS.get(name, ())
    widths += (2,) * (len(operands) - len(widths))
    encoded = (value.to_bytes(width, "big") for value, width in zip(operands, widths, strict=True))
    return bytes([OPCODES[name]]) + b"".join(encoded)


def g1(scalar: int) -> G1Point | None:
    """A multiple of the generator of G1."""
    scalar %= R
    if not scalar:
        return None
    x, y = normalize(multiply(G1, scalar))
    return int(x), int(y)


def g2(scalar: int) -> G2Point:
    """A multiple of the generator of G2, not infinity."""
    x, y = normalize(multiply(G2, scalar))
    return (int(x.coeffs[0]), int(x.coeffs[1])), (int(y.coeffs[0]), int(y.coeffs[1]))


def words_of(point: G1Point | None) -> list[int]:
    """The two words of a point."""
    return [0, 0] if point is None else list(point)


@dataclass
class Source:
    """What a program is assembled from."""

    constants: list[int]
    code: bytes
    values: int
    """Index of the first public value; there the program must have ended."""
    value_count: int
    proof_count: int
    tau: G2Point
    inputs: int = 0
    """How many of the public words are those of committed inputs."""
    srs_id: bytes = bytes(range(32))
    part_hashes: tuple[bytes, ...] = ()

    @property
    def proof(self) -> int:
        """Index of the first word of the proof."""
        return self.values + self.value_count

    @property
    def registers(self) -> int:
        """Index of the first register."""
        return self.proof + self.proof_count

    @property
    def first_constant(self) -> int:
        """Index of the first constant."""
        return PROGRAM + 6 + len(self.part_hashes)

    def assemble(self) -> bytes:
        """The program."""
        body = b"".join(self.part_hashes) + self.srs_id + encode_g2(self.tau)
        body += b"".join(word.to_bytes(32, "big") for word in self.constants)
        parts = 1 + len(self.part_hashes)
        fields = (VERSION, parts, self.values, self.value_count, self.proof, self.proof_count)
        head = MAGIC + b"".join(value.to_bytes(2, "big") for value in fields)
        start = 32 + len(body)
        head += start.to_bytes(4, "big") + (start + len(self.code)).to_bytes(4, "big")
        head += self.inputs.to_bytes(2, "big") + bytes(2)
        return head + body + self.code


@dataclass
class Case:
    """A program with what it is executed on."""

    source: Source
    program: bytes
    ports: list[list[int]]
    """The values of each port; those of outputs alone, if inputs are committed."""
    proof: list[int]
    points: list[int] = field(default_factory=list)
    """The words of the committed inputs' points."""

    @property
    def committed(self) -> Committed | None:
        """What names the committed inputs."""
        if not self.points:
            return None
        data = b"".join(word.to_bytes(32, "big") for word in self.points)
        return Committed(int.from_bytes(keccak(TAG + ROOT + keccak(data)), "big"), self.points)


class Writer:
    """Writes random instructions that a compiler could have emitted."""

    def __init__(self, rng: random.Random, source: Source) -> None:
        self._rng = rng
        self.source = source
        self.next_word = source.proof
        self.next_register = source.registers
        constants = range(source.first_constant, source.first_constant + len(source.constants))
        self.vectors = [constants, range(source.values + source.inputs, source.values + source.value_count)]
        self.written: set[int] = set()
        self.code = b""

    def write(self, name: str) -> None:
        """Append an instruction of this name."""
        getattr(self, f"_{name.lower()}")()

    def _emit(self, name: str, *operands: int) -> None:
        self.code += instruction(name, *operands)

    def _read(self, count: int = 1) -> int:
        """The first of `count` consecutive words that hold scalars."""
        vector = self._rng.choice([v for v in self.vectors if len(v) >= count])
        return self._rng.choice(vector[: len(vector) - count + 1])

    def _new(self, count: int = 1) -> int:
        """The first of `count` registers, of which some may be in use already."""
        old = [v for v in self.vectors if len(v) >= count and v[0] in self.written]
        if old and self._rng.random() < 0.2:
            first = self._rng.choice(old)[0]
        else:
            first = self.next_register
            self.next_register += count
            if count:
                self.vectors.append(range(first, first + count))
        self.written.update(range(first, first + count))
        return first

    def _fresh(self, count: int) -> int:
        """Registers that nothing else uses."""
        first = self.next_register
        self.next_register += count
        self.vectors.append(range(first, first + count))
        self.written.update(range(first, first + count))
        return first

    def _say(self, count: int) -> int:
        """The next words of the proof."""
        first = self.next_word
        self.next_word += count
        return first

    def _absorb(self) -> None:
        count = self._rng.randrange(1, 5)
        first = self._say(count)
        self._emit("ABSORB", first, count)
        self.vectors.append(range(first, first + count))

    def _absorb_points(self) -> None:
        count = 2 * self._rng.randrange(1, 3)
        self._emit("ABSORB_POINTS", self._say(count), count)

    def _squeeze(self) -> None:
        count = self._rng.randrange(1, 6)
        self._emit("SQUEEZE", self._new(count), count)

    def _rounds(self) -> None:
        n, degree = self._rng.randrange(0, 5), self._rng.choice((2, 3))
        total = self._read()
        self._emit("ROUNDS", self._say(n * degree), total, self._fresh(n), self._new(), n, degree)

    def _rounds_at(self) -> None:
        n = self._rng.randrange(0, 5)
        total, z = self._read(), self._read(max(n, 1))
        self._emit("ROUNDS_AT", self._say(2 * n), total, z, self._fresh(n), self._new(), n)

    def _sum(self) -> None:
        plus, minus = self._rng.choice([(0, 0), (1, 0), (0, 1), (2, 1), (4, 0), (5, 5), (9, 2), (3, 11)])
        pairs = [self._read() for _ in range(2 * (plus + minus))]
        self._emit("SUM", self._new(), plus, minus, *pairs)

    def _mul(self) -> None:
        a, b = self._read(), self._read()
        self._emit("MUL", self._new(), a, b)

    def _records(self, name: str, records: int, factors: int) -> None:
        used = self._rng.randrange(1, records + 1)
        operands: list[int] = []
        for _ in range(used):
            read = [self._read() for _ in range(factors)]
            operands += [self._new(), *read]
        self._emit(name, *operands, *[SPARE] * ((records - used) * (factors + 1)))

    def _mul_5(self) -> None:
        self._records("MUL_5", 5, 2)

    def _sum2_3(self) -> None:
        self._records("SUM2_3", 3, 4)

    def _sum3_2(self) -> None:
        self._records("SUM3_2", 2, 6)

    def _dot(self) -> None:
        n = self._rng.choice((0, 1, 2, 3, 4, 5, 8, 11))
        a, b = self._read(max(n, 1)), self._read(max(n, 1))
        self._emit("DOT", self._new(), a, b, n)

    def _eq(self) -> None:
        n = self._rng.randrange(0, 8)
        point = self._read(max(n, 1))
        start = self._rng.choice([0, self._rng.randrange(1 << n)])
        count = self._rng.choice([(1 << n) - start, self._rng.randint(1, (1 << n) - start)])
        self._emit("EQ", self._fresh(count), point, n, start, count)

    def _eq_slots(self) -> None:
        n = self._rng.randrange(0, 6)
        point = self._read(max(n, 1))
        kept, nodes, shape = 0, 1, []
        for _ in range(n):
            keep = self._rng.choice([0, 0, self._rng.randint(0, nodes)])
            nodes = 2 * (nodes - keep)
            nodes -= nodes > 0 and self._rng.randrange(2)
            kept += keep
            shape += [keep, nodes]
        self._emit("EQ_SLOTS", self._fresh(kept + nodes), point, n, *shape)

    def _dot_strided(self) -> None:
        n, stride = self._rng.randrange(0, 6), self._rng.randrange(0, 4)
        a, b = self._read(max(n, 1)), self._read(max(n, 1) * max(stride, 1))
        self._emit("DOT_STRIDED", self._new(), a, b, n, stride)

    def _count(self, n: int) -> int:
        return self._rng.choice([1 << n, self._rng.randint(1, 1 << n), 1 << self._rng.randint(0, n)])

    def _overlap(self) -> None:
        n = self._rng.randrange(0, 8)
        a, b = self._read(max(n, 1)), self._read(max(n, 1))
        self._emit("OVERLAP", self._new(), a, b, n, self._count(n))

    def _mass(self) -> None:
        n = self._rng.randrange(0, 8)
        a = self._read(max(n, 1))
        self._emit("MASS", self._new(), a, n, self._count(n))

    def _outer(self) -> None:
        na, nb = self._rng.randrange(1, 5), self._rng.randrange(1, 8)
        a, b = self._read(na), self._read(nb)
        self._emit("OUTER", self._fresh(na * nb), a, na, b, nb)

    def _gather(self) -> None:
        n = self._rng.randrange(0, 6)
        indices = [self._read() for _ in range(n)]
        self._emit("GATHER", self._fresh(n), n, *indices)

    def _invert(self) -> None:
        a = self.source.first_constant + self._rng.randrange(1, 20)  # not zero
        self._emit("INVERT", self._new(), a)

    def _choose(self) -> None:
        n = self._rng.randrange(3, 8)
        point = self._read(n)
        self._emit("CHOOSE", self._new(), point, n, self.source.values + self.source.inputs)


NAMES = [name for name in OPCODES if name not in ("END", "ZERO", "OPEN")]
TAU = 0x1234567
CONTEXT = (3, 4, 5)
TAG = bytes.fromhex("772ed556872e90691e8cf92f45f78460720adeced86510ac3689fd511949ea2f")
ROOT = bytes(range(100, 132))
"""The root of the tree of committed inputs, whatever they are."""


def random_case(
    rng: random.Random, names: Sequence[str], pairs: int = 0, parts: int = 1, committed: int = 0
) -> Case:
    """A program with an instruction of each name, in this order, that is accepted.

    Parameters
    ----------
    names
        Names of instructions.
    pairs
        Points of the proof that are opened.
    parts
        Accounts that the program takes.
    committed
        Points that the inputs are committed by; if there are none, inputs are public values.
    """
    ports = [[rng.randrange(8)], [rng.randrange(256) for _ in range(3)], [0, R - 1, R - 128]]
    if committed:
        ports = ports[-1:]
    constants = [0, 1, R - 1, *(rng.randrange(R) for _ in range(20))]
    filler = (parts - 1) * PART_BYTES // 32
    source = Source(
        constants + [rng.randrange(R) for _ in range(filler)],
        b"",
        values=PROGRAM + 2400 + filler,
        value_count=2 * committed + sum(map(len, ports)),
        proof_count=0,
        tau=g2(TAU),
        inputs=2 * committed,
        part_hashes=(bytes(32),) * (parts - 1),
    )
    source.proof_count = 6 * 15 + 2 + 2 * pairs + 16 * len(names)
    writer = Writer(rng, source)
    for name in names:
        writer.write(name)
    points = [rng.randrange(R) for _ in range(committed + pairs)]
    opened = [word for p in points for word in words_of(g1(p))]
    scalars = [rng.choice(sorted(writer.written) or [source.first_constant]) for _ in points]
    places = [source.values + 2 * k for k in range(committed)]
    places += [source.registers - 2 - 2 * k for k in range(pairs, 0, -1)]
    proof = [rng.randrange(R) for _ in range(source.proof_count - 2 - 2 * pairs)]
    proof += opened[2 * committed :]
    case = Case(source, b"", ports, proof, opened[: 2 * committed])

    # The first execution tells the registers and the witness.
    executed = replace(source, code=writer.code + instruction("END"))
    machine = Machine(executed.assemble(), case.points, ports, [*proof, 0, 0])
    machine.begin(CONTEXT, [case.committed.digest] if case.committed else (), ports)
    try:
        machine.execute()
    except Rejected as rejection:
        if "without OPEN" not in str(rejection):
            raise
    total = sum(p * machine.memory[s] for p, s in zip(points, scalars, strict=True))
    proof += words_of(g1(total * pow(TAU, -1, R)))

    expected = sorted(writer.written)
    source.constants += [-machine.memory[index] % R for index in expected]
    one = source.first_constant + 1
    constant = source.first_constant + len(source.constants) - len(expected)
    check, scratch = b"", writer.next_register
    for i, index in enumerate(expected):
        check += instruction("SUM", scratch, 2, 0, index, one, constant + i, one)
        check += instruction("ZERO", scratch)
    operands = [word for pair in zip(places, scalars, strict=True) for word in pair]
    end = instruction("OPEN", len(points), *operands, source.registers - 2) + instruction("END")
    source.code = writer.code + check + end
    program = source.assemble()
    if len(program) > 32 * (source.values - PROGRAM):
        raise ProgramError("the program is longer than planned")
    return replace(case, program=program, proof=proof)


Alter = Callable[[random.Random, Case], Case]


def alter_proof(rng: random.Random, case: Case) -> Case:
    """Change a word of the proof: some belong to no instruction, so this may be accepted."""
    proof = list(case.proof)
    k = rng.randrange(len(proof))
    proof[k] = rng.choice([0, 1, R - 1, R, proof[k] + R, (proof[k] + 1) % R, (1 << 256) - 1]) % (1 << 256)
    return replace(case, proof=proof)


def alter_constant(rng: random.Random, case: Case) -> Case:
    """Change a constant that a register is compared with, or that is an operand."""
    source = replace(case.source, constants=list(case.source.constants))
    k = rng.randrange(len(source.constants))
    source.constants[k] = (source.constants[k] + rng.choice([1, R - 1, 1 << 200])) % R
    return replace(case, source=source, program=source.assemble())


def alter_values(rng: random.Random, case: Case) -> Case:
    """Change a public value."""
    ports = [list(port) for port in case.ports]
    if case.committed:
        ports[-1][rng.randrange(3)] = rng.randrange(128)
    else:
        ports[1][rng.randrange(3)] ^= 1
    return replace(case, ports=ports)


def alter_points(rng: random.Random, case: Case) -> Case:
    """Put another point in the place of one that the inputs are committed by."""
    k = 2 * rng.randrange(len(case.points) // 2)
    other = words_of(g1(rng.randrange(R)))
    return replace(case, points=[*case.points[:k], *other, *case.points[k + 2 :]])
