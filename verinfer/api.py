"""The public Python API: compile a model, run it, prove an answer, check a proof.

    >>> import verinfer
    >>> compiled = verinfer.compile("model.onnx", calibration="samples.npz")
    >>> circuit = compiled.circuit
    >>> key = verinfer.setup(circuit)
    >>> proof = verinfer.prove(circuit, "sample.json", key)
    >>> verinfer.verify(proof, key).valid
    True

The commands of the same names say more on each; errors are subclasses of `verinfer.VerinferError`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from circuits.circuit import Circuit
from circuits.compile import Compiled, Progress, compile_file
from circuits.data import load_inputs, match, quantise_inputs, real_outputs
from circuits.errors import CheckFailed, InputError, VerinferError
from circuits.executor import execute
from circuits.quantise import Options
from circuits.tensor import IntArray
from prover.backend import Choices, Target
from prover.backends import DEFAULT, backend
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.recipient import ANYONE, read_address
from verifier.verify import Verdict, verify
from verinfer.srs_choice import finder

__all__ = [
    "CheckFailed",
    "Circuit",
    "Compiled",
    "InputError",
    "Proof",
    "Verdict",
    "VerifyingKey",
    "VerinferError",
    "compile",
    "prove",
    "run",
    "setup",
    "verify",
]

PathLike = str | os.PathLike[str]
Data = PathLike | ArrayLike | Sequence[ArrayLike] | Mapping[str, ArrayLike]
"""A data file, one array for a model with one input, a list of arrays in order, or arrays by input name."""


def silent(step: str) -> None:
    """Show nothing."""


def compile(
    model: PathLike,
    calibration: PathLike | None = None,
    options: Options | None = None,
    dims: Mapping[str, int] | None = None,
    progress: Progress = silent,
    largest: int | None = None,
) -> Compiled:
    """Compile an ONNX file to a circuit; see `circuits.compile.compile_file`."""
    return compile_file(model, calibration, options, dims, progress, largest)


def run(circuit: Circuit, inputs: Data, saturate: bool = False) -> list[NDArray[Any]]:
    """The circuit's outputs on a batch, exactly, as reals, integers or truth values, each (batch, *shape).

    Raises
    ------
    InputError, BoundError
        If the inputs do not fit the circuit.
    """
    return real_outputs(circuit, execute(circuit, integers(circuit, inputs, saturate)))


def setup(
    circuit: Circuit,
    backend_name: str = DEFAULT,
    srs: Path | None = None,
    progress: Progress = silent,
    chunk_bits: int | None = None,
    threads: int | None = None,
    commit_inputs: bool = False,
    target: Target = "cpu",
    device: str = "auto",
) -> VerifyingKey:
    """Make the verifying key of a circuit; a proving key, if the backend has one, stays in the cache.

    Parameters
    ----------
    chunk_bits
        Commit to chunks of 2^chunk_bits numbers; by default what is best for the target.
    threads
        How many to use; by default one for each processor.
    commit_inputs
        Proofs name a commitment to their input instead of its values.
    target
        Where proofs are to be cheap: "cpu", to be made, or "evm", to be checked by a contract.
    device
        What computes: "cpu", "cuda" or "cuda:N", or "auto", a GPU if there is one that can be used.

    Raises
    ------
    UnsupportedError
        If the backend cannot take the circuit, naming the layer.
    InputError
        If there is no reference string of the size that is needed.
    """
    choices = Choices(target, chunk_bits, commit_inputs)
    return backend(backend_name, threads, device).setup(circuit, finder(srs), progress, choices).key


def prove(
    circuit: Circuit,
    inputs: Data,
    key: VerifyingKey,
    srs: Path | None = None,
    saturate: bool = False,
    progress: Progress = silent,
    threads: int | None = None,
    recipient: str | None = None,
    device: str = "auto",
) -> Proof:
    """Prove what the circuit answers on one or more samples, in one proof.

    With `recipient`, an Ethereum address, the proof holds for that address only; ezkl cannot do that.
    `device` is what computes, as in `setup`; the proof is the same. For one proof after another, load a
    prover once: `prover.backends.backend(key.backend).load(...)`.

    Raises
    ------
    InputError, BoundError
        If the inputs do not fit the circuit, there are more samples than the backend takes, it binds no
        recipient, the key is another circuit's, or the device is not there.
    """
    batch = integers(circuit, inputs, saturate)
    find = finder(srs, key.srs_id)
    address = ANYONE if recipient is None else read_address(recipient)
    prover = backend(key.backend, threads, device).load(circuit, key, find, progress)
    return prover.prove(batch, progress, address).proof


def integers(circuit: Circuit, inputs: Data, saturate: bool = False) -> list[IntArray]:
    """Inputs in any accepted form as the circuit's integers, each (batch, *port's shape)."""
    if isinstance(inputs, str | os.PathLike):
        return load_inputs(circuit, inputs, saturate)
    names = None
    if isinstance(inputs, Mapping):
        names, arrays = list(inputs), [np.asarray(x) for x in inputs.values()]
    elif len(circuit.inputs) == 1:
        arrays = [np.asarray(inputs)]
    else:
        arrays = [np.asarray(x) for x in inputs]  # type: ignore[union-attr]
    ports = [(port.name, circuit.nodes[port.node].shape) for port in circuit.inputs]
    return quantise_inputs(circuit, match(arrays, names, ports, "the input"), saturate)
