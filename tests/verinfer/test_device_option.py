"""--device: what it names, and what is said where that is not there."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from circuits.errors import InputError
from prover.backends import backend
from prover.cuda import cupy_driver
from prover.cuda.choice import chosen_driver


class NoGpu:
    """CuPy on a machine whose driver finds no GPU."""

    class cuda:  # noqa: N801
        class runtime:  # noqa: N801
            class CUDARuntimeError(RuntimeError):
                pass

            @classmethod
            def getDeviceCount(cls) -> int:  # noqa: N802
                raise cls.CUDARuntimeError("no driver")


@pytest.fixture(params=["no CuPy", "no GPU"])
def nothing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A machine that lacks something."""

    def load(name: str) -> Any:
        if request.param == "no CuPy":
            raise ModuleNotFoundError("No module named 'cupy'")
        return NoGpu

    cupy_driver._cupy.cache_clear()
    monkeypatch.setattr(importlib, "import_module", load)
    monkeypatch.setattr(cupy_driver, "importlib", importlib)
    request.addfinalizer(cupy_driver._cupy.cache_clear)
    return str(request.param)


def test_the_processor_is_taken_where_there_is_no_gpu(nothing: str) -> None:
    assert chosen_driver("auto") is None
    assert chosen_driver("cpu") is None


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:3"])
def test_a_gpu_that_is_not_there_is_an_error(nothing: str, name: str) -> None:
    says = r"verinfer\[cuda\]" if nothing == "no CuPy" else "this machine has no GPU"
    with pytest.raises(InputError, match=says):
        chosen_driver(name)


@pytest.mark.parametrize("name", ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "CUDA", "cuda:1:1"])
def test_a_device_of_another_name_is_an_error(name: str) -> None:
    with pytest.raises(InputError, match="there is no device"):
        chosen_driver(name)


def test_ezkl_has_no_gpu() -> None:
    with pytest.raises(InputError, match="on the cpu only"):
        backend("ezkl", device="cuda")
