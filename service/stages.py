"""The names of jobs' stages, as rows and events have them."""

from __future__ import annotations

EXECUTE, SETUP, PROVE, VERIFY = "execute", "setup", "prove", "verify"
"""The first ends the execution of a job that has a proof."""
CLAIM, POST, FOLLOW = "claim", "post", "follow"
"""The stage after which a job cannot be cancelled, since what it claims will be posted to a chain; the stage
that ends when it is there; and the one that ends when it is final."""
COMPILE, READ, REGISTER, DESCRIBE = "compile", "read", "register", "describe"
"""The stages of a job that compiles, before those in which it makes keys."""


def setup_for(backend: str) -> str:
    """The stage of a job that compiles in which it makes a backend's key."""
    return f"{SETUP} {backend}"
