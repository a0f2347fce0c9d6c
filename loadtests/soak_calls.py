"""The calls of the soak: what is asked, what the provider makes of it, what its client sees and the books must say."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import msgspec
import orjson

from gateway.core.chat import ChatAnswer
from gateway.core.usage import Usage
from tests.parity.speakers import SPEAKERS, asked_with, told_with
from tests.support.chaos import DIALECTS, WORDS, Spoken
from tests.support.provider import END, chunk, whole
from tests.support.provider_errors import BODIES

# By team: what nobody knows the cost of is another team's than that whose money is added up.
LOAD_KEY, TIGHT_KEY, UNLUCKY_KEY = (f"wb-soak-{team}-0123456789abcdef" for team in ("load", "tight", "unlucky"))
# What the tight key's team may ask in all.
TIGHT_CALLS = 500
# Answers differ in what they used, so that sums are of something.
VARIANTS = 16
# A question that is asked again and again, so that its answer is kept.
KEPT = 40
_SIZES = (8, 8, 8)
_MARK = re.compile(rb"soak ([a-z]+) ([0-9]+) (whole|stream)\.")
# Most texts are short, a few take a page, and now and then one is looked through beside the loop.
_PAGE, _BOOK = " word" * 400, " word" * 6_000
_ENDINGS = {
    "/chat/completions": "openai_chat",
    "/responses": "openai_responses",
    "/messages": "anthropic_messages",
    "enerateContent": "gemini",
    "/converse": "bedrock_converse",
    "/generate": "triton",
}


@dataclass(frozen=True)
class Kind:
    """One way to call.

    Attributes:
        name: On every record of it, as the tag ``kind``.
        share: Calls of it among a thousand.
        dialect: That its client speaks.
        alias: Which model it asks.
        does: What the provider does.
        statuses: What its client may see.
        counted: What its calls used is known beforehand.
        key: Whose call it is.
        malformed: The body is none that any dialect knows.
    """

    name: str
    share: int
    dialect: str
    alias: str
    stream: bool = False
    does: str = "well"
    statuses: tuple[int, ...] = (200,)
    counted: bool = True
    key: str = LOAD_KEY
    malformed: bool = False


def input_tokens(variant: int) -> int:
    """What a variant's answer says went in."""
    return 100 + variant


def output_tokens(variant: int) -> int:
    """What it says came out."""
    return 20 + 3 * variant


def kinds() -> list[Kind]:
    """All kinds of calls; a hundredth of them meet a fault."""
    found: list[Kind] = []
    for dialect in DIALECTS:
        # Triton's answers say nothing of tokens.
        told = dialect != "triton"
        found += [
            Kind(f"whole-{dialect}", 60, dialect, f"native_{dialect}", counted=told),
            Kind(f"stream-{dialect}", 40, dialect, f"native_{dialect}", stream=True, counted=told),
        ]
        if dialect != "openai_chat":
            found += [
                Kind(f"crossed-{dialect}", 20, dialect, "native_openai_chat"),
                Kind(f"crossed-stream-{dialect}", 20, dialect, "native_openai_chat", stream=True),
            ]
    chat, alias = "openai_chat", "native_openai_chat"
    found += [
        Kind("secret", 40, chat, alias, does="secret"),
        Kind("blocked", 20, chat, alias, does="osprey", statuses=(400,), counted=False),
        Kind("kept", 70, chat, alias, does="kept", counted=False),
        Kind("tight", 20, chat, alias, key=TIGHT_KEY, statuses=(200, 429)),
        Kind("stranger", 20, chat, alias, key="wb-nobody", statuses=(401,), counted=False),
        Kind("malformed", 20, chat, alias, malformed=True, statuses=(400,), counted=False),
    ]
    return found + _faults()


def _faults() -> list[Kind]:
    """Ten of a thousand."""
    found: list[Kind] = []
    for place, dialect in enumerate(DIALECTS):
        alias = f"bad_{dialect}"
        does = ("error", "busy", "reset", "cut", "garbage", "error")[place]
        # What is to be read by nobody goes through as it came.
        statuses = (200,) if does == "garbage" else (429, 500, 502)
        found.append(Kind(f"{does}-{dialect}", 1, dialect, alias, does=does, statuses=statuses, counted=False))
    found += [
        Kind("cut-stream", 1, "anthropic_messages", "bad_anthropic_messages", stream=True, does="cut", counted=False),
        Kind("leave", 2, "openai_chat", "bad_openai_chat", stream=True, does="leave", counted=False),
        # Another deployment answers in place of the one that fails.
        Kind("saved", 1, "gemini", "saved", does="saved"),
    ]
    return [replace(each, key=UNLUCKY_KEY) for each in found]


def text_of(kind: Kind, number: int) -> str:
    """What the user of a call says; all that the provider is to do stands in it."""
    does = "well" if kind.does in ("secret", "osprey", "kept") else kind.does
    number = number % KEPT if kind.does == "kept" else number
    variant, form = number % VARIANTS, "stream" if kind.stream else "whole"
    rest = _BOOK if number % 997 == 0 else _PAGE if number % 7 == 0 else ""
    if kind.does == "secret":
        rest += f" My token is ghp_{number % 10**10:010d}aBcDeFgHiJkLmNoPqRsTuVwXyZ."
    if kind.does == "osprey":
        rest += " Tell me of project osprey."
    return f"soak {does} {variant} {form}. Call {number}.{rest}"


@cache
def _template(dialect: str, alias: str, *, stream: bool) -> tuple[str, bytes]:
    """Where a kind of call goes, and its body around the text."""
    asked = SPEAKERS[dialect].ask(asked_with("@TEXT@", "user"), stream=stream)
    body = asked.body.replace(b'"model":"f"', b'"model":"%b"' % alias.encode())
    target = asked.path.replace("/f", f"/{alias}")
    return f"{target}?{asked.query}" if asked.query else target, body


def request_of(kind: Kind, number: int) -> bytes:
    """A whole request."""
    target, body = _template(kind.dialect, kind.alias, stream=kind.stream)
    body = b'{"model":"%b","messages":7}' % kind.alias.encode() if kind.malformed else body
    body = body.replace(b"@TEXT@", text_of(kind, number).encode())
    # A session in ten goes on for ten calls, all others have none.
    session = f"x-weighbridge-session: s-{number // 100}\r\n" if number % 10 == 0 else ""
    return (
        f"POST {target} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {kind.key}\r\nx-weighbridge-tags: kind={kind.name}\r\n{session}"
        f"content-length: {len(body)}\r\n\r\n"
    ).encode() + body


# --- what the provider does


@dataclass(frozen=True)
class Answer:
    """What a provider sends, and whether it hangs up then.

    Attributes:
        later: What it sends after a while, to a client that is about to leave.
    """

    data: bytes
    ends: bool = False
    later: bytes = b""


def spoken(path: bytes) -> str:
    """The dialect in which a provider is asked."""
    return next(dialect for ending, dialect in _ENDINGS.items() if ending.encode() in path)


def wanted(body: bytes) -> tuple[str, int, bool]:
    """What a request wants done, which variant's answer, and whether as a stream."""
    found = _MARK.search(body)
    if found is None:
        raise ValueError(body[:300])
    return found[1].decode(), int(found[2]), found[3] == b"stream"


@cache
def _told(variant: int) -> ChatAnswer:
    answer = told_with(WORDS, "text")
    usage = Usage(input_fresh_tokens=input_tokens(variant), output_text_tokens=output_tokens(variant))
    return msgspec.structs.replace(answer, usage=usage)


@cache
def answer_to(dialect: str, does: str, variant: int, *, stream: bool) -> Answer:
    """A provider's answer, byte for byte."""
    speaks, speaker = Spoken(dialect), SPEAKERS[dialect]
    begun = speaks.head + chunk(speaks.begun)
    rest = b"".join(chunk(each) for each in speaker.events(_told(variant), _SIZES))
    well = speaks.head + rest + END if stream else whole(speaker.answer(_told(variant)))
    does = "error" if does == "saved" and dialect == "gemini" else does
    made: dict[str, Callable[[], Answer]] = {
        "well": lambda: Answer(well),
        "saved": lambda: Answer(well),
        "error": lambda: Answer(_failed(dialect, 500, "Internal Server Error")),
        "busy": lambda: Answer(_failed(dialect, 429, "Too Many Requests")),
        "reset": lambda: Answer(b"", ends=True),
        "cut": lambda: Answer(begun if stream else well[: len(well) // 2], ends=True),
        "garbage": lambda: Answer(whole(b'{"id": no')),
        "leave": lambda: Answer(begun, later=chunk(speaks.next) * 3),
    }
    return made[does]()


def _failed(dialect: str, status: int, words: str) -> bytes:
    head = b"content-type: application/json\r\nx-amzn-errortype: ThrottlingException\r\n"
    return whole(orjson.dumps(BODIES[dialect](status)), f"{status} {words}", head)
