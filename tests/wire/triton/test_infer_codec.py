from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest

from gateway.core.chat import ChatAnswer, ChatRequest, Choice, Reasoning, Sampling, Text, TokenLogprob, Turn
from gateway.core.codec import ClientCodec
from gateway.core.errors import InvalidAnswer, MalformedRequest, UnsupportedField
from gateway.core.losses import Losses
from gateway.core.usage import Usage
from gateway.wire.counted_texts import text_bytes
from gateway.wire.triton import rpc_infer
from gateway.wire.triton.codec import CODEC as GENERATE
from gateway.wire.triton.infer_codec import CODEC

PATH = "/v2/models/openai/gpt-4o/infer"
TEXT = {"name": "text_input", "datatype": "BYTES", "shape": [1], "data": ["hi"]}
ANSWER = ChatAnswer(
    id="c-1",
    model="gpt-4o",
    choices=(
        Choice(
            index=0,
            parts=(Reasoning(text="hm"), Text(text="Hello.")),
            finish="length",
            logprobs=(TokenLogprob(token="Hello", logprob=-0.5), TokenLogprob(token=".", logprob=-0.25)),
        ),
    ),
    usage=Usage(input_fresh_tokens=3, output_text_tokens=2),
)


def tensor(name: str, datatype: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [1], "data": [value], **more}


def read(*tensors: Any, **more: Any) -> ChatRequest:
    return CODEC.read_request({"inputs": [TEXT, *tensors], **more}, PATH)


def told(chat: ChatRequest) -> dict[str, tuple[str, list[int], Any]]:
    document = orjson.loads(CODEC.write_answer(ANSWER, chat).body)
    return {each["name"]: (each["datatype"], each["shape"], each["data"]) for each in document["outputs"]}


def test_it_keeps_the_contract() -> None:
    codec: ClientCodec = CODEC
    assert codec.name == "kserve"
    with pytest.raises(InvalidAnswer):
        codec.writer(read())


def test_tensors_are_the_fields_of_a_request() -> None:
    chat = read(
        tensor("max_tokens", "INT32", 7),
        tensor("temperature", "FP32", 0.5),
        tensor("random_seed", "UINT64", 3),
        {"name": "stop_words", "datatype": "BYTES", "shape": [2], "data": ["END", "."]},
        parameters={"top_p": 0.5, "binary_data_output": True},
    )
    assert (chat.dialect, chat.model, chat.stream) == ("kserve", "openai/gpt-4o", False)
    assert chat.turns == (Turn(role="user", parts=(Text(text="hi"),)),)
    assert chat.sampling == Sampling(max_tokens=7, temperature=0.5, seed=3, top_p=0.5, stop=("END", "."))
    assert chat.extras == {}


def test_what_lies_raw_is_read() -> None:
    raw = [
        {**TEXT, "data": ["hi"], "raw": text_bytes(["hi"]), "parameters": {"binary_data_size": 6}},
        {"name": "max_tokens", "datatype": "INT32", "shape": [1], "raw": b"\x09\0\0\0"},
    ]
    chat = CODEC.read_request({"inputs": raw}, PATH)
    assert chat.sampling.max_tokens == 9
    # Edited by a rule: what is read counts, not what came.
    raw[0]["data"] = ["ho"]
    assert CODEC.read_request({"inputs": raw}, PATH).turns[0].parts == (Text(text="ho"),)


@pytest.mark.parametrize(
    ("inputs", "what"),
    [
        ([], "text_input"),
        ([{**TEXT, "shape": [2], "data": ["a", "b"]}], "text_input"),
        ([{**TEXT, "shape": [2]}], "shape"),
        ([{**TEXT, "data": [1]}], "BYTES"),
        ([{**TEXT, "raw": b"\xff", "data": ["\ufffd"]}], "no texts"),
        ([TEXT, tensor("max_tokens", "FP32", 1.5)], "max_tokens"),
        ([TEXT, {"name": "max_tokens", "datatype": "INT32", "shape": [2], "raw": b"\0\0\0\0"}], "max_tokens"),
        ([{"name": 1}], "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_named(inputs: list[Any], what: str) -> None:
    with pytest.raises(MalformedRequest, match=what):
        CODEC.read_request({"inputs": inputs}, PATH)


@pytest.mark.parametrize("document", [None, [], {}, {"inputs": 1}])
def test_a_body_that_is_none(document: Any) -> None:
    with pytest.raises(MalformedRequest):
        CODEC.read_request(document, PATH)


def test_bytes_cannot_be_said_in_json() -> None:
    # "aG8=" would be other bytes than what the rules have seen.
    chat = CODEC.read_request({"inputs": [{**TEXT, "raw": "AgAAAGhv"}]}, PATH)
    assert chat.turns[0].parts == (Text(text="hi"),)


@pytest.mark.parametrize(
    ("outputs", "param"),
    [
        ([{"name": "context_logits"}], "context_logits"),
        ([{"name": "text_output", "parameters": {"classification": 3}}], "classification"),
    ],
)
def test_an_output_that_nobody_can_give_is_refused_by_name(outputs: list[Any], param: str) -> None:
    chat = read(tensor("max_tokens", "INT32", 1), outputs=outputs)
    with pytest.raises(UnsupportedField) as caught:
        GENERATE.write_request(chat, "m", Losses(chat.names, "triton"))
    assert caught.value.param == param


def test_an_answer_is_its_text() -> None:
    assert told(read()) == {"text_output": ("BYTES", [1], ["Hello."])}
    document = orjson.loads(CODEC.write_answer(ANSWER, read(id="7")).body)
    assert (document["id"], document["model_name"], document["model_version"]) == ("7", "gpt-4o", "1")
    batched = CODEC.read_request({"inputs": [{**TEXT, "shape": [1, 1]}]}, PATH)
    assert told(batched) == {"text_output": ("BYTES", [1, 1], ["Hello."])}


def test_flags_and_names_ask_for_more() -> None:
    flags = read(*(tensor(f"return_{name}", "BOOL", True) for name in ("finish_reason", "num_output_tokens")))
    assert told(flags) == {
        "text_output": ("BYTES", [1], ["Hello."]),
        "finish_reason": ("BYTES", [1], ["length"]),
        "num_output_tokens": ("INT32", [1], [2]),
    }
    named = read(outputs=[{"name": "cum_log_probs"}, {"name": "num_input_tokens"}])
    assert named.sampling.logprobs is True
    assert told(named) == {"cum_log_probs": ("FP32", [1], [-0.75]), "num_input_tokens": ("INT32", [1], [3])}
    assert told(read(tensor("return_log_probs", "BOOL", True)))["output_log_probs"] == ("FP32", [2], [-0.5, -0.25])


def test_an_answer_may_be_wanted_raw() -> None:
    chat = read(parameters={"binary_data_output": True})
    written = CODEC.write_answer(ANSWER, chat)
    head = int(written.headers[rpc_infer.HEAD_LENGTH])
    assert written.headers[b"content-type"] == b"application/octet-stream"
    assert written.body[head:] == text_bytes(["Hello."])
    assert rpc_infer.read_answer(written.body, head).outputs[0].shape == (1,)
    one = read(outputs=[{"name": "text_output"}, {"name": "cum_log_probs", "parameters": {"binary_data": True}}])
    written = CODEC.write_answer(ANSWER, one)
    assert len(written.body) - int(written.headers[rpc_infer.HEAD_LENGTH]) == 4


def test_an_answer_to_nobody_in_particular_is_text() -> None:
    chat = msgspec.structs.replace(read(), told_as=None)
    assert told(chat) == {"text_output": ("BYTES", [1], ["Hello."])}
