from __future__ import annotations

import orjson
import pytest

from gateway.core.service_account import GIVEN_OUT_AT, read_service_account

KEY = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"
WHOLE = {
    "type": "service_account",
    "client_email": "a@p.iam",
    "private_key": KEY,
    "project_id": "p",
    "private_key_id": "1",
}


def test_a_key_file_is_read_and_does_not_show_its_key() -> None:
    account = read_service_account(orjson.dumps(WHOLE).decode())
    assert (account.client_email, account.project_id, account.token_uri) == ("a@p.iam", "p", GIVEN_OUT_AT)
    assert account.private_key == KEY
    assert "MIIE" not in repr(account)


@pytest.mark.parametrize(
    "change",
    [
        {"private_key": "secret-thing"},
        {"private_key": 3},
        {"client_email": None},
        {"token_uri": "ftp://secret-thing"},
        {"token_uri": "https:///x"},
        {"token_uri": "https://h/x?q=secret-thing"},
    ],
)
def test_what_is_no_key_file_is_refused_without_being_quoted(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\A(is no|has a)") as refused:
        read_service_account(orjson.dumps({**WHOLE, **change}).decode())
    assert "secret-thing" not in str(refused.value)
    with pytest.raises(ValueError, match="key file"):
        read_service_account("no json")
