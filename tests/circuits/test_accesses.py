"""Accesses against NumPy: after any chain of movements, the digits address the same stored elements."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.cells.accesses import (
    Access,
    Affine,
    Digit,
    Fresh,
    Item,
    Tensor,
    Unrepresentable,
    by_axis,
    merged,
    normalised,
    refined,
    remapped,
    reshaped,
    sliced,
    whole,
)
from circuits.records import Region
from tests.budget import examples

Draw = Callable[[st.SearchStrategy[Any]], Any]
OUTSIDE = -1
"""What a padded cell holds in the NumPy array of element numbers."""


def stored(elements: int) -> Access:
    return whole(Tensor(Region.TRACE, 2, elements, 0))


def addresses(access: Access) -> list[int]:
    """The stored element of every index, outer then inner digits row-major; OUTSIDE where a guard fails."""
    digits = (*access.outer, *access.inner)
    found = []
    for index in itertools.product(*(range(digit.size) for digit in digits)):
        at = [
            base + sum(i * digit.steps[column] for i, digit in zip(index, digits, strict=True))
            for column, base in enumerate(access.bases)
        ]
        inside = all(0 <= c < limit for c, limit in zip(at[1:], access.limits, strict=True))
        found.append(at[0] if inside else OUTSIDE)
    return found


def move(draw: Draw, access: Access, numbers: np.ndarray[Any, Any]) -> tuple[Access, np.ndarray[Any, Any]]:
    """One random movement, on the access and on the array of element numbers."""
    shape = numbers.shape
    kind = draw(st.sampled_from(["reshape", "transpose", "slice", "broadcast", "pad"]))
    if kind == "reshape":
        new = []
        rest = numbers.size
        while rest > 1 and draw(st.booleans()):
            new.append(draw(st.sampled_from([n for n in range(1, rest + 1) if rest % n == 0])))
            rest //= new[-1]
        return reshaped(access, (*new, rest)), numbers.reshape(*new, rest)
    if kind == "transpose":
        perm = draw(st.permutations(range(len(shape))))
        return remapped(access, shape, list(perm)), numbers.transpose(perm)
    if kind == "slice":
        starts = [draw(st.integers(0, n - 1)) for n in shape]
        steps = [draw(st.sampled_from([1, 2, -1])) for _ in shape]
        rows = list(zip(starts, steps, shape, strict=True))
        sizes = [draw(st.integers(1, 1 + ((n - 1 - i) // s if s > 0 else i))) for i, s, n in rows]
        grids = np.ix_(*(i + s * np.arange(n) for i, s, n in zip(starts, steps, sizes, strict=True)))
        return sliced(access, shape, starts, steps, sizes), numbers[grids]
    if kind == "broadcast":
        times = [draw(st.integers(1, 3)) if n == 1 else n for n in shape]
        items: list[Item] = [
            Fresh(m) if n == 1 else k for k, (n, m) in enumerate(zip(shape, times, strict=True))
        ]
        return remapped(access, shape, items), np.broadcast_to(numbers, times)
    before = [draw(st.integers(0, 2)) for _ in shape]
    fresh = [Fresh(n + b + draw(st.integers(0, 1))) for n, b in zip(shape, before, strict=True)]
    affine = {k: Affine(-b, ((f, 1),)) for k, (b, f) in enumerate(zip(before, fresh, strict=True))}
    out = np.full([f.size for f in fresh], OUTSIDE)
    out[tuple(slice(b, b + n) for b, n in zip(before, shape, strict=True))] = numbers
    return remapped(access, shape, fresh, affine=affine, guarded=range(len(shape))), out


@settings(max_examples=examples(150))
@given(st.data())
def test_a_chain_of_movements_addresses_what_numpy_does(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.sampled_from([1, 2, 3, 4, 6]), min_size=1, max_size=3)))
    numbers = np.arange(math.prod(shape)).reshape(shape)
    access = stored(numbers.size)
    for _ in range(data.draw(st.integers(1, 5))):
        try:
            access, moved = move(data.draw, access, numbers)
        except Unrepresentable:
            continue  # the planner would materialise here
        numbers = moved
        if numbers.size > 500:
            break
        assert addresses(access) == numbers.ravel().tolist()
        assert addresses(normalised(access)) == addresses(access)


def test_a_movement_of_unsplit_axes_is_always_representable() -> None:
    access = remapped(stored(24), (2, 3, 4), [2, 0, 1])
    access = sliced(access, (4, 2, 3), (3, 0, 1), (-1, 1, 1), (4, 2, 2))
    numbers = np.arange(24).reshape(2, 3, 4).transpose(2, 0, 1)[::-1, :, 1:]
    assert addresses(access) == numbers.ravel().tolist()


def test_whole_rows_of_a_split_axis_can_be_sliced() -> None:
    # a channel shuffle, then a split of the channels, as in ShuffleNet
    access = remapped(stored(12), (2, 6), [1, 0])
    access = sliced(access, (12,), (6,), (1,), (6,))
    assert addresses(access) == np.arange(12).reshape(2, 6).T.ravel()[6:].tolist()


def test_an_axis_of_several_digits_cannot_be_padded() -> None:
    access = remapped(stored(12), (2, 6), [1, 0])
    fresh = Fresh(14)
    with pytest.raises(Unrepresentable):
        remapped(access, (12,), [fresh], affine={0: Affine(-1, ((fresh, 1),))}, guarded=[0])


def test_axes_that_do_not_divide_one_another_are_refused() -> None:
    with pytest.raises(Unrepresentable):
        refined(remapped(stored(12), (3, 4), [1, 0]).outer, {4, 12})


def test_merging_is_maximal_and_splitting_undoes_it() -> None:
    digits = (Digit(2, (12,)), Digit(1, (99,)), Digit(3, (4,)), Digit(4, (1,)))
    assert merged(digits) == (Digit(24, (1,)),)
    assert [d.size for own in by_axis(merged(digits), (2, 3, 4)) for d in own] == [2, 3, 4]


def test_a_guard_that_cannot_fail_is_dropped() -> None:
    access = Access(stored(8).tensor, (Digit(4, (1, 1)),), (), (0, 2), (6,), fill=7)
    assert normalised(access) == Access(access.tensor, (Digit(4, (1,)),), (), (0,))


def test_padding_with_two_values_is_refused() -> None:
    first, second = Fresh(6), Fresh(8)
    access = remapped(stored(4), (4,), [first], affine={0: Affine(-1, ((first, 1),))}, guarded=[0], fill=5)
    with pytest.raises(Unrepresentable):
        remapped(access, (6,), [second], affine={0: Affine(-1, ((second, 1),))}, guarded=[0], fill=6)


def test_guards_of_one_coordinate_are_one_guard() -> None:
    # concatenations in a chain: inside [0, 4) of [0, 6) of [0, 9)
    access = stored(4)
    for n in (6, 9):
        fresh = Fresh(n)
        inside = access.outer[0].size
        access = remapped(access, (inside,), [fresh], affine={0: Affine(0, ((fresh, 1),))}, guarded=[0])
    assert (access.bases, access.limits) == ((0, 0), (4,))
    assert addresses(access) == [0, 1, 2, 3, *[OUTSIDE] * 5]
