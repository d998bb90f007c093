"""Checking proofs of the ezkl backend: Halo2 with KZG, by the ezkl library in a process of its own.

The library is given nothing but what is checked here or bound by the key: the key's `vk` and `settings`, an
SRS made of the key's head, proof bytes of exactly the key's length, and public values that are embedded from
the statement's signed integers, inputs first, after `verifier.verify` has compared each with its bounds. The
library checks that points are on the curve and scalars canonical. It may crash on hostile bytes; then the
proof is invalid.

Sections of a key: `proof_length` (u32, big-endian), `settings` (ezkl's, JSON), `solidity` (the verifier
contract's source), `vk` (ezkl's). Sections of a proof: `proof`.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from threading import Timer
from types import TracebackType
from typing import IO

from circuits.errors import CheckFailed, FormatError, InputError
from verifier.bn254 import G1_GENERATOR, G2_GENERATOR
from verifier.key import VerifyingKey
from verifier.powers_of_tau import encode_g1_points, encode_g2_point
from verifier.proof import Proof
from verifier.recipient import ANYONE
from verifier.srs_head import SrsHead
from verifier.statement import embed, samples_of

KEY_SECTIONS = frozenset({"proof_length", "settings", "solidity", "vk"})
PROOF_SECTIONS = frozenset({"proof"})
SECONDS = 120
"""The longest that one proof may take to check."""
_PROCESS = Path(__file__).with_name("ezkl_process.py")


def verify_proof(proof: Proof, key: VerifyingKey) -> None:
    """Check a proof whose names and public values `verifier.verify` has checked.

    Raises
    ------
    CheckFailed
        If it is invalid.
    FormatError
        If the proof's sections are not those of an ezkl proof of this key.
    InputError
        If the ezkl library cannot be run here.
    """
    with EzklVerifier(key) as verifier:
        verifier.check(proof)


def public_values(proof: Proof) -> list[int]:
    """Return the proof's public values as the field elements that ezkl's verifiers take: inputs, then
    outputs.
    """
    return [embed(value) for value in (*proof.inputs, *proof.outputs)]


class EzklVerifier:
    """The library, loaded with one key, for checking one proof after another."""

    def __init__(self, key: VerifyingKey) -> None:
        """Take a key.

        Raises
        ------
        FormatError
            If its sections are not those of an ezkl key.
        """
        if set(key.sections) != KEY_SECTIONS or len(key.sections["proof_length"]) != 4:
            raise FormatError("this key is invalid: its sections are not those of the ezkl backend")
        self._key = key
        self._length = int.from_bytes(key.sections["proof_length"], "big")
        self._stack = contextlib.ExitStack()
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> EzklVerifier:
        """Write the key's parts where the library can read them."""
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="verinfer-")))
        (self._folder / "settings.json").write_bytes(self._key.sections["settings"])
        (self._folder / "vk").write_bytes(self._key.sections["vk"])
        (self._folder / "head.srs").write_bytes(_srs_of_one_point(self._key.srs))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the library's process and remove the folder."""
        self._end()
        self._stack.close()

    def check(self, proof: Proof) -> None:
        """See `verify_proof`."""
        if set(proof.sections) != PROOF_SECTIONS:
            raise FormatError("this proof is invalid: its sections are not those of the ezkl backend")
        if proof.recipient != ANYONE:
            raise CheckFailed("the proof is invalid: one of ezkl binds no recipient")
        if proof.committed is not None:
            raise CheckFailed("the proof is invalid: one of ezkl says its inputs' values")
        if samples_of(proof.statement, self._key.circuit) != 1:
            raise CheckFailed("the proof is invalid: one of ezkl is about one sample")
        data = proof.sections["proof"]
        if len(data) != self._length:
            raise FormatError(
                f"this proof is invalid: it has {len(data)} bytes, not the {self._length} of its circuit"
            )
        instances = [value.to_bytes(32, "little").hex() for value in public_values(proof)]
        answer = self._ask({"proof": data.hex(), "instances": instances})
        if answer.get("valid") is not True:
            raise CheckFailed(
                f"the proof is invalid: {answer.get('reason', 'the ezkl library did not survive it')}"
            )

    def _ask(self, request: dict[str, object]) -> dict[str, object]:
        """The library's answer; nothing if the request killed it or took too long."""
        process = self._running()
        assert process.stdin and process.stdout
        alarm = Timer(SECONDS, process.kill)
        alarm.start()
        try:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(request) + "\n")
                process.stdin.flush()
            answer = _line(process.stdout)
        finally:
            alarm.cancel()
        if not answer:
            self._end()
        return answer

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(_PROCESS), str(self._folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            assert self._process.stdout
            if _line(self._process.stdout) != {"ready": True}:
                raise InputError("the ezkl library cannot be loaded here: install the package `ezkl`")
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _line(stream: IO[str]) -> dict[str, object]:
    text = stream.readline()
    value = json.loads(text) if text.endswith("\n") else {}
    return value if isinstance(value, dict) else {}


def _srs_of_one_point(head: SrsHead) -> bytes:
    """A halo2 `.srs` file of 2^0 points. A verifier reads no more of an SRS than [1]_1, [1]_2 and [tau]_2."""
    one = encode_g1_points([G1_GENERATOR])
    return bytes(4) + one + one + encode_g2_point(G2_GENERATOR) + encode_g2_point(head.tau_g2)
