"""The ezkl backend: setup and proof through the integer ONNX of `export`."""

from __future__ import annotations

import hashlib
import importlib.metadata
import itertools
import json
import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from circuits.circuit import Circuit
from circuits.errors import CheckFailed, InputError
from circuits.executor import execute
from circuits.tensor import IntArray
from prover.backend import (
    DEFAULT_CHOICES,
    Choices,
    Estimate,
    FindSrs,
    LayerCost,
    Proven,
    SetUp,
    check_key,
    check_srs,
    key_of,
    sample_by_sample,
)
from prover.ezkl import export as exporting
from prover.ezkl.export import INNER_COLUMNS, Export, export
from prover.ezkl.process import EzklError, Step, run
from prover.ezkl.settings import INNER_COLUMNS as COLUMN_CHOICES
from prover.ezkl.settings import canonical, choose, run_args
from prover.keys import KeyCache
from prover.progress import Progress
from verifier.bn254 import SCALAR_FIELD
from verifier.ezkl import verify_proof
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.recipient import ANYONE
from verifier.srs import StoredSrs
from verifier.statement import embed

NAME = "ezkl"
_PROVE_SECONDS_PER_ROW = 3e-4
_PROVE_BYTES_PER_ROW = 13_000
_PROOF_LENGTH = re.compile(r"eq\(0x([0-9a-f]+), proof\.length\)")
_MODEL, _SETTINGS, _COMPILED, _PROVING_KEY = "model.onnx", "settings.json", "circuit.compiled", "proving.key"
_KEY = "verifying.key"


@dataclass(frozen=True)
class _Sized:
    """A circuit in ezkl's form: the name and the folder of its entry in the cache, which holds the model and
    settings.
    """

    name: str
    folder: Path
    settings: dict[str, Any]

    @property
    def logrows(self) -> int:
        """The base-2 logarithm of the rows, and of the SRS."""
        return int(self.settings["run_args"]["logrows"])

    def keys_name(self, srs: StoredSrs) -> str:
        """The name of the entry that holds the keys for an SRS."""
        return _name(self.name.encode(), srs.id, bytes([srs.insecure]))


class EzklBackend:
    """Proofs of constant size for small models."""

    name = NAME
    unit = "rows"

    def __init__(
        self, cache: KeyCache | None = None, threads: int | None = None, device: str = "cpu"
    ) -> None:
        """Keep proving keys in `cache`, by default this user's, and use so many threads, by default all.

        Raises
        ------
        InputError
            If it shall compute on anything but the processor.
        """
        if device not in ("cpu", "auto"):
            raise InputError(f"the {NAME} backend has no device {device!r}: it computes on the cpu only")
        self.cache = cache or KeyCache(NAME)
        self.threads = threads

    def check(self, circuit: Circuit) -> None:
        """See `Backend.check`."""
        exporting.check(circuit)

    def estimate(
        self, circuit: Circuit, choices: Choices = DEFAULT_CHOICES, samples: int = 1
    ) -> Estimate:
        """See `Backend.estimate`."""
        _check_batch(samples)
        made = export(circuit)
        layers = tuple(
            LayerCost(i, node.label, node.op, -(-cells // INNER_COLUMNS))
            for i, (node, cells) in enumerate(zip(circuit.nodes, made.cells, strict=True))
            if cells
        )
        rows = -(-sum(made.cells) // INNER_COLUMNS)
        points = 1 << made.logrows
        return Estimate(
            NAME,
            self.unit,
            rows,
            made.logrows,
            _PROVE_SECONDS_PER_ROW * points,
            _PROVE_BYTES_PER_ROW * points,
            None,
            layers,
        )

    def setup(
        self,
        circuit: Circuit,
        find_srs: FindSrs,
        progress: Progress,
        choices: Choices = DEFAULT_CHOICES,
    ) -> SetUp:
        """See `Backend.setup`."""
        if choices.commit_inputs:
            raise InputError(f"the {NAME} backend takes inputs as values: leave --commit-inputs out")
        if choices.chunk_bits is not None:
            raise InputError(f"the {NAME} backend has no chunks: leave --chunk-bits out")
        began = time.monotonic()
        sized = self._size(circuit, progress)
        progress("finding the SRS")
        srs = find_srs(sized.logrows)
        if srs.k < sized.logrows:
            raise InputError(
                f"the SRS has 2^{srs.k} points, and this circuit needs 2^{sized.logrows}: use a larger one"
            )
        name = sized.keys_name(srs)
        entry = self.cache.find(name)
        cached, peak = entry is not None, 0
        if entry is None:
            with self.cache.make(name) as folder:
                peak = _make_keys(circuit, sized, srs, folder, progress, self.threads)
            entry = self._stored(name)
        key = VerifyingKey.load(entry / _KEY)
        size = (entry / _PROVING_KEY).stat().st_size
        return SetUp(key, size, sized.settings["num_rows"], time.monotonic() - began, peak, cached)

    def remake(
        self, circuit: Circuit, key: VerifyingKey, find_srs: FindSrs, progress: Progress
    ) -> VerifyingKey:
        """See `Backend.remake`."""
        with tempfile.TemporaryDirectory(prefix="verinfer-check-") as scratch:
            anew = EzklBackend(KeyCache(NAME, Path(scratch)), self.threads)
            return anew.setup(circuit, find_srs, progress).key

    def load(self, circuit: Circuit, key: VerifyingKey, find_srs: FindSrs, progress: Progress) -> EzklProver:
        """See `Backend.load`."""
        check_key(key, circuit, NAME)
        sized = self._size(circuit, progress)
        srs = find_srs(sized.logrows)
        check_srs(key, srs)
        entry = self.cache.find(sized.keys_name(srs))
        if entry is None or VerifyingKey.load(entry / _KEY).digest != key.digest:
            raise InputError(
                f"the proving key for this verifying key is not in {self.cache.folder}: "
                "run `verinfer setup` on this machine"
            )
        return EzklProver(circuit, key, srs, entry, self.threads)

    def _size(self, circuit: Circuit, progress: Progress) -> _Sized:
        """Export the circuit and let ezkl count its rows, unless it has done so before."""
        name = _name(circuit.circuit_id, _way_of_making(), importlib.metadata.version("ezkl").encode())
        entry = self.cache.find(name)
        if entry is None:
            progress("writing the integer ONNX")
            made = export(circuit)
            with self.cache.make(name) as folder:
                (folder / _MODEL).write_bytes(made.model)
                (folder / _SETTINGS).write_bytes(_settled(made, folder, progress))
            entry = self._stored(name)
        return _Sized(name, entry, json.loads((entry / _SETTINGS).read_text()))

    def _stored(self, name: str) -> Path:
        entry = self.cache.find(name)
        if entry is None:
            raise InputError(
                f"the key cache {self.cache.folder} lost what was just written to it: is its disk full?"
            )
        return entry


class EzklProver:
    """The keys of one circuit, in the cache; ezkl loads them for each proof anew."""

    def __init__(
        self, circuit: Circuit, key: VerifyingKey, srs: StoredSrs, entry: Path, threads: int | None
    ) -> None:
        self._circuit, self._key, self._srs, self._entry = circuit, key, srs, entry
        self._threads = threads

    def prove(self, inputs: Sequence[IntArray], progress: Progress, recipient: bytes = ANYONE) -> Proven:
        """See `Prover.prove`."""
        if recipient != ANYONE:
            raise InputError(
                f"a proof by {NAME} holds for anyone and can bind no recipient: leave it out, or use "
                "--backend sumcheck"
            )
        progress("running the circuit")
        outputs = execute(self._circuit, inputs)
        _check_batch(inputs[0].shape[0])
        given, expected = sample_by_sample(inputs), sample_by_sample(outputs)
        with tempfile.TemporaryDirectory(prefix="verinfer-") as folder:
            steps = _proving_steps(self._entry, Path(folder), self._circuit, given, self._srs)
            made = run(steps, progress, self._threads)
            proved = made.results[-1]
        instances = [embed(x) for x in (*given, *expected)]
        claimed = [_scalar(x) for column in proved["instances"] for x in column]
        if claimed != instances:
            wrong = sum(a != b for a, b in itertools.zip_longest(claimed, instances))
            raise CheckFailed(
                f"ezkl proved other values than the executor computes ({wrong} of {len(instances)} differ): "
                "this is a bug in the exporter or in ezkl, please report it with the circuit"
            )
        proof = Proof(
            NAME,
            self._circuit.circuit_id,
            self._key.digest,
            self._key.insecure_srs,
            given,
            expected,
            {"proof": bytes.fromhex(proved["proof"])},
        )
        progress("checking the proof")
        verify_proof(proof, self._key)
        return Proven(proof, made.seconds, made.peak_rss_bytes)


def _name(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


@cache
def _way_of_making() -> bytes:
    """A digest of this package's code, so that no key that other code made is taken from the cache."""
    return _name(*(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))).encode()


def _settled(made: Export, folder: Path, progress: Progress) -> bytes:
    """Let ezkl count rows for each choice of columns; the settings of the best, in their one spelling."""
    model, output = str(folder / _MODEL), str(folder / _SETTINGS)
    steps: list[Step] = [
        (
            "counting rows",
            "settings",
            {"model": model, "output": output, "run_args": run_args(made, made.logrows, n)},
        )
        for n in COLUMN_CHOICES
    ]
    found = dict(zip(COLUMN_CHOICES, run(steps, progress).results, strict=True))
    columns, logrows = choose(found, made)
    return canonical({**found[columns], "run_args": {**found[columns]["run_args"], "logrows": logrows}})


def _make_keys(
    circuit: Circuit, sized: _Sized, srs: StoredSrs, folder: Path, progress: Progress, threads: int | None
) -> int:
    """Fill a folder with the compiled circuit and both keys; the most memory it took, in bytes."""
    settings, compiled = str(sized.folder / _SETTINGS), str(folder / _COMPILED)
    vk, pk, source = str(folder / "vk"), str(folder / _PROVING_KEY), str(folder / "verifier.sol")
    steps: list[Step] = [
        (
            "compiling the circuit",
            "compile",
            {"model": str(sized.folder / _MODEL), "compiled": compiled, "settings": settings},
        ),
        ("making the keys", "keys", {"compiled": compiled, "vk": vk, "pk": pk, "srs": str(srs.path)}),
        (
            "writing the verifier contract",
            "solidity",
            {"vk": vk, "settings": settings, "srs": str(srs.path), "source": source},
        ),
    ]
    made = run(steps, progress, threads)
    _key(circuit, srs, Path(vk), Path(settings), Path(source)).save(folder / _KEY)
    for left in (vk, source, source + ".abi"):
        Path(left).unlink(missing_ok=True)
    return made.peak_rss_bytes


def _key(circuit: Circuit, srs: StoredSrs, vk: Path, settings: Path, source: Path) -> VerifyingKey:
    solidity = source.read_bytes()
    length = _PROOF_LENGTH.search(solidity.decode())
    if length is None:
        raise EzklError("the Solidity source that ezkl wrote does not state the length of a proof")
    return key_of(
        circuit,
        NAME,
        srs,
        {
            "proof_length": int(length[1], 16).to_bytes(4, "big"),
            "settings": settings.read_bytes(),
            "solidity": solidity,
            "vk": vk.read_bytes(),
        },
    )


def _proving_steps(
    entry: Path, folder: Path, circuit: Circuit, given: tuple[int, ...], srs: StoredSrs
) -> list[Step]:
    sizes = [circuit.nodes[port.node].size for port in circuit.inputs]
    values = [embed(x).to_bytes(32, "little").hex() for x in given]
    starts = np.cumsum([0, *sizes])
    data = folder / "input.json"
    data.write_text(json.dumps({"input_data": [values[a:b] for a, b in itertools.pairwise(starts)]}))
    compiled, witness = str(entry / _COMPILED), str(folder / "witness.json")
    return [
        ("computing the witness", "witness", {"data": str(data), "compiled": compiled, "output": witness}),
        (
            "proving",
            "prove",
            {
                "witness": witness,
                "compiled": compiled,
                "pk": str(entry / _PROVING_KEY),
                "srs": str(srs.path),
                "output": str(folder / "proof.json"),
            },
        ),
    ]


def _scalar(text: str) -> int:
    value = int.from_bytes(bytes.fromhex(text), "little")
    if value >= SCALAR_FIELD:
        raise EzklError("ezkl wrote a public value that is no element of the field")
    return value


def _check_batch(samples: int) -> None:
    """Raise InputError unless there is one sample."""
    if samples != 1:
        raise InputError(
            f"{samples} samples were given, and a proof by {NAME} is about one: "
            "prove them one by one, or use --backend sumcheck"
        )
