"""Hosts that serve models, as programs reach them that know nothing of a gateway; and their paths as ours."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["openai", "anthropic", "azure", "gemini", "vertex", "bedrock", "triton", "sim"]
# What speaks OpenAI's dialect, with or without the version in front.
_BARE = ("/chat/completions", "/completions", "/embeddings", "/responses", "/models")
_MESSAGES = frozenset({"/v1/messages", "/v1/messages/count_tokens"})
_MODELS = frozenset({"gemini", "vertex"})
_STARTS = {"azure": "/openai/", "bedrock": "/model/", "triton": "/v2/"}


class Mount(msgspec.Struct, frozen=True):
    """A part of a host's paths that is one API.

    Attributes:
        base: The path it is below: ``/v1``; empty for all of them.
        kind: The provider's kind.
    """

    base: str
    kind: Kind


class ModelHost(msgspec.Struct, frozen=True, kw_only=True):
    """One host.

    Attributes:
        name: Of the provider, as records have it.
        host: A name or an address; ``*.example.com`` stands for all names below one.
        port: Where it is asked.
        tls: Whether that is by TLS.
        mounts: What is there, the first that fits a path being the one.
        configured: A provider of the configuration, not only of our list.
    """

    name: str
    host: str
    port: int = 443
    tls: bool = True
    mounts: tuple[Mount, ...] = (Mount("/v1", "openai"),)
    configured: bool = False

    def fits(self, host: str, port: int) -> bool:
        """Whether this is the host that is meant; its name in lower case."""
        if port != self.port:
            return False
        below = self.host.removeprefix("*")
        return host == self.host or (below != self.host and host.endswith(below) and len(host) > len(below))

    def mount(self, path: str) -> Mount:
        """Give the part that a path belongs to; the first where it is none's."""
        for mount in self.mounts:
            if mount.base and path.startswith(mount.base + "/"):
                return mount
        return self.mounts[0]


def our_path(host: ModelHost, mount: Mount, path: str) -> str:
    """Write a path of a host's as a client of ours would.

    Args:
        host: Where the client means to be.
        mount: The part of it.
        path: As the client sent it.

    Returns:
        What is not known to be anything else is passed through, below ``/providers/``.
    """
    below = path[len(mount.base) :] if path.startswith(mount.base + "/") else ""
    kind = mount.kind
    known = ""
    if kind == "openai":
        known = "/v1" + (below or path) if below or path in _BARE else ""
    elif kind in _MODELS:
        known = "/v1beta" + below if below.startswith("/models") else ""
    elif kind == "anthropic":
        known = path if path in _MESSAGES else ""
    elif path.startswith(_STARTS.get(kind, "//")):
        known = "/bedrock" + path if kind == "bedrock" else path
    return known or f"/providers/{host.name}{path}"
