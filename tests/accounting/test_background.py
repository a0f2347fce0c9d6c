from __future__ import annotations

import orjson
import pytest

from gateway.accounting.background import MAX_REMEMBERED, Background
from gateway.core.usage import Usage

USED = Usage(input_fresh_tokens=3, output_text_tokens=4)


def promised(name: str, status: str = "queued") -> bytes:
    return orjson.dumps({"id": name, "status": status, "usage": None})


def test_an_answer_is_weighed_when_it_is_fetched_whole_and_once() -> None:
    background = Background()
    assert background.began(promised("resp_1"))
    assert background.fetched("resp_1", None) == Usage()
    assert background.fetched("resp_2", USED) == Usage()
    assert background.fetched("resp_1", USED) == USED
    assert background.fetched("resp_1", USED) == Usage()
    assert len(background) == 0


@pytest.mark.parametrize("answer", [b"", b"[]", b'{"id":1,"status":"queued"}', promised("resp_1", "completed")])
def test_what_promises_nothing_is_not_remembered(answer: bytes) -> None:
    background = Background()
    assert not background.began(answer)
    assert len(background) == 0


def test_what_is_remembered_is_bounded() -> None:
    background = Background()
    for number in range(MAX_REMEMBERED + 5):
        background.began(promised(f"resp_{number}", "in_progress"))
    assert len(background) == MAX_REMEMBERED
    assert background.fetched("resp_4", USED) == Usage()
    assert background.fetched("resp_5", USED) == USED
