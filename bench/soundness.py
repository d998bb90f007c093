"""Prints the soundness error of proofs of circuits, step by step, as docs/protocol.md has it.

`python -m bench.soundness CIRCUIT ...`
"""

from __future__ import annotations

import sys
from pathlib import Path

from circuits.circuit import Circuit
from verifier.powers_of_tau import MAX_K
from verifier.sumcheck.plan import make_plan
from verifier.sumcheck.soundness import steps, total
from verifier.sumcheck.structure import structure_of
from verifier.sumcheck.tuning import choose_options


def main(paths: list[str]) -> None:
    """Print one table with a column for each circuit file."""
    columns = []
    for path in paths:
        structure = structure_of(Circuit.load(path))
        plan = make_plan(structure, choose_options(structure), 1)
        found = steps(plan, 1 << MAX_K)
        columns.append([*found, total(found)])
        tree, zeros = plan.tree, len(plan.system.zeros)
        print(f"{Path(path).stem}: {tree.leaves:,} leaves, {zeros} zeros, point of {plan.point_bits}")
    print("| step | " + " | ".join(Path(path).stem for path in paths) + " |")
    print("|---" * (1 + len(paths)) + "|")
    for row in zip(*columns, strict=True):
        print(f"| {row[0].name} | " + " | ".join(f"2^-{step.bits:.0f}" for step in row) + " |")


if __name__ == "__main__":
    main(sys.argv[1:])
