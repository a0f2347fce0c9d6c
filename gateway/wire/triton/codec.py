"""Triton's generate extension as a dialect that joins the others: see :class:`gateway.core.codec.ChatCodec`."""

from __future__ import annotations

from typing import Any

from gateway.core.chat import ChatAnswer, ChatRequest
from gateway.core.codec import EventReader, EventWriter, WireRequest
from gateway.core.errors import GatewayError
from gateway.core.exchange import Headers
from gateway.core.losses import Losses
from gateway.core.usage import Usage
from gateway.wire.triton import chat_answer, chat_request
from gateway.wire.triton.request import DIALECT_NAME
from gateway.wire.triton.templates import ChatTemplate, built_in


class TritonCodec:
    """Reads and writes generate requests.

    Args:
        template: How the model behind it is spoken to.
    """

    name = DIALECT_NAME

    def __init__(self, template: ChatTemplate) -> None:
        self._template = template

    def read_request(self, document: Any, path: str) -> ChatRequest:
        """Read a request."""
        return chat_request.read_request(document, path)

    def write_request(self, chat: ChatRequest, model: str, losses: Losses) -> WireRequest:
        """Write a request; ``{model}`` in its path stands for the model."""
        return chat_request.write_request(chat, losses, self._template)

    def read_answer(self, document: Any) -> ChatAnswer:
        """Read a whole answer."""
        return chat_answer.read_answer(document, self._template.stop)

    def write_answer(self, answer: ChatAnswer, chat: ChatRequest) -> Any:
        """Write a whole answer."""
        return chat_answer.write_answer(answer, chat)

    def reader(self) -> EventReader:
        """A fresh reader of a server's stream."""
        return chat_answer.TritonEventReader(self._template.stop)

    def writer(self, chat: ChatRequest) -> EventWriter:
        """A fresh writer of a client's stream."""
        return chat_answer.TritonEventWriter(chat)

    def read_error(self, status: int, headers: Headers, document: Any) -> GatewayError:
        """Read a server's error answer."""
        return chat_answer.read_error(status, headers, document)

    def read_usage(self, document: Any) -> Usage | None:
        """Read the counts of a document."""
        return chat_answer.read_usage(document)


CODEC = TritonCodec(built_in("chatml"))
