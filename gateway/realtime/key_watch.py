"""Whether the key that opened a session is still good: asked anew, for as long as the session lasts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.core.caller import CallerPending
from gateway.core.errors import AuthenticationFailed, GatewayError
from gateway.core.exchange import Incoming, Principal
from gateway.core.ports import Identity

EVERY_S = 1.0


class KeyWatch:
    """Asks an identity again and again who calls, and tells when it no longer knows.

    A caller whose proof is looked at in each call (a token, a certificate) has shown it once, for the whole session.

    Args:
        identity: Knows keys as they are now.
        incoming: The handshake.
        refused: Called once, when the key was taken back or has ended.
    """

    __slots__ = ("_every_s", "_handle", "_identity", "_incoming", "_refused")

    def __init__(
        self,
        identity: Identity,
        incoming: Incoming,
        refused: Callable[[GatewayError], None],
        *,
        every_s: float = EVERY_S,
    ) -> None:
        self._identity = identity
        self._incoming = incoming
        self._refused = refused
        self._every_s = every_s
        self._handle: asyncio.TimerHandle | None = None

    def start(self, principal: Principal) -> None:
        """Begin to ask, where the caller has a key."""
        if principal.lasting and principal.consumed:
            self._later()

    def stop(self) -> None:
        """Ask no more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _later(self) -> None:
        self._handle = asyncio.get_running_loop().call_later(self._every_s, self._ask)

    def _ask(self) -> None:
        self._handle = None
        try:
            self._identity.identify(self._incoming.headers, self._incoming.peer)
        except AuthenticationFailed as error:
            self._refused(error)
            return
        except (GatewayError, CallerPending):
            # Nobody can tell at the moment: what was known goes on to hold.
            pass
        self._later()
