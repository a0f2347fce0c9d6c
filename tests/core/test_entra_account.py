from __future__ import annotations

from gateway.core.entra_account import AUTHORITY, EntraAccount


def test_an_application_is_shown_by_its_name_alone() -> None:
    account = EntraAccount(tenant="acme", client_id="app-1", secret="hidden")
    assert repr(account) == "EntraAccount('app-1')"
    assert account.authority == AUTHORITY
