from __future__ import annotations

from gateway.core.erasure import KINDS, digest_of


def test_digests_tell_kinds_names_and_values_apart() -> None:
    digests = {digest_of(kind, name, value) for kind in KINDS for name in ("", "a") for value in ("x", "ax")}
    assert len(digests) == 4 * len(KINDS)
