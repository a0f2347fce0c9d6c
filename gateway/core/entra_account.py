"""Microsoft Entra's applications: who a program is at Azure, and how it proves that."""

from __future__ import annotations

import msgspec

AUTHORITY = "https://login.microsoftonline.com"
SCOPE = "https://cognitiveservices.azure.com/.default"


class EntraAccount(msgspec.Struct, frozen=True, kw_only=True):
    """One application. It proves who it is by a secret, by a file that its cluster renews, or by where it runs.

    Attributes:
        authority: Where tokens are given out; where it runs, the address of the machine's own service.
        tenant: The directory that knows it.
        client_id: The application; empty for the only one of a machine.
        secret: Its password. Secret.
        token_file: Holds a statement of the cluster it runs in (workload identity).
        managed: It is known by the machine that it runs on (managed identity).
    """

    authority: str = AUTHORITY
    tenant: str = ""
    client_id: str = ""
    secret: str = ""
    token_file: str = ""
    managed: bool = False

    def __repr__(self) -> str:
        return f"EntraAccount({self.client_id!r})"
