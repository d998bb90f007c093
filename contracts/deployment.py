"""Deploys everything that a chain needs before models can be registered on it."""

from dataclasses import dataclass

from contracts.chain import Chain, Deployed
from contracts.ezkl_tier import deploy_tier
from contracts.inference import InferenceVerifier
from contracts.registry import Registry


@dataclass(frozen=True)
class Deployment:
    """The contracts of a chain. `transactions` has address and gas of each by the contract's name."""

    registry: Registry
    verifier: InferenceVerifier
    transactions: dict[str, Deployed]


def deploy_contracts(chain: Chain) -> Deployment:
    """Deploy a registry, the ezkl tier, and a verifier of inferences over both.

    Raises
    ------
    ChainError
        As `Chain.transact`.
    """
    registry, registry_deployed = Registry.deploy(chain)
    tier = deploy_tier(chain)
    verifier, verifier_deployed = InferenceVerifier.deploy(chain, registry, [tier.address])
    transactions = {
        "ModelRegistry": registry_deployed,
        "EzklTier": tier,
        "InferenceVerifier": verifier_deployed,
    }
    return Deployment(registry, verifier, transactions)
