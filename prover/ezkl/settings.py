"""ezkl's settings for an export: why each is what it is, and one spelling of them.

ezkl lists some of what it finds in no order, and stamps the time. Both would end up in the keys, so the
settings are put in one spelling before anything is made from them; then the same circuit and SRS give the
same keys, byte for byte.
"""

from __future__ import annotations

import json
from typing import Any

from prover.ezkl.export import BLINDING_ROWS, Export

INNER_COLUMNS = (2, 3)
"""Columns that one row of an operation spans. A third one is worth its cost where it halves the number of
rows.
"""


def run_args(export: Export, logrows: int, inner_columns: int) -> dict[str, Any]:
    """The arguments of ezkl's `gen_settings`."""
    return {
        # Integers go in and come out as they are.
        "input_scale": 0,
        "param_scale": 0,
        # The statement is public; the weights are constants of the constraint system, so its key binds them.
        "input_visibility": "public",
        "output_visibility": "public",
        "param_visibility": "fixed",
        # The verifier checks the bounds of public values; checking them again in the circuit would cost rows.
        "ignore_range_check_inputs_outputs": True,
        # Freivalds' check is probabilistic and adds a phase; a plain dot product is neither.
        "disable_freivalds": True,
        "lookup_range": list(export.table_range),
        "decomp_base": export.digit_base,
        "decomp_legs": export.digits,
        "num_inner_cols": inner_columns,
        "logrows": logrows,
        "check_mode": "unsafe",
    }


def rows_needed(settings: dict[str, Any], export: Export) -> int:
    """How many rows each column must have so that everything fits into one block of columns."""
    low, high = export.table_range
    rows: int = BLINDING_ROWS + max(
        settings["num_rows"],
        high - low + 1,
        export.digit_base,
        settings["total_dynamic_col_size"] + settings["num_dynamic_lookups"],
        export.public_values,
    )
    return rows


def choose(found: dict[int, dict[str, Any]], export: Export) -> tuple[int, int]:
    """The inner columns and logrows that prove fastest, given the settings found for each number."""
    options = [(columns, max(6, (rows_needed(s, export) - 1).bit_length())) for columns, s in found.items()]
    return min(options, key=lambda option: ((option[0] + 1) << option[1], option[0]))


def canonical(settings: dict[str, Any]) -> bytes:
    """The settings in the one spelling that keys are made from."""
    spelled = {
        **settings,
        "timestamp": 0,
        "required_lookups": sorted(settings["required_lookups"], key=json.dumps),
        "required_range_checks": sorted(settings["required_range_checks"]),
        "einsum_params": {"equations": [], "total_einsum_col_size": 0},
    }
    return json.dumps(spelled, sort_keys=True, separators=(",", ":")).encode()
