"""The checks of an SRS: the true one passes, and each way of being false is found."""

import os
import sys

import pytest
from py_ecc.optimized_bn128 import G1, multiply, normalize

from circuits.errors import FormatError, VerinferError
from verifier import srs_generate
from verifier.bn254 import BASE_FIELD, G2_GENERATOR, SCALAR_FIELD
from verifier.development_srs import TAU, development_head
from verifier.powers_of_tau import PowersOfTau, decode_g1_points, encode_g1_points, encode_g2_point
from verifier.srs_check import CheckLevel, check_srs
from verifier.srs_generate import generate_development_srs

K = 4
LEVELS = ("full", "quick")


@pytest.fixture(scope="module")
def srs() -> PowersOfTau:
    return generate_development_srs(K)


def altered(srs: PowersOfTau, **changes: bytes) -> PowersOfTau:
    parts = {name: getattr(srs, name) for name in ("monomial", "lagrange", "g2", "tau_g2")}
    return PowersOfTau(srs.k, **{**parts, **changes})


def with_point(raw: bytes, index: int, point: bytes) -> bytes:
    return raw[: index * 64] + point + raw[index * 64 + 64 :]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("k", [1, 5])
def test_the_true_string_passes(level: CheckLevel, k: int) -> None:
    steps = []
    report = check_srs(
        generate_development_srs(k), level, lambda step, done, total: steps.append((step, done, total))
    )
    assert report.level == level
    assert report.head == development_head()
    assert steps[-1][1] == steps[-1][2]
    assert ("NOT checked" in report.findings[-1]) == (level == "quick")


def test_points_are_the_documented_multiples(srs: PowersOfTau) -> None:
    points = decode_g1_points(srs.monomial)
    for i in (0, 1, 2, 15):
        x, y = normalize(multiply(G1, pow(TAU, i, SCALAR_FIELD)))
        assert points[i] == (int(x), int(y))


@pytest.mark.parametrize("part", ["monomial", "lagrange"])
@pytest.mark.parametrize("index", [0, 1, 7, 15])
def test_one_wrong_power_or_lagrange_point_is_found(srs: PowersOfTau, part: str, index: int) -> None:
    raw = getattr(srs, part)
    wrong = with_point(raw, index, raw[64 * ((index + 3) % 16) :][:64])
    with pytest.raises(FormatError):
        check_srs(altered(srs, **{part: wrong}), "full")


@pytest.mark.parametrize("index", [0, 1, 7, 15])
def test_the_quick_check_finds_any_single_wrong_lagrange_point(srs: PowersOfTau, index: int) -> None:
    wrong = with_point(srs.lagrange, index, encode_g1_points([(1, 2)]))
    with pytest.raises(FormatError, match="do not add up"):
        check_srs(altered(srs, lagrange=wrong), "quick")


def test_two_exchanged_points_are_found(srs: PowersOfTau) -> None:
    for part in ("monomial", "lagrange"):
        raw = getattr(srs, part)
        exchanged = with_point(with_point(raw, 4, raw[5 * 64 : 6 * 64]), 5, raw[4 * 64 : 5 * 64])
        with pytest.raises(FormatError):
            check_srs(altered(srs, **{part: exchanged}), "full")


def test_the_lagrange_points_of_another_tau_are_found(srs: PowersOfTau) -> None:
    """Those of the inverse domain generator: they add up to [1], so that only the full check sees it."""
    points = [srs.lagrange[64 * i : 64 * i + 64] for i in range(16)]
    reversed_order = b"".join(points[-i % 16] for i in range(16))
    check_srs(altered(srs, lagrange=reversed_order), "quick")
    with pytest.raises(FormatError, match="Lagrange points are not those"):
        check_srs(altered(srs, lagrange=reversed_order), "full")


@pytest.mark.parametrize("level", LEVELS)
def test_powers_of_another_tau_than_g2s_are_found(srs: PowersOfTau, level: CheckLevel) -> None:
    with pytest.raises(FormatError, match="not the powers of one tau"):
        check_srs(altered(srs, tau_g2=encode_g2_point(G2_GENERATOR)), level)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("part", ["monomial", "lagrange"])
@pytest.mark.parametrize("point", ["infinity", "off the curve", "not canonical"])
@pytest.mark.parametrize("index", [0, 1, 9])
def test_points_that_are_none_are_found(
    srs: PowersOfTau, level: CheckLevel, part: str, point: str, index: int
) -> None:
    raw = getattr(srs, part)
    x, y = raw[index * 64 : index * 64 + 32], raw[index * 64 + 32 : index * 64 + 64]
    wrong = {
        "infinity": bytes(64),
        "off the curve": y + x,
        "not canonical": (int.from_bytes(x, "little") + BASE_FIELD).to_bytes(32, "little") + y,
    }[point]
    with pytest.raises(FormatError, match=r"not on the curve G1|canonical|standard generators"):
        check_srs(altered(srs, **{part: with_point(raw, index, wrong)}), level)


@pytest.mark.parametrize("level", LEVELS)
def test_a_wrong_point_of_g2_is_found(srs: PowersOfTau, level: CheckLevel) -> None:
    for part in ("g2", "tau_g2"):
        raw = getattr(srs, part)
        for wrong in (bytes(128), raw[64:] + raw[:64], bytes([raw[0] ^ 1]) + raw[1:], b"\xff" * 128):
            with pytest.raises(FormatError):
                check_srs(altered(srs, **{part: wrong}), level)


@pytest.mark.parametrize("level", LEVELS)
def test_a_string_on_another_generator_is_refused(srs: PowersOfTau, level: CheckLevel) -> None:
    shifted = srs.monomial[64:] + srs.monomial[:64]
    with pytest.raises(FormatError, match="standard generators"):
        check_srs(altered(srs, monomial=shifted), level)
    with pytest.raises(FormatError, match="standard generators"):
        check_srs(altered(srs, g2=srs.tau_g2), level)


def test_lengths_must_be_those_of_k(srs: PowersOfTau) -> None:
    for k in (0, 3, 5, 23):
        with pytest.raises(FormatError):
            PowersOfTau(k, srs.monomial, srs.lagrange, srs.g2, srs.tau_g2)
    with pytest.raises(FormatError, match="128 bytes"):
        altered(srs, g2=srs.g2[:-1])


def test_slices_made_by_processes_fit_together(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = generate_development_srs(6)
    monkeypatch.setattr(srs_generate, "_MIN_SLICE", 16)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    steps: list[tuple[int, int]] = []
    assert generate_development_srs(6, lambda _, done, total: steps.append((done, total))) == whole
    assert steps[-1] == (64, 64)
    assert len(steps) == 3


def test_a_process_that_fails_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(srs_generate, "_MIN_SLICE", 16)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(VerinferError, match="makes the SRS failed: killed"):
        generate_development_srs(6)


@pytest.mark.parametrize("k", [0, -1, 23])
def test_sizes_that_are_none_are_not_made(k: int) -> None:
    with pytest.raises(FormatError, match="between"):
        generate_development_srs(k)
