"""Claims and their ids."""

from __future__ import annotations

import pytest
from eth_hash.auto import keccak

from circuits.errors import ChainError
from contracts.chain import ZERO_ADDRESS
from contracts.claims import Claim

ASSERTER = "0x" + "11" * 20


def test_the_id_is_of_every_field_and_of_where_the_claim_stands() -> None:
    claim = Claim.of(7, b"\1" * 32, b"\2" * 32, b"out", asserter=ASSERTER, bond=10**18, window=3600)
    assert claim.source == ZERO_ADDRESS and claim.settled_by == bytes(4)
    assert claim.output_hash == keccak(b"out")
    here = claim.id(1, ASSERTER)
    words: list[int | bytes] = [
        1,
        int(ASSERTER, 16),
        7,
        b"\1" * 32,
        b"\2" * 32,
        int(ASSERTER, 16),
        0,
        10**18,
        3600,
        0,
        keccak(b"out"),
    ]
    packed = b"".join(word if isinstance(word, bytes) else word.to_bytes(32, "big") for word in words)
    assert here == keccak(packed)
    others = [
        claim.id(2, ASSERTER),
        claim.id(1, ZERO_ADDRESS),
        Claim.of(8, b"\1" * 32, b"\2" * 32, b"out", asserter=ASSERTER, bond=10**18, window=3600).id(
            1, ASSERTER
        ),
    ]
    assert len({here, *others}) == 4
    with pytest.raises(ChainError, match="not an address"):
        claim.id(1, "0x12")
