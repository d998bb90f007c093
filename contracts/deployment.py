"""Deploys everything that a chain needs before models can be registered on it."""

from dataclasses import dataclass

from contracts import ezkl_tier, sumcheck_tier
from contracts.chain import Chain, Deployed
from contracts.inference import InferenceVerifier
from contracts.registry import Registry


@dataclass(frozen=True)
class Deployment:
    """The contracts of a chain. `transactions` has address and gas of each by the contract's name."""

    registry: Registry
    verifier: InferenceVerifier
    transactions: dict[str, Deployed]


def deploy_contracts(chain: Chain) -> Deployment:
    """Deploy a registry, the tiers, and a verifier of inferences over them.

    Raises
    ------
    ChainError
        As `Chain.transact`.
    """
    registry, registry_deployed = Registry.deploy(chain)
    tiers = {"SumcheckTier": sumcheck_tier.deploy_tier(chain), "EzklTier": ezkl_tier.deploy_tier(chain)}
    addresses = [tier.address for tier in tiers.values()]
    verifier, verifier_deployed = InferenceVerifier.deploy(chain, registry, addresses)
    transactions = {
        "ModelRegistry": registry_deployed,
        **tiers,
        "InferenceVerifier": verifier_deployed,
    }
    return Deployment(registry, verifier, transactions)
