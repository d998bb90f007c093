"""Webhooks lead to public addresses only, whatever their URLs, names and receivers try."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from circuits.errors import InputError
from service.database import Database, Delivery, Webhook
from service.deliveries import Deliverer
from service.destinations import Destinations, NotAllowed, is_public, system_resolve
from service.webhooks import Webhooks
from tests.service.conftest import add_tenant
from tests.service.destinations import LOCAL
from tests.service.patience import PATIENCE
from tests.service.receiver import Receiver, receiving, status
from tests.service.tables import make_sqlite

PUBLIC = Destinations(http=True)
SECOND = Destinations([ip_network("127.0.0.2/32")], http=True)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """What is tested here is the same with every database."""
    make_sqlite(tmp_path / "service.db")
    opened = Database(str(tmp_path / "service.db"))
    yield opened
    opened.close()


@pytest.fixture
def tenant(database: Database) -> str:
    return add_tenant(database, "one")


@contextmanager
def delivering(database: Database, destinations: Destinations, **options: Any) -> Iterator[None]:
    deliverer = Deliverer(database, destinations, poll_seconds=0.02, **options)
    deliverer.start()
    try:
        yield
    finally:
        deliverer.stop()


class Attempts:
    """A webhook, and what becomes of its test messages."""

    def __init__(self, database: Database, tenant: str, url: str) -> None:
        self._database, self._tenant = database, tenant
        self._webhooks = Webhooks(database, Destinations(LOCAL._networks, http=True))
        self._id = self._webhooks.add(tenant, url).id

    def outcome(self, seconds: float = PATIENCE) -> Delivery:
        """Send one message, and wait until it was tried once."""
        message = self._webhooks.test(self._tenant, self._id)
        until = time.monotonic() + seconds
        while True:
            found = self._webhooks.delivery(self._tenant, self._id, message.id)
            if found.response_status is not None or found.error is not None:
                with self._database.write() as session:
                    session.get_one(Delivery, message.id).next_attempt = None
                return found
            assert time.monotonic() < until, "it was not tried"
            time.sleep(0.01)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254",
        "168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1",
        "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
        "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1",
        "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:8.8.8.8", "64:ff9b::7f00:1",
        "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1", "2001:0:7f00:1::", "2001:db8::1",
        "2002:7f00:1::", "2002:808:808::", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254",
        "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "no address", "", "1.2.3", "127.1",
        "0x7f.0.0.1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    assert not PUBLIC.allows(address)
    with pytest.raises(NotAllowed):
        PUBLIC.make_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 80)))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1"]
)
def test_addresses_that_are_public(address: str) -> None:
    assert PUBLIC.allows(address)


@given(st.ip_addresses())
def test_what_is_public_here_is_so_for_python_too(address: Any) -> None:
    if is_public(address):
        assert address.is_global and not address.is_multicast
        assert getattr(address, "ipv4_mapped", None) is None and getattr(address, "sixtofour", None) is None
        assert getattr(address, "teredo", None) is None


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://example.org/", "begins with"),
        ("file:///etc/passwd", "begins with"),
        ("//example.org/", "begins with"),
        ("example.org", "begins with"),
        ("", "begins with"),
        ("http://", "URL"),
        ("http:///x", "URL"),
        ("http://a b/", "blanks"),
        ("http://example.org/\r\nX: y", "blanks"),
        ("http://example.org/" + "x" * 2048, "2048"),
        ("http://user@example.org/", "no user"),
        ("http://user:pass@example.org/", "no user"),
        ("http://:pass@example.org/", "no user"),
        ("http://example.org@127.0.0.1/", "no user"),
        ("http://example.org/#x", "no fragment"),
        ("http://example.org:0x50/", "no URL"),
        ("http://example.org:70000/", "no URL"),
        ("http://127.0.0.1/", "not public"),
        ("http://[::1]/", "not public"),
        ("http://[::ffff:127.0.0.1]:80/", "not public"),
        ("http://[::ffff:7f00:1]/", "not public"),
        ("http://[fe80::1%25eth0]/", "not public|no URL"),
        ("http://[64:ff9b::a9fe:a9fe]/", "not public"),
        ("http://169.254.169.254/latest/meta-data/", "not public"),
        ("http://１２７.0.0.1/", "not public|no URL|decimal"),
        ("http://127。0。0。1/", "not public|no URL|decimal"),
        ("http://2130706433/", "decimal"),
        ("http://0x7f000001/", "decimal"),
        ("http://0x7f.1/", "decimal"),
        ("http://0177.0.0.1/", "decimal"),
        ("http://127.1/", "decimal"),
        ("http://127.0.0.1./", "not public|decimal"),
        ("http://example.0x7f/", "decimal"),
    ],
    ids=range(33),
)
def test_urls_that_are_refused_at_once(url: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        PUBLIC.check_url(url)


def test_urls_that_may_be() -> None:
    assert str(PUBLIC.check_url("HTTP://Example.ORG:8080/Path?q=1")) == "http://example.org:8080/Path?q=1"
    assert str(PUBLIC.check_url("https://[2606:4700::1111]/")) == "https://[2606:4700::1111]/"
    assert PUBLIC.check_url("https://bücher.example/").raw_host == "xn--bcher-kva.example"
    with pytest.raises(InputError, match="begins with https://"):
        Destinations().check_url("http://example.org/")
    assert str(LOCAL.check_url("http://127.0.0.1:80/")) == "http://127.0.0.1/"


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:{port}/",
        "http://127.0.0.1:{port}/",
        "http://hooks.test:{port}/",
        "http://2130706433:{port}/",
    ],
)
def test_this_machine_is_not_reached(database: Database, tenant: str, url: str) -> None:
    """The URL is in the database already: it was allowed when it was put there, or was put there by hand."""

    def resolve(host: str) -> Sequence[str]:
        return ["127.0.0.1"] if host == "hooks.test" else system_resolve(host)

    with receiving() as receiver, delivering(database, PUBLIC, resolve=resolve):
        attempts = Attempts(database, tenant, "http://hooks.test/")
        with database.write() as session:
            session.get_one(Webhook, attempts._id).url = url.format(port=receiver.port)
        outcome = attempts.outcome()
        assert outcome.response_status is None and outcome.error is not None
        assert "not public" in outcome.error or "decimal" in outcome.error
        assert "127." not in outcome.error
        assert receiver.connections == 0


def test_a_name_that_means_something_else_a_moment_later(database: Database, tenant: str) -> None:
    """127.0.0.2 stands for a public address here, and 127.0.0.1 for a private one, with the same port."""
    answers = [["127.0.0.2"], ["127.0.0.1"], ["127.0.0.2", "127.0.0.1"], ["::ffff:127.0.0.2"], []]
    asked: list[str] = []

    def resolve(host: str) -> Sequence[str]:
        asked.append(host)
        return answers[len(asked) - 1]

    with (
        receiving(host="127.0.0.2") as public,
        receiving(host="127.0.0.1", port=public.port) as private,
        delivering(database, SECOND, resolve=resolve),
    ):
        attempts = Attempts(database, tenant, f"http://hooks.test:{public.port}/")
        outcomes = [attempts.outcome() for _ in answers]
    refused = (None, "the name or address is not public")
    assert [(o.response_status, o.error) for o in outcomes] == [
        (204, None), refused, refused, refused, (None, "its name has no address"),
    ]  # fmt: skip
    assert public.received[0].headers["host"] == f"hooks.test:{public.port}"
    assert asked == ["hooks.test"] * len(answers), "a name is looked up once for each attempt"
    assert (public.connections, private.connections) == (1, 0)


def test_every_address_of_a_name_is_tried(database: Database, tenant: str) -> None:
    addresses = ["127.0.0.3", "127.0.0.2"]
    with receiving(host="127.0.0.2") as receiver, delivering(database, LOCAL, resolve=lambda host: addresses):
        url = f"http://hooks.test:{receiver.port}/"
        assert Attempts(database, tenant, url).outcome().response_status == 204


def test_names_that_are_none(database: Database, tenant: str) -> None:
    with delivering(database, LOCAL):
        for host in ("x" * 300, f"{'x' * 64}.test", "no-such-name.invalid"):
            assert Attempts(database, tenant, f"http://{host}/").outcome().error is not None


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(database: Database, tenant: str, code: int) -> None:
    with receiving() as inside, delivering(database, SECOND):
        with receiving(status(code, f"Location: {inside.url}\r\n"), host="127.0.0.2") as outside:
            outcome = Attempts(database, tenant, outside.url).outcome()
        assert (outcome.response_status, inside.connections) == (code, 0)
        assert outcome.error == f"it answered {code}, and redirects are not followed"


def test_no_proxy_of_the_environment_is_used(
    database: Database, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving() as proxy, receiving() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        with delivering(database, LOCAL):
            assert Attempts(database, tenant, receiver.url).outcome().response_status == 204
        assert (proxy.connections, receiver.connections) == (0, 1)


def drip(connection: Any) -> None:
    """A header that never ends."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    for _ in range(200):
        connection.sendall(b"x")
        time.sleep(0.05)


def informational(connection: Any) -> None:
    """Preliminary answers, again and again."""
    for _ in range(200):
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        time.sleep(0.05)


def endless_line(connection: Any) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    for _ in range(10_000):
        connection.sendall(b"x" * 100_000)


def endless_headers(connection: Any) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in range(10_000_000):
        connection.sendall(b"X-%d: y\r\n" % number * 1000)


def silent(connection: Any) -> None:
    time.sleep(5)


def nonsense(connection: Any) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (drip, "took longer than 1 seconds"),
        (informational, "took longer than 1 seconds"),
        (silent, "took longer than 1 seconds"),
        (endless_line, "no answer in HTTP"),
        (endless_headers, "no answer in HTTP"),
        (nonsense, "no answer in HTTP"),
    ],
)
def test_hostile_receivers(database: Database, tenant: str, answer: Any, why: str) -> None:
    with receiving(answer) as receiver, delivering(database, LOCAL, attempt_seconds=1.0):
        begun = time.monotonic()
        outcome = Attempts(database, tenant, receiver.url).outcome()
        assert time.monotonic() - begun < 30
    assert outcome.response_status is None and outcome.error is not None and why in outcome.error


def test_a_body_is_not_read(database: Database, tenant: str) -> None:
    sent = []

    def endless(connection: Any) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n")
        for _ in range(10_000):
            connection.sendall(b"186a0\r\n" + b"x" * 100_000 + b"\r\n")
            sent.append(100_000)

    with receiving(endless) as receiver, delivering(database, LOCAL):
        assert Attempts(database, tenant, receiver.url).outcome().response_status == 200
        time.sleep(0.3)
    assert sum(sent) < 20_000_000


def test_slow_names_keep_no_other_waiting(database: Database, tenant: str) -> None:
    def resolve(host: str) -> Sequence[str]:
        if host == "slow.test":
            time.sleep(3)
        return ["127.0.0.1"]

    with receiving() as receiver, delivering(database, LOCAL, resolve=resolve, attempt_seconds=0.5):
        slow = Attempts(database, add_tenant(database, "two"), "http://slow.test/")
        assert "took longer" in (slow.outcome().error or "")
        url = f"http://quick.test:{receiver.port}/"
        assert Attempts(database, tenant, url).outcome(2).response_status == 204


def authority(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    """A certificate for a name, signed by itself: a file to trust it by, and what a server shows it with."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(hours=1))
        .not_valid_after(datetime.now(UTC) + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, private)
    return certificate, context


def test_tls_is_for_the_name_and_not_the_address(
    database: Database, tenant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, tls = authority(tmp_path, "hooks.test")
    asked: list[Any] = []
    tls.sni_callback = lambda connection, name, context: asked.append(name)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    def outcomes(receiver: Receiver) -> list[Delivery]:
        with delivering(database, LOCAL, resolve=lambda host: ["127.0.0.1"]):
            return [
                Attempts(database, tenant, f"https://{host}:{receiver.port}/").outcome()
                for host in ("hooks.test", "other.test", "127.0.0.1")
            ]

    with receiving(tls=tls) as receiver:
        found = outcomes(receiver)
    assert [one.response_status for one in found] == [204, None, None]
    assert {one.error for one in found[1:]} == {"its TLS certificate is not valid for it"}
    assert asked[:2] == ["hooks.test", "other.test"]
    assert len(receiver.received) == 1
