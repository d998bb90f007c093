"""The fraction tree of the GPU's device against that in plain Python, whole and in pieces."""

from __future__ import annotations

import random

import numpy as np
import pytest

from prover.cuda.driver import Driver
from prover.cuda.kernels import Kernels
from prover.sumcheck.cuda_tree import GENEROUS, CudaTree, Thrift
from tests.prover.sumcheck.python_device import PythonDevice
from verifier.bn254 import SCALAR_FIELD as R

THRIFTS = [
    GENEROUS,
    Thrift(4, 1 << 14, 1),
    Thrift(2, 1 << 11, 0),
    Thrift(2, 1 << 13, 2),
    Thrift(1, 1 << 11, 1),
]


@pytest.mark.parametrize("thrift", THRIFTS, ids=repr)
@pytest.mark.parametrize("leaves", [1, 2, 3, 5, 255, 256, 257, 600, 9000])
def test_all_levels_and_layers(driver: Driver, leaves: int, thrift: Thrift) -> None:
    rng, kernels, plain = random.Random(leaves), Kernels(driver), PythonDevice([])
    denominators = [rng.randrange(1, R) for _ in range(20)]
    rows = np.array([rng.randrange(20) for _ in range(leaves)], dtype=np.uint32)
    numerators = []
    if leaves > 4:
        numerators = [(leaves // 3, [rng.randrange(R) for _ in range(leaves // 3)]), (0, [5])]
    tree = CudaTree(
        kernels,
        driver.upload(rows),
        kernels.elements(denominators),
        [(offset, kernels.elements(vector)) for offset, vector in numerators],
        thrift,
    )
    expected = plain.fraction_tree(
        rows, plain.vector(denominators), [(offset, plain.vector(vector)) for offset, vector in numerators]
    )
    depth = (leaves - 1).bit_length()
    for height in range(depth + 1):
        for made, known in zip(tree.level(height), expected.level(height), strict=True):
            assert kernels.scalars(made) == list(known)
    for height in reversed(range(depth)):
        for more in (0, 1):  # the point may have coordinates that no node needs
            point = [rng.randrange(R) for _ in range(depth - 1 - height + more)]
            mix = rng.randrange(R)
            layer, known = tree.layer(height, point, mix), expected.layer(height, point, mix)
            if point:
                assert layer.round() == known.round()
            for left in reversed(range(len(point))):
                challenge = rng.randrange(R)
                if left:
                    assert layer.bind_round(challenge) == known.bind_round(challenge)
                else:
                    layer.bind(challenge)
                    known.bind(challenge)
            assert layer.finish() == known.finish()
