"""Keys of Amazon's cloud: those that are there, and those that are given out for a while, kept and renewed in time.

Where keys come from is what Amazon's own tools read:
https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import msgspec
import orjson

from gateway.clients.brief_call import ask
from gateway.clients.clock import Clock
from gateway.clients.http import HttpClient
from gateway.clients.renewed import RENEW_S, Renewed
from gateway.core.aws_account import AwsAccount, AwsKeys, ContainerKeys, InstanceKeys, WebIdentity
from gateway.core.errors import GatewayError, Misconfigured, ProviderError
from gateway.wire.aws_signature import Signer

SERVICE = "bedrock"
# Not used when less than this is left.
USABLE_S = 10.0
# Of an answer that does not say how long its keys hold.
LIFETIME_S = 900.0
_STAMP = "%Y%m%dT%H%M%SZ"
_INSTANCE = "/latest/meta-data/iam/security-credentials/"
_REFUSED = "No AWS credentials could be had"


class _Given(msgspec.Struct):
    keys: AwsKeys
    expires_s: float


class SigningKeys(Renewed):
    """Signs the requests of one account.

    Args:
        account: Whose.
        region: Where the requests go.
        http: Reaches who gives keys out.
        clock: Tells the time, which is signed.
    """

    def __init__(self, account: AwsAccount, region: str, http: HttpClient, clock: Clock) -> None:
        super().__init__(lambda: clock.unix_ms() / 1000)
        self._account = account
        self._region = region
        self._http = http
        self._signer: Signer | None = None
        self._expires_s = float("inf")
        if isinstance(account, AwsKeys):
            self._signer = Signer(account, region, SERVICE)

    def header(self, wire: bytes) -> bytes | None:
        """The header lines that sign a request; ``None`` while there are no keys that hold."""
        left_s = self._expires_s - self._now_s()
        if self._signer is None or left_s < RENEW_S:
            self.renew()
        if self._signer is None or left_s < USABLE_S:
            return None
        return self._signer.lines(wire, datetime.fromtimestamp(self._now_s(), tz=UTC).strftime(_STAMP))

    async def fetch(self) -> bytes:
        """Fetch keys; those who wait sign what they have with them."""
        given = await self._given()
        self._signer, self._expires_s = Signer(given.keys, self._region, SERVICE), given.expires_s
        return b""

    async def _given(self) -> _Given:
        account = self._account
        if isinstance(account, WebIdentity):
            return self._read(await self._of_role(account))
        if isinstance(account, ContainerKeys):
            token = await _file(account.token_file) if account.token_file else account.token
            headers = {"authorization": token} if token else {}
            return self._read(_document(*await ask(self._http, account.url, headers)))
        if isinstance(account, InstanceKeys):
            return self._read(await self._of_machine(account))
        return _Given(account, float("inf"))

    async def _of_role(self, account: WebIdentity) -> dict[str, Any]:
        asked = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": account.role_arn,
            "RoleSessionName": account.session_name,
            "WebIdentityToken": await _file(account.token_file),
        }
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        held: Any = _document(*await ask(self._http, account.url, headers, urlencode(asked).encode()))
        for name in ("AssumeRoleWithWebIdentityResponse", "AssumeRoleWithWebIdentityResult", "Credentials"):
            held = cast("dict[str, Any]", held).get(name) if isinstance(held, dict) else None
        return cast("dict[str, Any]", held) if isinstance(held, dict) else {}

    async def _of_machine(self, account: InstanceKeys) -> dict[str, Any]:
        ttl = {"x-aws-ec2-metadata-token-ttl-seconds": "21600"}
        status, token = await ask(self._http, account.url + "/latest/api/token", ttl, method="PUT")
        if status != 200:
            raise _refusal(status)
        headers = {"x-aws-ec2-metadata-token": _line(token.decode("latin-1"))}
        status, roles = await ask(self._http, account.url + _INSTANCE, headers)
        role = roles.decode("latin-1").split("\n")[0].strip()
        if status != 200 or not role.isprintable() or " " in role or not role:
            raise _refusal(status)
        return _document(*await ask(self._http, account.url + _INSTANCE + role, headers))

    def _read(self, document: dict[str, Any]) -> _Given:
        key, secret = document.get("AccessKeyId"), document.get("SecretAccessKey")
        token = document.get("Token") or document.get("SessionToken") or ""
        if not (isinstance(key, str) and isinstance(secret, str) and isinstance(token, str) and key and secret):
            raise ProviderError(f"{_REFUSED}: the answer holds none.")
        keys = AwsKeys(access_key_id=_line(key), secret_access_key=secret, session_token=_line(token))
        return _Given(keys, _expiry_s(document.get("Expiration"), self._now_s() + LIFETIME_S))


def _expiry_s(said: Any, default: float) -> float:
    if isinstance(said, (int, float)):
        return float(said)
    try:
        return datetime.fromisoformat(said).timestamp() if isinstance(said, str) else default
    except ValueError:
        return default


def _line(value: str) -> str:
    """Check that a value can stand in a header.

    Raises:
        ProviderError: It cannot.
    """
    if not value.isascii() or (value and not value.isprintable()):
        raise ProviderError(f"{_REFUSED}: the answer holds what no header can carry.")
    return value


async def _file(path: str) -> str:
    try:
        text = await asyncio.to_thread(Path(path).read_text)
    except (OSError, UnicodeDecodeError):
        raise Misconfigured(f"{_REFUSED}: the file of the token cannot be read.") from None
    return _line(text.strip())


def _document(status: int, body: bytes) -> dict[str, Any]:
    if status != 200:
        raise _refusal(status)
    try:
        document: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise ProviderError(f"{_REFUSED}: the answer is no JSON object.")
    return cast("dict[str, Any]", document)


def _refusal(status: int) -> GatewayError:
    """What a refusal means: a role that is not ours stays so, a server in trouble may recover."""
    kind = ProviderError if status >= 500 or status == 429 else Misconfigured
    return kind(f"{_REFUSED}: who gives them out answered {status}.")
