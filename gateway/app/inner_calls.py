"""Calls that the gateway makes to itself: what a judge asks a model alias goes the way of every call.

It is routed, counted, paid and recorded like any other, under the tag ``weighbridge=judge``. No rule looks at it: it
holds the very text that a rule has found suspicious, and a judge that is judged would never come to an end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson

from gateway.core.errors import GatewayError, InvalidAnswer, MalformedRequest
from gateway.core.exchange import Incoming, Principal
from gateway.listener.drive import Drive
from gateway.pipeline import Pipeline

PATH = "/v1/chat/completions"
# By these, what judges ask is told apart in records, spend and limits.
JUDGE = Principal(tags={"weighbridge": "judge"}, inner=True)
_HEADERS = {b"content-type": b"application/json"}


class InnerCalls:
    """Asks the models of a pipeline.

    Args:
        pipeline: Answers.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    async def ask(self, model: str, system: str, text: str, max_tokens: int) -> str:
        """Ask a model, and return what it writes.

        Args:
            model: An alias of the configuration.
            system: Its task.
            text: What it is about.
            max_tokens: The most that it may write.

        Raises:
            GatewayError: It cannot be asked, or answers with an error or without text.
        """
        document = {
            "model": model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": text}],
            "max_tokens": max_tokens,
            "temperature": 0,
        }
        try:
            body = orjson.dumps(document)
        except orjson.JSONEncodeError:
            raise MalformedRequest("The text is no Unicode.") from None
        pipeline = self._pipeline
        incoming = Incoming("POST", PATH, "", dict(_HEADERS), body, "", pipeline.journal.now_ns(), memo={})
        pipeline.courses.enter(incoming, JUDGE)
        reply = await answered(pipeline, incoming)
        return _text(reply.status, reply.body)


async def answered(pipeline: Pipeline, incoming: Incoming) -> Gathered:
    """Let a pipeline answer a call whose caller it knows; whoever waits no more ends it.

    Raises:
        GatewayError: There is no answer.
    """
    reply, faults = Gathered(), list[GatewayError]()
    drive = Drive(_edge(pipeline, incoming, reply, faults), asyncio.get_running_loop(), _nothing)
    drive.start()
    try:
        await drive.wait()
    except asyncio.CancelledError:
        drive.cancel()
        raise
    if faults:
        raise faults[0]
    return reply


async def _edge(pipeline: Pipeline, incoming: Incoming, reply: Gathered, faults: list[GatewayError]) -> None:
    """The pipeline answers what it declares; nothing else may leave a drive."""
    try:
        await pipeline.handle(incoming, reply)
    except GatewayError as error:
        faults.append(error)


class Gathered:
    """Takes a whole answer; a :class:`gateway.core.ports.Reply`."""

    def __init__(self) -> None:
        self.gone = False
        self.started = False
        self.status = 0
        self.body = b""

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """Take an answer."""
        self.status, self.body = status, body

    def start(self, status: int, headers: bytes) -> None:
        """Take the head of one."""
        self.started, self.status = True, status

    def write(self, data: bytes) -> None:
        """Take a piece."""
        self.body += data

    def finish(self, tail: bytes) -> None:
        """Take the last piece."""
        self.body += tail

    def abort(self) -> None:
        """It is not whole."""
        self.status = 0

    def on_flow(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """Nobody is slow here."""


def _nothing(drive: Drive) -> None:
    del drive


def _text(status: int, body: bytes) -> str:
    try:
        document: Any = orjson.loads(body) if status == 200 else None
        text = document["choices"][0]["message"]["content"]
    except (orjson.JSONDecodeError, LookupError, TypeError):
        text = None
    if not isinstance(text, str):
        raise InvalidAnswer(f"The judge's model answered {status} without a text.")
    return text
