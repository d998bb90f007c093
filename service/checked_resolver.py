"""Names of hosts for aiohttp, as `service.destinations` allows them."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import Executor

from aiohttp.abc import AbstractResolver, ResolveResult

from service.destinations import Destinations, NotAllowed, Resolve


class CheckedResolver(AbstractResolver):
    """Tells aiohttp the addresses of a name, if all of them may be connected to."""

    def __init__(self, destinations: Destinations, resolve: Resolve, threads: Executor) -> None:
        self._destinations = destinations
        self._resolve = resolve
        self._threads = threads

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """All addresses. Raises OSError."""
        loop = asyncio.get_running_loop()
        addresses = await loop.run_in_executor(self._threads, self._resolve, host)
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "the name has no address")
        if not all(map(self._destinations.allows, addresses)):
            raise NotAllowed
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """There is nothing to close."""
