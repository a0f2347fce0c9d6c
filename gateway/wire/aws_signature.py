"""Amazon's signature, version 4: a request signed over the very bytes that are sent.

https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html. The path is signed as a server sees it
before it takes its escapes off, and escaped once more for that: a model's ARN has ``%253A`` where the path has ``%3A``.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from urllib.parse import quote

from gateway.core.aws_account import AwsKeys

_ALGORITHM = "AWS4-HMAC-SHA256"
_SAFE = "/-._~"
_END = b"\r\n\r\n"
_BLANKS = re.compile(rb"[ \t]+")
# What else a server may see or add on the way is not signed.
_SIGNED = (b"host", b"content-type")
_SIGNED_PREFIX = b"x-amz"


class Signer:
    """Signs requests to one service in one region.

    Args:
        keys: To sign with.
        region: Where the service is.
        service: Its name in signatures.
    """

    __slots__ = ("_day", "_key", "_keys", "_region", "_service")

    def __init__(self, keys: AwsKeys, region: str, service: str) -> None:
        self._keys = keys
        self._region = region
        self._service = service
        # The key of a day is worked out once.
        self._day = ""
        self._key = b""

    def lines(self, wire: bytes, stamp: str) -> bytes:
        """Give the header lines that sign a request, each ending in CRLF.

        Args:
            wire: The whole request as it goes out, without these lines.
            stamp: The time, as ``20260102T030405Z``.
        """
        head, _, body = wire.partition(_END)
        first, *rest = head.split(b"\r\n")
        method, target, _ = first.split(b" ")
        headers = _to_sign(rest)
        headers[b"x-amz-date"] = stamp.encode()
        if self._keys.session_token:
            headers[b"x-amz-security-token"] = self._keys.session_token.encode()
        names = b";".join(sorted(headers))
        path, _, query = target.partition(b"?")
        canonical = b"\n".join(
            (
                method,
                quote(path, safe=_SAFE).encode(),
                _sorted(query),
                *(b"%b:%b" % (name, headers[name]) for name in sorted(headers)),
                b"",
                names,
                hashlib.sha256(body).hexdigest().encode(),
            )
        )
        day = stamp[:8]
        scope = f"{day}/{self._region}/{self._service}/aws4_request"
        to_sign = f"{_ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(canonical).hexdigest()}"
        signature = hmac.new(self._key_of(day), to_sign.encode(), hashlib.sha256).hexdigest()
        token = self._keys.session_token
        return b"x-amz-date: %b\r\n%bauthorization: %b Credential=%b/%b, SignedHeaders=%b, Signature=%b\r\n" % (
            stamp.encode(),
            b"x-amz-security-token: %b\r\n" % token.encode() if token else b"",
            _ALGORITHM.encode(),
            self._keys.access_key_id.encode(),
            scope.encode(),
            names,
            signature.encode(),
        )

    def _key_of(self, day: str) -> bytes:
        if day != self._day:
            key = b"AWS4" + self._keys.secret_access_key.encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._key, self._day = key, day
        return self._key


def _sorted(query: bytes) -> bytes:
    pairs = sorted(part.partition(b"=")[::2] for part in query.split(b"&")) if query else []
    return b"&".join(b"%b=%b" % pair for pair in pairs)


def _to_sign(lines: list[bytes]) -> dict[bytes, bytes]:
    signed: dict[bytes, bytes] = {}
    for line in lines:
        name, _, value = line.partition(b":")
        name = name.lower()
        if name in _SIGNED or name.startswith(_SIGNED_PREFIX):
            signed[name] = _BLANKS.sub(b" ", value.strip())
    return signed
