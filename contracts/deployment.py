"""Deploys everything that a chain needs before models can be registered on it."""

from dataclasses import dataclass

from contracts import ezkl_tier, sumcheck_tier
from contracts.chain import Chain, Deployed
from contracts.dispute_tier import MAIN, DisputeTier, Parameters, deploy_one_step
from contracts.inference import InferenceVerifier
from contracts.registry import Registry


@dataclass(frozen=True)
class Deployment:
    """The contracts of a chain. `transactions` has address and gas of each by the contract's name."""

    registry: Registry
    verifier: InferenceVerifier
    disputes: DisputeTier
    transactions: dict[str, Deployed]


def deploy_contracts(chain: Chain, parameters: Parameters = MAIN) -> Deployment:
    """Deploy a registry, the tiers of proofs, a verifier of inferences over them, and the tier of claims.

    Parameters
    ----------
    parameters
        Of the tier of claims.

    Raises
    ------
    ChainError
        As `Chain.transact`.
    """
    registry, registry_deployed = Registry.deploy(chain)
    tiers = {"SumcheckTier": sumcheck_tier.deploy_tier(chain), "EzklTier": ezkl_tier.deploy_tier(chain)}
    addresses = [tier.address for tier in tiers.values()]
    verifier, verifier_deployed = InferenceVerifier.deploy(chain, registry, addresses)
    one_step = deploy_one_step(chain)
    disputes, disputes_deployed = DisputeTier.deploy(chain, registry, verifier, one_step.address, parameters)
    transactions = {
        "ModelRegistry": registry_deployed,
        **tiers,
        "InferenceVerifier": verifier_deployed,
        "OneStep": one_step,
        "DisputeTier": disputes_deployed,
    }
    return Deployment(registry, verifier, disputes, transactions)
