"""The sumcheck backend: setup and proof by the argument of `verifier.sumcheck`.

There is no proving key. A prover needs the circuit, whose weights are what the key commits to, and the SRS.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from circuits.circuit import Circuit
from circuits.errors import FormatError, InputError, UnsupportedError
from circuits.executor import checked
from circuits.tensor import IntArray
from prover.backend import (
    DEFAULT_CHOICES,
    Choices,
    Estimate,
    FindSrs,
    Proven,
    SetUp,
    check_key,
    check_srs,
    key_of,
    sample_by_sample,
)
from prover.collection import uncollected
from prover.cuda.choice import chosen_driver
from prover.memory import forget_peak, peak_rss_bytes, require
from prover.progress import Progress
from prover.sumcheck.argument import prove
from prover.sumcheck.commitments import commit, polynomial_cells
from prover.sumcheck.cost import UNIT, cost_of, estimate
from prover.sumcheck.cuda import CudaDevice
from prover.sumcheck.device import Device
from prover.sumcheck.inputs import commit_inputs
from prover.sumcheck.witness import Witness
from verifier.halo2_srs import read_monomial_points
from verifier.input_commitment import InputCommitment
from verifier.key import VerifyingKey
from verifier.powers_of_tau import MAX_K
from verifier.proof import Proof
from verifier.recipient import ANYONE
from verifier.srs import StoredSrs
from verifier.sumcheck.argument import Instance
from verifier.sumcheck.key import NAME, decode_options, encode_sections
from verifier.sumcheck.plan import Options, Plan, make_plan
from verifier.sumcheck.structure import Structure, structure_of
from verifier.sumcheck.tuning import choose_options
from verifier.sumcheck.verify import context

ONE_SAMPLE = (
    "the key commits to inputs: a proof is then of one sample, not {}. Prove one after another, or set up "
    "without --commit-inputs"
)
MakeDevice = Callable[[bytes, int | None], Device]
"""Makes a device from the raw powers of tau and a number of threads."""


def device_called(name: str) -> MakeDevice:
    """What makes the device that a name stands for (`prover.cuda.choice.chosen_driver`).

    Raises
    ------
    InputError
        If the name stands for nothing, or for a GPU that is not there.
    """
    driver = None if name == "cpu" else chosen_driver(name)
    if driver is None:
        return _processor
    return lambda points, threads: CudaDevice(points, driver)


def _processor(points: bytes, threads: int | None) -> Device:
    from prover import _kernels
    from prover.sumcheck.cpu import CpuDevice

    _kernels.set_threads(threads or os.cpu_count() or 1)
    return CpuDevice(points)


class SumcheckBackend:
    """Proofs whose cost grows with parameters and activations."""

    name = NAME
    unit = UNIT

    def __init__(
        self, threads: int | None = None, device: str = "cpu", make_device: MakeDevice | None = None
    ) -> None:
        """Use so many threads, by default one for each processor, of the processor, or another device."""
        self._threads, self._make_device = threads, make_device or device_called(device)

    def check(self, circuit: Circuit) -> None:
        """See `Backend.check`."""
        _planned(structure_of(circuit))

    def estimate(
        self, circuit: Circuit, choices: Choices = DEFAULT_CHOICES, samples: int = 1
    ) -> Estimate:
        """See `Backend.estimate`."""
        structure = structure_of(circuit)
        plan = _planned(structure, choices)
        if samples != 1 and choices.commit_inputs:
            raise InputError(ONE_SAMPLE.format(samples))
        return estimate(circuit, plan if samples == 1 else make_plan(structure, plan.options, samples))

    def setup(
        self,
        circuit: Circuit,
        find_srs: FindSrs,
        progress: Progress,
        choices: Choices = DEFAULT_CHOICES,
    ) -> SetUp:
        """See `Backend.setup`."""
        began = time.monotonic()
        progress("planning the proof")
        structure = structure_of(circuit)
        options = _planned(structure, choices).options
        if choices.chunk_bits is not None:
            if not 1 <= choices.chunk_bits <= MAX_K:
                raise InputError(f"chunks have between 2^1 and 2^{MAX_K} numbers, not 2^{choices.chunk_bits}")
            options = replace(options, chunk_bits=choices.chunk_bits)
        made = self._make_key(circuit, structure, options, find_srs, progress)
        return replace(made, seconds=time.monotonic() - began)

    def remake(
        self, circuit: Circuit, key: VerifyingKey, find_srs: FindSrs, progress: Progress
    ) -> VerifyingKey:
        """See `Backend.remake`."""
        options = decode_options(key.sections.get("options", b""))
        return self._make_key(circuit, structure_of(circuit), options, find_srs, progress).key

    def _make_key(
        self, circuit: Circuit, structure: Structure, options: Options, find_srs: FindSrs, progress: Progress
    ) -> SetUp:
        began = time.monotonic()
        forget_peak()
        plan = make_plan(structure, options, 1)
        cost = cost_of(circuit, plan)
        require(cost.setup_bytes, "the setup")
        progress("finding the SRS")
        srs = _srs_for(find_srs, options.chunk_bits)
        device = self._device(srs, options)
        progress("committing to the parameters")
        points, _ = commit(device, plan.parameters, options.chunk_bits, _parameters(circuit, plan))
        key = key_of(circuit, NAME, srs, encode_sections(structure, options, points))
        return SetUp(key, 0, cost.cells, time.monotonic() - began, peak_rss_bytes(), cached=False)

    def load(
        self, circuit: Circuit, key: VerifyingKey, find_srs: FindSrs, progress: Progress
    ) -> SumcheckProver:
        """See `Backend.load`."""
        check_key(key, circuit, NAME)
        structure = structure_of(circuit)
        options = decode_options(key.sections.get("options", b""))
        if key.sections.get("structure") != structure.encode():
            raise InputError(
                "the key describes this circuit otherwise than this program does: it was altered, or made by "
                "another version. Run `verinfer setup` again"
            )
        progress("finding the SRS")
        srs = _srs_for(find_srs, options.chunk_bits)
        check_srs(key, srs)
        progress("loading the prover")
        return SumcheckProver(circuit, key, structure, options, self._device(srs, options))

    def commit_inputs(
        self, key: VerifyingKey, inputs: Sequence[IntArray], find_srs: FindSrs, progress: Progress
    ) -> InputCommitment:
        """The commitment to one sample that a statement under a key names, the key being one that commits to
        inputs.

        Raises
        ------
        InputError
            If the key's SRS is not there.
        BoundError
            If the inputs are not within the declared bounds.
        """
        options = decode_options(key.sections.get("options", b""))
        progress("finding the SRS")
        srs = _srs_for(find_srs, options.chunk_bits)
        check_srs(key, srs)
        progress("committing to the input")
        return commit_inputs(self._device(srs, options), key.circuit, options.chunk_bits, inputs)

    def _device(self, srs: StoredSrs, options: Options) -> Device:
        return self._make_device(read_monomial_points(srs.path, options.chunk_bits), self._threads)


class SumcheckProver:
    """A circuit's parameters and the SRS, in memory, for one proof after another."""

    def __init__(
        self, circuit: Circuit, key: VerifyingKey, structure: Structure, options: Options, device: Device
    ) -> None:
        self._circuit, self._key, self._device = circuit, key, device
        self._structure, self._options = structure, options
        self._settle(make_plan(structure, options, 1))
        values = _parameters(circuit, self._plan)
        cells = [polynomial_cells(p, values) for p in self._plan.parameters.polynomials]
        self._parameters = [device.hold(each) for each in cells]

    @uncollected()
    def prove(self, inputs: Sequence[IntArray], progress: Progress, recipient: bytes = ANYONE) -> Proven:
        """See `Prover.prove`."""
        try:
            return self._prove(inputs, progress, recipient)
        except MemoryError as error:
            raise InputError(
                f"this proof ran out of memory ({error}): use a smaller batch, or a device with more"
            ) from error

    def _prove(self, inputs: Sequence[IntArray], progress: Progress, recipient: bytes) -> Proven:
        began = time.monotonic()
        forget_peak()
        inputs = checked(self._circuit, inputs)
        if self._options.commit_inputs and inputs[0].shape[0] != 1:
            raise InputError(ONE_SAMPLE.format(inputs[0].shape[0]))
        plan = self._plan_for(inputs[0].shape[0])
        self._device.require(self._cost)
        progress("running the circuit")
        witness = Witness(self._circuit, plan, inputs, self._device)
        cells, outputs = (
            [array.reshape(-1).tolist() for array in arrays] for arrays in (inputs, witness.outputs)
        )
        committed = None
        if self._options.commit_inputs:
            committed = commit_inputs(self._device, self._key.circuit, self._options.chunk_bits, inputs)
        instance = Instance(context(self._key, recipient), [] if committed else cells, outputs, committed)
        argument = prove(self._device, plan, instance, witness, self._parameters, progress)
        proof = Proof(
            NAME,
            self._circuit.circuit_id,
            self._key.digest,
            self._key.insecure_srs,
            () if committed else sample_by_sample(inputs),
            sample_by_sample(witness.outputs),
            {"argument": argument},
            recipient,
            committed,
        )
        return Proven(proof, time.monotonic() - began, peak_rss_bytes())

    def _plan_for(self, batch: int) -> Plan:
        if batch != self._plan.batch:
            self._settle(make_plan(self._structure, self._options, batch))
        return self._plan

    def _settle(self, plan: Plan) -> None:
        """Prove by this plan from now on; what follows from it is found once for all proofs."""
        self._plan, self._cost = plan, cost_of(self._circuit, plan)


def _planned(structure: Structure, choices: Choices = DEFAULT_CHOICES) -> Plan:
    """The plan of a proof of one input by the best options.

    Raises
    ------
    UnsupportedError
        If the circuit is too large.
    """
    options = choose_options(structure, choices.commit_inputs, choices.target == "evm")
    if options.chunk_bits > MAX_K:
        raise UnsupportedError(
            f"the circuit would take an SRS of 2^{options.chunk_bits} points, and the largest has 2^{MAX_K}: "
            "it is too large to be proved in one piece"
        )
    return make_plan(structure, options, 1)


def _parameters(circuit: Circuit, plan: Plan) -> Callable[[int], IntArray]:
    """The values of the plan's parameters, by tensor."""

    def values(tensor: int) -> IntArray:
        parameter = plan.system.tensors[tensor]
        return circuit.constants[parameter.node][None]  # type: ignore[union-attr]

    return values


def _srs_for(find_srs: FindSrs, chunk_bits: int) -> StoredSrs:
    """An SRS for chunks of a size.

    Raises
    ------
    InputError
        If there is none; it names the largest chunks for which there is one.
    """
    try:
        return _large_enough(find_srs, chunk_bits)
    except FormatError:
        raise
    except InputError as error:
        for smaller in range(chunk_bits - 1, 0, -1):
            try:
                _large_enough(find_srs, smaller)
            except FormatError:
                raise
            except InputError:
                continue
            raise InputError(
                f"{error}. What there is fits chunks of up to 2^{smaller} numbers: a setup with "
                f"--chunk-bits {smaller} would do, at the price of a longer proof"
            ) from None
        raise


def _large_enough(find_srs: FindSrs, k: int) -> StoredSrs:
    srs = find_srs(k)
    if srs.k < k:
        raise InputError(f"the SRS has 2^{srs.k} points, and this circuit needs 2^{k}")
    return srs
