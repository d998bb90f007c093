"""The machine of the sumcheck tier in plain Python, written from its specification alone.

It takes what the contract takes, a program, the context and the words of a proof, and accepts, or raises
`Rejected` where the contract reverts. For a program that no compiler should emit (a word is read before it is
written, an instruction overwrites what it reads) it raises `ProgramError`; the contract does not notice that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from eth_hash.auto import keccak

from verifier.bn254 import (
    G2_BYTES,
    G2_GENERATOR,
    decode_g2,
    negate_g1,
    on_g1,
)
from verifier.bn254 import (
    SCALAR_FIELD as R,
)
from verifier.msm import Sum, multi_scalar_multiply
from verifier.pairing import pairing_product_is_one

MAGIC, VERSION = b"VERINFpg", 1
PART_BYTES = 24_575
SPARE, STATE, PROGRAM = 14, 15, 16
"""Words of memory: one that nothing reads, the transcript's state, and the program's first."""
TAG = keccak(b"verinfer sumcheck argument v1")


class Rejected(Exception):
    """The contract reverts."""


class ProgramError(Exception):
    """The program does what no compiler should emit."""


@dataclass(frozen=True)
class Header:
    """The first words of a program."""

    parts: int
    values: int
    value_count: int
    proof: int
    proof_count: int
    code: int
    length: int
    inputs: int
    """How many of the public words are coordinates of commitments to inputs."""
    part_hashes: tuple[bytes, ...]
    srs_id: bytes
    tau: bytes
    """[tau]_2 as the pairing precompile takes it."""

    @classmethod
    def read(cls, program: bytes) -> Header:
        if program[:8] != MAGIC or int.from_bytes(program[8:10], "big") != VERSION:
            raise Rejected("not a program of this version")
        parts, values, value_count, proof, proof_count = (
            int.from_bytes(program[i : i + 2], "big") for i in range(10, 20, 2)
        )
        code, length = (int.from_bytes(program[i : i + 4], "big") for i in (20, 24))
        inputs = int.from_bytes(program[28:30], "big")
        if length != len(program) or parts < 1 or any(program[30:32]):
            raise Rejected("the program's header is malformed")
        words = [program[i : i + 32] for i in range(32, 32 * (parts + 5), 32)]
        return cls(
            parts, values, value_count, proof, proof_count, code, length, inputs,
            tuple(words[: parts - 1]), words[parts - 1], b"".join(words[parts:]),
        )  # fmt: skip


@dataclass
class Count:
    """How often each instruction was executed, and over how many terms, by its name."""

    instructions: Counter[str] = field(default_factory=Counter)
    terms: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Committed:
    """An input commitment: the word that names it, and the words of its points."""

    digest: int
    points: Sequence[int]


def split(program: bytes) -> list[bytes]:
    """The parts that a program is stored in."""
    return [program[i : i + PART_BYTES] for i in range(0, len(program), PART_BYTES)]


def run(
    program: bytes,
    context: Sequence[int],
    ports: Sequence[Sequence[int]],
    proof: Sequence[int],
    committed: Committed | None = None,
) -> Machine:
    """Execute a program.

    Parameters
    ----------
    program
        All its bytes, the parts joined.
    context
        circuit_id, key digest and recipient.
    ports
        The field words of each port, inputs first; each port is absorbed on its own.
    proof
        The argument's words.
    committed
        What names the inputs, if the key commits to them; `ports` are then the outputs' alone.

    Returns
    -------
    Machine
        The machine after END, with its memory and its count of instructions.

    Raises
    ------
    Rejected
        Where the contract reverts.
    ProgramError
        If the program itself is faulty.
    """
    points = () if committed is None else committed.points
    machine = Machine(program, points, ports, proof)
    machine.begin(context, () if committed is None else (committed.digest,), ports)
    machine.execute()
    return machine


class Machine:
    """Memory, program counter and count."""

    def __init__(
        self, program: bytes, points: Sequence[int], ports: Sequence[Sequence[int]], proof: Sequence[int]
    ) -> None:
        self.header = header = Header.read(program)
        values = [*points, *(value for port in ports for value in port)]
        if len(points) != header.inputs:
            raise Rejected("inputs are committed, or not committed, against what the program says")
        if len(values) != header.value_count or len(proof) != header.proof_count:
            raise Rejected("there are not as many public values or words of the proof as the program says")
        self.memory: dict[int, int] = {SPARE: 0}
        padded = program + bytes(-len(program) % 32)
        for i in range(0, len(padded), 32):
            self.memory[PROGRAM + i // 32] = int.from_bytes(padded[i : i + 32], "big")
        for start, words in ((header.values, values), (header.proof, proof)):
            for i, word in enumerate(words, start):
                if i in self.memory:
                    raise ProgramError(f"word {i} is taken twice")
                self.memory[i] = word
        self.count = Count()
        self.opened = False
        self._read_only = set(self.memory) - {SPARE}
        self._code = program
        self._at = header.code

    def begin(self, context: Sequence[int], digest: Sequence[int], ports: Sequence[Sequence[int]]) -> None:
        """What the transcript absorbs before the code runs."""
        self.memory[STATE] = int.from_bytes(TAG, "big")
        circuit_id, key_digest, recipient = context
        self._absorb([int.from_bytes(self.header.srs_id, "big"), circuit_id, key_digest, recipient])
        self._absorb([1])
        if digest:
            self._absorb(digest)
        for port in ports:
            self._absorb(port)

    def execute(self) -> None:
        """Run the code until END."""
        while True:
            opcode = self._u8()
            if opcode == 0:
                if not self.opened:
                    raise Rejected("END without OPEN")
                return
            if opcode not in INSTRUCTIONS:
                raise Rejected(f"unknown opcode {opcode:#04x}")
            instruction = INSTRUCTIONS[opcode]
            name = instruction.__name__.strip("_").upper()
            self.count.instructions[name] += 1
            self.count.terms[name] += instruction(self)

    # Each instruction returns the number of its terms.

    def _absorb_scalars(self) -> int:
        words = self._many(self._u16(), self._u16())
        if any(word >= R for word in words):
            raise Rejected("a scalar is not canonical")
        self._absorb(words)
        return len(words)

    def _absorb_points(self) -> int:
        words = self._many(self._u16(), self._u16())
        self._absorb(words)
        return len(words)

    def _squeeze(self) -> int:
        dst, count = self._u16(), self._u16()
        for k in range(count):
            self._set(dst + k, self._challenge())
        return count

    def _rounds(self) -> int:
        words, total, point, out = (self._u16() for _ in range(4))
        n, degree = self._u8(), self._u8()
        claim = self._get(total)
        for k in range(n):
            sent = self._scalars(words + k * degree, degree)
            constant, *higher = sent
            e = self._challenge()
            self._set(point + k, e)
            coefficients = [constant, claim - 2 * constant - sum(higher), *higher]
            claim = sum(c * e**power for power, c in enumerate(coefficients)) % R
        self._set(out, claim)
        return n

    def _rounds_at(self) -> int:
        words, total, z, point, out = (self._u16() for _ in range(5))
        n = self._u8()
        claim = self._get(total)
        for i, k in enumerate(reversed(range(n))):
            linear, square = self._scalars(words + 2 * i, 2)
            e = self._challenge()
            constant = claim - self._get(z + k) * (linear + square)
            self._set(point + k, e)
            claim = (constant + linear * e + square * e * e) % R
        self._set(out, claim)
        return n

    def _sum(self) -> int:
        dst, plus, minus = self._u16(), self._u8(), self._u8()
        total = sum(self._product() for _ in range(plus)) - sum(self._product() for _ in range(minus))
        self._set(dst, total)
        return plus + minus

    def _mul(self) -> int:
        dst = self._u16()
        self._set(dst, self._product())
        return 1

    def _mul_5(self) -> int:
        for _ in range(5):
            self._mul()
        return 5

    def _sum2_3(self) -> int:
        return self._sums(3, 2)

    def _sum3_2(self) -> int:
        return self._sums(2, 3)

    def _sums(self, records: int, terms: int) -> int:
        for _ in range(records):
            dst = self._u16()
            self._set(dst, sum(self._product() for _ in range(terms)))
        return records * terms

    def _dot(self) -> int:
        dst, a, b, n = (self._u16() for _ in range(4))
        products = (x * y for x, y in zip(self._many(a, n), self._many(b, n), strict=True))
        self._set(dst, sum(products))
        return n

    def _dot_strided(self) -> int:
        dst, a, b, n, stride = (self._u16() for _ in range(5))
        products = (self._get(a + k) * self._get(b + k * stride) for k in range(n))
        self._set(dst, sum(products))
        return n

    def _eq_slots(self) -> int:
        """At each depth the first nodes are kept, and the others are replaced by their children."""
        dst, point, n = self._u16(), self._u16(), self._u8()
        z = self._many(point, n)
        kept: list[int] = []
        nodes = [1]
        for k in range(n):
            keep, children = self._u16(), self._u16()
            kept += nodes[:keep]
            nodes = [value * factor % R for value in nodes[keep:] for factor in (1 - z[k], z[k])]
            if not len(nodes) - 1 <= children <= len(nodes):
                raise ProgramError("EQ_SLOTS makes more nodes than there are, or leaves some out")
            nodes = nodes[:children]
        kept += nodes
        self._disjoint(dst, len(kept), point, n)
        for k, value in enumerate(kept):
            self._set(dst + k, value)
        return len(kept)

    def _eq(self) -> int:
        dst, point, n, start, count = self._u16(), self._u16(), self._u8(), self._u32(), self._u16()
        if not count or start + count > 1 << n:
            raise ProgramError("EQ beyond the cube")
        self._disjoint(dst, count, point, n)
        z = self._many(point, n)
        for k in range(count):
            self._set(dst + k, _eq_index(z, start + k))
        return count

    def _overlap(self) -> int:
        dst, a, b, n, count = self._u16(), self._u16(), self._u16(), self._u8(), self._u32()
        if not 1 <= count <= 1 << n:
            raise ProgramError("OVERLAP beyond the cube")
        x, y = self._many(a, n), self._many(b, n)
        # Bit after bit, the sums over the prefixes below that of count - 1, and for the one equal to it.
        below, equal = 0, 1
        for k in range(n):
            one, zero = x[k] * y[k], (1 - x[k]) * (1 - y[k])
            below = below * (one + zero) % R
            if (count - 1) >> (n - 1 - k) & 1:
                below, equal = (below + equal * zero) % R, equal * one % R
            else:
                equal = equal * zero % R
        self._set(dst, below + equal)
        return n

    def _mass(self) -> int:
        dst, a, n, count = self._u16(), self._u16(), self._u8(), self._u32()
        if not 1 <= count <= 1 << n:
            raise ProgramError("MASS beyond the cube")
        below, equal = 0, 1
        for k, x in enumerate(self._many(a, n)):
            if (count - 1) >> (n - 1 - k) & 1:
                below, equal = (below + equal * (1 - x)) % R, equal * x % R
            else:
                equal = equal * (1 - x) % R
        self._set(dst, below + equal)
        return n

    def _outer(self) -> int:
        dst, a, na, b, nb = (self._u16() for _ in range(5))
        self._disjoint(dst, na * nb, a, na)
        self._disjoint(dst, na * nb, b, nb)
        for i, x in enumerate(self._many(a, na)):
            for j, y in enumerate(self._many(b, nb)):
                self._set(dst + i * nb + j, x * y)
        return na * nb

    def _gather(self) -> int:
        dst, n = self._u16(), self._u16()
        for k in range(n):
            self._set(dst + k, self._get(self._u16()))
        return n

    def _invert(self) -> int:
        dst, a = self._u16(), self._u16()
        value = self._get(a)
        if value % R == 0:
            raise Rejected("the inverse of zero")
        self._set(dst, pow(value, -1, R))
        return 1

    def _zero(self) -> int:
        if self._get(self._u16()) != 0:
            raise Rejected("a word is not zero")
        return 1

    def _choose(self) -> int:
        dst, point, n, index = self._u16(), self._u16(), self._u8(), self._u16()
        value = self._get(index)
        if value >> n:
            raise Rejected("an index beyond the cube")
        self._set(dst, _eq_index(self._many(point, n), value))
        return n

    def _open(self) -> int:
        n = self._u16()
        pairs = [(self._u16(), self._u16()) for _ in range(n)]
        witness = self._point(self._u16())
        points = [self._point(point) for point, _ in pairs]
        scalars = [self._get(scalar) % R for _, scalar in pairs]
        combined = multi_scalar_multiply(scalars, points) if pairs else None
        if len(self.header.tau) != G2_BYTES:
            raise Rejected("the program ends before [tau]_2")
        tau = decode_g2(self.header.tau)
        negated = None if witness is None else negate_g1(witness)
        if not pairing_product_is_one([(combined, G2_GENERATOR), (negated, tau)]):
            raise Rejected("the pairing check fails")
        self.opened = True
        return n

    # Memory, code and transcript.

    def _get(self, index: int) -> int:
        if index not in self.memory:
            raise ProgramError(f"word {index} is read before it is written")
        return self.memory[index]

    def _set(self, index: int, value: int) -> None:
        if index in self._read_only or index < SPARE or index == STATE:
            raise ProgramError(f"word {index} is no register")
        self.memory[index] = value % R

    def _many(self, first: int, count: int) -> list[int]:
        return [self._get(first + k) for k in range(count)]

    def _scalars(self, first: int, count: int) -> list[int]:
        words = self._many(first, count)
        if any(word >= R for word in words):
            raise Rejected("a scalar is not canonical")
        self._absorb(words)
        return words

    def _product(self) -> int:
        return self._get(self._u16()) * self._get(self._u16())

    def _point(self, index: int) -> Sum:
        x, y = self._many(index, 2)
        if x == y == 0:
            return None
        if not on_g1((x, y)):
            raise Rejected("a point is off the curve")
        return x, y

    def _disjoint(self, a: int, a_count: int, b: int, b_count: int) -> None:
        if a < b + b_count and b < a + a_count:
            raise ProgramError("an instruction overwrites what it reads")

    def _absorb(self, words: Iterable[int]) -> None:
        data = b"".join(word.to_bytes(32, "big") for word in words)
        if not data:
            raise ProgramError("an absorption of nothing")
        state = self.memory[STATE].to_bytes(32, "big")
        self.memory[STATE] = int.from_bytes(keccak(state + data), "big")

    def _challenge(self) -> int:
        self.memory[STATE] = int.from_bytes(keccak(self.memory[STATE].to_bytes(32, "big")), "big")
        return self.memory[STATE] % R

    def _u8(self) -> int:
        return self._unsigned(1)

    def _u16(self) -> int:
        return self._unsigned(2)

    def _u32(self) -> int:
        return self._unsigned(4)

    def _unsigned(self, size: int) -> int:
        data = self._code[self._at : self._at + size]
        if len(data) != size:
            raise ProgramError("the code ends within an instruction")
        self._at += size
        return int.from_bytes(data, "big")


def _eq_index(point: Sequence[int], index: int) -> int:
    """eq(point, index), the first coordinate being the most significant bit's."""
    product = 1
    for k, z in enumerate(reversed(point)):
        product = product * (z if index >> k & 1 else 1 - z) % R
    return product


INSTRUCTIONS: dict[int, Callable[[Machine], int]] = {
    0x01: Machine._absorb_scalars,
    0x02: Machine._squeeze,
    0x03: Machine._rounds,
    0x04: Machine._rounds_at,
    0x05: Machine._sum,
    0x06: Machine._mul,
    0x07: Machine._dot,
    0x08: Machine._eq,
    0x09: Machine._overlap,
    0x0A: Machine._mass,
    0x0B: Machine._outer,
    0x0C: Machine._gather,
    0x0D: Machine._invert,
    0x0E: Machine._zero,
    0x0F: Machine._choose,
    0x10: Machine._open,
    0x11: Machine._mul_5,
    0x12: Machine._absorb_points,
    0x13: Machine._eq_slots,
    0x14: Machine._dot_strided,
    0x15: Machine._sum2_3,
    0x16: Machine._sum3_2,
}
