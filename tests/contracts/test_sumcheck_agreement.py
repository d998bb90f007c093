"""The contract and the verifier in Python say the same of altered proofs, statements, keys and programs.

Where an alteration is one that the verifier in Python has words for, their verdicts are compared; where it
has none (an account, an encoding), the contract has to refuse. Whatever is altered in a proof is refused by
both, and an altered statement unless it is true as well.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from unittest.mock import patch

import numpy as np
import pytest
from eth_abi.abi import encode

from circuits.errors import VerinferError
from circuits.executor import execute
from contracts.chain import Chain
from contracts.devchain import Anvil
from tests.budget import examples
from tests.contracts.sumcheck_calls import GAS, Call, Outcome, Tier
from tests.contracts.sumcheck_cases import Case, long_case, small_case
from tests.contracts.sumcheck_machine import PART_BYTES, Committed, ProgramError, Rejected, run
from tests.prover.sumcheck.trials import equal_in_g1, from_words, holds, known_tau, words
from verifier.bn254 import BASE_FIELD, G2_BYTES, SCALAR_FIELD, negate_g1, on_g1
from verifier.input_commitment import InputCommitment
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.sumcheck.key import decode_key
from verifier.sumcheck.program import compile_program
from verifier.sumcheck.program.encoding import parts_of
from verifier.sumcheck.verify import context, instance
from verifier.verify import verify

WORD = 1 << 256
INT256 = 1 << 255
TAU = 2 * 32
"""Where [tau]_2 is in a program of one part."""
EACH = 25
"""Alterations of one case."""


@dataclass(frozen=True)
class Attempt:
    """Something altered.

    Attributes
    ----------
    call
        What the contract is asked.
    verdict
        What it must say: what the verifier in Python says, or that it refuses.
    may_hold
        Whether this may be accepted at all, for example as another true statement.
    """

    call: Call
    verdict: Callable[[], bool]
    may_hold: bool = False


Alteration = Callable[[random.Random, Case], Attempt | None]
"""Makes an attempt, or None where the case has nothing to alter so."""


def refused() -> bool:
    """The verdict on what the verifier in Python has no words for."""
    return False


def accepted(proof: Proof, key: VerifyingKey) -> bool:
    """The verdict of the verifier in Python."""
    with known_tau():
        return verify(proof, key).valid


# The argument


def with_argument(case: Case, argument: bytes) -> Attempt:
    proof = replace(case.proof, sections={"argument": argument})
    return Attempt(replace(case.honest, argument=argument), lambda: accepted(proof, case.key))


def alter_a_word(rng: random.Random, case: Case) -> Attempt:
    said, other = (words(proof.sections["argument"]) for proof in (case.proof, case.other))
    at, of = rng.randrange(len(said)), rng.randrange(len(said))
    old = said[at]
    choices = [
        old ^ 1 << rng.randrange(256), old + 1, old - 1, (old + 1) % SCALAR_FIELD, -old % SCALAR_FIELD,
        old + SCALAR_FIELD, old + BASE_FIELD, old + 2 * SCALAR_FIELD, 0, 1, SCALAR_FIELD, WORD - 1,
        rng.randrange(SCALAR_FIELD), said[of], other[at],
    ]  # fmt: skip
    said[at] = rng.choice(choices) % WORD
    return with_argument(case, from_words(said))


def exchange_words(rng: random.Random, case: Case) -> Attempt:
    said = words(case.proof.sections["argument"])
    i, j = rng.randrange(len(said)), rng.randrange(len(said))
    said[i], said[j] = said[j], said[i]
    return with_argument(case, from_words(said))


def shift_two_words(rng: random.Random, case: Case) -> Attempt:
    """One more and one less by as much: what a careless sum would not notice."""
    said = words(case.proof.sections["argument"])
    i, j = rng.randrange(len(said)), rng.randrange(len(said))
    by = rng.choice([1, rng.randrange(SCALAR_FIELD)])
    said[i], said[j] = (said[i] + by) % SCALAR_FIELD, (said[j] - by) % SCALAR_FIELD
    return with_argument(case, from_words(said))


def splice(rng: random.Random, case: Case) -> Attempt:
    """A stretch of another honest proof of the same circuit."""
    said, other = (words(proof.sections["argument"]) for proof in (case.proof, case.other))
    i, j = sorted(rng.randrange(len(said) + 1) for _ in range(2))
    return with_argument(case, from_words(said[:i] + other[i:j] + said[j:]))


def alter_a_point(rng: random.Random, case: Case) -> Attempt | None:
    said = words(case.proof.sections["argument"])
    places = points_in(said)
    if not places:
        return None
    at, of = rng.choice(places), rng.choice(places)
    x, y = said[at : at + 2]
    negated = negate_g1((x, y))
    choices = [
        (x, (y + 1) % BASE_FIELD), (0, 0), (x, 0), (0, y), (x + BASE_FIELD, y), (x, y + BASE_FIELD),
        (BASE_FIELD, BASE_FIELD), (BASE_FIELD, 0), negated, tuple(said[of : of + 2]), (1, 2), (y, x),
    ]  # fmt: skip
    said[at : at + 2] = rng.choice(choices)
    return with_argument(case, from_words(said))


def exchange_points(rng: random.Random, case: Case) -> Attempt | None:
    said = words(case.proof.sections["argument"])
    places = points_in(said)
    if not places:
        return None
    i, j = rng.choice(places), rng.choice(places)
    said[i : i + 2], said[j : j + 2] = said[j : j + 2], said[i : i + 2]
    return with_argument(case, from_words(said))


def points_in(said: Sequence[int]) -> list[int]:
    """Where points of the curve stand; some of infinity may be two scalars. By chance no others are one."""
    return [i for i in range(len(said) - 1) if on_g1((said[i], said[i + 1])) or not any(said[i : i + 2])]


def change_the_length(rng: random.Random, case: Case) -> Attempt:
    said = case.proof.sections["argument"]
    n = rng.choice([1, 31, 32, 33, 64, len(said) // 2, len(said)])
    added = rng.choice([bytes(n), rng.randbytes(n), said[:n]])
    at = rng.randrange(len(said) + 1)
    choices = [said[:-n], said[n:], said[:at] + said[at + n :], said + added, added + said]
    return with_argument(case, rng.choice([*choices, said[:at] + added + said[at:]]))


# The statement


def with_values(case: Case, inputs: Sequence[int], outputs: Sequence[int]) -> Attempt | None:
    proof = replace(case.proof, inputs=tuple(inputs), outputs=tuple(outputs))
    try:
        call = case.call(proof)
    except OverflowError:
        return None  # the packed input has no room for it
    return Attempt(call, lambda: accepted(proof, case.key), is_true(case, proof))


def is_true(case: Case, proof: Proof) -> bool:
    """Whether the circuit has these outputs. Of committed inputs they are the only ones."""
    if proof.committed is not None:
        return proof.outputs == case.proof.outputs
    circuit, at, arrays = case.trial.circuit, 0, []
    for port in circuit.inputs:
        node = circuit.nodes[port.node]
        values = proof.inputs[at : at + node.size]
        if not all(node.lo <= value <= node.hi for value in values):
            return False
        arrays.append(np.array(values).reshape(1, *node.shape).astype(node.dtype))
        at += node.size
    outputs = execute(circuit, arrays)
    return proof.outputs == tuple(int(v) for y in outputs for v in np.asarray(y).reshape(-1))


def alter_an_output(rng: random.Random, case: Case) -> Attempt | None:
    outputs = list(case.proof.outputs)
    return with_values(case, case.proof.inputs, altered_value(rng, outputs, case.key.circuit.outputs))


def alter_an_input(rng: random.Random, case: Case) -> Attempt | None:
    inputs = list(case.proof.inputs)
    if not inputs:
        return None
    return with_values(case, altered_value(rng, inputs, case.key.circuit.inputs), case.proof.outputs)


def altered_value(rng: random.Random, values: list[int], ports: Sequence[object]) -> list[int]:
    """One value moved, to the edges of its bounds or beyond."""
    bounds = [(port.lo, port.hi) for port in ports for _ in range(port.elements)]  # type: ignore[attr-defined]
    at = rng.randrange(len(values))
    lo, hi = bounds[at]
    beyond = max(lo - 1, -(1 << 63)), min(hi + 1, (1 << 63) - 1)
    values[at] = rng.choice([values[at] + 1, values[at] - 1, -values[at], lo, hi, *beyond])
    values[at] = max(-(1 << 63), min(values[at], (1 << 63) - 1))
    return values


def exchange_statements(rng: random.Random, case: Case) -> Attempt | None:
    """The inputs, the outputs or both of the other proof."""
    which = rng.randrange(3)
    if case.proof.committed is not None:
        which = 0  # its outputs alone: committed inputs have an alteration of their own
    inputs = case.proof.inputs if which == 0 else case.other.inputs
    outputs = case.proof.outputs if which == 1 else case.other.outputs
    return with_values(case, inputs, outputs)


def encode_outputs_otherwise(rng: random.Random, case: Case) -> Attempt:
    """Values that are the same in the field, more or fewer of them, and other encodings of the same list."""
    outputs = list(case.proof.outputs)
    at = rng.randrange(len(outputs))
    moved = outputs.copy()
    moved[at] += rng.choice([SCALAR_FIELD, -SCALAR_FIELD, 1 << 64, -(1 << 64)])
    far = [*outputs[:at], rng.choice([-INT256, INT256 - 1]), *outputs[at + 1 :]]
    listed = encode(["int256[]"], [outputs])
    choices = [
        encode(["int256[]"], [values])
        for values in (moved, far, [*outputs, 0], outputs[:-1], [*outputs, *outputs], [])
    ]
    choices += [
        b"", listed[:-1], listed[:-32], listed[32:], listed + b"\0", listed + bytes(32),
        (64).to_bytes(32, "big") + bytes(32) + listed[32:], bytes(32) + listed[32:],
    ]  # fmt: skip
    return Attempt(replace(case.honest, output=rng.choice(choices)), refused)


def alter_a_name(rng: random.Random, case: Case) -> Attempt:
    """Circuit, key or recipient."""
    which = rng.choice(["circuit_id", "key_digest", "recipient"])
    old = bytearray(getattr(case.proof, which))
    old[rng.randrange(len(old))] ^= 1 << rng.randrange(8)
    nobody = bytes(len(old))
    proof = replace(case.proof, **{which: rng.choice([bytes(old), bytes(old), nobody])})  # type: ignore[arg-type]
    return Attempt(case.call(proof), lambda: accepted(proof, case.key))


def alter_the_input_commitment(rng: random.Random, case: Case) -> Attempt:
    old = bytearray(case.honest.commitment)
    old[rng.randrange(32)] ^= 1 << rng.randrange(8)
    other = case.call(case.other).commitment
    return Attempt(replace(case.honest, commitment=rng.choice([bytes(old), bytes(32), other])), refused)


def alter_what_names_the_inputs(rng: random.Random, case: Case) -> Attempt | None:
    """Other bytes than the input commitment names, or more or fewer of them."""
    named = case.honest.named
    if not named:
        return None
    flipped = bytearray(named)
    flipped[rng.randrange(len(named))] ^= 1 << rng.randrange(8)
    changed = rng.choice([bytes(flipped), bytes(flipped), named[:-1], named[1:], named + b"\0", b""])
    return Attempt(replace(case.honest, named=changed), refused)


def alter_the_committed_inputs(rng: random.Random, case: Case) -> Attempt | None:
    """Another root or other points, and the input commitment that this makes."""
    said, other = case.proof.committed, case.other.committed
    if said is None or other is None:
        return None
    root, points = bytearray(said.root), said.points
    root[rng.randrange(32)] ^= 1 << rng.randrange(8)
    at = 64 * rng.randrange(len(points) // 64)
    point = words(points[at : at + 64])
    which = rng.randrange(2)
    point[which] = rng.choice([point[which] + BASE_FIELD, point[which] ^ 1, 0, 1]) % WORD
    altered = points[:at] + from_words(point) + points[at + 64 :]
    committed = rng.choice(
        [
            InputCommitment(bytes(root), points),
            InputCommitment(said.root, altered),
            InputCommitment(said.root, points[:at] + bytes(64) + points[at + 64 :]),
            InputCommitment(said.root, points + bytes(64)),
            InputCommitment(said.root, points[:-64]),
            InputCommitment(said.root, other.points),
            other,
        ]
    )
    if committed == said:
        return None
    proof = replace(case.proof, committed=committed)
    return Attempt(case.call(proof), lambda: accepted(proof, case.key))


# The key


def alter_the_key(rng: random.Random, case: Case) -> Attempt | None:
    """Other options or commitments, and the proof for the key that this makes, or for the true key's name."""
    options, points = bytearray(case.key.sections["options"]), case.key.sections["parameters"]
    chunks = [points[i : i + 64] for i in range(0, len(points), 64)]
    if not chunks or rng.random() < 0.3:
        options[rng.randrange(3)] ^= 1 << rng.randrange(3)
    else:
        i, j = rng.randrange(len(chunks)), rng.randrange(len(chunks))
        one = (1).to_bytes(32, "big") + (2).to_bytes(32, "big")
        negated = chunks[i]
        if any(negated):
            x, y = negate_g1((int.from_bytes(negated[:32], "big"), int.from_bytes(negated[32:], "big")))
            negated = x.to_bytes(32, "big") + y.to_bytes(32, "big")
        chunks[i], chunks[j] = rng.choice([(chunks[j], chunks[i]), (bytes(64), chunks[j]), (one, chunks[j])])
        chunks[i] = rng.choice([chunks[i], negated])
    sections = {**case.key.sections, "options": bytes(options), "parameters": b"".join(chunks)}
    key = replace(case.key, sections=sections)
    if key == case.key:
        return None
    try:
        program, parts = compile_program(key), decode_key(key)
        plan = parts.plan(1)
    except VerinferError:
        return None  # no key at all
    if rng.random() < 0.5:
        proof = replace(case.proof, key_digest=key.digest)
        return Attempt(case.call(proof).with_program(program), lambda: accepted(proof, key))
    claimed = replace(instance(case.proof, case.key), context=context(case.key, case.proof.recipient))

    def verdict() -> bool:
        with known_tau():
            return holds(case.proof.sections["argument"], plan, claimed, parts.parameters)

    # of commitments that no claim reaches a program knows nothing; the key's digest does
    return Attempt(case.honest.with_program(program), verdict, may_hold=program == case.program)


# The program


def alter_the_program(rng: random.Random, case: Case) -> Attempt | None:
    """Any byte: a registration binds its hash, and the contract does what the machine does."""
    if len(parts_of(case.program)) > 1:
        return None
    at = rng.choice([rng.randrange(32), rng.randrange(len(case.program))])
    altered = bytearray(case.program)
    altered[at] = rng.choice([altered[at] ^ 1 << rng.randrange(8), 0, 255, rng.randrange(256)])
    n = rng.choice([1, 2, 31, 32, 100])
    program = rng.choice([bytes(altered)] * 4 + [case.program[:-n], case.program + rng.randbytes(n)])
    return Attempt(
        case.honest.with_program(program), lambda: accepted_by_machine(program, case), may_hold=True
    )


def accepted_by_machine(program: bytes, case: Case) -> bool:
    """What the machine makes of a program as the contract loads it. It raises ProgramError for odd ones."""
    length = int.from_bytes(program[24:28], "big")
    if length > PART_BYTES:
        return False  # one account holds less
    loaded = (program + bytes(max(0, length - len(program))))[: max(length, 32)]
    _, circuit_id, key_digest, recipient = words(context(case.key, case.proof.recipient))
    claimed = instance(case.proof, case.key)
    said = claimed.committed
    committed = Committed(int.from_bytes(said.digest, "big"), words(said.points)) if said else None
    names = circuit_id, key_digest, recipient
    ports = [[value % SCALAR_FIELD for value in port] for port in (*claimed.inputs, *claimed.outputs)]
    tau = slice(TAU, TAU + G2_BYTES)
    if loaded[tau] != case.program[tau]:
        return False  # no point of the group, or not the SRS's
    with patch("tests.contracts.sumcheck_machine.pairing_product_is_one", equal_in_g1):
        try:
            run(loaded, names, ports, words(case.proof.sections["argument"]), committed)
        except Rejected:
            return False
    return True


def take_another_program(rng: random.Random, case: Case) -> Attempt:
    """An account that holds no program, or what is none."""
    nothing: dict[int, bytes] = {}
    account = rng.choice([0, 1, 7, rng.getrandbits(160)])
    contents = [b"", b"\0", b"\0" + rng.randbytes(50), case.program, b"\0\0" + case.program]
    codes = rng.choice([nothing, {rng.getrandbits(160): rng.choice(contents)}])
    account = next(iter(codes), account)
    return Attempt(replace(case.honest, program=account, codes=codes), refused)


def alter_the_accounts(rng: random.Random, case: Case) -> Attempt | None:
    """Where the program's other parts are."""
    others = list(case.honest.others)
    if not others:
        return None
    at = rng.randrange(len(others))
    old = others[at]
    changed = [0, old ^ 1 << rng.randrange(160), old + (1 << rng.randrange(160, 256)), case.accounts[0]]
    changed += [others[at - 1], int.from_bytes(rng.randbytes(20), "big")]
    others[at] = rng.choice(changed)
    return Attempt(replace(case.honest, others=tuple(others)), refused)


def alter_a_later_part(rng: random.Random, case: Case) -> Attempt | None:
    """The code of an account that the first part names by its hash."""
    parts = parts_of(case.program)
    if len(parts) == 1:
        return None
    number = rng.randrange(1, len(parts))
    part = bytearray(parts[number])
    part[rng.randrange(len(part))] ^= 1 << rng.randrange(8)
    other = rng.choice([bytes(part), parts[number][:-1], parts[number] + b"\0", b"", parts[0]])
    codes = {case.accounts[number]: b"\0" + other}
    return Attempt(replace(case.honest, codes=codes), refused)


def count_the_accounts_otherwise(rng: random.Random, case: Case) -> Attempt:
    """An account too many or too few."""
    others = case.honest.others
    changed = rng.choice([(*others, case.accounts[0]), (0, *others), others[1:] or (1,)])
    return Attempt(replace(case.honest, others=changed), refused)


OF_ARGUMENTS: list[Alteration] = [
    alter_a_word, alter_a_word, alter_a_word, exchange_words, shift_two_words, splice, alter_a_point,
    alter_a_point, exchange_points, change_the_length,
]  # fmt: skip
OF_STATEMENTS: list[Alteration] = [
    alter_an_output, alter_an_output, alter_an_input, alter_an_input, exchange_statements,
    encode_outputs_otherwise, alter_a_name, alter_the_input_commitment, alter_what_names_the_inputs,
    alter_the_committed_inputs,
]  # fmt: skip
OF_PROGRAMS: list[Alteration] = [
    alter_the_key, alter_the_program, alter_the_program, take_another_program, alter_the_accounts,
    alter_a_later_part, count_the_accounts_otherwise,
]  # fmt: skip
KINDS = [OF_ARGUMENTS, OF_ARGUMENTS, OF_STATEMENTS, OF_PROGRAMS]


@pytest.fixture(scope="module")
def tier(chain: Chain, anvil: Anvil) -> Tier:
    return Tier(chain, anvil.url)


def attempts(rng: random.Random, case: Case, count: int) -> Iterator[tuple[Alteration, Attempt]]:
    """So many attempts, each other than what is honest."""
    made = 0
    while made < count:
        alteration = rng.choice(rng.choice(KINDS))
        attempt = alteration(rng, case)
        if attempt is not None and attempt.call != case.honest:
            made += 1
            yield alteration, attempt


def compare(rng: random.Random, tier: Tier, case: Case, count: int) -> int:
    """Compare verdicts on a case and so many alterations of it. Returns how many verdicts were compared."""
    made = list(attempts(rng, case, count))
    honest, *outcomes = tier.outcomes([case.honest, *(attempt.call for _, attempt in made)])
    assert honest is Outcome.ACCEPTED and accepted(case.proof, case.key)
    compared = 1
    for (alteration, attempt), outcome in zip(made, outcomes, strict=True):
        what = alteration.__name__, case.trial.circuit, attempt.call
        assert attempt.may_hold or outcome is not Outcome.ACCEPTED, what
        if outcome is Outcome.EXHAUSTED:
            assert alteration in (alter_the_program, take_another_program), what
            continue  # it would take the machine, which counts no gas, too long
        try:
            verdict = attempt.verdict()
        except ProgramError:
            continue  # what no compiler emits; the contract need not notice
        assert (outcome is Outcome.ACCEPTED) == verdict, what
        compared += 1
    return compared


def compare_many(tier: Tier, seed: int, count: int) -> None:
    """Cases at random, one in eight of them with a program of several parts."""
    rng = random.Random(seed)
    for number in range(-(-count // EACH)):
        case = long_case(rng, tier) if number % 8 == 2 else small_case(rng, tier)
        compare(rng, tier, case, EACH)


def test_verdicts_agree(tier: Tier) -> None:
    compare_many(tier, 0, 150)


def test_calldata_cut_short(tier: Tier) -> None:
    """The proof stands last. Nothing follows from calldata that ends before it, or goes on behind it."""
    rng = random.Random(1)
    honest = small_case(rng, tier).honest
    data = honest.data
    end = len(data) - -len(honest.proof) % 32  # behind the proof come zeros up to a whole word
    lengths = {0, 3, 4, 5, end - 1, *(rng.randrange(end) for _ in range(60)), *range(end - 40, end)}
    short = [(data[:length], GAS, honest.codes) for length in sorted(lengths)]
    assert Outcome.ACCEPTED not in tier.outcomes_of_data(short)
    longer = [(data[:end], GAS, {}), (data + b"\1", GAS, {}), (data + rng.randbytes(77), GAS, {})]
    assert tier.outcomes_of_data(longer) == [Outcome.ACCEPTED] * 3


@pytest.mark.fuzz
@pytest.mark.parametrize("part", range(10))
def test_many_verdicts_agree(tier: Tier, part: int) -> None:
    compare_many(tier, 1000 + part, examples(50))
