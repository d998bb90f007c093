"""The ezkl tier on a chain: its contract, the verifiers that ezkl generates, and the layout of its proofs."""

from collections.abc import Sequence

from eth_hash.auto import keccak

from circuits.errors import InputError
from contracts.artifact import Artifact, load_artifact
from contracts.chain import Chain, Deployed

PROOF_SYSTEM = keccak(b"ezkl-halo2-kzg-bn254-v1")[:4]


def deploy_tier(chain: Chain) -> Deployed:
    """Deploy the contract that checks proofs of this tier for all models."""
    return chain.deploy(load_artifact("EzklTier"))


def halo2_code_hash(verifier: Artifact) -> bytes:
    """The code hash that a generated verifier has on a chain, 32 bytes.

    Whoever generates the verifier from a model's key and finds this hash in the model's registration knows
    that the model's proofs are checked with that key. Generated verifiers have no immutable values, so the
    compiled code is the code on the chain.
    """
    return keccak(bytes(verifier.runtime))


def encode_proof(inputs: Sequence[int], halo2_proof: bytes) -> bytes:
    """A proof as the contract takes it: proof system, inputs as signed 256-bit words, Halo2 proof.

    Parameters
    ----------
    inputs
        All inputs as integers, flat, row-major, ports in order.
    halo2_proof
        The bytes of ezkl's `hex_proof`.

    Raises
    ------
    InputError
        If an input does not fit a word.
    """
    try:
        words = b"".join(int(value).to_bytes(32, "big", signed=True) for value in inputs)
    except OverflowError:
        raise InputError("an input does not fit 256 bits") from None
    return PROOF_SYSTEM + words + halo2_proof
