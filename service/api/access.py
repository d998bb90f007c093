"""Who asks, and what they may do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from fastapi import Request

from service.api.inference import Inference
from service.api_keys import Caller, KeyCheck, Scope, Unauthenticated
from service.parts import LOCAL_TENANT, Parts

LOCAL_KEY = "local"


class Access:
    """Tells who asks: by API key, or, with local access, the tenant `local`."""

    def __init__(self, parts: Parts, inference: Inference) -> None:
        self._inference = inference
        self._keys: KeyCheck | None = None
        if parts.settings.access == "keys":
            self._keys = KeyCheck(parts.database)
        else:
            self._local = Caller(parts.tenant(LOCAL_TENANT), LOCAL_KEY, frozenset(Scope))

    async def caller(self, request: Request) -> Caller:
        """Who asks. Raises Unauthenticated."""
        if self._keys is None:
            return self._local
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("this needs an API key: Authorization: Bearer vk_...")
        found = self._keys.remembered(key.strip())
        if found is None:
            found = await self._inference.in_thread(partial(self._keys.caller, key.strip()))
        return found

    async def visitor(self, request: Request) -> str | None:
        """A FastAPI dependency: the id of the tenant that asks, or None for who shows no key.

        It raises Unauthenticated, if the key is none.
        """
        if self._keys is not None and "Authorization" not in request.headers:
            return None
        return (await self.caller(request)).tenant

    def tenant(self, scope: Scope) -> Callable[[Request], Awaitable[str]]:
        """A FastAPI dependency: the id of the tenant that asks, if its key has a scope.

        It raises Unauthenticated, and Forbidden.
        """

        async def allowed(request: Request) -> str:
            caller = await self.caller(request)
            caller.require(scope)
            return caller.tenant

        return allowed
