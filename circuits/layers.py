"""The operations of a circuit gathered by the ONNX node they come from: a circuit as its author knows it.

Operations of one ONNX node make one layer, unless something of another layer lies between them on a path of
the graph (a loop's body, say, whose name comes again with each turn): layers never depend on each other in a
circle.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from circuits.circuit import Circuit
from circuits.cost import Cost, cost_of


@dataclass
class Layer:
    """Operations of one ONNX node, and the layers they read."""

    label: str
    nodes: list[int] = field(default_factory=list)
    reads: list[int] = field(default_factory=list)
    """Other layers, by their place in the list of layers, each once."""

    def cost(self, circuit: Circuit) -> Cost:
        """What its operations cost together."""
        costs = [cost_of(circuit, circuit.nodes[i]) for i in self.nodes]
        return Cost(sum(c.macs for c in costs), sum(c.witness for c in costs))


def layers(circuit: Circuit) -> list[Layer]:
    """The layers in topological order; constants belong to those who read them and are left out."""
    found: list[Layer] = []
    above: list[int] = []
    """For each layer, the layers that it depends on, as the bits of an integer."""
    of: dict[int, int] = {}
    latest: dict[str, int] = {}
    for i, node in enumerate(circuit.nodes):
        if node.op == "constant":
            continue
        sources = dict.fromkeys(of[x] for x in node.inputs if x in of)
        own = latest.get(node.label) if node.label and node.op != "input" else None
        if own is None or any(k != own and above[k] >> own & 1 for k in sources):
            own = len(found)
            found.append(Layer(node.label))
            above.append(0)
            if node.op != "input":
                latest[node.label] = own
        of[i] = own
        found[own].nodes.append(i)
        new = 0
        for k in sources:
            if k != own:
                new |= above[k] | 1 << k
                if k not in found[own].reads:
                    found[own].reads.append(k)
        if new & ~above[own]:
            for k in range(len(found)):
                if k == own or above[k] >> own & 1:
                    above[k] |= new
    return _sorted(found)


def _sorted(found: list[Layer]) -> list[Layer]:
    """Layers in an order in which each comes after those it reads, as near to the given one as can be."""
    order: list[int] = []
    done: set[int] = set()
    for start in range(len(found)):
        stack = [start]
        while stack:
            k = stack[-1]
            waiting = [x for x in found[k].reads if x not in done]
            if k in done or not waiting:
                stack.pop()
                if k not in done:
                    done.add(k)
                    order.append(k)
            else:
                stack.extend(reversed(waiting))
    place = {k: at for at, k in enumerate(order)}
    return [Layer(found[k].label, found[k].nodes, [place[x] for x in found[k].reads]) for k in order]
