"""Converse as a dialect that joins the others: see :class:`gateway.core.codec.ChatCodec`."""

from __future__ import annotations

from typing import Any

from gateway.core.chat import ChatAnswer, ChatRequest
from gateway.core.codec import EventReader, EventWriter, WireRequest
from gateway.core.errors import GatewayError
from gateway.core.exchange import Headers
from gateway.core.losses import Losses
from gateway.core.usage import Usage
from gateway.wire.bedrock_converse import chat_answer, chat_errors, chat_request, chat_request_writer
from gateway.wire.bedrock_converse.chat_stream_reader import ConverseEventReader
from gateway.wire.bedrock_converse.chat_stream_writer import ConverseEventWriter
from gateway.wire.bedrock_converse.request import DIALECT_NAME
from gateway.wire.bedrock_converse.usage import read_usage


class BedrockConverseCodec:
    """Reads and writes Converse."""

    name = DIALECT_NAME

    def read_request(self, document: Any, path: str) -> ChatRequest:
        """Read a request; its model is in the path, and whether it wants a stream."""
        return chat_request.read_request(document, path)

    def write_request(self, chat: ChatRequest, model: str, losses: Losses) -> WireRequest:
        """Write a request for a provider."""
        return chat_request_writer.write_request(chat, model, losses)

    def read_answer(self, document: Any) -> ChatAnswer:
        """Read a whole answer."""
        return chat_answer.read_answer(document)

    def write_answer(self, answer: ChatAnswer, chat: ChatRequest) -> Any:
        """Write a whole answer."""
        return chat_answer.write_answer(answer)

    def reader(self) -> EventReader:
        """A fresh reader of a provider's stream."""
        return ConverseEventReader()

    def writer(self, chat: ChatRequest) -> EventWriter:
        """A fresh writer of a client's stream."""
        return ConverseEventWriter(chat)

    def read_error(self, status: int, headers: Headers, document: Any) -> GatewayError:
        """Read a provider's error answer."""
        return chat_errors.read_error(status, headers, document)

    def read_usage(self, document: Any) -> Usage | None:
        """Read a ``usage`` object."""
        return read_usage(document)


CODEC = BedrockConverseCodec()
