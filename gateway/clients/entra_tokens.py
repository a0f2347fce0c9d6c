"""Tokens for Azure: what an application proves at Microsoft Entra against a token.

Secrets and federated statements: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow.
Machines: https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

from gateway.clients.access_tokens import form_request
from gateway.clients.origin import Origin
from gateway.core.entra_account import SCOPE, EntraAccount
from gateway.core.errors import Misconfigured

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_MACHINE_PATH = "/metadata/identity/oauth2/token"
_MACHINE_VERSION = "2018-02-01"
_MAX_FILE_BYTES = 65_536


class EntraTokens:
    """An application's way to tokens; an :class:`gateway.clients.access_tokens.Account`.

    Args:
        account: Whose.
    """

    whose = "Azure's"

    def __init__(self, account: EntraAccount) -> None:
        self._account = account
        self.origin = Origin.parse(account.authority)
        self._prefix = urlsplit(account.authority).path.rstrip("/")

    async def ask(self, now_s: int) -> bytes:
        """Write the request for a token.

        Raises:
            Misconfigured: The file with the cluster's statement cannot be read.
        """
        account = self._account
        if account.managed:
            return self._of_machine()
        form = {"grant_type": "client_credentials", "client_id": account.client_id, "scope": SCOPE}
        if account.token_file:
            # Read each time: who wrote it renews it.
            statement = await asyncio.to_thread(_read, account.token_file)
            form |= {"client_assertion_type": ASSERTION, "client_assertion": statement}
        else:
            form["client_secret"] = account.secret
        return form_request(self.origin, f"{self._prefix}/{quote(account.tenant)}/oauth2/v2.0/token", form)

    def _of_machine(self) -> bytes:
        asked = {"api-version": _MACHINE_VERSION, "resource": SCOPE.removesuffix("/.default")}
        if self._account.client_id:
            asked["client_id"] = self._account.client_id
        return b"GET %b%b?%b HTTP/1.1\r\nhost: %b\r\nmetadata: true\r\naccept-encoding: identity\r\n\r\n" % (
            self._prefix.encode(),
            _MACHINE_PATH.encode(),
            urlencode(asked).encode(),
            self.origin.host_header,
        )


def _read(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            statement = file.read(_MAX_FILE_BYTES).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"the token file of Azure's workload identity: {type(error).__name__}") from None
    if not statement:
        raise Misconfigured("the token file of Azure's workload identity is empty")
    return statement
