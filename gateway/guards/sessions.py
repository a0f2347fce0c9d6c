"""What guards remember of sessions, in this process: it outlives a reload of the policies."""

from __future__ import annotations

from gateway.guards.taint import Taints
from gateway.guards.vault import Vaults


class Sessions:
    """The vaults of placeholders, and the sessions that are tainted."""

    __slots__ = ("taints", "vaults")

    def __init__(self) -> None:
        self.vaults = Vaults()
        self.taints = Taints()
