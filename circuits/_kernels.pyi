import numpy as np
from numpy.typing import NDArray

def instruction_sets() -> list[str]:
    """The instruction sets that the kernels are compiled for and this processor has, fastest first."""

def hash_leaves(
    leaves: NDArray[np.uint8], *, threads: int = 1, instruction_set: str | None = None
) -> NDArray[np.uint8]:
    """keccak256(0x00 || leaf) of every row of a contiguous uint8 array [n, 128], as uint8 [n, 32]."""

def hash_pairs(
    pairs: NDArray[np.uint8], *, threads: int = 1, instruction_set: str | None = None
) -> NDArray[np.uint8]:
    """keccak256(0x01 || left || right) of every row of a contiguous uint8 array [n, 64], as uint8 [n, 32]."""
