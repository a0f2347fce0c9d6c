from __future__ import annotations

import pytest

from gateway.core.errors import AuthenticationFailed
from gateway.identity.credential import read_credential


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, (b"", b"")),
        ({b"authorization": b"Basic abc"}, (b"", b"")),
        ({b"authorization": b"Bearer one"}, (b"one", b"authorization")),
        ({b"x-api-key": b" one "}, (b"one", b"x-api-key")),
        ({b"authorization": b"Bearer one", b"api-key": b"one"}, (b"one", (b"authorization", b"api-key"))),
    ],
)
def test_a_secret_is_found_wherever_clients_send_it(headers: dict[bytes, bytes], found: tuple[bytes, object]) -> None:
    assert read_credential(headers) == found


def test_two_that_differ_are_refused() -> None:
    with pytest.raises(AuthenticationFailed, match="two different"):
        read_credential({b"api-key": b"one", b"x-goog-api-key": b"two"})
