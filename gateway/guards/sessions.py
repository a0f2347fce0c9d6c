"""What guards have of their own in this process, and keep when policies are reloaded."""

from __future__ import annotations

from gateway.core.record import ExchangeRecord
from gateway.guards.aside import Aside
from gateway.guards.taint import Taints
from gateway.guards.vault import Vault, Vaults


class Sessions:
    """The vaults of placeholders, the sessions that are tainted; and the thread for what takes long."""

    __slots__ = ("aside", "taints", "vaults")

    def __init__(self) -> None:
        self.vaults = Vaults()
        self.taints = Taints()
        self.aside = Aside()

    def vault(self, record: ExchangeRecord) -> Vault:
        """Return the vault of a call's session."""
        return self.vaults.open(record.tenant, record.key_id, record.session_id)

    def taint(self, record: ExchangeRecord) -> None:
        """Taint the session of a call."""
        self.taints.taint(record.tenant, record.session_id)
