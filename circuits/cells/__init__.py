"""The plan of cells: which tensors of a circuit are materialised, and how each of their cells is recomputed.

`plan_cells` turns a circuit into op records (`circuits.records`). Data movement is folded into the addresses
of operands (`accesses`, `movements`), sums and products into one record with the narrowing that follows
(`terms`, `rules`), and a cell that would not fit one transaction is split by materialising more (`cost`,
`splitting`). The plan is a function of the circuit alone.
"""

from circuits.cells import movements, rules  # each registers the rules of some operations
from circuits.cells.planner import ConstantSlot, Plan, plan_cells

__all__ = ["ConstantSlot", "Plan", "movements", "plan_cells", "rules"]
