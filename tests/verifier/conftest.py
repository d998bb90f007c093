"""A small circuit's header, and a key and a proof for it that are well-formed but prove nothing."""

import struct
from collections.abc import Callable
from math import prod

import pytest
from eth_hash.auto import keccak

from verifier.development_srs import development_head
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.statement import circuit_id_of

Port = tuple[tuple[int, ...], int, int, int, int]
"""shape, width, lo, hi, offset"""


def _encode_port(port: Port) -> bytes:
    shape, width, lo, hi, offset = port
    dims = [*shape, *[0] * (8 - len(shape))]
    return struct.pack(">BBHI8IqqQQ", len(shape), width, 0, 0, *dims, lo, hi, offset, prod(shape))


def _build_header(inputs: list[Port], outputs: list[Port], op_records: int = 3) -> bytes:
    fixed = struct.pack(
        ">8sHBBBBHHQQI", b"VERINFER", 1, 3, 1, 2, 0, len(inputs), len(outputs), 5, 2, op_records
    )
    return fixed + b"".join(_encode_port(port) for port in inputs + outputs)


@pytest.fixture(scope="session")
def build_header() -> Callable[..., bytes]:
    """Build a circuit header with 5 trace leaves and 2 weights leaves from ports."""
    return _build_header


@pytest.fixture(scope="session")
def header() -> bytes:
    """Inputs [2, 3] in [-5, 100] and a scalar in [0, 1000], and one output [2] in [-300, 300]."""
    return _build_header([((2, 3), 1, -5, 100, 0), ((), 2, 0, 1000, 1)], [((2,), 2, -300, 300, 2)])


@pytest.fixture(scope="session")
def key(header: bytes) -> VerifyingKey:
    """A key of that circuit, without any real backend parts."""
    scales = (0.5, 0.25, 2.0**-12)
    ops_root, weights_root = keccak(b"ops"), keccak(b"weights")
    scales_hash = keccak(struct.pack(">3d", *scales))
    return VerifyingKey(
        backend="ezkl",
        circuit_id=circuit_id_of(header, ops_root, weights_root, scales_hash),
        header=header,
        ops_root=ops_root,
        weights_root=weights_root,
        scales_hash=scales_hash,
        scales=scales,
        srs=development_head(),
        insecure_srs=True,
        sections={"vk": bytes(range(40)), "settings": b""},
    )


@pytest.fixture(scope="session")
def proof(key: VerifyingKey) -> Proof:
    """A proof for that key, with everything right but the backend's part."""
    return Proof(
        backend="ezkl",
        circuit_id=key.circuit_id,
        key_digest=key.digest,
        insecure_srs=True,
        inputs=(-5, 100, 0, 1, 2, 3, 1000),
        outputs=(-300, 300),
        sections={"proof": bytes(range(64))},
    )
