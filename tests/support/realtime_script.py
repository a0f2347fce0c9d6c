"""A provider of sessions, made with a WebSocket library that the gateway does not use: says what its script says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

Script = Callable[["Talk"], None]
MODEL = "gpt-realtime-2025-08-28"
USAGE = {
    "total_tokens": 300,
    "input_tokens": 200,
    "output_tokens": 100,
    "input_token_details": {
        "text_tokens": 120,
        "audio_tokens": 80,
        "image_tokens": 0,
        "cached_tokens": 50,
        "cached_tokens_details": {"text_tokens": 30, "audio_tokens": 20, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 40, "audio_tokens": 60},
}
# Dollars a million tokens: text and sound, in, cached and out.
PRICES = (
    "- {provider: %s, model: gpt-realtime, input: 4.0, output: 16.0, cached_input: 0.4, audio_input: 32.0,"
    " audio_output: 64.0}\n"
)
# 90 fresh, 60 heard, 50 cached; 40 written, 60 said.
COST_NANOUSD = 90 * 4000 + 60 * 32_000 + 50 * 400 + 40 * 16_000 + 60 * 64_000


@dataclass
class Talk:
    """One session as the provider sees it."""

    socket: ServerConnection
    heard: list[Any] = field(default_factory=list)
    closed: tuple[int | None, str] = (None, "")
    over: threading.Event = field(default_factory=threading.Event)

    def say(self, **event: Any) -> None:
        """Send an event."""
        self.socket.send(orjson.dumps({"event_id": "event_0123456789abcdef", **event}).decode())

    def hear(self) -> Any:
        """Wait for the client's next event."""
        message = self.socket.recv(timeout=30)
        self.heard.append(orjson.loads(message))
        return self.heard[-1]

    def began(self, model: str = MODEL) -> None:
        """Say that the session is there."""
        self.say(type="session.created", session={"type": "realtime", "object": "realtime.session", "model": model})

    def answer(self, *pieces: str, number: int = 1, usage: Any = USAGE, status: str = "completed") -> None:
        """Say an answer in pieces, with all the events that repeat it."""
        said, response = "".join(pieces), f"resp_{number:016d}"
        at = {"response_id": response, "item_id": f"item_{number:016d}", "output_index": 0, "content_index": 0}
        item = {"id": at["item_id"], "object": "realtime.item", "type": "message", "role": "assistant"}
        part = {"type": "output_text", "text": said}
        whole = {"id": response, "object": "realtime.response", "status": status, "output": [], "usage": None}
        self.say(type="response.created", response={**whole, "status": "in_progress"})
        self.say(type="response.output_item.added", response_id=response, output_index=0, item={**item, "content": []})
        self.say(type="response.content_part.added", part={"type": "output_text", "text": ""}, **at)
        for piece in pieces:
            self.say(type="response.output_text.delta", delta=piece, **at)
        self.say(type="response.output_text.done", text=said, **at)
        self.say(type="response.content_part.done", part=part, **at)
        item["content"] = [part]
        self.say(type="response.output_item.done", response_id=response, output_index=0, item=item)
        self.say(type="response.done", response={**whole, "output": [item], "usage": usage})


@dataclass
class RealtimeProvider:
    """What it was asked, and what it does."""

    script: Script
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    talks: list[Talk] = field(default_factory=list)
    refusal: tuple[HTTPStatus, str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def last(self) -> Talk:
        return self.talks[-1]

    def _ask(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        if self.refusal is None:
            return None
        response = connection.respond(*self.refusal)
        del response.headers["content-type"]
        response.headers["content-type"] = "application/json"
        response.headers["x-request-id"] = "req_refused"
        return response

    def _talk(self, socket: ServerConnection) -> None:
        talk = Talk(socket)
        self.talks.append(talk)
        try:
            self.script(talk)
        except (ConnectionClosed, TimeoutError):
            pass
        finally:
            socket.close()
            talk.closed = (socket.close_code, socket.close_reason or "")
            talk.over.set()


@contextmanager
def realtime_provider(script: Script) -> Iterator[RealtimeProvider]:
    """Run such a provider on a free port."""
    provider = RealtimeProvider(script)
    server = serve(
        provider._talk, "127.0.0.1", 0, process_request=provider._ask, compression="deflate",
        select_subprotocol=lambda _, offered: offered[0] if offered else None,
    )  # fmt: skip
    provider.port = server.socket.getsockname()[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join(30)
