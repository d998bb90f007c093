import numpy as np
from numpy.typing import NDArray

# A vector is a contiguous uint64 array [n, 4]: elements of BN254's scalar field, x as the little-endian words
# of x * 2^260 mod r. A scalar is 32 little-endian bytes, below r.

def instruction_sets() -> list[str]:
    """The instruction sets of this processor that the kernels are compiled for, fastest first."""

def set_instruction_set(name: str | None) -> None:
    """Let all kernels use one of instruction_sets(); None: the fastest."""

def threads() -> int:
    """How many threads a kernel uses."""

def set_threads(count: int) -> None:
    """Let every kernel use up to `count` threads."""

def from_ints(
    x: NDArray[np.int8] | NDArray[np.int16] | NDArray[np.int32] | NDArray[np.int64],
) -> NDArray[np.uint64]:
    """The vector of signed integers, row-major."""

def from_bytes(data: bytes) -> NDArray[np.uint64]:
    """The vector of elements of 32 little-endian bytes. Raises ValueError if one is not canonical."""

def to_bytes(x: NDArray[np.uint64]) -> bytes:
    """The other way round."""

def add(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """a + b"""

def sub(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """a - b"""

def mul(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Products elementwise."""

def scale(a: NDArray[np.uint64], factor: bytes) -> NDArray[np.uint64]:
    """factor * a"""

def axpy(factor: bytes, x: NDArray[np.uint64], y: NDArray[np.uint64]) -> None:
    """y += factor * x, in place."""

def dot(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> bytes:
    """The inner product, as a scalar."""

def inverse(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The inverses. Raises ValueError if an element is zero."""

def powers(base: bytes, count: int) -> NDArray[np.uint64]:
    """1, base, base^2, ..., `count` of them."""

def eq(point: list[bytes], factor: bytes) -> NDArray[np.uint64]:
    """factor * eq(point, i) for every i; the first coordinate belongs to the most significant bit of i."""

def kron(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """a[i] * b[j] at i * len(b) + j."""

def gather(table: NDArray[np.uint64], rows: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """table[rows]. Raises IndexError for a row beyond the table."""

def contract(
    x: NDArray[np.int8] | NDArray[np.int16] | NDArray[np.int32] | NDArray[np.int64],
    weights: NDArray[np.uint64],
) -> NDArray[np.uint64]:
    """The sum over a of x[o, a, i] * weights[m, a] at [o, m, i], flattened, x being any integers
    [outer, axis, inner]. The cost follows the bytes that hold the integers of a block, not their type."""

def contract_vector(
    x: NDArray[np.uint64], shape: tuple[int, ...], weights: NDArray[np.uint64]
) -> NDArray[np.uint64]:
    """The same for a vector x of the shape [outer, axis, inner]."""

def product_sum(factors: list[NDArray[np.uint64]]) -> bytes:
    """The sum of the product of 2 or 3 vectors, as a scalar."""

def product_round(factors: list[NDArray[np.uint64]]) -> list[bytes]:
    """What a round of the sumcheck for a product of 2 or 3 vectors of 2^n * m elements says of its polynomial
    in the most significant variable: its values at 0 and, of three factors, at -1, and its leading
    coefficient."""

def product_bind(factors: list[NDArray[np.uint64]], r: bytes) -> list[NDArray[np.uint64]]:
    """Bind the most significant variable of 2 or 3 vectors to r, in place. Returns their first halves, which
    hold the result."""

def product_bind_round(
    factors: list[NDArray[np.uint64]], r: bytes
) -> tuple[list[NDArray[np.uint64]], list[bytes]]:
    """product_bind, and product_round of its result, in one pass: (first halves, round)."""

class FractionLayer:
    """The sumcheck that reduces a claim on a level of a FractionTree to the level below."""

    def round(self) -> tuple[bytes, bytes]:
        """t(0) and the coefficient of X^2 of t(X) = sum over x of eq(z_rest, x) * G(x, X), X being the least
        significant variable not yet bound, z_rest the point without its coordinate and those bound before."""

    def bind(self, r: bytes) -> None:
        """Bind that variable to r. The work is done by the next call."""

    def bind_round(self, r: bytes) -> tuple[bytes, bytes]:
        """bind, then round."""

    def finish(self) -> tuple[bytes, bytes, bytes, bytes]:
        """N0, N1, D0, D1 at the point that all variables are bound to."""

class FractionTree:
    """A tree of fractions over leaves n / denominators[rows[i]]."""

    def __init__(
        self,
        rows: NDArray[np.uint32],
        denominators: NDArray[np.uint64],
        numerators: list[tuple[int, NDArray[np.uint64]]],
    ) -> None:
        """The numerator of leaf i is 1, or for each (offset, vector) of `numerators` vector[i - offset]. The
        tree keeps these arrays; they must not change while it is in use."""

    def level(self, level: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """The numerators and the denominators of the ceil(leaves / 2^level) nodes."""

    def layer(self, level: int, z: list[bytes], lam: bytes) -> FractionLayer:
        """Begin the sumcheck of sum over x of eq(z, x) * G(x), G = N0 * D1 + N1 * D0 + lam * D0 * D1,
        Nc(x) = N(2x + c) and Dc alike at `level`; z[0] belongs to the most significant bit of x. Layers are
        meant to be taken from the root down: the levels above this one are dropped, and made again on
        demand."""

class Bases:
    """Points of G1 to commit with, as many as the longest vector has scalars."""

    def __init__(self, raw: bytes) -> None:
        """From points of 64 bytes: x * 2^256 mod q and y * 2^256 mod q, little-endian, as halo2's and
        snarkjs' files have them. Raises ValueError for a point at infinity or off the curve, or that is not
        canonical."""

    def __len__(self) -> int: ...
    def commit(self, scalars: NDArray[np.uint64]) -> bytes:
        """sum_i scalars[i] * point[i], over a prefix of the points if the vector is shorter: 64 bytes, x and
        y big-endian and canonical as in the EVM; zeros for the point at infinity."""

    def commit_all(self, vectors: list[NDArray[np.uint64]]) -> bytes:
        """The commitments to all vectors, back to back, in less time than one after the other."""

    def commit_ints(
        self, chunks: NDArray[np.int8] | NDArray[np.int16] | NDArray[np.int32] | NDArray[np.int64]
    ) -> bytes:
        """The commitments to all rows of an array of signed integers [chunks, n], back to back."""

def fold_pairs(f: NDArray[np.uint64], x: bytes) -> NDArray[np.uint64]:
    """f[2 j] + x * (f[2 j + 1] - f[2 j]) for all j: the least significant variable bound to x."""

def evaluate(f: NDArray[np.uint64], x: bytes) -> bytes:
    """The sum of f[i] * x^i, as a scalar."""

def divide_linear(f: NDArray[np.uint64], a: bytes) -> NDArray[np.uint64]:
    """The quotient of the polynomial with coefficients f by X - a; the remainder is dropped."""

def combine(vectors: list[NDArray[np.uint64]], scalars: list[bytes]) -> NDArray[np.uint64]:
    """The sum of scalars[k] * vectors[k], as long as the longest; the others count as zero behind their
    ends."""
