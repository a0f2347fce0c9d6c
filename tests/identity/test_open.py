from __future__ import annotations

from gateway.core.exchange import Principal
from gateway.identity.open import OpenIdentity


def test_everyone_is_taken_and_no_header_is_consumed():
    identity = OpenIdentity()
    assert identity.identify({}) == Principal()
    assert identity.identify({b"authorization": b"Bearer sk-provider"}).consumed == frozenset()
