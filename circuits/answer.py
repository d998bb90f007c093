"""What a circuit answers with: its output, or only which cells of it are the largest.

A statement says every cell of every output. Where those are many (the logits of a thousand classes or of a
vocabulary) and a reader wants the label, the circuit ends in one more operation,

    top_k(y; last axis, k) = the indices of the k largest cells, largest first, equal ones by rising index,

so that a proof shows the choice, and the cells stay what every other activation is.
"""

from __future__ import annotations

import re

from circuits.circuit import Circuit, Node, Port, infer
from circuits.errors import InputError

MANY_CELLS = 1000
"""Outputs of more cells are better not said one by one."""
_TOP_K = re.compile(r"top-k=([0-9]{1,9})", re.ASCII)


def read_answer(text: str) -> int:
    """The number of cells that `argmax` or `top-k=K` asks for.

    Raises
    ------
    InputError
        If the text is neither.
    """
    found = _TOP_K.fullmatch(text)
    if text != "argmax" and (found is None or int(found[1]) < 1):
        raise InputError(f"--return {text}: expected argmax, or top-k=K with K at least 1")
    return 1 if found is None else int(found[1])


def largest_only(circuit: Circuit, k: int) -> Circuit:
    """The circuit that answers with the indices of the k largest cells along its output's last axis.

    Raises
    ------
    InputError
        If it has several outputs, or fewer than two cells or than k along that axis.
    """
    if len(circuit.outputs) != 1:
        names = ", ".join(port.name for port in circuit.outputs)
        raise InputError(
            f"the model has {len(circuit.outputs)} outputs ({names}), and the largest cells are those of "
            "one: cut the model down to the one that counts"
        )
    [port] = circuit.outputs
    shape = circuit.nodes[port.node].shape
    if not shape or shape[-1] < max(2, k):
        raise InputError(
            f"the output {port.name!r} has the shape {list(shape)}: there is no choice of {k} along its last "
            "axis"
        )
    attrs = {"axis": len(shape) - 1, "k": k}
    made, (lo, hi) = infer("top_k", [circuit.operand(port.node)], attrs, None, None)
    node = Node("top_k", (port.node,), attrs, made, lo, hi, port.name)
    chosen = Port(port.name, len(circuit.nodes), 1.0, "int")
    return Circuit((*circuit.nodes, node), circuit.constants, circuit.inputs, (chosen,), circuit.info)


def many_cells(circuit: Circuit) -> list[str]:
    """What to tell the user of a circuit whose outputs are very many."""
    return [
        f"the output {port.name!r} has {size:,} cells, and every proof says them all: --return argmax or "
        "--return top-k=K proves which are the largest instead"
        for port in circuit.outputs
        if (size := circuit.nodes[port.node].size) > MANY_CELLS
    ]
