from __future__ import annotations

import pytest

from gateway.core.errors import AuthenticationFailed
from gateway.identity.credential import read_credential

SIGNED = b"AWS4-HMAC-SHA256 "
SIGNATURE = (b"authorization", b"x-amz-content-sha256", b"x-amz-date", b"x-amz-security-token")


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, (b"", b"")),
        ({b"authorization": b"Basic abc"}, (b"", b"")),
        ({b"authorization": b"Bearer one"}, (b"one", b"authorization")),
        ({b"x-api-key": b" one "}, (b"one", b"x-api-key")),
        ({b"authorization": b"Bearer one", b"api-key": b"one"}, (b"one", (b"authorization", b"api-key"))),
        ({b"authorization": SIGNED + b"Credential=one/20260101/eu-west-1/bedrock/aws4_request"}, (b"one", SIGNATURE)),
        ({b"authorization": SIGNED + b"SignedHeaders=host, Credential=one/x, Signature=0"}, (b"one", SIGNATURE)),
        ({b"authorization": SIGNED + b"SignedHeaders=host"}, (b"", b"")),
        ({b"authorization": SIGNED + b"Credential=/x"}, (b"", b"")),
    ],
)
def test_a_secret_is_found_wherever_clients_send_it(headers: dict[bytes, bytes], found: tuple[bytes, object]) -> None:
    assert read_credential(headers) == found


def test_two_that_differ_are_refused() -> None:
    with pytest.raises(AuthenticationFailed, match="two different"):
        read_credential({b"api-key": b"one", b"x-goog-api-key": b"two"})
