"""Who asks, what they may do, and how often."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from functools import partial

from fastapi import Request

from service.api.headers import header
from service.api.inference import Inference
from service.api.problems import Busy
from service.api_keys import Caller, KeyCheck, Scope, Unauthenticated
from service.errors import RateLimited
from service.health import PATIENCE_SECONDS
from service.limits import Limits, TenantLimits
from service.parts import LOCAL_TENANT, Parts
from service.rates import Buckets

LOCAL_KEY = "local"
NETWORK_BITS = 64
"""Of an IPv6 address: whoever has one has all that begin with the same bits."""


class Access:
    """Tells who asks: by API key, or, with local access, the tenant `local`. Those who ask too often are told
    to come back: tenants by their limits, others by their address.

    All is done in the event loop, without waiting for anything that was just asked for.
    """

    def __init__(self, parts: Parts, inference: Inference) -> None:
        self._inference = inference
        self._limits = TenantLimits(parts.database, parts.settings.limits)
        self._tenants: Buckets[str] = Buckets()
        self._addresses: Buckets[str] = Buckets()
        self._rate = parts.settings.visitor_requests_per_second
        self._burst = parts.settings.visitor_burst
        self._keys: KeyCheck | None = None
        if parts.settings.access == "keys":
            self._keys = KeyCheck(parts.database)
        else:
            self._local = Caller(parts.tenant(LOCAL_TENANT), LOCAL_KEY, frozenset(Scope))

    async def caller(self, request: Request) -> Caller:
        """Who asks.

        Raises
        ------
        Unauthenticated
            If there is no valid key.
        RateLimited
            If the address has tried too many keys that are not.
        """
        if self._keys is None:
            return self._local
        scheme, _, key = (header(request.scope, b"authorization") or "").partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("this needs an API key: Authorization: Bearer vk_...")
        found = self._keys.remembered(key.strip())
        if found is not None:
            return found
        # Each invalid key costs a question to the database.
        address = address_of(request)
        _refuse(self._addresses.wait(address, self._rate, self._burst))
        try:
            return await self._inference.in_thread(partial(self._keys.caller, key.strip()))
        except Unauthenticated:
            self._addresses.take(address, self._rate, self._burst)
            raise

    async def limits(self, tenant: str) -> Limits:
        """A tenant's limits."""
        found = self._limits.remembered(tenant)
        if found is None:
            found = await self._inference.in_thread(partial(self._limits.of, tenant))
        return found

    async def admit(self, tenant: str) -> None:
        """Count a request of a tenant's. Raises RateLimited."""
        limits = await self.limits(tenant)
        if limits.requests_per_second is not None:
            wait = self._tenants.take(tenant, limits.requests_per_second, limits.most_at_once)
            _refuse(wait)

    async def visitor(self, request: Request) -> str | None:
        """A FastAPI dependency: the id of the tenant that asks, or None for who shows no key.

        It raises Unauthenticated, if the key is none, and RateLimited.
        """
        if self._keys is not None and "Authorization" not in request.headers:
            self.count_visitor(request)
            return None
        tenant = (await self.caller(request)).tenant
        await self.admit(tenant)
        return tenant

    def count_visitor(self, request: Request, tokens: int = 1) -> None:
        """Count a request of somebody without a key, as several if it costs more. Raises RateLimited."""
        _refuse(self._addresses.take(address_of(request), self._rate, self._burst, tokens))

    async def operator(self, request: Request) -> None:
        """A FastAPI dependency that lets through who runs the service. With local access it asks no database,
        which may be what is wrong. It raises Unauthenticated and Forbidden; and Busy, if the database neither
        says whose key it is nor fails.
        """
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                caller = await self.caller(request)
        except TimeoutError:
            raise Busy("the database does not answer: nobody can tell whose key this is") from None
        caller.require(Scope.OPERATE)

    def tenant(self, scope: Scope) -> Callable[[Request], Awaitable[str]]:
        """A FastAPI dependency: the id of the tenant that asks, if its key has a scope.

        It raises Unauthenticated, Forbidden and RateLimited.
        """

        async def allowed(request: Request) -> str:
            caller = await self.caller(request)
            state = request.scope["state"]
            state["tenant"], state["caller"] = caller.tenant, caller.key
            await self.admit(caller.tenant)
            caller.require(scope)
            return caller.tenant

        return allowed


def address_of(request: Request) -> str:
    """Where a request comes from, as far as one visitor can be told from another."""
    host = "" if request.client is None else request.client.host
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, NETWORK_BITS), strict=False).network_address)


def _refuse(wait: float) -> None:
    if wait > 0:
        raise RateLimited("too many requests: come back later", wait)
