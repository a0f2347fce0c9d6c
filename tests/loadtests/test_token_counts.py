"""Estimates beside what was reported, and the table of it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.clients.tokenizers import load_encoding
from loadtests.recordings import Recording
from loadtests.token_counts import Counter, compare, countable, half, rows

COUNTER = Counter()
HELLO = {"role": "user", "content": "hello"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


def recording(asked: dict[str, Any], repository: str = "a", model: str = "gpt-4o", **usage: Any) -> Recording:
    return Recording(
        repository=repository,
        path="a.yaml",
        dialect="openai_chat",
        asked={"model": model, "messages": [HELLO], **asked},
        answer={"choices": [{"message": {"role": "assistant", "content": "hello"}}]},
        stream=b"",
        model=model,
        usage={"prompt_tokens": 8, "completion_tokens": 1, **usage},
    )


def test_input_and_output_are_compared() -> None:
    said, written = compare(recording({}), COUNTER)
    assert (said.group, said.estimated, said.error) == (("chat", "gpt-4o", "input, text only"), 8, 0)
    assert (written.group, written.estimated, written.error) == (("chat", "gpt-4o", "output"), 1, 0)
    (told, *_) = compare(recording({"tools": [TOOL]}, prompt_tokens=10), COUNTER)
    assert told.group[2] == "input with tools"
    assert told.error > 0


def test_hidden_thoughts_are_no_output() -> None:
    usage = {"completion_tokens": 65, "completion_tokens_details": {"reasoning_tokens": 64}}
    assert [each.reported for each in compare(recording({}, model="o3", **usage), COUNTER)] == [8, 1]


@pytest.mark.parametrize(
    "asked",
    [
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}]}
            ]
        },
        {"modalities": ["text", "audio"]},
        {"messages": "no list"},
        {"web_search_options": {"search_context_size": "low"}},
    ],
)
def test_what_is_not_in_the_request_is_not_compared(asked: dict[str, Any]) -> None:
    assert countable(recording(asked)) is None
    assert [each.group[2] for each in compare(recording(asked), COUNTER)] == ["output"]


def test_rows_add_up() -> None:
    recordings = [recording({}), recording({}, prompt_tokens=10), recording({}, model="gpt-4", prompt_tokens=4)]
    compared = [each for one in recordings for each in compare(one, COUNTER)]
    table = {row[:3]: row[3:] for row in rows(compared)}
    assert table["chat", "gpt-4o", "input, text only"] == ("2", "1", "10.00", "11.11", "-11.11", "-20.0")
    assert table["chat", "all", "input, text only"] == ("3", "1", "40.00", "27.27", "+9.09", "+100.0")


def test_every_second_repository_is_learnt_from() -> None:
    recordings = [recording({}, repository=name) for name in ("b", "A", "c")]
    assert {each.repository for each in half(recordings, "learnt")} == {"A", "c"}
    assert {each.repository for each in half(recordings, "unseen")} == {"b"}
    assert half(recordings, "all") == recordings


def test_each_encoding_is_loaded_once() -> None:
    loaded: list[str] = []

    def load(name: str) -> Any:
        loaded.append(name)
        return load_encoding(name)

    counter = Counter(load)
    assert counter.count("gpt-4", ["hello"]) == counter.count("gpt-4", ["hello", ""]) == 1
    assert loaded == ["cl100k_base"]
