from __future__ import annotations

import msgspec

from gateway.operator.drift_bodies import ASKING, Body


def test_no_body_is_taken_for_a_question() -> None:
    assert msgspec.json.encode(Body()) + b"\n" not in ASKING
