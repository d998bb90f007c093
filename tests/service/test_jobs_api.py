"""Jobs over HTTP, from submission to a proof that verifies, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from circuits.circuit import Circuit
from circuits.data import input_ports, quantise_inputs
from circuits.executor import execute
from service.api_keys import create_key
from service.application import application
from service.database import Kind, Model, Status
from service.handlers.prove import ProveHandler
from service.leases import Leases
from service.parts import Parts
from service.stages import EXECUTE
from service.worker import Worker
from tests.service.serving import Reply, add_model, ask, compiled, images, opened, served
from tests.service.test_worker import ended
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.srs import SrsStore
from verifier.verify import verify

PATH = "/api/v1/jobs"
NOBODY = "00000000-0000-7000-8000-000000000000"


class Client:
    """A tenant that asks a service."""

    def __init__(self, where: str, parts: Parts, name: str, scopes: tuple[str, ...] = ("jobs",)) -> None:
        self.where, self.tenant = where, parts.tenant(name)
        self.key = create_key(parts.database, self.tenant, name, scopes)

    def __call__(self, method: str, path: str = "", body: Any = None, **headers: str) -> Reply:
        headers = {"Authorization": f"Bearer {self.key}", **headers}
        return ask(self.where, method, PATH + path, body, **headers)

    def submit(self, count: int = 1, **changes: Any) -> dict[str, Any]:
        reply = self("POST", "", {"model": "digits", **data(count), **changes})
        assert reply.status == 202, reply.body
        found: dict[str, Any] = reply.json
        return found


def data(count: int) -> dict[str, Any]:
    """So many images, the way `verinfer run` has them."""
    return {"input_data": [images(count).reshape(count, -1).tolist()]}


@pytest.fixture(scope="module")
def circuit(digits: Path) -> Circuit:
    return compiled(digits)


@pytest.fixture
def parts(url: str, tmp_path: Path) -> Iterator[Parts]:
    """A service with API keys, on either database."""
    with opened(tmp_path, database=url, access="keys", max_body_bytes=1 << 18) as parts:
        yield parts


@pytest.fixture
def where(parts: Parts) -> Iterator[str]:
    with served(application(parts)) as where:
        yield where


@pytest.fixture
def one(where: str, parts: Parts, circuit: Circuit) -> Client:
    """A tenant that has the digits."""
    client = Client(where, parts, "one")
    add_model(parts, client.tenant, circuit)
    return client


def test_a_job_is_submitted_done_and_fetched(
    one: Client, parts: Parts, circuit: Circuit, tmp_path: Path
) -> None:
    submitted = one("POST", "", {"model": "digits", "version": "1", **data(2)}, Idempotency_Key="k")
    job = submitted.json
    assert submitted.status == 202 and submitted.headers["location"] == f"{PATH}/{job['id']}"
    assert (job["status"], job["execution"], job["proof"]) == ("queued",) * 3
    assert (job["kind"], job["tier"], job["model"], job["version"]) == ("prove", "sumcheck", "digits", "1")
    assert job["timings"] == {"waited": None, "taken": None} and job["links"]["proof"] is None
    early = one("GET", f"/{job['id']}/proof")
    assert early.status == 409 and "no proof yet: it is queued" in early.json["detail"]
    assert one("GET", f"/{job['id']}/output").status == one("GET", f"/{job['id']}/result").status == 409
    store = SrsStore(tmp_path / "srs")
    store.generate(10)
    worker = Worker(
        Leases(parts.database), {Kind.PROVE: ProveHandler(parts.database, parts.artifacts, store)}, 0.02
    )
    worker.start()
    try:
        ended(parts.jobs, one.tenant, job["id"])
    finally:
        worker.stop()
    done = one("GET", f"/{job['id']}").json
    assert (done["status"], done["execution"], done["proof"], done["error"]) == ("succeeded",) * 3 + (None,)
    assert list(done["stages"]) == ["execute", "setup", "prove", "verify"] and done["timings"]["taken"] > 0
    proof = Proof.decode(one("GET", f"/{job['id']}/proof").body)
    output = one("GET", f"/{job['id']}/output")
    assert output.headers["content-type"] == "application/json"
    outputs = execute(circuit, quantise_inputs(circuit, [images(2).reshape(2, 1, 1, 8, 8)]))
    assert output.json["output_ints"] == outputs[0].reshape(-1).tolist() == list(proof.outputs)
    result = one("GET", f"/{job['id']}/result").json["result"]
    key = b"".join(parts.artifacts.read(one.tenant, result["verifying_key"]))
    assert verify(proof, VerifyingKey.decode(key)).valid
    assert (result["first_sample"], result["samples"], result["proof_samples"]) == (0, 2, 2)
    assert one("POST", f"/{job['id']}/retry").status == 409
    assert one("POST", f"/{job['id']}/cancel").json["status"] == "succeeded"


def test_the_same_request_many_times_at_once_is_one_job(one: Client) -> None:
    body = {"model": "digits", **data(1)}
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: one("POST", "", body, Idempotency_Key="once"), range(16)))
    assert {reply.status for reply in replies} == {202}
    assert len({reply.json["id"] for reply in replies}) == 1
    other = one("POST", "", {"model": "digits", **data(2)}, Idempotency_Key="once")
    assert other.status == 409 and "another request" in other.json["detail"]
    assert one("POST", "", body, Idempotency_Key="x" * 256).status == 400


def test_integers_are_the_same_as_what_they_stand_for(one: Client, circuit: Circuit, parts: Parts) -> None:
    integers = quantise_inputs(circuit, [images(1).reshape(1, 1, 1, 8, 8)])[0].reshape(-1).tolist()
    jobs = [one.submit(1), one.submit(input_data=None, input_ints=[integers])]
    inputs = [parts.jobs.get(one.tenant, job["id"]).request for job in jobs]
    assert inputs[0] == inputs[1]


@pytest.mark.parametrize(
    ("status", "message", "change"),
    [
        (404, "no model 'nothing'", {"model": "nothing"}),
        (404, "no version '2'", {"version": "2"}),
        (422, "model", {"model": "../digits"}),
        (422, "model", {"model": "a\0b"}),
        (422, "tier", {"tier": "magic"}),
        (422, "extra", {"extra": 1}),
        (422, "alone", {"alone": "no"}),
        (422, "saturate", {"saturate": 1}),
        (400, "the tier 'none' settles nothing", {"tier": "none"}),
        (400, "no key for ezkl", {"tier": "ezkl"}),
        (400, "no chain to post claims to", {"tier": "optimistic"}),
        (400, "input_data", {"input_data": None}),
        (400, "input_data", {"input_ints": [[1]]}),
        (400, "expected [1, 1, 8, 8]", {"input_data": [[1, 2]]}),
        (400, "numbers only", {"input_data": [["1"] * 64]}),
        (400, "outside its bound", {"input_data": [[1e9] * 64]}),
        (400, "over the limit of 256", {"input_data": [[[0] * 64] * 257]}),
        (413, "over 262144 bytes", {"input_data": [[0.123456789] * 30_000]}),
    ],
    ids=range(18),
)
def test_what_does_not_fit_is_refused(one: Client, status: int, message: str, change: dict[str, Any]) -> None:
    reply = one("POST", "", {"model": "digits", **data(1), **change})
    assert reply.status == status and reply.headers["content-type"] == "application/problem+json"
    assert message in reply.json["detail"]
    assert one("GET").json["items"] == []


def test_inputs_are_clamped_if_that_is_wished(one: Client, parts: Parts, circuit: Circuit) -> None:
    port = input_ports(circuit)[0]
    far, ints = {"input_data": [[1e9] * 32 + [-1e9] * 32]}, {"input_ints": [[2**62] * 32 + [-(2**62)] * 32]}
    for given in (far, ints):
        job = one("POST", "", {"model": "digits", **given, "saturate": True}).json["id"]
        kept = parts.artifacts.read(one.tenant, parts.jobs.get(one.tenant, job).request["input"])
        [values] = json.loads(b"".join(kept))["input_ints"]
        assert values == [[port.hi] * 32 + [port.lo] * 32]
        refused = one("POST", "", {"model": "digits", **given, "saturate": False})
        assert refused.status == 400 and "outside its bound" in refused.json["detail"]
    assert one("POST", "", {"model": "digits", **far, "saturate": 7}).status == 422


@pytest.mark.parametrize("body", [b"", b"[", b"[]", b"\xff", b"[" * 100_000, b'{"model": NaN}'], ids=range(6))
def test_bodies_that_are_no_requests(one: Client, body: bytes) -> None:
    assert one("POST", "", body).status == 422


def test_what_does_not_say_that_it_is_json_is_refused(one: Client) -> None:
    """A page of another site can have a browser send it."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        assert one("POST", "", {"model": "digits", **data(1)}, Content_Type=kind).status == 415


def test_lists_are_pages_and_filtered(one: Client, parts: Parts, circuit: Circuit) -> None:
    add_model(parts, one.tenant, circuit, "other")
    made = [one.submit()["id"] for _ in range(5)] + [one.submit(model="other")["id"]]
    assert one("POST", f"/{made[0]}/cancel").json["status"] == "cancelled"
    pages, query = [], "?limit=4"
    while True:
        page = one("GET", query).json
        pages.append([job["id"] for job in page["items"]])
        if page["next"] is None:
            break
        query = f"?limit=4&before={page['next']}"
    assert pages == [made[:1:-1], made[1::-1]]

    def listed(query: str) -> list[str]:
        return [job["id"] for job in one("GET", f"?{query}").json["items"]]

    assert listed("status=cancelled") == made[:1] and listed("status=queued") == made[:0:-1]
    assert listed("model=other") == listed("model=other@one") == made[-1:]
    assert listed("model=other@two") == listed("kind=compile") == listed("status=none") == []
    assert listed("kind=prove&model=digits&status=queued") == made[4:0:-1]
    for wrong in (
        "before=x",
        "limit=0",
        "limit=101",
        "status=x",
        "kind=x",
        "model=%00",
        f"before={NOBODY[:-1]}%00",
    ):
        assert one("GET", f"?{wrong}").status == 422, wrong
    again = one("POST", f"/{made[0]}/retry").json
    assert (again["id"], again["status"]) == (made[0], "queued") and listed("status=cancelled") == []


def test_every_status_sums_up(one: Client, parts: Parts) -> None:
    ids = {name: one.submit()["id"] for name in ("failed", "cancelled", "succeeded", "running", "queued")}
    leases = parts.leases
    held = {}
    for _ in range(4):
        lease = leases.claim("w", list(Kind))
        assert lease is not None
        held[lease.job_id] = lease
    leases.fail(held[ids["failed"]], "no")
    leases.cancel(held[ids["cancelled"]])
    leases.finish_stage(held[ids["succeeded"]], EXECUTE, {})
    leases.succeed(held[ids["succeeded"]], {})
    leases.begin_stage(held[ids["running"]], "execute")
    leases.progress(held[ids["running"]], "half way")
    for name, job in ids.items():
        assert one("GET", f"/{job}").json["status"] == name
        assert [listed["id"] for listed in one("GET", f"?status={name}").json["items"]] == [job]
    running = one("GET", f"/{ids['running']}").json
    assert (running["progress"], running["stage"], running["attempts"]) == ("half way", "execute", 1)
    assert one("GET", f"/{ids['failed']}").json["error"] == "no"
    assert one("GET", f"/{ids['failed']}/result").json["detail"] == "the job failed and has no result"


def test_another_tenants_job_looks_like_none(one: Client, where: str, parts: Parts) -> None:
    two, job = Client(where, parts, "two"), one.submit()["id"]
    for method, path in (
        ("GET", ""), ("GET", "/result"), ("GET", "/output"), ("GET", "/proof"), ("GET", "/events"),
        ("POST", "/cancel"), ("POST", "/retry"),
    ):  # fmt: skip
        foreign, absent = two(method, f"/{job}{path}"), two(method, f"/{NOBODY}{path}")
        assert foreign.status == absent.status == 404, path
        hide = str.replace
        assert hide(foreign.json["detail"], job, "") == hide(absent.json["detail"], NOBODY, "")
        assert one(method, f"/%00{path}").status == one(method, f"/x{path}").status == 422
    assert two("GET").json["items"] == [] and parts.jobs.get(one.tenant, job).execution is Status.QUEUED
    assert two("POST", "", {"model": "digits@one", **data(1)}).status == 404


def test_a_key_needs_the_scope(one: Client, where: str, parts: Parts) -> None:
    narrow = Client(where, parts, "one", ("infer", "models"))
    assert narrow("GET").status == narrow("POST", "", {}).status == 403
    assert ask(where, "GET", PATH).status == 401


def test_a_public_models_jobs_are_called_by_its_owner(one: Client, where: str, parts: Parts) -> None:

    with parts.database.write() as session:
        session.query(Model).update({"public": True})
    two = Client(where, parts, "two")
    job = two.submit(model="digits@one")
    assert job["model"] == "digits@one"
    assert [listed["id"] for listed in two("GET", "?model=digits@one").json["items"]] == [job["id"]]
    assert one("GET").json["items"] == []
    assert json.loads(
        b"".join(parts.artifacts.read(two.tenant, parts.jobs.get(two.tenant, job["id"]).request["input"]))
    )
