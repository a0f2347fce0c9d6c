"""What is remembered of the session of a call."""

from __future__ import annotations

from gateway.core.record import ExchangeRecord
from gateway.guards.sessions import Sessions


def test_a_session_is_known_by_tenant_and_its_vault_by_caller_too() -> None:
    sessions = Sessions()
    record = ExchangeRecord(tenant="acme", key_id="k1", session_id="s")
    sessions.taint(record)
    assert sessions.taints.tainted("acme", "s")
    assert not sessions.taints.tainted("", "s")
    vault = sessions.vault(record)
    assert sessions.vault(ExchangeRecord(tenant="acme", key_id="k1", session_id="s")) is vault
    assert sessions.vault(ExchangeRecord(tenant="acme", key_id="k2", session_id="s")) is not vault
    assert sessions.vault(ExchangeRecord(tenant="acme", key_id="k1")) is not vault
