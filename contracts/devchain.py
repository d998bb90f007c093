"""A development chain for tests and demonstrations: npm's anvil on a free port of this machine."""

import subprocess
import threading
from types import TracebackType

from circuits.errors import ChainError
from contracts.chain import Chain
from contracts.signer import UnlockedSigner
from contracts.toolchain import foundry_path

STARTUP_SECONDS = 60.0
LISTENING = "Listening on "


class Anvil:
    """Runs a chain of its own for as long as the `with` block lasts. Nothing of it is kept.

    >>> with Anvil() as anvil:
    ...     chain = anvil.connect()

    Parameters
    ----------
    arguments
        Further command-line arguments, as anvil takes them.
    """

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._url: str | None = None

    @property
    def url(self) -> str:
        """The URL of the chain's JSON-RPC endpoint."""
        if self._url is None:
            raise ChainError("the development chain is not running: use it in a `with` block")
        return self._url

    def connect(self, account: int = 0) -> Chain:
        """Connect, with the given one of the chain's ten funded accounts as the signer."""
        chain = Chain.connect(self.url)
        accounts = chain.web3.eth.accounts
        return Chain.connect(self.url, chain_id=chain.chain_id, signer=UnlockedSigner(accounts[account]))

    def __enter__(self) -> "Anvil":
        # Port 0 lets the system choose a free one, which anvil then names in its output.
        command = [foundry_path("anvil"), "--host", "127.0.0.1", "--port", "0", *self._arguments]
        try:
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        except OSError as error:
            raise ChainError(f"anvil could not be started: {error}") from error
        listening = threading.Event()
        output: list[str] = []
        self._reader = threading.Thread(target=self._read, args=(output, listening), daemon=True)
        self._reader.start()
        listening.wait(STARTUP_SECONDS)
        if self._url is None:
            self._stop()
            raise ChainError(f"anvil did not start: {' '.join(''.join(output)[:500].split()) or 'no output'}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _read(self, output: list[str], listening: threading.Event) -> None:
        """Take in all output, lest the pipe fill up; wake the starter at the address, or at the end."""
        assert self._process is not None and self._process.stdout is not None
        with self._process.stdout as stdout:
            for line in stdout:
                if not listening.is_set():
                    output.append(line)
                    if line.startswith(LISTENING):
                        self._url = f"http://{line.removeprefix(LISTENING).strip()}"
                        listening.set()
        listening.set()

    def _stop(self) -> None:
        process, self._process, self._url = self._process, None, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._reader is not None:
            self._reader.join()
