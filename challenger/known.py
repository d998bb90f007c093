"""The circuits that a watcher can recompute: a folder of `*.circuit` files, found by a model's circuit id."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

from circuits.circuit import Circuit
from circuits.errors import CheckFailed, InputError
from circuits.file import load
from contracts.chain import ContractRefused
from contracts.registry import Registry

LOADED = 2
"""How many circuits are kept in memory."""


class KnownCircuits:
    """The circuits in a folder. Every file is read once at the start, so that a damaged one shows then.

    Parameters
    ----------
    folder
        With the files. What does not end in `.circuit` is no concern.
    registry
        Where models are registered.
    since
        The block from which on registrations are searched for.

    Raises
    ------
    InputError
        If the folder holds no circuit, a file cannot be used, or a file's circuit is not registered.
    ChainError
        If the endpoint fails.
    """

    def __init__(self, folder: Path, registry: Registry, since: int = 0) -> None:
        self._registry = registry
        self._paths: dict[bytes, Path] = {}
        self._loaded: OrderedDict[bytes, Circuit] = OrderedDict()
        self._circuit_ids: dict[int, bytes | None] = {}
        if not folder.is_dir():
            raise InputError(f"{folder} is no folder: put the circuit files of the models to watch into one")
        for path in sorted(folder.glob("*.circuit")):
            self._paths[load(path).circuit_id] = path
        if not self._paths:
            raise InputError(f"there is no circuit file in {folder}: nothing could be recomputed")
        for circuit_id, path in self._paths.items():
            if not registry.models_of(circuit_id, since):
                raise InputError(
                    f"{path} is of circuit 0x{circuit_id.hex()}, and no model of it is registered at "
                    f"{registry.address}: it is another model's file, or was compiled anew. Remove it"
                )

    def __len__(self) -> int:
        return len(self._paths)

    def of_model(self, model_id: int) -> Circuit | None:
        """The circuit of a registered model; None if there is no file of it.

        Raises
        ------
        CheckFailed
            If the file holds another circuit than it did at the start.
        ChainError
            If the endpoint fails.
        """
        if model_id not in self._circuit_ids:
            try:
                self._circuit_ids[model_id] = self._registry.model(model_id).circuit_id
            except ContractRefused:
                self._circuit_ids[model_id] = None
        circuit_id = self._circuit_ids[model_id]
        if circuit_id is None or circuit_id not in self._paths:
            return None
        circuit = self._loaded.pop(circuit_id, None)
        if circuit is None:
            circuit = load(self._paths[circuit_id])
            if circuit.circuit_id != circuit_id:
                raise CheckFailed(f"{self._paths[circuit_id]} was replaced: it is of another circuit now")
        self._loaded[circuit_id] = circuit
        while len(self._loaded) > LOADED:
            self._loaded.popitem(last=False)
        return circuit
