"""Jobs that make models of what tenants send: good ones become versions, hostile ones are refused, and a
worker that is killed in the midst of one leaves one version."""

from __future__ import annotations

import io
import itertools
import re
import time
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from sqlalchemy import select

from circuits.compile import compile_file
from service.database import Job, Kind, Status, Version
from service.descriptions import Descriptions
from service.errors import NotFound
from service.handlers import handlers
from service.handlers.compile import Options
from service.jobs import Order
from service.leases import Leases
from service.parts import Parts
from service.registry import Addition
from service.sandbox.sandbox import Limits
from service.settings import Settings
from service.worker import Worker
from tests.scratch import scratch
from tests.service.compiling_worker import main
from tests.service.conftest import add_tenant
from tests.service.patience import PATIENCE
from tests.service.processes import process
from tests.service.serving import add_model
from verifier.key import VerifyingKey
from verifier.srs import SrsStore


@pytest.fixture(scope="module")
def srs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a reference string that is large enough for the digits."""
    home = tmp_path_factory.mktemp("home")
    SrsStore(home / "srs").generate(13)
    return home


class Scene:
    """A service's parts, and a worker."""

    def __init__(self, folder: Path, url: str, **settings: Any) -> None:
        self.parts = Parts.open(Settings(data=folder / "data", database=url, **settings))
        self.tenant = add_tenant(self.parts.database, "one")
        memory = self.parts.settings.job_memory
        leases = Leases(self.parts.database, timedelta(seconds=10), most_attempts=1, memory=memory)
        self.worker = Worker(leases, handlers(self.parts), poll_seconds=0.02)

    def put(self, data: bytes, tenant: str | None = None) -> str:
        """An artifact of a tenant's."""
        return self.parts.artifacts.put(tenant or self.tenant, io.BytesIO(data), "application/octet-stream")

    def order(self, source: bytes, calibration: bytes | None = None, **changes: Any) -> Order:
        """An order to compile something."""
        request = {
            "model": "m",
            "source": self.put(source),
            "calibration": None if calibration is None else self.put(calibration),
            "options": Options().model_dump(by_alias=True),
            "public": None,
            "card": None,
            "setup": [],
        }
        return Order(Kind.COMPILE, "none", request | changes)

    def compile(self, source: bytes, calibration: bytes | None = None, **changes: Any) -> Job:
        """A job that has ended."""
        job = self.parts.jobs.submit(self.tenant, self.order(source, calibration, **changes))
        until = time.monotonic() + PATIENCE
        while (found := self.parts.jobs.get(self.tenant, job.id)).finished_at is None:
            assert time.monotonic() < until, "the job does not end"
            time.sleep(0.05)
        return found


@pytest.fixture
def scene(tmp_path: Path, url: str, srs: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A scene whose worker runs."""
    monkeypatch.setenv("VERINFER_HOME", str(srs))
    scene = Scene(tmp_path, url, compile_bytes=1 << 30, compile_seconds=60)
    scene.worker.start()
    yield scene
    scene.worker.stop()
    scene.parts.close()


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A scene for many tests."""
    folder = tmp_path_factory.mktemp("scene")
    url = f"sqlite:///{folder / 'service.db'}"
    scene = Scene(folder, url, compile_bytes=1 << 30, compile_seconds=60, max_nodes=250)
    scene.worker.start()
    yield scene
    scene.worker.stop()
    scene.parts.close()


def test_a_model_becomes_a_version(scene: Scene, digits: Path) -> None:
    source, calibration = (digits / "mlp.onnx").read_bytes(), (digits / "calibration.npz").read_bytes()
    card = "---\nlicense: mit\n---\nDigits."
    job = scene.compile(source, calibration, card=card, public=True, setup=["sumcheck", "nothing"])
    assert (job.execution, job.error) == (Status.SUCCEEDED, None)
    assert job.result is not None
    expected = compile_file(digits / "mlp.onnx", digits / "calibration.npz")
    circuit_id = expected.circuit.circuit_id.hex()
    assert job.result["circuit_id"] == circuit_id
    assert job.result["fidelity"] == expected.fidelity.as_dict()
    assert job.result["setup"]["nothing"]["error"].startswith("there is no backend 'nothing'")
    model, version = scene.parts.registry.find(scene.tenant, "m")
    assert (model.public, version.number, version.card) == (True, 1, card)
    assert (version.circuit_id, version.id) == (circuit_id, job.result["version_id"])
    assert version.source is not None and version.calibration is not None
    assert version.summary["parameters"] == expected.circuit.parameters
    assert version.layers is not None and version.drawing is not None
    drawing = b"".join(scene.parts.artifacts.read(scene.tenant, version.drawing))
    assert drawing.startswith(b"<svg")
    key = VerifyingKey.decode(
        b"".join(scene.parts.artifacts.read(scene.tenant, version.keys["sumcheck"].verifying_key))
    )
    assert key.circuit_id.hex() == circuit_id and key.backend == "sumcheck"
    assert scene.parts.models.find(scene.tenant, "m").circuit.circuit_id.hex() == circuit_id
    events = scene.parts.jobs.events(scene.tenant, job.id)
    assert any(event.event == "progress" for event in events)


def test_options_are_those_of_the_command(scene: Scene, digits: Path) -> None:
    source = (digits / "mlp.onnx").read_bytes()
    options = Options.read('{"bits": 8, "return": "top-k=3"}').model_dump(by_alias=True)
    job = scene.compile(source, None, options=options)
    assert job.result is not None, job.error
    _, version = scene.parts.registry.find(scene.tenant, "m")
    assert version.summary["bits"] == 8
    assert version.summary["outputs"][0]["shape"] == [1, 3]
    assert any("no calibration data" in note for note in job.result["notes"])


def test_calibration_of_each_format(scene: Scene, digits: Path) -> None:
    source = (digits / "mlp.onnx").read_bytes()
    with np.load(digits / "calibration.npz") as arrays:
        [array] = (arrays[name] for name in arrays.files)
    as_npy = io.BytesIO()
    np.save(as_npy, array)
    as_json = ('{"input_data": [' + str(array[0].ravel().tolist()) + "]}").encode()
    for data in (as_npy.getvalue(), as_json):
        job = scene.compile(source, data)
        assert job.error is None and job.result is not None
        assert not any("no calibration data" in note for note in job.result["notes"])


def test_a_circuit_is_taken_as_it_is(scene: Scene, digits: Path, tmp_path: Path) -> None:
    circuit = compile_file(digits / "mlp.onnx", digits / "calibration.npz").circuit
    circuit.save(tmp_path / "c.circuit")
    data = (tmp_path / "c.circuit").read_bytes()
    job = scene.compile(data)
    assert job.result is not None and job.result["circuit_id"] == circuit.circuit_id.hex()
    again = scene.compile(data)
    assert again.result is not None and again.result["version_id"] == job.result["version_id"]
    assert len(scene.parts.registry.versions(scene.tenant, "m")) == 1
    altered = scene.compile(data[:-1] + bytes([data[-1] ^ 1]))
    assert altered.error is not None and "altered" in altered.error and "/" not in altered.error
    assert "truncated" in str(scene.compile(data[:-1]).error)


def model_of(*nodes: onnx.NodeProto, initializers: Any = (), given: Any = (1, 4)) -> bytes:
    """x -> y, as bytes; y has the shape that is given."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        list(nodes),
        "g",
        [value("x", TensorProto.FLOAT, (1, 4))],
        [value("y", TensorProto.FLOAT, given)],
        list(initializers),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    data: bytes = model.SerializeToString()
    return data


def external() -> bytes:
    """A model whose weights are said to be in a file of the server's."""
    tensor = TensorProto(
        name="w", data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL, dims=[4, 4]
    )
    tensor.external_data.add(key="location", value="../../../../../../etc/passwd")
    return model_of(helper.make_node("MatMul", ["x", "w"], ["y"]), initializers=[tensor])


def greedy(*shape: int) -> bytes:
    """A model of few bytes with large tensors."""
    numbers = {"shape": np.array(shape)}
    return model_of(
        helper.make_node("ReduceSum", ["x"], ["r"], keepdims=0),
        helper.make_node("Expand", ["r", "shape"], ["e"]),
        helper.make_node("Tanh", ["e"], ["y"]),
        initializers=[numpy_helper.from_array(array, name) for name, array in numbers.items()],
        given=shape,
    )


def looping() -> bytes:
    """A loop that goes round for years."""
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["still"]), helper.make_node("Tanh", ["a"], ["b"])],
        "body",
        [
            value("i", TensorProto.INT64, ()),
            value("on", TensorProto.BOOL, ()),
            value("a", TensorProto.FLOAT, (1, 4)),
        ],
        [value("still", TensorProto.BOOL, ()), value("b", TensorProto.FLOAT, (1, 4))],
    )
    numbers = {"count": np.array(1 << 40), "true": np.array(True)}
    return model_of(
        helper.make_node("Loop", ["count", "true", "x"], ["y"], body=body),
        initializers=[numpy_helper.from_array(array, name) for name, array in numbers.items()],
    )


def deep() -> bytes:
    """Functions that call functions, 300 deep."""
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("own", 1)]
    model = onnx.ModelProto.FromString(model_of(helper.make_node("f300", ["x"], ["y"], domain="own")))
    model.opset_import.append(opsets[1])
    for i in range(1, 301):
        called = ("Relu", "") if i == 1 else (f"f{i - 1}", "own")
        node = helper.make_node(called[0], ["a"], ["b"], domain=called[1])
        model.functions.append(helper.make_function("own", f"f{i}", ["a"], ["b"], [node], opsets))
    data: bytes = model.SerializeToString()
    return data


def long(count: int) -> bytes:
    """A chain of nodes."""
    names = ["x", *(f"t{i}" for i in range(count - 1)), "y"]
    return model_of(*(helper.make_node("Tanh", [a], [b]) for a, b in itertools.pairwise(names)))


SOURCES = {
    "nothing": (b"", "not an ONNX model|has no graph"),
    "noise": (b"\x08\x01noise", "not an ONNX model"),
    "a pickle": (b"\x80\x04\x95\x1f\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix", "not an ONNX model"),
    "external data": (external(), "in another file, which is not read here"),
    "a model of 100 GB": (greedy(100_000, 100_000, 10), "over the limit of 134217728 elements"),
    "a model of 1 GB": (greedy(1000, 1000, 130), "the model needs more than 1,024 MiB of memory"),
    "a looping model": (looping(), "unrolled 1099511627776 times"),
    "a deep model": (deep(), "nested over 64 deep"),
    "a long model": (long(100_001), "over 100000 nodes"),
    "a circuit of many nodes": (long(200), "this service takes 250"),
}


@pytest.mark.parametrize("what", SOURCES)
def test_hostile_models_are_refused(lasting: Scene, what: str) -> None:
    source, why = SOURCES[what]
    began = time.monotonic()
    job = lasting.compile(source)
    assert job.execution is Status.FAILED and job.error is not None
    assert re.search(why, job.error), job.error
    assert all(told not in job.error for told in ("internal error", "/tmp", str(scratch())))
    assert time.monotonic() - began < 60


def bomb() -> bytes:
    """An archive that unpacks to two hundred times its size."""
    data = io.BytesIO()
    with (
        zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("x.npy", "w", force_zip64=True) as file,
    ):
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f4", "fortran_order": False, "shape": (6 << 20, 1, 8, 8)}
        )
        for _ in range(1536):
            file.write(bytes(1 << 20))
    return data.getvalue()


def pickled() -> bytes:
    """An array of objects."""
    data = io.BytesIO()
    np.save(data, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return data.getvalue()


def huge() -> bytes:
    """An array that claims to be larger than any memory."""
    data = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        data, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40, 1, 8, 8)}
    )
    return data.getvalue()


def linked() -> bytes:
    """An archive whose entry is a link to a file of the server's."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        entry = zipfile.ZipInfo("x.npy")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    return data.getvalue()


DATA = {
    "a zip bomb": (bomb, r"memory|unpacks"),
    "a pickle": (pickled, "claims the shape|pickle|object"),
    "a huge shape": (huge, "claims the shape"),
    "a link": (linked, "damaged"),
    "noise": (lambda: b"noise", "damaged|JSON"),
    "a deep JSON": (lambda: b"[" * 100_000, "nested"),
}


@pytest.mark.parametrize("what", DATA)
def test_hostile_calibration_is_refused(lasting: Scene, digits: Path, what: str) -> None:
    make, why = DATA[what]
    job = lasting.compile((digits / "mlp.onnx").read_bytes(), make())
    assert job.execution is Status.FAILED and job.error is not None
    assert re.search(why, job.error), job.error
    assert "internal error" not in job.error and "passwd" not in job.error


def test_a_cancelled_job_ends_with_the_next_heartbeat(lasting: Scene) -> None:
    jobs = lasting.parts.jobs
    job = jobs.submit(lasting.tenant, lasting.order(long(30_000), model="cancelled"))
    until = time.monotonic() + PATIENCE
    while jobs.get(lasting.tenant, job.id).stage is None:
        assert time.monotonic() < until, "the job does not begin"
        time.sleep(0.002)
    jobs.cancel(lasting.tenant, job.id)
    began = time.monotonic()
    while (ended := jobs.get(lasting.tenant, job.id)).finished_at is None:
        assert time.monotonic() < until, "the job does not end"
        time.sleep(0.02)
    assert ended.execution is Status.CANCELLED and time.monotonic() - began < 20
    with pytest.raises(NotFound):
        lasting.parts.registry.find(lasting.tenant, "cancelled")


def test_a_description_that_takes_too_long_is_tried_once(
    lasting: Scene, digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = lasting.parts
    circuit = compile_file(digits / "mlp.onnx", digits / "calibration.npz").circuit
    add_model(parts, lasting.tenant, circuit, "plain")
    found = parts.registry.find(lasting.tenant, "plain")
    hasty = Descriptions(parts, Limits("the model", 1 << 30, 0.02, 1 << 24))
    with pytest.raises(NotFound, match=r"needs more than 0\.02 seconds"):
        hasty.layers(*found)
    monkeypatch.setattr(hasty, "_limits", Limits("the model", 1 << 30, 60, 1 << 24))
    with pytest.raises(NotFound, match=r"needs more than 0\.02 seconds"):
        hasty.drawing(*found)
    patient = Descriptions(parts, Limits("the model", 1 << 30, 60, 1 << 24))
    digest, drawing = patient.drawing(*found)
    assert drawing.startswith(b"<svg")
    assert parts.registry.find(lasting.tenant, "plain")[1].drawing == digest
    layers = patient.layers(*found)["layers"]
    assert sum(layer["macs"] for layer in layers) == found[1].summary["macs"]


STAGES = ("compile", "read", "register", "describe", "setup sumcheck")


def test_keys_that_do_not_fit_into_memory_are_left_out(tmp_path: Path, url: str, digits: Path) -> None:
    """The model is there: who has more memory makes them."""
    scene = Scene(tmp_path, url, job_memory=1 << 20)
    job = scene.parts.jobs.submit(
        scene.tenant, scene.order((digits / "mlp.onnx").read_bytes(), setup=["sumcheck"])
    )
    assert scene.worker.do_next() == "succeeded"
    done = scene.parts.jobs.get(scene.tenant, job.id)
    assert done.result is not None and done.memory is None
    assert "MB of memory" in done.result["setup"]["sumcheck"]["error"]
    scene.parts.close()


def test_a_worker_killed_in_the_midst_leaves_one_version(
    tmp_path: Path, url: str, srs: Path, digits: Path
) -> None:
    """Workers are killed in each stage, and just after one has registered the version."""
    scene = Scene(tmp_path, url)
    order = scene.order((digits / "mlp.onnx").read_bytes(), setup=["sumcheck"])
    job = scene.parts.jobs.submit(scene.tenant, order)
    until = time.monotonic() + PATIENCE
    killed: set[str] = set()
    while scene.parts.jobs.get(scene.tenant, job.id).finished_at is None:
        worker = process(main, str(tmp_path), url, str(srs))
        worker.start()
        while (found := scene.parts.jobs.get(scene.tenant, job.id)).finished_at is None:
            assert time.monotonic() < until, "the job does not end"
            if found.stage is not None and found.lease_owner is not None and found.stage not in killed:
                killed.add(found.stage)
                break
            time.sleep(0.002)
        worker.kill()
        worker.join()
    ended = scene.parts.jobs.get(scene.tenant, job.id)
    assert (ended.execution, ended.error) == (Status.SUCCEEDED, None)
    assert {"compile", "read", "describe"} <= killed <= set(STAGES) and ended.attempts > 3
    with scene.parts.database.read() as session:
        [version] = session.scalars(select(Version)).all()
    assert ended.result is not None and version.id == ended.result["version_id"]
    assert version.number == 1 and version.made_by == job.id
    # What the second attempt at registering would do.
    again = Addition(circuit="0" * 64, circuit_id="0" * 64, made_by=job.id)
    assert scene.parts.registry.add(scene.tenant, "m", again) == (version.id, "1")
    scene.parts.close()
