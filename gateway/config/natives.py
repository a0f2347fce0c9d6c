"""Providers that speak a dialect of their own: where they are, how we say who we are, which models are theirs."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

NativeKind = Literal["anthropic", "gemini"]
# Of Azure's API, where nobody says another one.
AZURE_VERSION = "2024-10-21"
AZURE_VERSIONS = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:-preview)?")
_VERSIONED = re.compile(r"/v[0-9][a-z0-9]*\Z")


class Native(msgspec.Struct, frozen=True, kw_only=True):
    """One such provider.

    Attributes:
        kind: As the configuration calls it.
        variable: Environment variable that its tools keep the key in.
        also: Another such variable, for when the first is not set.
        url_variable: And another address.
        url: Its public address, version included.
        version: The path that addresses are written without.
        header: In which a key goes out.
        models: A glob over its models' names.
    """

    kind: NativeKind
    variable: str
    also: str = ""
    url_variable: str
    url: str
    version: str
    header: bytes
    models: str

    def base_url(self, written: str | None) -> str:
        """Return the base URL for an address as people write it: with the version or, as its own tools do, without."""
        if not written:
            return self.url
        return written if _VERSIONED.search(written) else written + self.version

    def credential(self, key: str) -> bytes:
        """Return the header line that carries a key."""
        return b"%b: %b\r\n" % (self.header, key.encode())


# By kind.
NATIVES: dict[str, Native] = {
    "anthropic": Native(
        kind="anthropic",
        variable="ANTHROPIC_API_KEY",
        url_variable="ANTHROPIC_BASE_URL",
        url="https://api.anthropic.com/v1",
        version="/v1",
        header=b"x-api-key",
        models="claude-*",
    ),
    "gemini": Native(
        kind="gemini",
        variable="GEMINI_API_KEY",
        also="GOOGLE_API_KEY",
        url_variable="GOOGLE_GEMINI_BASE_URL",
        url="https://generativelanguage.googleapis.com/v1beta",
        version="/v1beta",
        header=b"x-goog-api-key",
        models="gemini-*",
    ),
}


def vertex_url(base_url: str | None, project: str, location: str) -> str:
    """Return where a project's models are in Google's cloud.

    Args:
        base_url: Another address of the service; ``None`` for the public one of the location.
        project: Whose bill it is.
        location: A region, or ``global``.
    """
    host = "aiplatform" if location == "global" else f"{location}-aiplatform"
    base_url = base_url or f"https://{host}.googleapis.com"
    return f"{base_url}/v1/projects/{project}/locations/{location}/publishers/google"


def azure_url(endpoint: str) -> str:
    """Return where a resource's API is, for its endpoint as Azure shows it or with the path that clients add."""
    return endpoint if endpoint.endswith("/openai") else endpoint + "/openai"
