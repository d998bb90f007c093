"""From a player's move to the call that makes it."""

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
from contracts.claims import Claim
from contracts.dispute_tier import Call, DisputeTier


def call_of(tier: DisputeTier, claim: Claim, output: bytes, challenger: str, step: Step) -> Call:
    """What to send to a tier for a step of a challenger's game about a claim.

    Parameters
    ----------
    output
        The claim's outputs, packed.
    challenger
        Whose game it is. Only they can send what is theirs: choices and proofs name no challenger.
    """
    claim_id = tier.claim_id(claim)
    match step:
        case Reveal(level, position, nodes):
            return tier.reveal(claim_id, challenger, level, position, nodes)
        case Choose(level, position, child):
            return tier.choose(claim_id, level, position, child)
        case ProveCell(cell, leaf, operands):
            return tier.prove_cell(claim, cell, leaf, operands)
        case ProveOutput(cell, operands):
            return tier.prove_output(claim, output, cell, operands)
        case ProvePadding(cell, leaf):
            return tier.prove_padding(claim, cell, leaf)
        case ProveInput(index, leaf):
            return tier.prove_input(claim, index, leaf)
        case Expire(overdue):
            return tier.expire(claim, overdue)
        case Close(open_game):
            return tier.close(claim, open_game)
        case Finalise():
            return tier.finalise(claim)
