"""What each step of a player's calls on the chain."""

from __future__ import annotations

from challenger.moves import (
    Choose,
    Close,
    Expire,
    Finalise,
    ProveCell,
    ProveInput,
    ProveOutput,
    ProvePadding,
    Reveal,
    Step,
)
from contracts.claim_tier import Call
from contracts.claims import Claim
from contracts.dispute_tier import DisputeTier


def call_of(tier: DisputeTier, claim: Claim, output: bytes, challenger: str, step: Step) -> Call:
    """The call that makes a step.

    Parameters
    ----------
    output
        The claim's outputs, packed.
    challenger
        Whose game it is. Choices and proofs are made by whoever sends them, in the sender's own game.

    Raises
    ------
    ChainError
        If an address is malformed.
    """
    match step:
        case Reveal(level, position, nodes):
            return tier.reveal(tier.claim_id(claim), challenger, level, position, nodes)
        case Choose(level, position, child):
            return tier.choose(tier.claim_id(claim), level, position, child)
        case ProveCell(cell, leaf, operands):
            return tier.prove_cell(claim, cell, leaf, operands)
        case ProveOutput(cell, operands):
            return tier.prove_output(claim, output, cell, operands)
        case ProvePadding(cell, leaf):
            return tier.prove_padding(claim, cell, leaf)
        case ProveInput(index, leaf):
            return tier.prove_input(claim, index, leaf)
        case Expire(player):
            return tier.expire(claim, player)
        case Close(player):
            return tier.close(claim, player)
        case Finalise():
            return tier.finalise(claim)
