"""The options that a setup takes where nobody says otherwise: what makes a proof cheap, by a count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

from verifier.sumcheck.fractions import tree_of
from verifier.sumcheck.layout import lay_out
from verifier.sumcheck.multilinear import bits_of
from verifier.sumcheck.plan import Options, product_groups, settled
from verifier.sumcheck.structure import Structure
from verifier.sumcheck.system import Advice, CommittedInput, Parameter, System
from verifier.sumcheck.weights import padded_bits


def choose_options(structure: Structure, commit_inputs: bool = False, for_chain: bool = False) -> Options:
    """The options that make a proof of one input cheapest to make, or for a contract to check."""
    options = _for_cpu(structure, commit_inputs)
    if for_chain:
        options = replace(options, chunk_bits=_chunk_bits_for_chain(structure, options))
    return options


def _for_cpu(structure: Structure, commit_inputs: bool) -> Options:
    @cache
    def cost(limb_bits: int, clamp_bits: int) -> int:
        return _cost(structure, Options(_LEAST_CHUNK_BITS, limb_bits, clamp_bits, commit_inputs))

    limb_bits = _descend(lambda bits: cost(bits, 0), _LIMB_BITS, 10)
    tabled = _descend(lambda bits: cost(limb_bits, bits), _CLAMP_BITS, limb_bits)
    clamp_bits = min(0, tabled, key=lambda bits: cost(limb_bits, bits))
    if clamp_bits:
        limb_bits = _descend(lambda bits: cost(bits, clamp_bits), _LIMB_BITS, limb_bits)
    options = Options(_LEAST_CHUNK_BITS, limb_bits, clamp_bits, commit_inputs)
    system = settled(structure, 1, options).system
    advice, parameters = (_committed_cells(system, kind) for kind in (Advice, Parameter))
    chunk_bits = max(
        _LEAST_CHUNK_BITS, bits_of(advice) - _ADVICE_CHUNK_BITS, bits_of(parameters) - _KEY_CHUNK_BITS
    )
    return replace(options, chunk_bits=chunk_bits)


def _chunk_bits_for_chain(structure: Structure, options: Options) -> int:
    """The smallest chunks, so that proving stays fast, that cost hardly more gas than the best."""
    system = settled(structure, 1, options).system
    shapes = {
        kind: [(i, t.shape) for i, t in system.committed().items() if isinstance(t, kind)]
        for kind in (Parameter, Advice, CommittedInput)
    }

    def gas(bits: int) -> int:
        """What depends on the size of chunks, about: each point takes a multiplication in G1."""
        known, said, inputs = (lay_out(tensors, bits).chunks for tensors in shapes.values())
        said += inputs + -(-tree_of(system).cap_nodes >> bits)
        return _GAS_OF_A_POINT * (known + said) + _GAS_OF_SAYING_IT * said + _GAS_OF_A_FOLD * bits

    most = max(options.chunk_bits, _MOST_CHUNK_BITS)
    costs = {bits: gas(bits) for bits in range(options.chunk_bits, most + 1)}
    return min(bits for bits, cost in costs.items() if cost <= min(costs.values()) + _GAS_OF_NO_ACCOUNT)


_MOST_CHUNK_BITS = 21
"""An SRS of 128 MB. With larger chunks the opening would take longer than the rest of most proofs."""
_GAS_OF_A_POINT, _GAS_OF_SAYING_IT, _GAS_OF_A_FOLD = 6_600, 1_100, 10_000
_GAS_OF_NO_ACCOUNT = 25_000
"""Two to five percent of what a check costs."""


def _descend(cost: Callable[[int], int], choices: range, start: int) -> int:
    """The choice that is cheaper than its neighbours, from a start."""
    best = min(max(start, choices[0]), choices[-1])
    while True:
        better = min((bits for bits in (best, best - 1, best + 1) if bits in choices), key=cost)
        if better == best:
            return best
        best = better


_LIMB_BITS, _CLAMP_BITS = range(4, 21), range(8, 23)
_LEAST_CHUNK_BITS = 8
_ADVICE_CHUNK_BITS = 8
"""A proof has at most about 2^8 chunks of advice ..."""
_KEY_CHUNK_BITS = 10
"""... and a key at most about 2^10 chunks of parameters."""


def _committed_cells(system: System, kind: type[Advice] | type[Parameter]) -> int:
    return sum(1 << padded_bits(t.shape) for t in system.committed().values() if isinstance(t, kind))


def _cost(structure: Structure, options: Options) -> int:
    """A leaf of the tree, a committed cell and a product of three cells cost about the same."""
    system = settled(structure, 1, options).system
    tree = tree_of(system)
    products = sum(1 << group.variables for group in product_groups(system, tree) if group.weighted)
    return tree.leaves + _committed_cells(system, Advice) + products
