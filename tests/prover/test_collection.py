"""The search for cycles is put off, and comes back."""

from __future__ import annotations

import gc

import pytest

from prover.collection import uncollected


def test_it_comes_back_even_after_an_error() -> None:
    with pytest.raises(KeyError), uncollected():
        assert not gc.isenabled()
        raise KeyError
    assert gc.isenabled()


def test_it_stays_off_where_it_was() -> None:
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
