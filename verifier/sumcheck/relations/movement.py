"""Movement of cells: all of it linear maps, so virtual, but for indices that depend on the input.

gather(x, index)    y[.., q, ..] = sum_j s[q, j] * x[.., j, ..],  with s one-hot along j and
                    sum_j j * s[q, j] = index[q]. Where the index is public, s is known to both sides and
                    nothing is committed.
"""

from __future__ import annotations

from verifier.sumcheck.lowering import Lowering
from verifier.sumcheck.maps import Reshape, Transpose
from verifier.sumcheck.system import Linear, Public, PublicChoice, Virtual


def reshape(lowering: Lowering, i: int) -> int:
    return lowering.reshaped(lowering.value[lowering.node(i).inputs[0]], lowering.result_shape(i))


def transpose(lowering: Lowering, i: int) -> int:
    node = lowering.node(i)
    x = lowering.value[node.inputs[0]]
    return lowering.image(x, Transpose(lowering.system.shape(x), (0, *(p + 1 for p in node.attrs["perm"]))))


def broadcast(lowering: Lowering, i: int) -> int:
    return lowering.broadcast(lowering.value[lowering.node(i).inputs[0]], lowering.result_shape(i))


def slice_(lowering: Lowering, i: int) -> int:
    node = lowering.node(i)
    x = lowering.value[node.inputs[0]]
    for axis, (start, step, size) in enumerate(
        zip(node.attrs["starts"], node.attrs["steps"], node.attrs["sizes"], strict=True), 1
    ):
        x = lowering.selected(x, axis, range(start, start + step * size, step))
    return x


def concat(lowering: Lowering, i: int) -> int:
    node = lowering.node(i)
    axis, shape = node.attrs["axis"] + 1, lowering.result_shape(i)
    parts, start = [], 0
    for x in node.inputs:
        part = lowering.value[x]
        parts.append((1, lowering.selected(part, axis, range(-start, shape[axis] - start))))
        start += lowering.system.shape(part)[axis]
    return lowering.sum(shape, parts)


def pad(lowering: Lowering, i: int) -> int:
    node = lowering.node(i)
    x, value, shape = lowering.value[node.inputs[0]], node.attrs["value"], lowering.result_shape(i)
    # x - value is padded with zeros, and gets the value back
    x = lowering.system.sum([(1, x)], -value)
    for axis, before in enumerate(node.attrs["before"], 1):
        x = lowering.selected(x, axis, range(-before, shape[axis] - before))
    return lowering.system.sum([(1, x)], value)


def gather(lowering: Lowering, i: int) -> int:
    node = lowering.node(i)
    x, index_node = lowering.value[node.inputs[0]], node.inputs[1]
    axis, shape = node.attrs["axis"] + 1, lowering.result_shape(i)
    fixed = lowering.structure.revealed.get(index_node)
    if fixed is not None:
        index = tuple(int(j) for j in fixed.reshape(-1))
        return lowering.reshaped(lowering.selected(x, axis, index), shape)
    source = lowering.system.shape(x)
    size, index_tensor = source[axis], lowering.value[index_node]
    index_shape = lowering.system.shape(index_tensor)
    public = _public_source(lowering, index_tensor)
    if public is not None and size > 1:
        choice = lowering.system.add(PublicChoice((*index_shape, size), public))
    else:
        choice = lowering.one_hot((*index_shape, size), [len(index_shape)], "index_one_hot", index_tensor)
        found = lowering.reshaped(lowering.chosen_index(choice, len(index_shape)), index_shape)
        lowering.require_zero(lowering.system.sum([(1, found), (-1, index_tensor)]))
    # labels: batch 0, axes of the index, the gathered axis, the other axes of x
    own = len(index_shape) - 1
    gathered, first = own + 1, own + 2
    names_x = (0, *(gathered if a == axis else first + a for a in range(1, len(source))))
    names_choice = (0, *range(1, own + 1), gathered)
    names = (0, *names_x[1:axis], *range(1, own + 1), *names_x[axis + 1 :])
    labels = tuple(
        tuple(name if n > 1 else None for name, n in zip(each, s, strict=True))
        for each, s in ((names_choice, (*index_shape, size)), (names_x, source), (names, shape))
    )
    return lowering.product(choice, x, (labels[0], labels[1], labels[2]), shape)


def _public_source(lowering: Lowering, tensor: int) -> int | None:
    """The public tensor whose cells, in order, a tensor has, if there is one."""
    made = lowering.system.tensors[tensor]
    while isinstance(made, Virtual) and len(made.terms) == 1 and made.constant == 0:
        [term] = made.terms
        if not (isinstance(term, Linear) and term.coefficient == 1 and isinstance(term.map, Reshape)):
            return None
        tensor, made = term.source, lowering.system.tensors[term.source]
    return tensor if isinstance(made, Public) else None


RELATIONS = {
    "reshape": reshape,
    "transpose": transpose,
    "broadcast": broadcast,
    "slice": slice_,
    "concat": concat,
    "pad": pad,
    "gather": gather,
}
