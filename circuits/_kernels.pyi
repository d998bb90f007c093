import numpy as np
from numpy.typing import NDArray

def instruction_sets() -> list[str]:
    """The instruction sets of this processor that the kernels are compiled for, fastest first."""

def hash_leaves(
    leaves: NDArray[np.uint8], *, threads: int = 1, instruction_set: str | None = None
) -> NDArray[np.uint8]:
    """keccak256(0x00 || row) of every row of a contiguous uint8 [n, 128], as uint8 [n, 32]."""

def hash_pairs(
    pairs: NDArray[np.uint8], *, threads: int = 1, instruction_set: str | None = None
) -> NDArray[np.uint8]:
    """keccak256(0x01 || row) of every row of a contiguous uint8 [n, 64], as uint8 [n, 32]."""

def hash_rows(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """keccak256(row) of every row of a contiguous uint8 [n, bytes], as uint8 [n, 32]."""
