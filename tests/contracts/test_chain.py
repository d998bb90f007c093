"""Connections, addresses and signers: each thing that can be wrong has its own clear error."""

import http.server
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from eth_account import Account

from circuits.errors import ChainError, InputError
from contracts.chain import Chain, checked_address
from contracts.deployment import Deployment
from contracts.devchain import Anvil
from contracts.inference import InferenceVerifier
from contracts.registry import Registry, new_salt
from contracts.signer import KeySigner, UnlockedSigner
from tests.contracts.headers import Header, Port

# The first key of anvil's published test mnemonic.
DEVELOPMENT_KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
NOBODY = "0x00000000000000000000000000000000000000aa"


@contextmanager
def http_server(answer: bytes) -> Iterator[str]:
    """A web server that gives every request the same answer."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_no_chain_at_the_url() -> None:
    with http_server(b"") as url:
        pass  # the port is free again
    with pytest.raises(ChainError, match=r"no chain answers at http://127.0.0.1:\d+ \(ConnectionError\)"):
        Chain.connect(url)


@pytest.mark.parametrize("answer", [b"<html>", b"", b"[]", b"{}", b'{"jsonrpc":"2.0","id":0,"result":null}'])
def test_something_else_at_the_url(answer: bytes) -> None:
    with http_server(answer) as url, pytest.raises(ChainError, match=r"127\.0\.0\.1"):
        Chain.connect(url)


@pytest.mark.parametrize("url", ["", "127.0.0.1:8545", "ftp://host", "http://", "file:///etc/passwd"])
def test_no_url(url: str) -> None:
    with pytest.raises(ChainError, match="is not the http or https URL"):
        Chain.connect(url)


def test_messages_keep_the_keys_of_urls_secret() -> None:
    with http_server(b"{}") as url:
        host = url.removeprefix("http://")
        with pytest.raises(ChainError) as caught:
            Chain.connect(f"http://user:password@{host}/v2/api-key?token=secret")
    for secret in ("password", "api-key", "secret"):
        assert secret not in str(caught.value)


def test_wrong_chain(anvil: Anvil, chain: Chain) -> None:
    assert chain.chain_id == 31337
    assert Chain.connect(anvil.url, chain_id=31337).chain_id == 31337
    with pytest.raises(ChainError, match="has id 31337, not 1"):
        Chain.connect(anvil.url, chain_id=1)


def test_address_without_code(chain: Chain) -> None:
    for bind in (Registry, InferenceVerifier):
        with pytest.raises(ChainError, match="that address holds no code on chain 31337"):
            bind(chain, NOBODY)


@pytest.mark.parametrize("address", ["", "0x12", "name.eth", NOBODY[:-1] + "g", NOBODY + "00"])
def test_malformed_address(chain: Chain, address: str) -> None:
    with pytest.raises(ChainError, match="is not an address"):
        Registry(chain, address)


def test_mistyped_checksum() -> None:
    good = checked_address("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed")
    assert good == "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    with pytest.raises(ChainError, match="is not an address"):
        checked_address(good.replace("5aAeb", "5AAeb"))


def test_another_contract_at_the_address(chain: Chain, deployment: Deployment) -> None:
    with pytest.raises(ChainError, match="is no verifier of inferences"):
        InferenceVerifier(chain, deployment.registry.address)
    wrong = Registry(chain, deployment.verifier.address)
    with pytest.raises(ChainError):
        wrong.model(1)


def test_no_signer(anvil: Anvil, deployment: Deployment) -> None:
    registry = Registry(Chain.connect(anvil.url), deployment.registry.address)
    with pytest.raises(ChainError, match="give a signer"):
        registry.commit(bytes(32), new_salt())
    with pytest.raises(ChainError, match="give a signer"):
        Registry.deploy(registry.chain)


def test_key_signer(anvil: Anvil, deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERINFER_PRIVATE_KEY", DEVELOPMENT_KEY)
    chain = Chain.connect(anvil.url, signer=KeySigner.from_environment())
    registry = Registry(chain, deployment.registry.address)
    registration = Header([Port((9,), 0, 1)], [Port((1,), 0, 1)]).registration()
    salt = new_salt()
    registry.commit(registration.circuit_id, salt)
    model = registry.model(registry.register(registration, salt).model_id)
    assert model.owner == Account.from_key(DEVELOPMENT_KEY).address


def test_keystore(tmp_path: Path) -> None:
    path = tmp_path / "keystore.json"
    path.write_text(json.dumps(Account.encrypt(DEVELOPMENT_KEY, "password", iterations=2)))
    assert KeySigner.from_keystore(path, "password").address == Account.from_key(DEVELOPMENT_KEY).address
    with pytest.raises(InputError, match="or the password is wrong"):
        KeySigner.from_keystore(path, "another")
    path.write_text("[]")
    with pytest.raises(InputError, match="is not a key file"):
        KeySigner.from_keystore(path, "password")
    with pytest.raises(InputError, match="cannot be read: No such file"):
        KeySigner.from_keystore(tmp_path / "absent", "password")


@pytest.mark.parametrize("key", ["0x1234", "secret words", "0x" + "00" * 32, "0x" + "ff" * 32])
def test_malformed_keys_are_not_repeated(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERINFER_PRIVATE_KEY", key)
    with pytest.raises(InputError, match="private key") as caught:
        KeySigner.from_environment()
    assert key not in str(caught.value)
    monkeypatch.delenv("VERINFER_PRIVATE_KEY")
    with pytest.raises(InputError, match="set the environment variable VERINFER_PRIVATE_KEY"):
        KeySigner.from_environment()


def test_account_without_funds(anvil: Anvil, deployment: Deployment) -> None:
    chain = Chain.connect(anvil.url, signer=KeySigner(Account.create()))
    with pytest.raises(ChainError, match=r"(?i)insufficient funds"):
        Registry(chain, deployment.registry.address).commit(bytes(32), new_salt())


def test_transaction_that_is_not_mined(anvil: Anvil, deployment: Deployment) -> None:
    sender = UnlockedSigner(anvil.connect().web3.eth.accounts[7])
    chain = Chain.connect(anvil.url, signer=sender, patience=0.2)
    registry = Registry(chain, deployment.registry.address)
    chain.web3.provider.make_request("evm_setAutomine", [False])
    try:
        with pytest.raises(ChainError, match=r"sent but not mined within 0\.2 s"):
            registry.commit(bytes(32), new_salt())
    finally:
        chain.web3.provider.make_request("evm_setAutomine", [True])


def test_anvil_ends_with_its_block() -> None:
    with Anvil() as running:
        chain, process = running.connect(), running._process
        assert process is not None and chain.chain_id == 31337
    assert process.returncode is not None
    with pytest.raises(ChainError, match="no chain answers"):
        chain.code(NOBODY)
    with pytest.raises(ChainError, match="not running"):
        _ = running.url


def test_anvil_that_does_not_start() -> None:
    with (
        pytest.raises(ChainError, match=r"anvil did not start: .*--no-such-option"),
        Anvil("--no-such-option"),
    ):
        pass


def test_anvil_absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("contracts.toolchain.NODE_MODULES", tmp_path)
    monkeypatch.delenv("VERINFER_ANVIL", raising=False)
    with pytest.raises(InputError, match=r"anvil.* is not installed.*npm ci"), Anvil():
        pass
    monkeypatch.setenv("VERINFER_ANVIL", os.fspath(tmp_path / "absent"))
    with pytest.raises(InputError, match=r"VERINFER_ANVIL is .* not a program"), Anvil():
        pass
