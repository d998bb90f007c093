"""Deploys everything that a chain needs before models can be registered on it."""

from dataclasses import dataclass

from contracts import ezkl_tier, sumcheck_tier
from contracts.chain import Chain, Deployed
from contracts.dispute_tier import MAIN, DisputeParameters, DisputeTier, deploy_one_step
from contracts.inference import InferenceVerifier
from contracts.inference_oracle import ORACLE_MAIN, InferenceOracle, OracleParameters
from contracts.registry import Registry
from contracts.sampled_tier import SAMPLED_MAIN, SampledParameters, SampledTier


@dataclass(frozen=True)
class Deployment:
    """The contracts of a chain. `transactions` has address and gas of each by the contract's name."""

    registry: Registry
    verifier: InferenceVerifier
    disputes: DisputeTier
    sampled: SampledTier
    oracle: InferenceOracle
    transactions: dict[str, Deployed]


def deploy_contracts(
    chain: Chain,
    disputes: DisputeParameters = MAIN,
    sampled: SampledParameters = SAMPLED_MAIN,
    requests: OracleParameters = ORACLE_MAIN,
) -> Deployment:
    """Deploy a registry, the tiers of proofs, a verifier of inferences over them, the tiers of claims, and
    the oracle that asks either.

    Parameters
    ----------
    disputes, sampled, requests
        Of the tiers of claims and of the oracle: bonds and times, fixed for good.

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
    dispute_tier, dispute_deployed = DisputeTier.deploy(chain, registry, verifier, one_step.address, disputes)
    sampled_tier, sampled_deployed = SampledTier.deploy(chain, registry, verifier, sampled)
    oracle, oracle_deployed = InferenceOracle.deploy(
        chain, registry, verifier, [dispute_tier.address, sampled_tier.address], requests
    )
    transactions = {
        "ModelRegistry": registry_deployed,
        **tiers,
        "InferenceVerifier": verifier_deployed,
        "OneStep": one_step,
        "DisputeTier": dispute_deployed,
        "SampledTier": sampled_deployed,
        "InferenceOracle": oracle_deployed,
    }
    return Deployment(registry, verifier, dispute_tier, sampled_tier, oracle, transactions)
