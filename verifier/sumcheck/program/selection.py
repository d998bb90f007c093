"""From recorded operations to instructions: sums of products, in an order that respects what depends on what.

Only operations that a check depends on are kept. Additions, subtractions and products whose result is used
once become terms of the sum that uses them, so that an instruction is a whole sum of products.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from verifier.bn254 import SCALAR_FIELD
from verifier.sumcheck.program.recording import Operation, Recording, Ref

_ARITHMETIC = frozenset("+-*")
_GIVEN = frozenset({"constant", "inputs", "values", "proof", "parameters"})
_MOST_TERMS = 255


class Instruction(NamedTuple):
    """An instruction whose operands have no place yet.

    Parameters
    ----------
    kind
        As of an `Operation`; all arithmetic is "SUM", whose operands are the factors of its terms, two by
        two, and whose immediates are the numbers of terms to add and to subtract.
    result
        What its words are called in operands, or None if it yields none.
    size
        How many words it yields.
    """

    kind: str
    operands: tuple[Ref, ...]
    immediates: tuple[int, ...]
    result: int | None
    size: int


class Selection(NamedTuple):
    """Instructions, in blocks that end with one that must keep its place; and the constants they read."""

    blocks: list[list[Instruction]]
    constants: dict[int, tuple[int, ...]]


def select(recording: Recording) -> Selection:
    """The instructions that a recording's checks take."""
    return _Selector(recording).select()


class _Selector:
    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._operations: list[Operation] = list(recording.operations)
        self._uses: Counter[int] = Counter()
        self._constants: dict[int, tuple[int, ...]] = {}
        self._numbers: dict[int, int] = {}
        self._one = self._constant(1)

    def select(self) -> Selection:
        self._count_uses()
        self._shorten_runs()
        done: set[int] = set()
        blocks = []
        for effect in self._recording.effects:
            block: list[Instruction] = []
            for number in self._needed_by(effect, done):
                block += self._instructions(number)
            blocks.append(block)
        return Selection(blocks, self._constants)

    def _count_uses(self) -> None:
        pending = list(self._recording.effects)
        seen = set(pending)
        while pending:
            for ref in self._operations[pending.pop()].operands:
                self._uses[ref.operation] += 1
                if ref.operation not in seen:
                    seen.add(ref.operation)
                    pending.append(ref.operation)
        self._live = seen

    def _shorten_runs(self) -> None:
        """Of a run of eq only the stretch that is read is computed."""
        read: dict[int, list[int]] = {}
        for number in self._live:
            operation = self._operations[number]
            for ref, length in zip(operation.operands, _lengths(operation), strict=True):
                if self._operations[ref.operation].kind == "EQ":
                    read.setdefault(ref.operation, []).extend((ref.offset, ref.offset + length - 1))
        shift: dict[int, int] = {}
        for number, offsets in read.items():
            run = self._operations[number]
            bits, start, _ = run.immediates
            first, count = min(offsets), max(offsets) - min(offsets) + 1
            shift[number] = first
            self._operations[number] = run._replace(immediates=(bits, start + first, count), size=count)
        for number in self._live:
            operation = self._operations[number]
            if any(ref.operation in shift for ref in operation.operands):
                moved = tuple(Ref(n, offset - shift.get(n, 0)) for n, offset in operation.operands)
                self._operations[number] = operation._replace(operands=moved)

    def _needed_by(self, effect: int, done: set[int]) -> Iterator[int]:
        """The operations that an effect needs and no earlier one did, after what they need; then itself."""
        stack = [(effect, False)]
        while stack:
            number, ready = stack.pop()
            if ready:
                yield number
            elif number not in done:
                done.add(number)
                if self._operations[number].kind not in _GIVEN:
                    stack.append((number, True))
                    for operand in sorted({ref.operation for ref in self._direct(number)}, reverse=True):
                        stack.append((operand, False))

    def _direct(self, number: int) -> Sequence[Ref]:
        """What an operation reads, where sums that it takes in stand for themselves."""
        if self._operations[number].kind in _ARITHMETIC:
            return [ref for _, *pair in self._terms(number) for ref in pair]
        return self._operations[number].operands

    def _instructions(self, number: int) -> Iterator[Instruction]:
        operation = self._operations[number]
        if operation.kind not in _ARITHMETIC:
            for ref in operation.operands:
                self._note_constant(ref)
            result = number if operation.size else None
            yield Instruction(
                operation.kind, operation.operands, operation.immediates, result, operation.size
            )
            return
        terms = self._terms(number)
        while len(terms) > _MOST_TERMS:
            part = self._temporary()
            yield _sum(terms[:_MOST_TERMS], part)
            terms = [(1, Ref(part, 0), self._one), *terms[_MOST_TERMS:]]
        yield _sum(terms, number)

    def _terms(self, number: int) -> list[tuple[int, Ref, Ref]]:
        """Signed products whose sum is the result of an arithmetic operation."""
        terms: list[tuple[int, Ref, Ref]] = []
        stack = [(1, Ref(number, 0))]
        while stack:
            sign, ref = stack.pop()
            operation = self._operations[ref.operation]
            inside = ref.operation == number or (
                operation.kind in _ARITHMETIC and self._uses[ref.operation] == 1
            )
            if inside and operation.kind != "*":
                a, b = operation.operands
                stack += [(-sign if operation.kind == "-" else sign, b), (sign, a)]
            else:
                a, b = operation.operands if inside else (ref, self._one)
                terms.append(self._term(sign, a, b))
        return terms

    def _term(self, sign: int, a: Ref, b: Ref) -> tuple[int, Ref, Ref]:
        """A term, to be added rather than subtracted if one of its factors is a constant."""
        for constant, other in ((a, b), (b, a)):
            operation = self._operations[constant.operation]
            if operation.kind == "constant":
                factor = self._constant(sign * operation.immediates[0])
                self._note_constant(other)
                return 1, other, factor
        return sign, a, b

    def _constant(self, value: int) -> Ref:
        value %= SCALAR_FIELD
        if value not in self._numbers:
            self._numbers[value] = len(self._operations)
            self._operations.append(Operation("constant", (), (value,), 1))
        ref = Ref(self._numbers[value], 0)
        self._note_constant(ref)
        return ref

    def _note_constant(self, ref: Ref) -> None:
        operation = self._operations[ref.operation]
        if operation.kind == "constant":
            self._constants[ref.operation] = operation.immediates

    def _temporary(self) -> int:
        self._operations.append(Operation("+", (), (), 1))
        return len(self._operations) - 1


def _sum(terms: Sequence[tuple[int, Ref, Ref]], result: int) -> Instruction:
    plus = [pair for sign, *pair in terms if sign > 0]
    minus = [pair for sign, *pair in terms if sign < 0]
    factors = tuple(ref for pair in (*plus, *minus) for ref in pair)
    return Instruction("SUM", factors, (len(plus), len(minus)), result, 1)


def _lengths(operation: Operation) -> list[int]:
    """How many words an operation reads from each operand on."""
    match operation.kind:
        case "DOT":
            terms, stride = operation.immediates
            return [terms, (terms - 1) * stride + 1]
        case "EQ_SLOTS":
            return [len(operation.immediates) - 1]
        case "OUTER":
            return list(operation.immediates)
        case "EQ" | "MASS":
            return [operation.immediates[0]]
        case "OVERLAP":
            return [operation.immediates[0]] * 2
        case "CHOOSE":
            return [operation.immediates[0], 1]
        case "ABSORB" | "ABSORB_POINTS":
            return [operation.immediates[0]]
        case "ROUNDS" | "ROUNDS_AT":
            count, degree = operation.immediates
            return [count * degree, 1, count][: len(operation.operands)]
        case "OPEN":
            return [2, 1] * (len(operation.operands) // 2) + [2]
    return [1] * len(operation.operands)
