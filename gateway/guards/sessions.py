"""What guards remember of sessions, in this process: it outlives a reload of the policies."""

from __future__ import annotations

from gateway.core.record import ExchangeRecord
from gateway.guards.taint import Taints
from gateway.guards.vault import Vault, Vaults


class Sessions:
    """The vaults of placeholders, and the sessions that are tainted."""

    __slots__ = ("taints", "vaults")

    def __init__(self) -> None:
        self.vaults = Vaults()
        self.taints = Taints()

    def vault(self, record: ExchangeRecord) -> Vault:
        """Return the vault of a call's session."""
        return self.vaults.open(record.tenant, record.key_id, record.session_id)

    def taint(self, record: ExchangeRecord) -> None:
        """Taint the session of a call."""
        self.taints.taint(record.tenant, record.session_id)
