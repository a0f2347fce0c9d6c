"""Google's service accounts: who a program is, and the key by which it proves that."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

GIVEN_OUT_AT = "https://oauth2.googleapis.com/token"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"


class ServiceAccount(msgspec.Struct, frozen=True, kw_only=True):
    """The key file that Google's console hands out; what it holds besides is not needed.

    Attributes:
        client_email: Name of the account.
        private_key: PEM, PKCS#8. Secret.
        private_key_id: Which of the account's keys it is.
        token_uri: Where tokens are given out.
        project_id: The account's own project.
    """

    client_email: str
    private_key: str
    private_key_id: str = ""
    token_uri: str = GIVEN_OUT_AT
    project_id: str = ""

    def __repr__(self) -> str:
        return f"ServiceAccount({self.client_email!r})"


_decode = msgspec.json.Decoder(ServiceAccount).decode


def read_service_account(text: str) -> ServiceAccount:
    """Read a key file.

    Raises:
        ValueError: It is none; the message holds nothing of it.
    """
    try:
        account = _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ValueError("is no service account's key file: JSON with client_email and private_key") from None
    if "BEGIN PRIVATE KEY" not in account.private_key:
        raise ValueError("has a private_key that is no PEM")
    parts = urlsplit(account.token_uri)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise ValueError("has a token_uri that is no address")
    return account
