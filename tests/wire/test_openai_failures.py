from __future__ import annotations

from typing import Any

import pytest

from gateway.wire.openai_failures import provider_failure


@pytest.mark.parametrize(
    ("error", "message", "status"),
    [
        ("Down", "Down", 502),
        ({"message": "Down"}, "Down", 502),
        ({"message": "Down", "code": 503}, "Down", 503),
        ({"message": 1, "status": 429}, "The provider reported an error.", 429),
        ({"code": True, "status_code": 99}, "The provider reported an error.", 502),
        ({"code": "insufficient_quota", "status": "²²²"}, "The provider reported an error.", 502),
        (["x"], "The provider reported an error.", 502),
    ],
)
def test_failure_keeps_the_providers_words_and_status(error: Any, message: str, status: int) -> None:
    failure = provider_failure(error)
    assert (failure.public_message, failure.status) == (message, status)
