"""Where connections to a provider go: scheme, host and port of its address."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from gateway.core.errors import Misconfigured


class Origin(msgspec.Struct, frozen=True):
    """Where connections go: one pool each.

    Attributes:
        host_header: Value of the ``Host`` header, port included where it is not the scheme's own.
    """

    tls: bool
    host: str
    port: int
    host_header: bytes

    @classmethod
    def parse(cls, base_url: str) -> Origin:
        """Read scheme and authority of an ``http`` or ``https`` URL.

        Raises:
            Misconfigured: Not such a URL.
        """
        parts = urlsplit(base_url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in {"http", "https"} or not parts.hostname or port == -1:
            raise Misconfigured(f"'{base_url}' is not an http or https URL")
        tls = parts.scheme == "https"
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        shown = host if port in {None, 443 if tls else 80} else f"{host}:{port}"
        return cls(
            tls, parts.hostname, port or (443 if tls else 80), shown.encode("idna" if not host.isascii() else "ascii")
        )
