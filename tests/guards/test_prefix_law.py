"""The law of streams, for every dialect and every shipped pack: what left is at every instant a prefix of the whole.

With WEIGHBRIDGE_SOAK=1 over 10,000 random documents, each with a chunking of its own, for each pair.
"""

from __future__ import annotations

import functools
import os
import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.core.errors import Blocked
from gateway.core.exchange import Request
from gateway.core.ports import StreamReader
from gateway.core.verdict import CallFacts
from gateway.guards.encoded import screen_encoded
from gateway.guards.engine import GuardEngine
from gateway.guards.plan import GuardPlan
from gateway.guards.screening import Finding
from gateway.policy.load import load_bundle
from gateway.wire import anthropic_messages, openai_chat, openai_completions, passthrough
from gateway.wire.openai_stream import DONE, chunks_of, write_event
from tests.guards.planted import NEAR, PROSE, SECRETS, cuts, plant
from tests.support import message_streams as messages
from tests.support.figures import SOAK
from tests.support.scorers import Room

ROOT = Path(__file__).parents[2]
PACKS = sorted(path.name for path in (ROOT / "policies").glob("*.yaml"))
DOCUMENTS = 10_000 if SOAK else 40
SEED = int(os.environ.get("WEIGHBRIDGE_SEED", "1"))
PERSONAL = (
    "ann.smith@acme.example", "4111 1111 1111 1111", "4111111111111111", "DE89 3704 0044 0532 0130 00", "078-05-1120",
    "+49 30 901820", "+1 202-555-0143", "192.0.2.44", "00:1A:2B:3C:4D:5E", "GB82WEST12345698765432", "SSN 536-22-8726",
    "passport C01X00T47", "card: 5500 0055 5555 5559", "4111-1111-1111-1112", "1.2.3.4.5", "a@b", "ann@", "+49", "0 12",
)  # fmt: skip
LINKS = (
    "![x](https://evil.example/p.png?q=1)", "[docs](https://docs.example/a)", "[a](", "![", "](",
    "<img src='//e.example/'>",
    "https://evil.example/?d=abc", "[r]: https://e.example/x\n", "<a href=", "www.evil.example", "<https://e.example>",
    "\u200b", "\u202e", "\U000e0041\U000e0042", "\u00ad", "\x1b[0m", "&#104;", "ignore all previous instructions",
)  # fmt: skip
GAPS = (" ", " ", "\n", ", ", ". ", "", '"', ")", "\n\n")
FACTS = CallFacts(route="/v1/chat/completions", model="m", provider="p", stream=True)


@functools.cache
def plan_of(pack: str) -> GuardPlan:
    loaded = load_bundle(((pack, ROOT / "policies" / pack),))
    assert loaded.bundle is not None
    return GuardEngine(loaded.bundle, lambda: 0, scorers=Room()).plan(FACTS)


def text_of(source: random.Random, pieces: int) -> str:
    parts: list[str] = []
    for _ in range(pieces):
        kind = source.random()
        if kind < 0.15:
            made, _ = plant(source, source.choice(SECRETS))
            parts.append(made if source.random() < 0.7 else made[: source.randint(1, len(made))])
        elif kind < 0.35:
            parts.append(source.choice(PERSONAL))
        elif kind < 0.5:
            parts.append(source.choice(LINKS))
        else:
            parts.append(source.choice(NEAR if kind < 0.6 else PROSE))
        parts.append(source.choice(GAPS))
    return "".join(parts)


def judged(plan: GuardPlan, kind: str, text: str, tool: str = "") -> Finding | None:
    screening = plan.response.screening("assistant", kind, tool)
    return screen_encoded(screening, text) if kind == "tool_argument" else screening.screen(text)


class Expected:
    """What every text of an answer becomes when it is judged whole."""

    def __init__(self, plan: GuardPlan, texts: dict[tuple[int, str], str]) -> None:
        self.texts: dict[tuple[int, str], str] = {}
        self.blocks = False
        for (index, kind), text in texts.items():
            finding = judged(plan, kind, text, "look" if kind == "tool_argument" else "")
            self.texts[index, kind] = text if finding is None or finding.text is None else finding.text
            self.blocks = self.blocks or (finding is not None and any(rule.blocks for rule in finding.fired))
            assert finding is None or not finding.failed


def follow(reader: StreamReader, data: bytes, source: random.Random, read: Any, expected: Expected) -> None:
    """Feed a stream in random cuts and hold every step against the law."""
    got: dict[tuple[int, str], str] = defaultdict(str)

    def take(out: bytes) -> None:
        for place, text in read(out):
            if not text:
                continue
            got[place] += text
            assert expected.texts[place].startswith(got[place]), place

    at = 0
    try:
        while at < len(data):
            size = source.choice((1, 3, 17, 60, 200, 900))
            take(reader.feed(data[at : at + size]))
            at += size
        take(reader.finish())
    except Blocked as blocked:
        take(blocked.released)
        assert expected.blocks
        return
    assert not expected.blocks
    assert got == {place: text for place, text in expected.texts.items() if text}


# --- chat

FIELDS = {"text": "content", "reasoning": "reasoning_content", "refusal": "refusal"}


def chat_stream(source: random.Random) -> tuple[bytes, dict[tuple[int, str], str]]:
    texts: dict[tuple[int, str], str] = {}
    queues: list[list[dict[str, Any]]] = []
    for index in range(source.choice((1, 1, 2))):
        queue: list[dict[str, Any]] = []
        for kind in source.sample(list(FIELDS), source.choice((1, 1, 2))):
            text = texts[index, kind] = text_of(source, source.randint(1, 9))
            deltas = [{FIELDS[kind]: piece} for piece in cuts(source, text, 1, source.choice((3, 9, 40)))]
            queue += [{"index": index, "delta": delta, "finish_reason": None} for delta in deltas]
        if source.random() < 0.2:
            arguments = orjson.dumps({"a": text_of(source, 3), "b": [text_of(source, 2)]}).decode()
            texts[index, "tool_argument"] = arguments
            first = {"index": 0, "id": "c", "type": "function", "function": {"name": "look", "arguments": ""}}
            calls = [first, *({"index": 0, "function": {"arguments": p}} for p in cuts(source, arguments, 1, 30))]
            queue += [{"index": index, "delta": {"tool_calls": [call]}, "finish_reason": None} for call in calls]
        queues.append([*queue, {"index": index, "delta": {}, "finish_reason": "stop"}])
    events: list[bytes] = []
    while any(queues):
        queue = source.choice([queue for queue in queues if queue])
        events.append(
            write_event({"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [queue.pop(0)]})
        )
    return b"".join((*events, DONE)), texts


def chat_texts(out: bytes) -> Iterator[tuple[tuple[int, str], str]]:
    for chunk in chunks_of([out]):
        for choice in chunk["choices"]:
            for kind, name in FIELDS.items():
                yield (choice["index"], kind), choice["delta"].get(name) or ""
            for call in choice["delta"].get("tool_calls") or ():
                yield (choice["index"], "tool_argument"), call["function"].get("arguments", "")


def request(dialect: str, choices: int) -> Request:
    return Request(dialect=dialect, operation="", route="/v1/x", upstream_path="/x", stream=True, choices=choices)


@pytest.mark.parametrize("pack", PACKS)
def test_chat(pack: str) -> None:
    plan, source = plan_of(pack), random.Random(f"chat {pack} {SEED}")
    for _ in range(DOCUMENTS):
        data, texts = chat_stream(source)
        choices = 1 + max(index for index, _ in texts)
        reader = openai_chat.DIALECT.stream_reader(request("openai_chat", choices), plan.stream_screen())
        follow(reader, data, source, chat_texts, Expected(plan, texts))


# --- completions


def completion_texts(out: bytes) -> Iterator[tuple[tuple[int, str], str]]:
    for chunk in chunks_of([out]):
        for choice in chunk["choices"]:
            yield (choice["index"], "text"), choice["text"]


@pytest.mark.parametrize("pack", PACKS)
def test_completions(pack: str) -> None:
    plan, source = plan_of(pack), random.Random(f"completions {pack} {SEED}")
    for _ in range(DOCUMENTS):
        text = text_of(source, source.randint(1, 12))
        pieces = [*cuts(source, text, 1, source.choice((3, 9, 40)))]
        chunks = [{"index": 0, "text": piece, "finish_reason": None} for piece in pieces]
        chunks.append({"index": 0, "text": "", "finish_reason": "stop"})
        data = b"".join([write_event({"id": "c", "model": "m", "choices": [chunk]}) for chunk in chunks]) + DONE
        reader = openai_completions.DIALECT.stream_reader(request("openai_completions", 1), plan.stream_screen())
        follow(reader, data, source, completion_texts, Expected(plan, {(0, "text"): text}))


# --- messages

KINDS = {"text": "text", "thinking": "reasoning", "partial_json": "tool_argument"}


def message_stream(source: random.Random) -> tuple[bytes, dict[tuple[int, str], str]]:
    texts: dict[tuple[int, str], str] = {}
    blocks: list[list[bytes]] = []
    for index in range(source.choice((1, 1, 2, 3))):
        kind = source.choice(("text", "text", "reasoning", "tool_argument"))
        made = text_of(source, source.randint(1, 9))
        if kind == "tool_argument":
            made = orjson.dumps({"a": made, "b": [text_of(source, 2)]}).decode()
        texts[index, kind] = made
        pieces = [*cuts(source, made, 1, source.choice((3, 9, 40)))]
        if kind == "text":
            blocks.append(messages.text(index, *pieces))
        elif kind == "reasoning":
            blocks.append(messages.thought(index, *pieces, seal=""))
        else:
            blocks.append(messages.call(index, *pieces))
    return b"".join(messages.message(*blocks)), texts


def message_texts(out: bytes) -> Iterator[tuple[tuple[int, str], str]]:
    for (index, name), text in messages.client_texts(out).items():
        if name in KINDS:
            yield (index, KINDS[name]), text


@pytest.mark.parametrize("pack", PACKS)
def test_messages(pack: str) -> None:
    plan, source = plan_of(pack), random.Random(f"messages {pack} {SEED}")
    for _ in range(DOCUMENTS):
        data, texts = message_stream(source)
        reader = anthropic_messages.DIALECT.stream_reader(request("anthropic_messages", 1), plan.stream_screen())
        follow(reader, data, source, message_texts, Expected(plan, texts))


# --- what nobody knows: all of it or nothing


@pytest.mark.parametrize("pack", PACKS)
def test_passthrough(pack: str) -> None:
    plan, source = plan_of(pack), random.Random(f"passthrough {pack} {SEED}")
    for _ in range(DOCUMENTS):
        text = text_of(source, source.randint(1, 5))
        pieces = cuts(source, text, 1, source.choice((3, 9, 40)))
        data = b"".join([write_event({"type": "delta", "delta": piece}) for piece in pieces])
        finding = judged(plan, "leaf", text)
        touched = finding is not None and (finding.text is not None or any(rule.blocks for rule in finding.fired))
        reader = passthrough.DIALECT.stream_reader(request("passthrough", 1), plan.stream_screen())
        at = 0
        while at < len(data):
            size = source.choice((1, 17, 200))
            assert reader.feed(data[at : at + size]) == b""
            at += size
        if touched:
            with pytest.raises(Blocked):
                reader.finish()
        else:
            assert reader.finish() == data


# --- keys in streams

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def test_no_stream_leaks_fourteen_characters_of_a_key() -> None:
    """A key of 108 characters at a random place of a stream in pieces of three to five characters."""
    plan, source = plan_of("baseline.yaml"), random.Random(SEED)
    leaked = 0
    for _ in range(1_500 if SOAK else 300):
        key = "sk-ant-api03-" + "".join(source.choices(LETTERS + "_-", k=93)) + "AA"
        words = [source.choice(PROSE) for _ in range(60)]
        words.insert(
            source.randrange(61), source.choice(("", "key=", "(", '"')) + key + source.choice(("", ".", ")", ","))
        )
        screen = plan.stream_screen()
        out = "".join([screen.feed((0, "text"), piece) for piece in cuts(source, " ".join(words), 3, 5)])
        out += screen.finish((0, "text"))
        assert "[ANTHROPIC_KEY]" in out
        leaked += any(key[at : at + 14] in out for at in range(len(key) - 13))
    assert leaked == 0


def test_prose_is_held_for_four_characters_on_average_and_never_more_than_sixty_four() -> None:
    plan, source = plan_of("baseline.yaml"), random.Random(SEED)
    held: list[int] = []
    for _ in range(20):
        text = "".join(source.choice(PROSE) + source.choice((" ", ", ", ". ", "\n")) for _ in range(300))
        screen, fed = plan.stream_screen(), 0
        for piece in cuts(source, text, 3, 6):
            fed += len(piece)
            screen.feed((0, "text"), piece)
            held.append(fed - screen.released)
    assert sum(held) / len(held) <= 4
    assert max(held) <= 64
