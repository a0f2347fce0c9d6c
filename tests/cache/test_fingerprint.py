from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cache.fingerprint import Asked, asked_by
from gateway.wire.bridge import CODECS

PARTITION, REVISION = "aa" * 16, "r1"
QUESTION = "How do I reset the password of my account, and what happens to the old one?"
SYSTEM = "You are the help desk of a bank."
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
Document = dict[str, Any]

OPENAI: Document = {
    "model": "m",
    "messages": [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": "What is the weather like in Oslo?"},
        {
            "role": "assistant",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "wx", "arguments": '{"city":"Oslo","days":1}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
        {"role": "assistant", "content": "It rains."},
        {"role": "user", "content": QUESTION},
    ],
    "tools": [
        {"type": "function", "function": {"name": "wx", "description": "weather", "parameters": SCHEMA}},
        {"type": "function", "function": {"name": "mail", "description": "send", "parameters": {"type": "object"}}},
    ],
    "max_tokens": 300,
    "temperature": 0.2,
}


def asked(document: Document, *, dialect: str = "openai_chat", partition: str = PARTITION, revision: str = REVISION):
    path = "/v1beta/models/m:generateContent" if dialect == "gemini" else "/"
    return asked_by(CODECS[dialect].read_request(document, path), partition, revision)


def known(document: Document, **how: str) -> Asked:
    found = asked(document, **how)
    assert found is not None
    return found


def changed(change: Callable[[Document], object]) -> Document:
    document = copy.deepcopy(OPENAI)
    change(document)
    return document


def weather(document: Document) -> Document:
    return next(tool["function"] for tool in document["tools"] if tool["function"]["name"] == "wx")


# Each says something else to the model, or something else about how it is to answer.
DIFFERENCES: dict[str, Callable[[Document], object]] = {
    "system prompt": lambda d: d["messages"][0].update(content=SYSTEM + " Be brief."),
    "no system prompt": lambda d: d["messages"].pop(0),
    "earlier question": lambda d: d["messages"][1].update(content="What is the weather like in Rome?"),
    "earlier answer": lambda d: d["messages"][4].update(content="It snows."),
    "earlier turn left out": lambda d: d["messages"].pop(4),
    "earlier tool call": lambda d: d["messages"][2]["tool_calls"][0]["function"].update(arguments='{"city":"Rome"}'),
    "earlier tool result": lambda d: d["messages"][3].update(content="sun"),
    "who said it": lambda d: d["messages"][1].update(role="assistant"),
    "tool left out": lambda d: d["tools"].pop(),
    "tool described otherwise": lambda d: weather(d).update(description="the weather"),
    "tool argument": lambda d: weather(d).update(parameters={"type": "object"}),
    "tool choice": lambda d: d.update(tool_choice="required"),
    "tool named": lambda d: d.update(tool_choice={"type": "function", "function": {"name": "wx"}}),
    "one tool at a time": lambda d: d.update(parallel_tool_calls=False),
    "JSON wanted": lambda d: d.update(response_format={"type": "json_object"}),
    "schema wanted": lambda d: d.update(
        response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}}
    ),
    "greedy": lambda d: d.update(temperature=0),
    "wild": lambda d: d.update(temperature=1.6),
    "usual temperature": lambda d: d.pop("temperature"),
    "top_p": lambda d: d.update(top_p=0.3),
    "seed": lambda d: d.update(seed=7),
    "another seed": lambda d: d.update(seed=2**53 + 1),
    "stop": lambda d: d.update(stop=["END"]),
    "length": lambda d: (d.pop("max_completion_tokens", None), d.update(max_tokens=20)),
    "penalty": lambda d: d.update(frequency_penalty=0.5),
    "bias": lambda d: d.update(logit_bias={"50256": -100}),
    "log probabilities": lambda d: d.update(logprobs=True, top_logprobs=2),
    "two answers": lambda d: d.update(n=2),
    "effort": lambda d: d.update(reasoning_effort="high"),
    "a field nobody knows": lambda d: d.update(enable_magic=True),
    "an image beside": lambda d: d["messages"][5].update(
        content=[
            {"type": "text", "text": QUESTION},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        ]
    ),
    "language": lambda d: d["messages"][5].update(
        content="Wie kann ich das Passwort von meinem Konto wieder neu setzen, und was ist mit dem alten?"
    ),
    "asked by somebody with a name": lambda d: d["messages"][5].update(name="eve"),
}

# Each is another way to write the same, or nothing that a model reads.
SPELLINGS: dict[str, Callable[[Document], object]] = {
    "content in parts": lambda d: d["messages"][0].update(content=[{"type": "text", "text": SYSTEM}]),
    "tools the other way round": lambda d: d["tools"].reverse(),
    "keys of a schema": lambda d: weather(d).update(
        parameters={"properties": {"days": {"type": "integer"}, "city": {"type": "string"}}, "type": "object"}
    ),
    "keys of arguments": lambda d: d["messages"][2]["tool_calls"][0]["function"].update(
        arguments=' {"days": 1, "city": "Oslo"}'
    ),
    "ids of calls": lambda d: (
        d["messages"][2]["tool_calls"][0].update(id="call_9"),
        d["messages"][3].update(tool_call_id="call_9"),
    ),
    "developer for system": lambda d: d["messages"][0].update(role="developer"),
    "as a stream": lambda d: d.update(stream=True, stream_options={"include_usage": True}),
    "labels": lambda d: d.update(user="u1", metadata={"ticket": "7"}, service_tier="flex", store=False),
    "what holds anyway": lambda d: d.update(
        n=1,
        top_p=1.0,
        presence_penalty=0,
        parallel_tool_calls=True,
        tool_choice="auto",
        logprobs=False,
        response_format={"type": "text"},
        modalities=["text"],
    ),
    "temperature of its class": lambda d: d.update(temperature=0.3),
    "the newer name of a limit": lambda d: d.update(max_completion_tokens=d.pop("max_tokens")),
    "other words": lambda d: d["messages"][5].update(content="What do I do to reset my password, and the old one?"),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_whatever_the_model_is_told_otherwise_tells_requests_apart(name: str) -> None:
    found = asked(changed(DIFFERENCES[name]))
    assert found is None or found.fingerprint != known(OPENAI).fingerprint


@pytest.mark.parametrize("name", SPELLINGS)
def test_what_is_only_spelt_otherwise_does_not(name: str) -> None:
    assert known(changed(SPELLINGS[name])).fingerprint == known(OPENAI).fingerprint


def test_whose_call_it_is_and_which_rules_admitted_it_tell_requests_apart() -> None:
    mine = known(OPENAI).fingerprint
    assert len({mine, known(OPENAI, partition="bb" * 16).fingerprint, known(OPENAI, revision="r2").fingerprint}) == 3


def test_an_answer_that_was_told_in_another_way_is_none() -> None:
    ways = ((), (True,), (False,), (True, "beta"))
    chat = CODECS["openai_chat"].read_request(OPENAI, "/")
    found = [asked_by(chat, PARTITION, REVISION, each) for each in ways]
    assert len({each.fingerprint for each in found if each}) == len(ways)


def test_the_order_of_turns_and_of_stop_words_is_told_apart_as_far_as_it_means_something() -> None:
    swapped = changed(lambda d: d["messages"].insert(1, d["messages"].pop(4)))
    assert known(swapped).fingerprint != known(OPENAI).fingerprint
    ends = [known(changed(lambda d, stop=stop: d.update(stop=stop))) for stop in (["A", "B"], ["B", "A"], ["A"])]
    assert ends[0].fingerprint == ends[1].fingerprint != ends[2].fingerprint


names = st.sampled_from(sorted(DIFFERENCES))
spellings = st.lists(st.sampled_from(sorted(SPELLINGS)), unique=True, max_size=4)


@given(difference=names, mine=spellings, theirs=spellings, seed=st.integers(0, 2**32))
@settings(max_examples=60)
def test_no_spelling_hides_a_difference_and_no_order_of_keys_makes_one(
    difference: str, mine: list[str], theirs: list[str], seed: int
) -> None:
    document, other = copy.deepcopy(OPENAI), copy.deepcopy(OPENAI)
    for name in mine:
        SPELLINGS[name](document)
    for name in theirs:
        SPELLINGS[name](other)
    other = shuffled(other, random.Random(seed))
    assert known(document).fingerprint == known(other).fingerprint
    DIFFERENCES[difference](other)
    found = asked(other)
    assert found is None or found.fingerprint != known(document).fingerprint


def shuffled(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        held = list(value.items())
        chance.shuffle(held)
        return {name: shuffled(each, chance) for name, each in held}
    return [shuffled(each, chance) for each in value] if isinstance(value, list) else value


SAME: dict[str, Document] = {
    "openai_chat": {
        "model": "m",
        "messages": [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": "Hello there"},
            {"role": "assistant", "content": "Hi."},
            {"role": "user", "content": QUESTION},
        ],
        "max_tokens": 50,
    },
    "anthropic_messages": {
        "model": "claude",
        "system": [{"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": "Hello there"},
            {"role": "assistant", "content": [{"type": "text", "text": "Hi."}]},
            {"role": "user", "content": QUESTION},
        ],
        "max_tokens": 50,
    },
    "gemini": {
        "systemInstruction": {"parts": [{"text": SYSTEM}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Hello there"}]},
            {"role": "model", "parts": [{"text": "Hi."}]},
            {"role": "user", "parts": [{"text": QUESTION}]},
        ],
        "generationConfig": {"maxOutputTokens": 50, "temperature": 1},
    },
    "openai_responses": {
        "model": "m",
        "instructions": SYSTEM,
        "input": [
            {"role": "user", "content": "Hello there"},
            {"role": "assistant", "content": "Hi."},
            {"role": "user", "content": QUESTION},
        ],
        "max_output_tokens": 50,
    },
}


def test_dialects_are_spellings_too() -> None:
    found = {dialect: known(document, dialect=dialect) for dialect, document in SAME.items()}
    assert len({each.fingerprint for each in found.values()}) == 1
    assert {(each.text, each.language) for each in found.values()} == {(QUESTION, "en")}


@pytest.mark.parametrize(
    "turns",
    [
        [{"role": "assistant", "content": "I am not done"}],
        [{"role": "tool", "tool_call_id": "c1", "content": "rain"}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}]}],
        [{"role": "user", "content": "   "}],
        [],
    ],
)
def test_what_ends_in_no_words_of_a_user_is_no_question(turns: list[Document]) -> None:
    document = copy.deepcopy(OPENAI)
    document["messages"][-1:] = turns
    assert asked(document) is None


def test_what_goes_on_from_an_answer_that_a_provider_keeps_is_no_question_either() -> None:
    document = SAME["openai_responses"]
    assert asked({**document, "previous_response_id": "resp_1"}, dialect="openai_responses") is None


def test_what_is_nested_too_deeply_is_let_be() -> None:
    nest: Any = orjson.loads("[" * 600 + "]" * 600)
    assert asked(changed(lambda d: d.update(tags=nest))) is None


def test_a_short_question_has_the_language_of_its_conversation() -> None:
    conversation = [{"role": "user", "content": "Wie ist das Wetter in der Stadt, und was ist morgen?"}]
    conversation += [{"role": "assistant", "content": "Es regnet, und das wird auch so sein."}]
    found = known({"model": "m", "messages": [*conversation, {"role": "user", "content": "Oslo?"}]})
    assert (found.text, found.language) == ("Oslo?", "de")
    assert known({"model": "m", "messages": [{"role": "user", "content": "Oslo?"}]}).language == ""
