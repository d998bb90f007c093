"""What tenants may have at most, and how often they may ask."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuits.errors import InputError
from service.artifacts import Artifacts, stored_bytes
from service.database import Database, Tenant
from service.errors import NotFound, QuotaExceeded
from service.limits import DEFAULTS, Limits, TenantLimits
from service.rates import Buckets
from tests.service.conftest import add_tenant
from tests.service.serving import add_model, compiled, opened


class Clock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def test_own_limits_go_before_the_settings() -> None:
    defaults = Limits(open_jobs=10, webhooks=3)
    limits = defaults.overlaid({"open_jobs": 2, "requests_per_second": 2.5})
    assert (limits.open_jobs, limits.webhooks, limits.most_at_once) == (2, 3, 3)
    assert defaults.overlaid({"open_jobs": None}).open_jobs is None
    assert defaults.overlaid({"burst": 7, "requests_per_second": 1}).most_at_once == 7
    assert defaults.overlaid({}) is defaults and DEFAULTS.most_at_once == 1


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"open_job": 1}, "there is no limit 'open_job': weight, open_jobs, "),
        ({"open_jobs": -1}, "open_jobs: "),
        ({"open_jobs": "5"}, "open_jobs: "),
        ({"open_jobs": 1.5}, "open_jobs: "),
        ({"weight": 0}, "weight: "),
        ({"weight": None}, "weight: "),
        ({"requests_per_second": float("nan")}, "requests_per_second: "),
        ({"burst": 0, "models": True}, "burst: .*; models: "),
    ],
)
def test_what_is_no_limit_is_refused(own: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Limits.check(own)


def test_limits_are_read_anew_after_a_moment(database: Database) -> None:
    clock, tenant = Clock(), add_tenant(database, "limited", models=1)
    limits = TenantLimits(database, DEFAULTS, 5, clock)
    assert limits.remembered(tenant) is None
    assert limits.of(tenant).models == 1
    with database.write() as session:
        session.get_one(Tenant, tenant).limits = {"models": 2}
    clock.at += 4
    assert limits.remembered(tenant) == limits.of(tenant) and limits.of(tenant).models == 1
    clock.at += 2
    assert limits.remembered(tenant) is None and limits.of(tenant).models == 2
    with pytest.raises(NotFound):
        limits.of("nobody")


def test_stored_bytes(database: Database, tmp_path: Path) -> None:
    tenant, other = add_tenant(database, "limited", stored_bytes=10), add_tenant(database, "other")
    artifacts = Artifacts(database, str(tmp_path), 1 << 20)
    first = artifacts.put(tenant, io.BytesIO(b"123456"), "text/plain")
    with pytest.raises(QuotaExceeded, match="10 bytes"):
        artifacts.put(tenant, io.BytesIO(b"12345"), "text/plain")
    assert artifacts.put(tenant, io.BytesIO(b"123456"), "text/plain") == first
    foreign = artifacts.put(other, io.BytesIO(b"12345"), "text/plain")
    with pytest.raises(QuotaExceeded):  # that another has the same bytes makes no difference
        artifacts.put(tenant, io.BytesIO(b"12345"), "text/plain")
    with pytest.raises(NotFound):
        artifacts.describe(tenant, foreign)
    artifacts.release(tenant, first)
    assert artifacts.put(tenant, io.BytesIO(b"12345"), "text/plain") == foreign
    with database.read() as session:
        assert (stored_bytes(session, tenant), stored_bytes(session, other)) == (5, 5)


def test_stored_bytes_of_many_at_once(database: Database, tmp_path: Path) -> None:
    tenant = add_tenant(database, "limited", stored_bytes=30)
    artifacts = Artifacts(database, str(tmp_path), 1 << 20)

    def put(number: int) -> bool:
        try:
            artifacts.put(tenant, io.BytesIO(b"%010d" % number), "text/plain")
        except QuotaExceeded:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(put, range(16))) == 3


def test_models(tmp_path: Path, digits: Path) -> None:
    circuit = compiled(digits)
    with opened(tmp_path, limits=Limits(models=2)) as parts:
        tenant, other = parts.tenant("one"), add_tenant(parts.database, "other", models=None)
        for name in ("first", "second", "first"):
            add_model(parts, tenant, circuit, name)
        with pytest.raises(QuotaExceeded, match="2 models"):
            add_model(parts, tenant, circuit, "third")
        for name in ("first", "second", "third"):
            add_model(parts, other, circuit, name)


def test_a_bucket() -> None:
    clock: Clock = Clock()
    buckets: Buckets[str] = Buckets(clock=clock)
    assert [buckets.take("a", 2, 3) for _ in range(5)] == [0, 0, 0, 0.5, 0.5]
    assert buckets.wait("a", 2, 3) == 0.5 and buckets.take("b", 2, 3) == 0
    clock.at += 0.5
    assert [buckets.take("a", 2, 3) for _ in range(2)] == [0, 0.5]
    clock.at += 100
    assert [buckets.take("a", 2, 3, 2) for _ in range(2)] == [0, 0.5]
    clock.at += 100
    assert buckets.take("a", 2, 3, 1000) == 0 and buckets.take("a", 2, 3) == 0.5


@given(
    st.floats(0.01, 1000),
    st.integers(1, 50),
    st.lists(st.floats(0, 3), min_size=1, max_size=60),
)
def test_over_any_time_a_bucket_gives_no_more_than_it_may(
    rate: float, burst: int, pauses: list[float]
) -> None:
    clock: Clock = Clock()
    buckets: Buckets[int] = Buckets(clock=clock)
    begun, given = clock.at, 0
    for pause in pauses:
        clock.at += pause
        wait = buckets.take(0, rate, burst)
        given += wait == 0
        assert given <= burst + rate * (clock.at - begun) + 1e-6
        if wait:
            clock.at += wait
            assert buckets.take(0, rate, burst) == 0
            given += 1


def test_buckets_are_few() -> None:
    clock: Clock = Clock()
    buckets: Buckets[int] = Buckets(most=100, clock=clock)
    for key in range(10_000):
        clock.at += 0.001
        buckets.take(key, 0.1, 5)
        assert len(buckets._full_at) <= 100
    assert buckets.take(-1, 0.001, 1) == 0
    for key in range(10_000, 10_040):
        buckets.take(key, 0.001, 1)
