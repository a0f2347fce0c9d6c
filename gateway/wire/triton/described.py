"""What the gateway says of a model that no server has, to clients that ask one what it takes and gives.

It is called as TensorRT-LLM's models are, so it says of itself what they say. Which of its inputs a provider has a
place for is told when they are used.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from gateway.core.errors import NotAvailable
from gateway.wire.triton.raw import TEXTS, Described

_PLATFORM = "weighbridge"
_VERSION = "1"
_METHOD = re.compile(r"/v2/models/.+?(?:/versions/(?P<version>[0-9]{1,19}))?(?:/(?P<method>ready|config|stats))?")


def _all(*tensors: tuple[str, str, int]) -> dict[str, Described]:
    return {name: Described(name, datatype, (size,)) for name, datatype, size in tensors}


INPUTS = _all(
    ("text_input", TEXTS, 1), ("max_tokens", "INT32", 1), ("stream", "BOOL", 1), ("stop_words", TEXTS, -1),
    ("temperature", "FP32", 1), ("top_p", "FP32", 1), ("top_k", "INT32", 1), ("random_seed", "UINT64", 1),
    ("repetition_penalty", "FP32", 1), ("presence_penalty", "FP32", 1), ("frequency_penalty", "FP32", 1),
    ("return_log_probs", "BOOL", 1), ("return_finish_reason", "BOOL", 1), ("return_num_input_tokens", "BOOL", 1),
    ("return_num_output_tokens", "BOOL", 1), ("accumulate_tokens", "BOOL", 1),
)  # fmt: skip
OUTPUTS = _all(
    ("text_output", TEXTS, 1), ("finish_reason", TEXTS, 1), ("num_input_tokens", "INT32", 1),
    ("num_output_tokens", "INT32", 1), ("output_log_probs", "FP32", -1), ("cum_log_probs", "FP32", 1),
)  # fmt: skip


def described(name: str, path: str) -> tuple[int, bytes]:
    """Answer a question about a model.

    Args:
        name: As clients call it.
        path: As it came; ``{model}`` may stand for the model.

    Returns:
        Status and body.

    Raises:
        NotAvailable: Nobody keeps such figures.
    """
    found = _METHOD.fullmatch(path.partition("?")[0])
    method, version = (found["method"] or "", found["version"] or "") if found else ("", "")
    if version not in ("", _VERSION):
        sentence = f"Request for unknown model: '{name[:200]}' version {version} is not found"
        return (400 if method == "ready" else 404), orjson.dumps({"error": sentence})
    if method == "ready":
        return 200, b""
    if method == "stats":
        raise NotAvailable("Statistics of models of other providers are not yet available.")
    return 200, orjson.dumps(_config(name) if method == "config" else _metadata(name))


def _metadata(name: str) -> dict[str, Any]:
    inputs, outputs = (
        [{"name": each.name, "datatype": each.datatype, "shape": each.shape} for each in tensors.values()]
        for tensors in (INPUTS, OUTPUTS)
    )
    return {"name": name, "versions": [_VERSION], "platform": _PLATFORM, "inputs": inputs, "outputs": outputs}


def _config(name: str) -> dict[str, Any]:
    """A configuration as a server tells it. ``decoupled``: whoever wants to can have the answer piece by piece."""
    inputs, outputs = (
        [{"name": each.name, "data_type": _kind(each), "dims": each.shape} for each in tensors.values()]
        for tensors in (INPUTS, OUTPUTS)
    )
    return {
        "name": name,
        "platform": _PLATFORM,
        "max_batch_size": 0,
        "input": [inputs[0], *({**each, "optional": True} for each in inputs[1:])],
        "output": outputs,
        "model_transaction_policy": {"decoupled": True},
    }


def _kind(tensor: Described) -> str:
    return "TYPE_STRING" if tensor.datatype == TEXTS else f"TYPE_{tensor.datatype}"
