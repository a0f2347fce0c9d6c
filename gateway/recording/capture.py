"""What is kept of the bodies of a call: as the guards left them, or as they came; never a credential, nor a file.

``redacted`` is the request as it was sent on and the answer as the client got it, with masked values masked again; what
a rule turned back is not kept. ``full`` is the request as the client wrote it and the answer as the provider gave it,
whatever rules made of them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping, Sized
from contextlib import suppress
from typing import Any, cast
from urllib.parse import unquote

import msgspec
import orjson

from gateway.core.call import Call
from gateway.core.capture import Bodies, decided
from gateway.core.errors import GatewayError
from gateway.core.exchange import Principal
from gateway.core.key_token import PREFIX as KEY_PREFIX
from gateway.core.key_token import TOKEN
from gateway.core.record import CaptureRecord, ExchangeRecord
from gateway.core.verdict import Masked
from gateway.recording.media import opaque_without_media, without_media

# From here on a body is looked through beside the loop, where its call ends well.
HEAVY_BYTES = 256 * 1024
MAX_BESIDE = 64
MAX_USER_CHARS = 256
CREDENTIAL = b"[CREDENTIAL]"
# What is shorter is no secret, and stands in many a text.
_LEAST_SECRET_BYTES = 8
_CARRYING = (b"x-api-key", b"api-key", b"x-goog-api-key", b"x-amz-security-token")
PREFIX = KEY_PREFIX.encode()
_OWN_KEY = re.compile(TOKEN.pattern.encode())
_IN_QUERY = re.compile(r"(?:^|&)(?:key|api[-_]key|access_token)=([^&]+)", re.IGNORECASE)


class Capture(msgspec.Struct, frozen=True, kw_only=True):
    """Which bodies are kept where nobody says otherwise, and how much of each."""

    bodies: Bodies = "none"
    max_body_bytes: int = 65_536


class Capturing:
    """Decides what is kept of calls, and keeps it.

    Args:
        capture: What is kept where nobody says otherwise.
    """

    def __init__(self, capture: Capture) -> None:
        self._bodies: Bodies = capture.bodies
        self._most = capture.max_body_bytes

    def captures(self, principal: Principal, bodies: Bodies | None) -> str:
        """Decide how much is kept of the bodies of a caller's calls, as records say it: empty for none."""
        # What a judge is asked holds the very text that a rule has found.
        kept = "none" if principal.inner else decided(self._bodies, principal.capture, bodies)
        return "" if kept == "none" else kept

    def recaptured(self, template: ExchangeRecord, principal: Principal, bodies: Bodies | None) -> ExchangeRecord:
        """Give a template for calls under other policies."""
        return msgspec.structs.replace(template, capture=self.captures(principal, bodies))

    def is_heavy(self, call: Call, others: Sized) -> bool:
        """Whether the bodies of a call are looked through beside the loop; not when many others are already."""
        return is_heavy(call) and len(others) < MAX_BESIDE

    async def look_through(self, call: Call, record: ExchangeRecord) -> None:
        """Take the bodies of a call beside the loop, where that takes long; else :meth:`take` is for it."""
        if record.capture and is_heavy(call):
            await asyncio.get_running_loop().run_in_executor(None, self.take, call, record)

    def take(self, call: Call, record: ExchangeRecord) -> None:
        """Put what is kept of a call's bodies on its record."""
        take_bodies(call, record, self._most)


def is_heavy(call: Call) -> bool:
    """Whether it takes long to look through the bodies of a call."""
    received = 0 if call.attempt is None else sum(map(len, call.attempt.received))
    return len(call.incoming.body) + max(len(call.answer), received) > HEAVY_BYTES


def take_bodies(call: Call, record: ExchangeRecord, most: int) -> None:
    """Put what is kept of a call's bodies on its record.

    Args:
        call: The exchange; all of it is over.
        record: Says how much is kept of it.
        most: Bytes of each body.
    """
    request, answer = _as_they_came(call) if record.capture == "full" else _as_left(call)
    if not request and not answer:
        return
    told = CaptureRecord(user=_user_of(call))
    secrets = tuple(_credentials(call))
    headers = call.incoming.headers
    readable = call.request is not None and call.request.document is not None
    sent_type = b"application/json" if readable else headers.get(b"content-type", b"")
    got_type = _answer_type(call)
    record.request_body, told.request_bytes = _kept(request, sent_type, secrets, most, told)
    record.response_body, told.response_bytes = _kept(answer, got_type, secrets, most, told)
    record.captured = [told]


def _as_left(call: Call) -> tuple[bytes, bytes]:
    if call.attempt is None:
        return b"", b""
    reader = call.attempt.reader
    answer = call.answer if reader is None else call.dialect.stream_transcript(reader.kept)
    return call.body, _masked_again(answer, call.masks) if call.masks else answer


def _as_they_came(call: Call) -> tuple[bytes, bytes]:
    attempt, request = call.attempt, call.request
    if attempt is None or request is None:
        return call.incoming.body, b""
    reader = attempt.reader
    if reader is None:
        return call.incoming.body, b"".join(attempt.received)
    if attempt.received and call.part is None:
        # What rules and restored values have made of the stream is in its reader; this is what was said.
        reader = call.dialect.stream_reader(request, None)
        with suppress(GatewayError):
            for piece in attempt.received:
                reader.feed(piece)
            reader.finish()
    return call.incoming.body, call.dialect.stream_transcript(reader.kept) if reader.kept else b""


def _answer_type(call: Call) -> bytes:
    attempt = call.attempt
    if attempt is None or attempt.reader is not None:
        return b"application/json"
    return attempt.headers.get(b"content-type", b"")


def _kept(
    body: bytes, content_type: bytes, secrets: Iterable[bytes], most: int, told: CaptureRecord
) -> tuple[str | None, int | None]:
    """What is kept of a body, and how long it was before it was cut; nothing of one that is empty."""
    if not body:
        return None, None
    if b"json" in content_type or body[:1] in (b"{", b"["):
        body, found = without_media(body)
    else:
        body, found = opaque_without_media(body, content_type)
    told.media += found
    for secret in secrets:
        body = body.replace(secret, CREDENTIAL)
    if PREFIX in body:
        body = _OWN_KEY.sub(CREDENTIAL, body)
    return body[:most].decode("utf-8", "replace"), len(body)


def _credentials(call: Call) -> Iterator[bytes]:
    """What the caller has shown us or means for the provider, and what we show the provider."""
    incoming = call.incoming
    headers = incoming.headers
    shown = [headers.get(b"authorization", b"").rpartition(b" ")[2], *(headers.get(name, b"") for name in _CARRYING)]
    if incoming.query:
        shown += [unquote(value).encode() for value in _IN_QUERY.findall(incoming.query)]
    if call.deployment is not None and call.deployment.credential:
        lines = call.deployment.credential.split(b"\r\n")
        shown += [line.partition(b":")[2].strip().rpartition(b" ")[2] for line in lines]
    for secret in dict.fromkeys(shown):
        if len(secret) >= _LEAST_SECRET_BYTES:
            yield secret


def _user_of(call: Call) -> str:
    document: Any = None if call.request is None else call.request.document
    if not isinstance(document, dict):
        return ""
    asked = cast("dict[str, Any]", document)
    about = asked.get("metadata")
    besides = cast("dict[str, Any]", about).get("user_id") if isinstance(about, dict) else None
    said: tuple[Any, ...] = (asked.get("user"), asked.get("safety_identifier"), besides)
    return next((each[:MAX_USER_CHARS] for each in said if isinstance(each, str) and each), "")


def _masked_again(answer: bytes, masks: Mapping[str, Masked]) -> bytes:
    """Put placeholders back where a client's answer had values restored."""
    # The longest first: one value may be a part of another.
    for placeholder, masked in sorted(masks.items(), key=lambda item: -len(item[1].value)):
        answer = answer.replace(orjson.dumps(masked.value)[1:-1], placeholder.encode())
    return answer
