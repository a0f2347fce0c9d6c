from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accounting.expected import Expected, Sketch
from gateway.core.exchange import Deployment, Request
from gateway.core.usage import Usage

OPENAI = Deployment(provider="openai", kind="openai", model="", base_url="https://api.openai.com/v1", credential=None)
CHAT = Request(
    dialect="openai_chat",
    operation="chat",
    route="/v1/chat/completions",
    upstream_path="/chat/completions",
    model="gpt-4o-mini",
    body=b"x" * 400,
)


def tokens(expected: Expected, **fields: object) -> tuple[int, int] | None:
    usage = expected.usage(msgspec.structs.replace(CHAT, **fields), OPENAI)
    return None if usage is None else (usage.input_tokens, usage.output_tokens)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (100, 512)),
        ({"max_output_tokens": 50}, (100, 50)),
        ({"max_output_tokens": 50, "choices": 3}, (100, 150)),
        ({"max_output_tokens": -5, "choices": 0}, (100, 0)),
        ({"operation": "embeddings"}, (100, 0)),
        ({"operation": ""}, (100, 0)),
        ({"body": b""}, None),
        ({"describes": True}, None),
        ({"dialect": "anthropic_count_tokens"}, None),
        ({"body": b"", "duplex": True}, (0, 512)),
    ],
)
def test_a_call_of_which_nothing_is_known_is_taken_by_its_size_and_what_it_asks_for(
    fields: dict[str, object], expected: tuple[int, int] | None
):
    assert tokens(Expected(), **fields) == expected


def learned(*answers: int, **fields: object) -> Expected:
    made = Expected()
    for answer in answers:
        usage = Usage(input_fresh_tokens=50, output_text_tokens=answer)
        made.learn(msgspec.structs.replace(CHAT, **fields), OPENAI, usage)
    return made


def test_what_calls_used_tells_what_others_will():
    seen = tokens(learned(*range(1, 101)))
    assert seen is not None
    assert 50 <= seen[0] <= 60
    assert 95 <= seen[1] <= 115
    twice = tokens(learned(*range(1, 101)), choices=2)
    assert twice == (seen[0], 2 * seen[1])
    assert tokens(learned(*range(1, 101)), max_output_tokens=5) == (seen[0], 5)


def test_nothing_is_learned_from_few_calls_nor_from_what_is_not_known():
    assert tokens(learned(*[5] * 7)) == (100, 512)
    # The length was the client's choice, not the model's habit.
    assert tokens(learned(*[5] * 100, max_output_tokens=5)) == (52, 512)
    made = Expected()
    for _ in range(100):
        made.learn(CHAT, OPENAI, Usage(input_fresh_tokens=1, output_text_tokens=1, source="estimated"))
    assert tokens(made) == (100, 512)


def test_models_that_clients_invent_do_not_grow_memory():
    made = Expected()
    for number in range(3000):
        request = msgspec.structs.replace(CHAT, model=f"m{number}" + "x" * 1000)
        made.learn(request, OPENAI, Usage(input_fresh_tokens=1, output_text_tokens=1))
    assert len(made) == 1024


@given(st.lists(st.integers(0, 200_000), min_size=40, max_size=200))
def test_a_quantile_is_never_below_the_truth_and_above_it_by_a_fifth_at_most(numbers: list[int]):
    sketch = Sketch()
    numbers = numbers[: len(numbers) // 8 * 8]
    for number in numbers:
        sketch.add(number)
    # The smallest number that 95 of 100 do not exceed.
    truth = sorted(numbers)[-(-len(numbers) * 95 // 100) - 1]
    most = sketch.known
    assert most is not None
    assert truth - 1 <= most <= max(1, truth * 1.19 + 1)


def test_what_was_long_ago_is_forgotten():
    sketch = Sketch()
    for _ in range(2000):
        sketch.add(10_000)
    for _ in range(4000):
        sketch.add(10)
    assert sketch.known == 10 or (sketch.known or 0) <= 12
