"""Pages of other sites cannot drive a service: not by a visitor's browser, nor by a name of their own."""

from __future__ import annotations

import json

import pytest

from tests.service.pages.conftest import House
from tests.service.pages.visiting import Visitor

BODY = json.dumps(
    {"inputs": [{"name": "image", "shape": [1, 1, 8, 8], "datatype": "FP32", "data": [0.0] * 64}]}
)
CHANGING = ("/v2/models/digits/infer", "/api/v1/jobs", "/models/example", "/logout")


def sent(house: House, path: str, **headers: str) -> int:
    """What a POST is answered with; as a page can send it without the browser asking first."""
    given = {"Content-Type": "text/plain", "Accept": "*/*", **headers}
    return Visitor(house.address).send("POST", path, BODY.encode(), given).status


@pytest.mark.parametrize("path", CHANGING)
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "SELF"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
    ],
)
def test_what_a_page_of_others_sends_is_refused(
    local: House, keyed: House, path: str, headers: dict[str, str]
) -> None:
    for house in (local, keyed):
        own = {name: value.replace("SELF", house.url) for name, value in headers.items()}
        assert sent(house, path, **own) == 403


def test_own_pages_and_programs_are_answered(local: House) -> None:
    infer = "/v2/models/digits/infer"
    assert sent(local, infer) == 200
    assert sent(local, infer, Origin=local.url) == 200
    assert sent(local, infer, Origin=local.url, **{"Sec-Fetch-Site": "same-origin"}) == 200
    assert sent(local, infer, **{"Sec-Fetch-Site": "none"}) == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:PORT", "127.0.0.1.evil.example", "localhost.evil.example:PORT",
     "192.168.1.2", "0.0.0.0:PORT", "localhost@evil.example", "", "[::1", "[::ffff:10.0.0.1]:PORT"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/models", "/v2/models/digits", "/openapi.json", "/static/pages.css"])
def test_another_name_for_this_machine_is_refused_with_local_access(
    local: House, host: str, path: str
) -> None:
    host = host.replace("PORT", local.address.partition(":")[2])
    assert Visitor(local.address).get(path, Host=host).status == 403


def test_this_machines_own_names_are_answered(local: House) -> None:
    port = local.address.partition(":")[2]
    for host in (local.address, f"localhost:{port}", f"[::1]:{port}", "127.0.0.2", "LOCALHOST"):
        assert Visitor(local.address).get("/models", Host=host).status == 200


def test_with_keys_a_service_has_whatever_name_it_was_given(keyed: House) -> None:
    assert Visitor(keyed.address).get("/", Host="verinfer.example").status == 200
