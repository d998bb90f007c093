"""The verifier's steps, recorded: which operations on field elements, in which order of messages and checks.

A recording is made by running `verifier.sumcheck.argument.follow` on it. It is a `Dialogue` without a prover,
whose messages and challenges are symbols, and the recorder of those symbols. An *operation* yields one or
more words that a machine keeps side by side; a `Ref` names one of them. Equal operations are recorded once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from verifier.bn254 import SCALAR_FIELD, G1Point
from verifier.sumcheck.symbols import Symbol


class Ref(NamedTuple):
    """One of the words that an operation yields."""

    operation: int
    offset: int


class Operation(NamedTuple):
    """What is done.

    Parameters
    ----------
    kind
        An instruction of the machine (docs/evm.md), or "+", "-", "*"; or where words come from without one:
        "constant", "inputs", "values", "proof", "parameters".
    operands
        The words that it reads. A run of words is named by its first.
    immediates
        Numbers that the program holds.
    size
        The number of words that it yields.
    """

    kind: str
    operands: tuple[Ref, ...]
    immediates: tuple[int, ...]
    size: int


class Point(NamedTuple):
    """A commitment, by the first of its two words."""

    x: Ref


class Recording:
    """The operations of a verifier, and the order of those that must keep it.

    Parameters
    ----------
    inputs
        The number of commitments to inputs in the statement.
    values
        The number of public values.
    parameters
        The number of commitments in the key.
    """

    def __init__(self, inputs: int, values: int, parameters: int) -> None:
        self.operations: list[Operation] = []
        self.effects: list[int] = []
        """Those that talk to the prover or check something, in order."""
        self.proof_words = 0
        self._known: dict[Operation, int] = {}
        self.proof = self._add(Operation("proof", (), (), 0))
        self.inputs = self._add(Operation("inputs", (), (), 2 * inputs))
        self.values = self._add(Operation("values", (), (), values))
        self.parameters = self._add(Operation("parameters", (), (), 2 * parameters))

    # What the arithmetic says

    def operate(self, operation: str, a: int | Symbol, b: int | Symbol) -> int | Symbol:
        """a + b, a - b or a * b."""
        left, right = (x % SCALAR_FIELD if isinstance(x, int) else x for x in (a, b))
        if operation != "*" and right == 0:
            return left
        if operation == "+" and left == 0:
            return right
        if operation == "*":
            if left == 0 or right == 0:
                return 0
            if left == 1:
                return right
            if right == 1:
                return left
        operands = [self.ref(left), self.ref(right)]
        if operation != "-":
            operands.sort()
        return self._symbol(Ref(self._add(Operation(operation, tuple(operands), (), 1)), 0))

    def apply(self, function: str, arguments: Sequence[Any]) -> Any:
        """The result of a recordable function."""
        return getattr(self, "_" + function)(*arguments)

    def _eq_vector(self, point: Sequence[Symbol], count: int | None = None) -> list[Symbol]:
        count = 1 << len(point) if count is None else count
        return self._yield("EQ", (self._run(point),), (len(point), 0, count), count)

    def _eq_slots(self, point: Sequence[Symbol], counts: Sequence[int]) -> list[int | Symbol]:
        if len(counts) == 1:
            return [1] * counts[0]
        run = self._run(point[: len(counts) - 1])
        return list(self._yield("EQ_SLOTS", (run,), tuple(counts), sum(counts)))

    def _eq_index(self, point: Sequence[Symbol], index: int | Symbol) -> Symbol:
        if isinstance(index, Symbol):
            [value] = self._yield("CHOOSE", (self._run(point), self.ref(index)), (len(point),), 1)
        else:
            [value] = self._yield("EQ", (self._run(point),), (len(point), index, 1), 1)
        return value

    def _eq_point(self, a: Sequence[Symbol], b: Sequence[Symbol]) -> Symbol:
        return self._eq_overlap(a, b, 1 << len(a))

    def _eq_overlap(self, a: Sequence[Symbol], b: Sequence[Symbol], count: int) -> Symbol:
        runs = sorted((self._run(a), self._run(b)))
        [value] = self._yield("OVERLAP", tuple(runs), (len(a), count), 1)
        return value

    def _eq_mass(self, point: Sequence[Symbol], count: int) -> int | Symbol:
        if count >> len(point):
            return 1
        [value] = self._yield("MASS", (self._run(point),), (len(point), count), 1)
        return value

    def _inner_product(self, a: Sequence[int | Symbol], b: Sequence[int | Symbol]) -> int | Symbol:
        pairs = [(x, y) for x, y in zip(a, b, strict=True) if x != 0 and y != 0]
        runs = sorted(filter(None, (self._strided([pair[side] for pair in pairs]) for side in (0, 1))))
        if len(pairs) >= _LEAST_DOT and len(runs) == 2 and runs[0][0] == 1:
            (_, a), (stride, b) = runs
            [value] = self._yield("DOT", (a, b), (len(pairs), stride), 1)
            return value
        total: int | Symbol = 0
        for x, y in pairs:
            total = total + x * y
        return total

    def _together(self, elements: Sequence[int | Symbol]) -> Sequence[Any]:
        if len(elements) < _LEAST_DOT or not all(isinstance(element, Symbol) for element in elements):
            return elements
        run = self._run([element for element in elements if isinstance(element, Symbol)])
        return [self._symbol(Ref(run.operation, run.offset + i)) for i in range(len(elements))]

    def _outer_product(self, a: Sequence[int | Symbol], b: Sequence[int | Symbol]) -> list[Any]:
        left, right = self._side_by_side(a), self._side_by_side(b)
        if left is None or right is None or len(a) * len(b) < _LEAST_OUTER:
            return [x * y for x in a for y in b]
        return list(self._yield("OUTER", (left, right), (len(a), len(b)), len(a) * len(b)))

    # What is said, asked and checked

    def scalars(self, count: int) -> list[Any]:
        """The next `count` scalars that the prover sends."""
        return [self._symbol(ref) for ref in self._read("ABSORB", count)]

    def points(self, count: int) -> list[Any]:
        """The next `count` points of G1."""
        return [Point(ref) for ref in self._read("ABSORB_POINTS", 2 * count)[::2]]

    def challenge(self) -> Any:
        """A challenge."""
        return self.challenges(1)[0]

    def challenges(self, count: int) -> Any:
        """`count` challenges."""
        return tuple(self._effect("SQUEEZE", (), (count,), count)) if count else ()

    def rounds(self, total: Any, count: int, degree: int) -> tuple[Any, Any]:
        """The point and the claim at the end of a sumcheck."""
        return self._rounds("ROUNDS", total, (), count, degree)

    def rounds_at(self, total: Any, z: Any) -> tuple[Any, Any]:
        """The point and the claim at the end of a sumcheck with eq taken out."""
        return self._rounds("ROUNDS_AT", total, (self._run(z),) if z else (), len(z), 2)

    def inverse(self, value: Any) -> Any:
        """1 / value."""
        [result] = self._yield("INVERT", (self.ref(value),), (), 1)
        return result

    def require_zero(self, value: Any, complaint: str) -> None:
        """A check. The machine has no words for what is wrong."""
        self._effect("ZERO", (self.ref(value),), (), 0)

    def require_opening(self, scalars: Sequence[Any], points: Sequence[Any], witness: Any) -> None:
        """The pairing check. What the key fixes and no claim reaches is left out; what is said is checked."""
        operands: list[Ref] = []
        for scalar, point in zip(scalars, points, strict=True):
            x = self._generator(point) if not isinstance(point, Point) else point.x
            if scalar != 0 or x.operation in (self.proof, self.inputs):
                operands += [x, self.ref(scalar)]
        self._effect("OPEN", (*operands, witness.x), (), 0)

    def public_values(self, start: int, count: int) -> list[Any]:
        """Some of the public values."""
        return [self._symbol(Ref(self.values, start + i)) for i in range(count)]

    def known_points(self) -> list[Any]:
        """The key's commitments, and those of the inputs."""
        return [
            Point(Ref(name, i))
            for name in (self.parameters, self.inputs)
            for i in range(0, self.operations[name].size, 2)
        ]

    # How it is kept

    def ref(self, element: int | Symbol) -> Ref:
        """Where a field element is: a symbol's word, or a constant's."""
        if isinstance(element, Symbol):
            return Ref(*divmod(element.number, _WORDS))
        return Ref(self._add(Operation("constant", (), (element % SCALAR_FIELD,), 1)), 0)

    def _generator(self, point: G1Point) -> Ref:
        return Ref(self._add(Operation("constant", (), point, 2)), 0)

    def _read(self, kind: str, count: int) -> list[Ref]:
        refs = [Ref(self.proof, self.proof_words + i) for i in range(count)]
        if count:
            self.proof_words += count
            self._effect(kind, (refs[0],), (count,), 0)
        return refs

    def _rounds(self, kind: str, total: Any, z: tuple[Ref, ...], count: int, degree: int) -> tuple[Any, Any]:
        if not count:
            return (), total
        words = Ref(self.proof, self.proof_words)
        self.proof_words += count * degree
        *point, claim = self._effect(kind, (words, self.ref(total), *z), (count, degree), count + 1)
        return tuple(point), claim

    def _run(self, elements: Sequence[Symbol]) -> Ref:
        """Where elements are side by side; they are brought together if they are not."""
        run = self._side_by_side(elements)
        if run is None:
            refs = tuple(self.ref(element) for element in elements)
            run = Ref(self._add(Operation("GATHER", refs, (), len(refs))), 0)
        return run

    def _side_by_side(self, elements: Sequence[int | Symbol]) -> Ref | None:
        found = self._strided(elements)
        return found[1] if found is not None and (found[0] == 1 or len(elements) == 1) else None

    def _strided(self, elements: Sequence[int | Symbol]) -> tuple[int, Ref] | None:
        """A distance and a first word, if the elements are that far from one another."""
        if not elements or not all(isinstance(element, Symbol) for element in elements):
            return None
        refs = [self.ref(element) for element in elements]
        first = refs[0]
        stride = refs[1].offset - first.offset if len(refs) > 1 else 1
        if stride > 0 and all(
            ref == (first.operation, first.offset + i * stride) for i, ref in enumerate(refs)
        ):
            return stride, first
        return None

    def _yield(
        self, kind: str, operands: tuple[Ref, ...], immediates: tuple[int, ...], count: int
    ) -> list[Symbol]:
        number = self._add(Operation(kind, operands, immediates, count))
        return [self._symbol(Ref(number, i)) for i in range(count)]

    def _effect(
        self, kind: str, operands: tuple[Ref, ...], immediates: tuple[int, ...], count: int
    ) -> list[Symbol]:
        number = len(self.operations)
        self.operations.append(Operation(kind, operands, immediates, count))
        self.effects.append(number)
        return [self._symbol(Ref(number, i)) for i in range(count)]

    def _add(self, operation: Operation) -> int:
        number = self._known.setdefault(operation, len(self.operations))
        if number == len(self.operations):
            self.operations.append(operation)
        return number

    def _symbol(self, ref: Ref) -> Symbol:
        return Symbol(self, ref.operation * _WORDS + ref.offset)


_LEAST_DOT = 5
"""From how many products on they are cheaper side by side than as terms of a sum."""
_LEAST_OUTER = 16
"""The same, for products of each with each."""
_WORDS = 1 << 20
"""More than any operation yields."""
