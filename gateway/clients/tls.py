"""How TLS is spoken, on every connection that is ours: never below 1.2, whatever a system's own settings allow.

Ciphers are those of the library, which drops weak ones sooner than we would.
"""

from __future__ import annotations

import ssl

LEAST = ssl.TLSVersion.TLSv1_2


def client_context() -> ssl.SSLContext:
    """For connections to others: their certificates are checked, and so is the host's name in them."""
    return _no_older(ssl.create_default_context())


def server_context() -> ssl.SSLContext:
    """For connections of clients; the certificate is yet to be loaded."""
    return _no_older(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


def _no_older(context: ssl.SSLContext) -> ssl.SSLContext:
    # A system that asks for more than we do gets it.
    context.minimum_version = max(context.minimum_version, LEAST)
    return context
