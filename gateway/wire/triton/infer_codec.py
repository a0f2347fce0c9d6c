"""KServe's ``/infer`` as a dialect whose clients join the others, where they call what writes text.

The tensors of a call are the fields of a generate request, so that what there is for these holds here too. The answer
comes in tensors: the text, and what else was asked for by flags or by the names of outputs.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.core.chat import ChatAnswer, ChatRequest, Refusal, Text
from gateway.core.codec import EncodedAnswer, EventWriter
from gateway.core.errors import InvalidAnswer, MalformedRequest
from gateway.wire.triton import chat_request, rpc_generate, rpc_infer
from gateway.wire.triton.answer import TEXT
from gateway.wire.triton.chat_answer import VERSION
from gateway.wire.triton.described import OUTPUTS
from gateway.wire.triton.paths import read as read_path
from gateway.wire.triton.raw import Described, Tensor, packed
from gateway.wire.triton.rpc_generate import RpcAnswer
from gateway.wire.triton.wanted import LOG_PROBS, TELLABLE, Wanted, told_of

DIALECT_NAME = "kserve"


class Told(msgspec.Struct, frozen=True):
    """How an answer is wanted.

    Attributes:
        asked: Which of its tensors, and which of these raw.
        names: Of those besides the text.
        batched: Texts have a dimension around them, and so have answers.
    """

    asked: rpc_infer.Asked
    names: frozenset[str]
    batched: bool


class InferCodec:
    """Reads calls and writes their answers: see :class:`gateway.core.codec.ClientCodec`."""

    name = DIALECT_NAME

    def read_request(self, document: Any, path: str) -> ChatRequest:
        """Read a request."""
        asked = rpc_infer.asked_in(document)
        try:
            fields = rpc_generate.read_call(asked.call)
        except InvalidAnswer as error:
            raise MalformedRequest(error.public_message, param="inputs") from None
        chat = chat_request.read_fields(fields, read_path(path), DIALECT_NAME)
        flags = chat.told_as.names if isinstance(chat.told_as, Wanted) else frozenset[str]()
        outputs = {name for name, _ in asked.call.outputs}
        extras = {f"outputs.{name}": True for name in outputs - TELLABLE - {TEXT}}
        if any(classes for _, classes in asked.call.outputs):
            extras["outputs.classification"] = True
        names = frozenset(outputs & TELLABLE) if outputs else flags
        sampling = msgspec.structs.replace(chat.sampling, logprobs=True) if names & LOG_PROBS else chat.sampling
        texts = next((each for each in asked.call.inputs if each.name == "text_input"), None)
        return msgspec.structs.replace(
            chat,
            sampling=sampling,
            extras={**chat.extras, **extras},
            told_as=Told(asked, names, texts is not None and len(texts.shape) > 1),
        )

    def write_answer(self, answer: ChatAnswer, chat: ChatRequest) -> EncodedAnswer:
        """Write a whole answer."""
        told = chat.told_as if isinstance(chat.told_as, Told) else Told(_PLAIN, frozenset(), batched=False)
        choice = answer.choices[0]
        text = "".join([part.text for part in choice.parts if isinstance(part, Text | Refusal)])
        fields = {TEXT: text, **told_of((choice,), answer.usage, told.names)}
        wanted = [name for name, _ in told.asked.call.outputs] or list(fields)
        written = RpcAnswer(
            model=answer.model,
            version=VERSION,
            id=told.asked.call.id or answer.id,
            outputs=tuple(_tensor(name, fields[name], told) for name in wanted if name in fields),
        )
        body, head_bytes = rpc_infer.write_answer(written, told.asked)
        if head_bytes is None:
            return EncodedAnswer(body=body, headers={b"content-type": b"application/json"})
        headers = {b"content-type": b"application/octet-stream", rpc_infer.HEAD_LENGTH: b"%d" % head_bytes}
        return EncodedAnswer(body=body, headers=headers)

    def writer(self, chat: ChatRequest) -> EventWriter:
        """Refuse.

        Raises:
            InvalidAnswer: Always.
        """
        raise InvalidAnswer("The provider streamed an answer that cannot be a stream.")


def _tensor(name: str, value: Any, told: Told) -> Tensor:
    tensor = packed(value, Described(name, OUTPUTS[name].datatype, (-1,)))
    return msgspec.structs.replace(tensor, shape=(1, *tensor.shape)) if told.batched else tensor


_PLAIN = rpc_infer.Asked(rpc_generate.RpcCall(), frozenset(), all_raw=False)
CODEC = InferCodec()
