"""The backends settle one statement: for the same circuit and inputs the same ids, inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable

from circuits.executor import execute
from prover.progress import silent
from prover.sumcheck.backend import SumcheckBackend
from tests.prover.conftest import Proved
from verifier.srs import StoredSrs
from verifier.statement import samples_of
from verifier.verify import verify


def test_ezkl_and_sumcheck_prove_the_same_statement(proved: Proved, srs: Callable[[int], StoredSrs]) -> None:
    backend = SumcheckBackend()
    key = backend.setup(proved.circuit, srs, silent).key
    proof = backend.load(proved.circuit, key, srs, silent).prove(proved.inputs, silent).proof
    other = proved.proven.proof
    assert verify(proof, key).valid and verify(other, proved.set_up.key).valid
    assert proof.statement == other.statement
    assert samples_of(proof.statement, key.circuit) == 1
    expected = [int(v) for y in execute(proved.circuit, proved.inputs) for v in y.reshape(-1)]
    assert list(proof.outputs) == expected
    # and neither passes for the other
    assert not verify(proof, proved.set_up.key).valid
    assert not verify(other, key).valid
