"""The protocol over a real server: Triton's client, which knows nothing of us, and hostile requests."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.utils import InferenceServerException

from circuits.circuit import Circuit
from circuits.data import inputs_of, quantise_inputs, real_outputs
from circuits.executor import execute
from circuits.trace import Trace
from contracts.packing import pack_outputs
from service.api.inference import Inference
from service.api.problems import Busy
from service.api_keys import create_key, key_id_of, revoke_key
from service.application import application
from service.database import Job, Kind, Status
from service.jobs import Jobs
from service.parts import LOCAL_TENANT, Parts
from service.receipt_check import Keyring, Receipt, check_receipt
from service.submitting import Submitter
from tests.budget import examples
from tests.service.serving import add_model, compiled, images, opened, served

MAX_BODY = 1 << 16


class Service:
    """A running service."""

    def __init__(self, where: str, circuit: Circuit, parts: Parts, tenant: str = "") -> None:
        self.where, self.circuit, self.parts = where, circuit, parts
        self.tenant = tenant or parts.tenant(LOCAL_TENANT)
        self.keyring = Keyring([parts.signer.public_key])
        self.client = triton.InferenceServerClient(where, concurrency=8)

    def infer(self, data: np.ndarray[Any, Any], **options: Any) -> triton.InferResult:
        """Ask the digits, with Triton's client."""
        binary = options.pop("binary", True)
        datatype = options.pop("datatype", "FP32")
        tensor = triton.InferInput("image", list(data.shape), datatype)
        tensor.set_data_from_numpy(data, binary_data=binary)
        return self.client.infer("digits", [tensor], **options)

    def jobs(self) -> Sequence[Job]:
        """The tenant's jobs, the newest first."""
        return self.parts.jobs.list(self.tenant)

    def receipt(self, result: triton.InferResult) -> Receipt:
        """The receipt of an answer, checked."""
        return check_receipt(result.get_response()["parameters"]["receipt"], self.keyring)

    def post(
        self, body: bytes, headers: dict[str, str] | None = None, path: str = "/v2/models/digits/infer"
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Send any bytes."""
        connection = http.client.HTTPConnection(self.where, timeout=30)
        try:
            connection.request("POST", path, body, headers or {})
            response = connection.getresponse()
            data = response.read()
            length = response.headers.get("Inference-Header-Content-Length")
            return (
                response.status,
                json.loads(data[: int(length)] if length else data),
                dict(response.headers),
            )
        finally:
            connection.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Iterator[Service]:
    """A service without API keys."""
    circuit = compiled(digits)
    with opened(tmp_path_factory.mktemp("service"), max_body_bytes=MAX_BODY, max_samples=64) as parts:
        add_model(parts, parts.tenant(LOCAL_TENANT), circuit)
        with served(application(parts)) as where:
            yield Service(where, circuit, parts)


def expected(circuit: Circuit, data: np.ndarray[Any, Any]) -> tuple[list[Any], list[Any]]:
    inputs = quantise_inputs(circuit, [data.reshape(-1, 1, 1, 8, 8)])
    return inputs, execute(circuit, inputs)


def test_health_and_metadata(service: Service) -> None:
    client = service.client
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("digits") and client.is_model_ready("digits", "1")
    assert not client.is_model_ready("digits", "2") and not client.is_model_ready("nothing")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    described = client.get_model_metadata("digits")
    assert described["versions"] == ["1"]
    assert described["inputs"] == [{"name": "image", "datatype": "FP32", "shape": [-1, 1, 8, 8]}]
    assert described["outputs"] == [{"name": "logits", "datatype": "FP32", "shape": [-1, 10]}]
    assert described["parameters"]["circuit_id"] == service.circuit.circuit_id.hex()


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("count", [1, 5])
def test_answers_are_the_circuits(service: Service, binary_in: bool, binary_out: bool, count: int) -> None:
    data = images(count)
    wanted = [triton.InferRequestedOutput("logits", binary_data=binary_out)]
    result = service.infer(data, binary=binary_in, outputs=wanted, request_id="mine", model_version="1")
    inputs, outputs = expected(service.circuit, data)
    [reals] = real_outputs(service.circuit, outputs)
    assert result.as_numpy("logits").dtype == np.float32
    np.testing.assert_array_equal(result.as_numpy("logits"), reals.reshape(count, 10).astype(np.float32))
    response = result.get_response()
    assert (response["id"], response["model_name"], response["model_version"]) == ("mine", "digits", "1")
    receipt = service.receipt(result)
    assert (receipt.model, receipt.version, receipt.tier, receipt.job) == ("digits", "1", "none", None)
    assert receipt.circuit_id == service.circuit.circuit_id and len(receipt.samples) == count
    for i, sample in enumerate(receipt.samples):
        trace = Trace.of(service.circuit, [x[i : i + 1] for x in inputs])
        assert sample.input_commitment == trace.input_commitment
        assert sample.output_commitment == keccak(pack_outputs(service.circuit, trace.outputs))


@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64", "UINT8", "INT64"])
@pytest.mark.parametrize("binary", [True, False])
def test_other_datatypes_of_the_same_numbers(service: Service, datatype: str, binary: bool) -> None:
    types = {"FP16": "f2", "FP32": "f4", "FP64": "f8", "UINT8": "u1", "INT64": "i8"}
    data = (images(3) > 0.5).astype(types[datatype])
    if datatype == "FP16" and not binary:
        tensor = {"name": "image", "shape": [3, 1, 8, 8], "datatype": "FP16", "data": data.tolist()}
        status, answer, _ = service.post(json.dumps({"inputs": [tensor]}).encode())
        assert status == 200
        given = check_receipt(answer["parameters"]["receipt"], service.keyring)
    else:
        given = service.receipt(service.infer(data, datatype=datatype, binary=binary))
    assert given.samples == service.receipt(service.infer(data.astype(np.float32))).samples


def test_integers_pass_through(service: Service) -> None:
    data = images(2)
    inputs, outputs = expected(service.circuit, data)
    tensor = {
        "name": "image", "shape": [2, 1, 8, 8], "datatype": "INT32", "parameters": {"integers": True},
        "data": inputs[0].reshape(-1).tolist(),
    }  # fmt: skip
    body = {"inputs": [tensor], "parameters": {"integers_output": True}}
    status, answer, _ = service.post(json.dumps(body).encode())
    assert status == 200
    [output] = answer["outputs"]
    assert (output["datatype"], output["shape"]) == ("INT64", [2, 10])
    assert output["data"] == outputs[0].reshape(-1).tolist()
    floats = service.receipt(service.infer(data))
    assert check_receipt(answer["parameters"]["receipt"], service.keyring).samples == floats.samples


@pytest.mark.parametrize("count", [1, 3])
def test_a_tier_submits_a_job_before_it_answers(service: Service, count: int) -> None:
    data, before = images(count), len(service.jobs())
    for _ in range(2):  # once, however often it is asked
        headers = {"Idempotency-Key": f"once {count}"}
        result = service.infer(data, parameters={"tier": "sumcheck"}, headers=headers)
    parameters, receipt = result.get_response()["parameters"], service.receipt(result)
    [job] = service.jobs()[: len(service.jobs()) - before]
    assert parameters["job"] == receipt.job == job.id and parameters["tier"] == receipt.tier == "sumcheck"
    assert (job.kind, job.tier, job.execution, job.proof) == (
        Kind.PROVE, "sumcheck", Status.QUEUED, Status.QUEUED,
    )  # fmt: skip
    stored = b"".join(service.parts.artifacts.read(service.tenant, job.request["input"]))
    [inputs] = inputs_of(service.circuit, json.loads(stored), "it")
    np.testing.assert_array_equal(inputs, expected(service.circuit, data)[0][0])
    with pytest.raises(InferenceServerException, match="used for another request") as raised:
        service.infer(images(count) * 0, parameters={"tier": "sumcheck"}, headers=headers)
    assert raised.value.status() == "409"


def test_no_job_for_what_is_refused(service: Service) -> None:
    before = len(service.jobs())
    for data, tier, message in (
        (images(1) + 100, "sumcheck", "outside its bound"),
        (images(1), "magic", "'tier' is one of none"),
        (images(1), "ezkl", "no key for ezkl: set it up first"),
        (images(1), "optimistic", "no chain to post claims to"),
    ):
        with pytest.raises(InferenceServerException, match=message):
            service.infer(data, parameters={"tier": tier})
    assert len(service.jobs()) == before


def test_what_does_not_fit_is_refused(service: Service) -> None:
    data = images(1)

    def refused(status: str, message: str, **change: Any) -> None:
        name, shape = change.get("name", "image"), change.get("shape", [1, 1, 8, 8])
        tensor = triton.InferInput(name, shape, change.get("datatype", "FP32"))
        tensor.set_data_from_numpy(
            change.get("data", data).reshape(shape), binary_data=change.get("binary", True)
        )
        outputs = [triton.InferRequestedOutput(change["output"])] if "output" in change else None
        with pytest.raises(InferenceServerException, match=message) as raised:
            service.client.infer(
                change.get("model", "digits"), [tensor], change.get("version", ""), outputs=outputs
            )
        assert raised.value.status() == status

    refused("404", "no model 'nothing'", model="nothing")
    refused("404", "no version '2'", version="2")
    refused("400", "inputs are 'image'", name="picture")
    refused("400", "has shape", shape=[1, 8, 8])
    refused("400", "has shape", shape=[1, 1, 4, 16], binary=False)
    refused("400", "no output 'label'", output="label")
    refused("400", "BYTES", datatype="BYTES", data=np.full((1, 1, 8, 8), b"x", dtype=object))
    refused("400", "over the limit of 64", shape=[65, 1, 8, 8], data=images(65))
    refused("400", "empty", shape=[0, 1, 8, 8], data=data[:0])
    refused("400", "NaN", data=data * np.float32("nan"))
    refused("400", "outside its bound", data=data + 1e30)
    refused("413", "over 65536 bytes", shape=[300, 1, 8, 8], data=images(300))


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (400, b"", {}),
        (400, b"\xff", {}),
        (400, b"[" * 60_000, {}),
        (400, b'{"inputs": [' * 4000, {}),
        (400, b"{}", {"Inference-Header-Content-Length": "3"}),
        (400, b"{}", {"Inference-Header-Content-Length": "-1"}),
        (400, b"{}", {"Inference-Header-Content-Length": "9" * 5000}),
        (400, b'{"inputs": []}', {}),
        (415, b"{}", {"Content-Encoding": "gzip"}),
        (400, b"{}", {"Idempotency-Key": "x" * 256}),
        (413, b" " * (MAX_BODY + 1), {}),
    ],
    ids=range(11),
)
def test_bodies_that_are_no_requests(
    service: Service, status: int, body: bytes, headers: dict[str, str]
) -> None:
    found, answer, _ = service.post(body, headers)
    assert found == status and set(answer) == {"error"} and answer["error"]


def test_request_ids(service: Service) -> None:
    assert service.post(b"{}", {"X-Request-Id": "a.b-c_1"})[2]["x-request-id"] == "a.b-c_1"
    unfit = ("", "a b", "x" * 65, "é")
    made = {service.post(b"{}", {"X-Request-Id": name})[2]["x-request-id"] for name in unfit}
    assert len(made) == len(unfit) and all(re.fullmatch("[0-9a-f]{32}", name) for name in made)


def test_elsewhere_errors_are_problems(service: Service) -> None:
    status, answer, headers = service.post(b"{}", {"X-Request-Id": "mine"}, "/nothing")
    assert status == 404 and headers["content-type"] == "application/problem+json"
    assert answer == {
        "type": "urn:verinfer:problem:not-found", "title": "Not Found", "status": 404, "detail": "Not Found",
        "request_id": "mine",
    }  # fmt: skip
    status, answer, headers = service.post(b"{}", path="/v2/models/digits")
    assert status == 405 and answer == {"error": "Method Not Allowed"} and headers["allow"] == "GET"


@pytest.mark.parametrize(
    "name", ["%00", "..", "%2e%2e%2fdigits", "digits%2f1.circuit", "%ff", "%F0%9F%98%80", "x" * 5000]
)
def test_names_open_no_paths(service: Service, name: str) -> None:
    for path in (f"/v2/models/{name}/infer", f"/v2/models/digits/versions/{name}/infer"):
        status, answer, _ = service.post(b"{}", path=path)
        assert status == 404 and set(answer) == {"error"} and len(answer["error"]) < 300


def test_a_service_that_stops_takes_no_more(service: Service, tmp_path: Path) -> None:
    with opened(tmp_path) as parts:
        inference = Inference(parts.models, parts.signer, Submitter(parts))
        inference.close()
    assert not inference.ready
    with pytest.raises(Busy, match="stopping"):
        asyncio.run(inference.in_thread(lambda: None))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)
NUMBERS = st.lists(st.integers(-3, 3) | st.floats(allow_nan=True) | VALUES, min_size=64, max_size=64)
PARAMETERS = VALUES | st.fixed_dictionaries(
    {},
    optional={
        name: st.booleans() | st.integers(-1, 300) | VALUES
        for name in ("binary_data_size", "integers", "binary_data", "integers_output", "binary_data_output")
    }
    | {"tier": st.sampled_from(["none", "sumcheck"]) | VALUES},
)
INPUT = VALUES | st.fixed_dictionaries(
    {
        "name": st.sampled_from(["image", "other"]) | VALUES,
        "shape": st.sampled_from([[1, 1, 8, 8], [64], [-1, 64], [2**70], [0], [1] * 12]) | VALUES,
        "datatype": st.sampled_from(["FP32", "FP16", "BF16", "INT8", "UINT64", "BOOL", "BYTES"]) | VALUES,
    },
    optional={"parameters": PARAMETERS, "data": NUMBERS | VALUES},
)
BODY = VALUES | st.fixed_dictionaries(
    {"inputs": st.lists(INPUT, min_size=1, max_size=2) | VALUES},
    optional={
        "id": VALUES,
        "parameters": PARAMETERS,
        "outputs": VALUES
        | st.lists(
            st.fixed_dictionaries({"name": st.just("logits") | VALUES}, optional={"parameters": PARAMETERS}),
            max_size=2,
        ),
    },
)


@given(
    st.binary(max_size=300) | BODY.map(lambda value: json.dumps(value).encode()),
    st.none() | st.integers(-1, 400),
    st.binary(max_size=260),
)
def test_no_body_breaks_the_service(service: Service, body: bytes, length: int | None, tail: bytes) -> None:
    headers = {} if length is None else {"Inference-Header-Content-Length": str(length)}
    status, answer, _ = service.post(body, headers)
    assert status in (200, 400)
    assert status == 200 or set(answer) == {"error"}
    headers = {"Inference-Header-Content-Length": str(len(body))}
    assert service.post(body + tail, headers)[0] in (200, 400)


def test_no_numbers_break_the_service(service: Service) -> None:
    @given(st.lists(st.integers(-(2**70), 2**70) | st.floats() | st.booleans(), min_size=64, max_size=64))
    def search(data: list[Any]) -> None:
        for datatype in ("FP16", "FP32", "FP64", "BF16", "INT8", "INT64", "UINT64", "BOOL"):
            for parameters in ({}, {"integers": True}):
                tensor = {"name": "image", "shape": [1, 1, 8, 8], "datatype": datatype, "data": data}
                body = {"inputs": [{**tensor, "parameters": parameters}]}
                assert service.post(json.dumps(body).encode())[0] in (200, 400)

    search()


def test_many_at_a_time_get_their_own_answers(service: Service) -> None:
    batches = [images(1 + i % 4) for i in range(examples(64))]

    def ask(data: np.ndarray[Any, Any]) -> tuple[Any, Any]:
        tensor = {
            "name": "image", "shape": list(data.shape), "datatype": "FP32", "data": data.reshape(-1).tolist()
        }  # fmt: skip
        body = {"inputs": [tensor], "parameters": {"integers_output": True}}
        status, answer, _ = service.post(json.dumps(body).encode())
        assert status == 200
        return answer["outputs"][0]["data"], answer["parameters"]["receipt"]

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, batches))
    for data, (integers, receipt) in zip(batches, answers, strict=True):
        outputs = expected(service.circuit, data)[1]
        assert integers == outputs[0].reshape(-1).tolist()
        commitments = [s.output_commitment for s in check_receipt(receipt, service.keyring).samples]
        assert commitments == [
            keccak(pack_outputs(service.circuit, [outputs[0][i]])) for i in range(len(data))
        ]


def test_keys_open_the_service(service: Service, url: str, tmp_path: Path) -> None:
    with opened(tmp_path, database=url, access="keys") as parts, served(application(parts)) as where:
        tenant = parts.tenant("two")
        add_model(parts, tenant, service.circuit)
        good = create_key(parts.database, tenant, "good", ["infer"])
        narrow = create_key(parts.database, tenant, "narrow", ["jobs"])
        ended = create_key(parts.database, tenant, "ended", ["infer"])
        revoke_key(parts.database, tenant, key_id_of(ended))
        mine = Service(where, service.circuit, parts, tenant)
        assert mine.client.is_server_ready()
        for headers, status in (
            ({}, "401"),
            ({"Authorization": "Bearer nonsense"}, "401"),
            ({"Authorization": f"Basic {good}"}, "401"),
            ({"Authorization": f"Bearer {ended}"}, "401"),
            ({"Authorization": f"Bearer {narrow}"}, "403"),
        ):
            with pytest.raises(InferenceServerException) as raised:
                mine.infer(images(1), headers=headers)
            assert raised.value.status() == status
        known = {"Authorization": f"Bearer {good}"}
        for _ in range(2):
            mine.receipt(mine.infer(images(1), headers=known, parameters={"tier": "sumcheck"}))
        assert [job.tenant_id for job in mine.jobs()] == [tenant] * 2


def test_too_many_are_told_to_come_back(service: Service, tmp_path: Path) -> None:
    """One request is worked on, one waits, and the others get 503; none of those accepted is lost."""
    entered, release = threading.Semaphore(0), threading.Event()

    def wait(*_: object) -> None:
        entered.release()
        assert release.wait(30)

    tensor = {"name": "image", "shape": [1, 64], "datatype": "FP32", "data": [0.0] * 64}
    tensor["shape"] = [1, 1, 8, 8]
    body = json.dumps({"inputs": [tensor], "parameters": {"tier": "sumcheck"}}).encode()
    with (
        opened(tmp_path, threads=1, max_waiting=1) as parts,
        served(application(replace(parts, jobs=Jobs(parts.database, wait)))) as where,
        ThreadPoolExecutor(5) as pool,
    ):
        add_model(parts, parts.tenant(LOCAL_TENANT), service.circuit)
        mine = Service(where, service.circuit, parts)
        try:
            first = pool.submit(mine.post, body)
            assert entered.acquire(timeout=30)
            others = [pool.submit(mine.post, body) for _ in range(4)]
            refused = [future.result(20) for future in islice(as_completed(others, timeout=20), 3)]
        finally:
            release.set()
        assert [status for status, _, _ in refused] == [503] * 3
        assert all(headers["retry-after"] == "1" for _, _, headers in refused)
        assert first.result(20)[0] == 200
        assert sorted(future.result(20)[0] for future in others) == [200, 503, 503, 503]


def test_an_error_of_our_own_is_told_by_its_id_only(service: Service, tmp_path: Path) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the password is hunter2")

    with (
        opened(tmp_path) as parts,
        served(application(replace(parts, jobs=Jobs(parts.database, fail)))) as where,
    ):
        add_model(parts, parts.tenant(LOCAL_TENANT), service.circuit)
        mine = Service(where, service.circuit, parts)
        with pytest.raises(InferenceServerException, match="its log has it as mine") as raised:
            mine.infer(images(1), parameters={"tier": "sumcheck"}, headers={"X-Request-Id": "mine"})
        assert raised.value.status() == "500" and "hunter2" not in str(raised.value)
        mine.infer(images(1))
