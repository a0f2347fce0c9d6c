"""The built-in provider: answers without a network, so that the product can be tried without a key.

It speaks to the same sink as the HTTP client, one event at a time, and obeys pause and cancel like a real provider.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from gateway.core.exchange import Headers
from gateway.core.ports import AnswerSink
from gateway.upstream import sim_answers as answers
from gateway.upstream.sim_answers import Json, SimError

_JSON: Headers = {b"content-type": b"application/json", b"x-request-id": b"req_sim"}
_EVENTS: Headers = {b"content-type": b"text/event-stream; charset=utf-8", b"x-request-id": b"req_sim"}
# Words between two breaths of the loop, so that a long answer starves nobody.
BURST = 16


class SimCall:
    """An answer of ``sim`` on its way."""

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.flowing = asyncio.Event()
        self.flowing.set()

    def cancel(self) -> None:
        """Stop."""
        if self.task is not None:
            self.task.cancel()

    def pause(self) -> None:
        """Say no more until :meth:`resume`."""
        self.flowing.clear()

    def resume(self) -> None:
        """Go on."""
        self.flowing.set()


class SimProvider:
    """Answers requests in OpenAI's shape."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, path: str, body: bytes, sink: AnswerSink) -> SimCall:
        """Start an answer; the sink hears it from another turn of the loop.

        Args:
            path: Below the base URL: ``/chat/completions``.
            body: The request's JSON.
            sink: Who takes the answer.
        """
        call = SimCall()
        call.task = self._loop.create_task(self._answer(path.partition("?")[0], body, sink, call))
        self._tasks.add(call.task)
        call.task.add_done_callback(self._tasks.discard)
        return call

    async def close(self) -> None:
        """Stop every answer."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, path: str, body: bytes, sink: AnswerSink, call: SimCall) -> None:
        try:
            document = answers.obj(orjson.loads(body)) if body else {}
            await self._speak(path, document, sink, call)
        except SimError as error:
            sink.on_head(error.status, dict(_JSON))
            sink.on_data(orjson.dumps(error.body))
        except (ValueError, TypeError, KeyError, AttributeError):
            error = SimError(400, "sim does not understand this request.", "invalid_request")
            sink.on_head(error.status, dict(_JSON))
            sink.on_data(orjson.dumps(error.body))
        sink.on_end()

    async def _speak(self, path: str, document: Json, sink: AnswerSink, call: SimCall) -> None:
        if path == "/embeddings":
            _whole(sink, _embeddings(document))
        elif path == "/models":
            data = [{"id": m, "object": "model", "created": answers.CREATED, "owned_by": "sim"} for m in answers.MODELS]
            _whole(sink, {"object": "list", "data": data})
        elif path not in {"/chat/completions", "/completions"}:
            raise SimError(404, f"sim does not serve {path}.", "not_found")
        elif document.get("stream") is True:
            await _stream(path, document, sink, call)
        else:
            await asyncio.sleep(0)
            _whole(sink, _completion(path, document))


def _whole(sink: AnswerSink, document: Json) -> None:
    sink.on_head(200, dict(_JSON))
    sink.on_data(orjson.dumps(document))


def _usage(document: Json, said: int) -> Json:
    asked = answers.prompt_tokens(document)
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def _choices(document: Json) -> int:
    wanted = document.get("n")
    return wanted if isinstance(wanted, int) and 0 < wanted <= 128 else 1


def _limited(document: Json, tokens: list[str]) -> tuple[list[str], str]:
    most = document.get("max_completion_tokens") or document.get("max_tokens")
    if isinstance(most, int) and most < len(tokens):
        return tokens[:most], "length"
    return tokens, "stop"


def _logprobs(tokens: list[str]) -> Json:
    return {
        "content": [{"token": t, "logprob": 0.0, "bytes": list(t.encode()), "top_logprobs": []} for t in tokens],
        "refusal": None,
    }


def _completion(path: str, document: Json) -> Json:
    tokens, finish = _limited(document, answers.words(answers.answer_text(document)))
    text = "".join(tokens)
    count = _choices(document)
    chat = path == "/chat/completions"
    calls = answers.tool_calls(document) if chat else []
    choices: list[Json] = []
    for index in range(count):
        if not chat:
            choices.append({"index": index, "text": text, "logprobs": None, "finish_reason": finish})
            continue
        message: Json = {"role": "assistant", "content": None if calls else text, "refusal": None}
        if calls:
            message["tool_calls"] = calls
        logprobs = _logprobs(tokens) if document.get("logprobs") is True and not calls else None
        reason = "tool_calls" if calls else finish
        choices.append({"index": index, "message": message, "logprobs": logprobs, "finish_reason": reason})
    said = (len(calls[0]["function"]["arguments"].split()) if calls else len(tokens)) * count
    return {**_envelope(document, "chat.completion" if chat else "text_completion"), "choices": choices,
            "usage": _usage(document, said)}  # fmt: skip


def _envelope(document: Json, kind: str) -> Json:
    return {"id": "chatcmpl-sim", "object": kind, "created": answers.CREATED, "model": document["model"]}


async def _stream(path: str, document: Json, sink: AnswerSink, call: SimCall) -> None:
    tokens, finish = _limited(document, answers.words(answers.answer_text(document)))
    chat = path == "/chat/completions"
    calls = answers.tool_calls(document) if chat else []
    count = _choices(document)
    envelope = _envelope(document, "chat.completion.chunk" if chat else "text_completion")
    usage = answers.obj(document.get("stream_options")).get("include_usage") is True
    delay_s = answers.number(answers.split_model(document["model"])[1], "delay_ms", 0, (0, 60_000)) / 1000
    sink.on_head(200, dict(_EVENTS))
    extra: Json = {"usage": None} if usage else {}

    def emit(choices: list[Json], more: Json = extra) -> None:
        sink.on_data(b"data: " + orjson.dumps({**envelope, "choices": choices, **more}) + b"\n\n")

    for index in range(count):
        if chat:
            emit([_delta(index, {"role": "assistant", "content": None if calls else ""})])
    for at, token in enumerate([] if calls else tokens):
        await call.flowing.wait()
        if delay_s or at % BURST == 0:
            await asyncio.sleep(delay_s)
        for index in range(count):
            emit([_piece(index, token, document, chat=chat)])
    for index in range(count):
        if calls:
            _emit_calls(emit, index, calls)
        reason = "tool_calls" if calls else finish
        emit(
            [
                _delta(index, {}, reason)
                if chat
                else {"index": index, "text": "", "logprobs": None, "finish_reason": reason}
            ]
        )
    if usage:
        said = (len(calls[0]["function"]["arguments"].split()) if calls else len(tokens)) * count
        emit([], {"usage": _usage(document, said)})
    sink.on_data(b"data: [DONE]\n\n")


def _emit_calls(emit: Any, index: int, calls: list[Json]) -> None:
    for at, each in enumerate(calls):
        function = each["function"]
        opening = {
            "index": at,
            "id": each["id"],
            "type": "function",
            "function": {"name": function["name"], "arguments": ""},
        }
        emit([_delta(index, {"tool_calls": [opening]})])
        emit([_delta(index, {"tool_calls": [{"index": at, "function": {"arguments": function["arguments"]}}]})])


def _delta(index: int, delta: Json, finish: str | None = None) -> Json:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}


def _piece(index: int, token: str, document: Json, *, chat: bool) -> Json:
    if not chat:
        return {"index": index, "text": token, "logprobs": None, "finish_reason": None}
    piece = _delta(index, {"content": token})
    if document.get("logprobs") is True:
        piece["logprobs"] = _logprobs([token])
    return piece


def _embeddings(document: Json) -> Json:
    if answers.split_model(str(document.get("model", "")))[0] != "embed":
        raise SimError(404, "The model does not exist, or makes no embeddings.", "model_not_found")
    items = answers.inputs(document.get("input", ""))
    dimensions = document.get("dimensions")
    size = dimensions if isinstance(dimensions, int) and 0 < dimensions <= 4096 else answers.DIMENSIONS
    encoded = document.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": at, "embedding": answers.embedding(str(item), size, encoded=encoded)}
        for at, item in enumerate(items)
    ]
    asked = answers.prompt_tokens(document)
    return {
        "object": "list",
        "data": data,
        "model": document["model"],
        "usage": {"prompt_tokens": asked, "total_tokens": asked},
    }
