"""Python against Solidity: headers, circuit ids, model ids, commitments and input trees."""

import random

import pytest
from eth_abi.abi import encode
from eth_hash.auto import keccak

from contracts.chain import ContractRefused
from contracts.deployment import Deployment
from contracts.registry import Registration, TierKey, commitment, new_salt
from tests.contracts.headers import Header, Port, input_commitment, is_canonical


def random_bound(rng: random.Random) -> tuple[int, int]:
    values = [rng.randrange(-(1 << rng.randrange(64)), 1 << rng.randrange(64)) for _ in range(2)]
    corners = [-(1 << 63), -(1 << 31) - 1, -129, -128, -1, 0, 127, 128, 255, 32767, 32768, (1 << 63) - 1]
    pick = [rng.choice([value, rng.choice(corners)]) for value in values]
    return min(pick), max(pick)


def random_port(rng: random.Random, most: int) -> Port:
    shape = []
    for _ in range(rng.randrange(9)):
        shape.append(rng.randrange(1, max(2, most // max(1, Port(tuple(shape), 0, 0).elements) + 1)))
    return Port(tuple(shape), *random_bound(rng))


def random_header(rng: random.Random, most: int = 200) -> Header:
    header = Header(
        inputs=[random_port(rng, most) for _ in range(rng.randrange(1, 4))],
        outputs=[random_port(rng, most) for _ in range(rng.randrange(1, 4))],
        trace_leaves=rng.randrange(1 << rng.randrange(1, 40)),
        weights_leaves=rng.randrange(1 << rng.randrange(1, 40)),
        op_records=rng.randrange(1, 1 << rng.randrange(1, 20)),
    )
    header.output_records = [rng.randrange(header.op_records) for _ in header.outputs]
    return header


def on_chain_id(deployment: Deployment, registration: Registration) -> bytes:
    registry = deployment.registry
    return bytes(registry.chain.call(registry._contract.functions.circuitIdOf(*registration.as_abi()[:4])))


def test_circuit_ids_agree(deployment: Deployment) -> None:
    rng = random.Random(1)
    for _ in range(40):
        parts = [rng.randbytes(32) for _ in range(3)]
        registration = Registration(random_header(rng).encode(), *parts)
        assert on_chain_id(deployment, registration) == registration.circuit_id


def test_headers_are_accepted_by_both_or_neither(deployment: Deployment) -> None:
    """Alter one byte of a good header. The contract must accept just what decodes and encodes to itself."""
    rng = random.Random(2)
    accepted = 0
    for _ in range(300):
        header = bytearray(random_header(rng).encode())
        position = rng.randrange(len(header))
        header[position] = rng.choice([header[position] ^ 1 << rng.randrange(8), rng.randrange(256)])
        registration = Registration(bytes(header), bytes(32), bytes(32), bytes(32))
        if is_canonical(bytes(header)):
            assert on_chain_id(deployment, registration) == registration.circuit_id
            accepted += 1
        else:
            with pytest.raises(ContractRefused, match=r"Header|Port"):
                on_chain_id(deployment, registration)
    assert 30 < accepted < 200, "the alterations should fall on both sides"


def test_truncated_and_extended_headers(deployment: Deployment) -> None:
    header = random_header(random.Random(3)).encode()
    for altered in (b"", header[:37], header[:38], header[:-1], header + b"\0", header + bytes(72)):
        with pytest.raises(ContractRefused, match="HeaderLengthMismatch"):
            on_chain_id(deployment, Registration(altered, bytes(32), bytes(32), bytes(32)))


def test_input_commitments_agree(deployment: Deployment) -> None:
    rng = random.Random(4)
    for _ in range(25):
        header = random_header(rng)
        model_id = register(deployment, header.registration())
        for edge in (None, "lo", "hi"):
            values = []
            for port in header.inputs:
                draw = [rng.randint(port.lo, port.hi) for _ in range(port.elements)]
                values += draw if edge is None else [getattr(port, edge)] * port.elements
            expected = input_commitment(header.inputs, values)
            assert deployment.verifier.input_commitment(model_id, values) == expected


def test_input_commitment_refuses_what_is_no_input(deployment: Deployment) -> None:
    ports = [Port((2, 3), -5, 5), Port((4,), 0, 1000)]
    model_id = register(deployment, Header(ports, ports).registration())
    values = [0] * 10
    for position, value in ((0, -6), (5, 6), (6, -1), (9, 1001), (9, (1 << 16) + 7), (0, 1 << 255 - 1)):
        with pytest.raises(ContractRefused, match=rf"ValueOutOfBounds\(index={position}, value={value}"):
            deployment.verifier.input_commitment(
                model_id, [*values[:position], value, *values[position + 1 :]]
            )
    for count in (0, 9, 11):
        with pytest.raises(ContractRefused, match=rf"WrongElementCount\(expected=10, actual={count}\)"):
            deployment.verifier.input_commitment(model_id, [0] * count)


def test_commitments_and_model_ids_agree(deployment: Deployment) -> None:
    registry, functions = deployment.registry, deployment.registry._contract.functions
    rng = random.Random(5)
    owner = registry.chain.web3.eth.accounts[3]
    circuit_id, salt, content_hash = (rng.randbytes(32) for _ in range(3))
    expected = registry.chain.call(functions.commitmentOf(owner, circuit_id, salt))
    assert commitment(owner, circuit_id, salt) == expected

    key = TierKey(rng.randbytes(4), owner, rng.randbytes(32), rng.randbytes(32))
    tiers = encode(["(bytes4,address,bytes32,bytes32)[]"], [[key.as_abi()]])
    parts = [
        keccak(b"verinfer model v1"),
        circuit_id,
        owner,
        keccak(tiers),
        keccak(b"ipfs://x"),
        content_hash,
    ]
    digest = keccak(encode(["bytes32", "bytes32", "address", "bytes32", "bytes32", "bytes32"], parts))
    arguments = (circuit_id, owner, [key.as_abi()], "ipfs://x", content_hash)
    assert registry.chain.call(functions.modelIdOf(*arguments)) == int.from_bytes(digest, "big")


def register(deployment: Deployment, registration: Registration) -> int:
    salt = new_salt()
    deployment.registry.commit(registration.circuit_id, salt)
    return deployment.registry.register(registration, salt).model_id
