"""Generate requests: what we read of them, and every text in them.

Every top-level field is an input tensor or a parameter of the model, whatever the model calls it. Those of
TensorRT-LLM's models and of the vLLM backend are known by name; all others are text as far as they hold any.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.core.errors import MalformedRequest
from gateway.core.exchange import Incoming, Request
from gateway.core.segments import Segment
from gateway.wire.grammar import Found, Rule, base64_media, each, fields, leaves, text
from gateway.wire.patch import dump
from gateway.wire.shapes import is_object
from gateway.wire.triton.paths import read
from gateway.wire.triton.tensors import first_integer, numbers

DIALECT_NAME = "triton"

_NUMBERS = (
    "accumulate_tokens", "beam_width", "cum_log_probs", "early_stopping", "end_id", "exclude_input_in_output",
    "exclude_input_from_output", "frequency_penalty", "len_penalty", "max_tokens", "min_length", "min_tokens", "n",
    "num_return_sequences", "output_log_probs", "pad_id", "presence_penalty", "random_seed", "repetition_penalty",
    "request_output_len", "return_context_logits", "return_cum_logprobs", "return_finish_reason",
    "return_generation_logits", "return_log_probs", "return_num_input_tokens", "return_num_output_tokens",
    "return_perf_metrics", "seed", "stop", "stream", "streaming", "temperature", "top_k", "top_p",
)  # fmt: skip
_PARAMETERS: dict[str, Rule] = dict.fromkeys(_NUMBERS, numbers)
_REQUEST = fields(
    {
        **_PARAMETERS,
        "id": leaves(),
        "text_input": each(text("text")),
        "prompt": each(text("text")),
        "image": each(base64_media),
        "stop_words": each(leaves()),
        "bad_words": each(leaves()),
        "parameters": fields({**_PARAMETERS}),
    }
)
# What models call the most tokens that they may write.
_MOST_TOKENS = ("max_tokens", "request_output_len", "sampling_param_max_tokens")


def parse(incoming: Incoming, document: Any) -> Request:
    """Understand a generate request: see :meth:`gateway.core.ports.Dialect.parse`."""
    if not is_object(document):
        raise MalformedRequest("The body must be a JSON object.")
    target = read(incoming.path)
    return Request(
        dialect=DIALECT_NAME,
        operation="text_completion",
        route=target.route,
        upstream_path=target.upstream(incoming.query),
        model_in_path=True,
        document=document,
        body=incoming.body,
        model=target.model,
        stream=target.stream,
        max_output_tokens=_most_tokens(document),
    )


def segments(document: Any) -> Iterator[Segment]:
    """Every text of a generate request, in the order in which it stands there."""
    found: Found = []
    _REQUEST((), "user", document, found)
    return iter(found)


def upstream_body(request: Request, document: Any) -> bytes:
    """Bytes for the server: the client's own unless a rule has edited them. The model is in the path."""
    return request.body if document is request.document else dump(document)


def _most_tokens(document: dict[str, Any]) -> int | None:
    for holder in (document, document.get("parameters")):
        if not is_object(holder):
            continue
        for name in _MOST_TOKENS:
            value = first_integer(holder.get(name))
            if value is not None and value > 0:
                return value
    return None
