"""The order of instructions within a block: short sums of one form together, for the machine's records.

A record instruction holds several sums of one form and costs about half of as many single ones.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from verifier.sumcheck.program.selection import Instruction


class Form(NamedTuple):
    """A record instruction.

    Parameters
    ----------
    terms
        The number of products, all added, of each of its sums.
    size
        How many sums one instruction holds.
    least
        From how many sums on it is cheaper than single instructions.
    """

    name: str
    terms: int
    size: int
    least: int


FORMS = (Form("MUL_5", 1, 5, 3), Form("SUM2_3", 2, 3, 3), Form("SUM3_2", 3, 2, 2))


class Record(NamedTuple):
    """Sums of one form, executed in order."""

    form: Form
    sums: tuple[Instruction, ...]


def schedule(block: Sequence[Instruction]) -> Iterator[Instruction | Record]:
    """The block's instructions in an order that respects what depends on what; the last stays the last."""
    *pure, effect = block
    at = {instruction.result: i for i, instruction in enumerate(pure)}
    readers: dict[int, list[int]] = defaultdict(list)
    waiting = []
    for i, instruction in enumerate(pure):
        needed = {at[ref.operation] for ref in instruction.operands if ref.operation in at}
        for j in needed:
            readers[j].append(i)
        waiting.append(len(needed))
    ready: dict[Form | None, deque[int]] = defaultdict(deque)
    for i, count in enumerate(waiting):
        if not count:
            ready[_form(pure[i])].append(i)

    def emit(form: Form | None) -> Instruction:
        i = ready[form].popleft()
        for j in readers[i]:
            waiting[j] -= 1
            if not waiting[j]:
                ready[_form(pure[j])].append(j)
        return pure[i]

    while any(ready.values()):
        form = next((f for f in FORMS if len(ready[f]) >= f.size), None)
        if form is None and not ready[None]:
            form = max(FORMS, key=lambda f: len(ready[f]) / f.size)
        if form is None:
            yield emit(None)
            continue
        sums: list[Instruction] = []
        while ready[form] and len(sums) < form.size:
            sums.append(emit(form))
        if len(sums) < form.least:
            yield from sums
        else:
            yield Record(form, tuple(sums))
    yield effect


def _form(instruction: Instruction) -> Form | None:
    if instruction.kind != "SUM" or instruction.immediates[1]:
        return None
    return next((form for form in FORMS if form.terms == instruction.immediates[0]), None)
