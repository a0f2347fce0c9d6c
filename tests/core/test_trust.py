from __future__ import annotations

from gateway.core.spiffe import SpiffePattern, named_in
from gateway.core.trust import ISTIO, MeshTrust, TokenTrust


def test_what_is_trusted_can_be_told_apart() -> None:
    one = TokenTrust(issuer="https://a", audiences=("x",))
    assert {one: 1}[TokenTrust(issuer="https://a", audiences=("x",))] == 1
    assert one != TokenTrust(issuer="https://a", audiences=("y",))
    assert hash(MeshTrust(peers=("10.0.0.0/8",), rules=()))


def test_istios_rule_uses_parts_that_it_has() -> None:
    assert set(named_in(ISTIO.team + ISTIO.tenant)) <= set(SpiffePattern(ISTIO.match).names)
