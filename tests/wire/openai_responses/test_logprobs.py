from __future__ import annotations

from typing import Any

import pytest

from gateway.wire.openai_responses.logprobs import without_logprobs

HALVES = [{"token": "?", "bytes": [0xC3]}, {"token": "?", "bytes": [0xA9]}]


@pytest.mark.parametrize(
    ("logprobs", "shown", "touched", "stays"),
    [
        ([{"token": "hi"}], "hi", False, True),
        ([{"token": "hi"}], "hi", True, False),
        ([{"token": "hi"}, {"token": "SECRET"}], "hi", False, False),
        (HALVES, "é", False, True),
        ([], "hi", True, True),
        (["hi"], "hi", False, True),
        ({"odd": 1}, "hi", False, False),
        ([{"token": "hi", "bytes": [999]}], "hi", False, True),
    ],
)
def test_they_stay_where_they_say_what_the_text_says(logprobs: Any, shown: str, *, touched: bool, stays: bool) -> None:
    document = {"delta": shown, "logprobs": logprobs}
    left = without_logprobs(document, shown, touched=touched)
    assert (left is document) is stays
    assert stays or left == {"delta": shown, "logprobs": []}
