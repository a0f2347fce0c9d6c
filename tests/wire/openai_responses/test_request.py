from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import ClientError, MalformedRequest, MethodNotAllowed, RouteNotFound
from gateway.core.segments import KEY, replace_leaves
from gateway.wire.openai_responses.request import (
    from_the_start,
    names_new,
    names_stored,
    parse,
    parse_stored,
    segments,
    upstream_body,
)
from tests.support.documents import UNKNOWN, WORD, marked, objects, shown
from tests.support.incoming import incoming, json_incoming

PNG = "data:image/png;base64,iVBORw0KGgo="
PART = objects(
    {
        "type": st.sampled_from(["input_text", "output_text", "input_image", "input_file", "refusal"]),
        "text": WORD,
        "refusal": WORD,
        "image_url": WORD | st.just(PNG),
        "file_url": WORD,
        "filename": WORD,
        "file_id": WORD,
        "input_audio": objects({"data": st.just("UklGRg=="), "format": st.just("wav")}),
        "annotations": st.lists(objects({"type": st.just("url_citation"), "url": WORD, "title": WORD}), max_size=1),
    }
)
WORDS = WORD | st.lists(PART, max_size=2)
KINDS = st.sampled_from(
    [
        "message", "reasoning", "function_call", "function_call_output", "custom_tool_call", "web_search_call",
        "custom_tool_call_output", "file_search_call", "code_interpreter_call", "computer_call", "shell_call",
        "computer_call_output", "image_generation_call", "local_shell_call", "shell_call_output", "mcp_call",
        "local_shell_call_output", "apply_patch_call", "apply_patch_call_output", "mcp_list_tools", "item_reference",
        "mcp_approval_request", "mcp_approval_response", "compaction", "from_the_future",
    ]
)  # fmt: skip
ITEM = st.tuples(
    objects(
        {
            "role": st.sampled_from(["user", "assistant", "system", "developer"]),
            "content": WORDS,
            "id": WORD,
            "call_id": WORD,
            "name": WORD,
            "arguments": WORD,
            "input": WORD,
            "output": WORDS,
            "summary": st.lists(objects({"type": st.just("summary_text"), "text": WORD}), max_size=2),
            "action": objects({"type": st.just("search"), "query": WORD, "commands": st.lists(WORD, max_size=2)}),
            "queries": st.lists(WORD, max_size=2),
            "results": st.lists(objects({"text": WORD, "filename": WORD}), max_size=1),
            "code": WORD,
            "outputs": st.lists(objects({"type": st.just("logs"), "logs": WORD}), max_size=1),
            "operation": objects({"type": st.just("update_file"), "path": WORD, "diff": WORD}),
            "tools": st.lists(objects({"name": WORD, "description": WORD, "input_schema": UNKNOWN}), max_size=1),
            "error": WORD,
            "reason": WORD,
            "revised_prompt": WORD,
            "encrypted_content": WORD,
        }
    ),
    KINDS,
).map(lambda both: {**both[0], "type": both[1]})
TOOL = objects(
    {"type": st.just("function"), "name": WORD, "description": WORD, "parameters": UNKNOWN, "format": UNKNOWN}
)
REQUEST = objects(
    {
        "input": WORD | st.lists(ITEM, max_size=3),
        "instructions": WORD | st.lists(ITEM, max_size=1),
        "tools": st.lists(TOOL, max_size=2),
        "tool_choice": st.just("auto") | objects({"type": st.just("function"), "name": WORD}),
        "text": objects({"format": objects({"type": st.just("json_schema"), "name": WORD, "schema": UNKNOWN})}),
        "reasoning": objects({"effort": st.just("low"), "summary": st.just("auto")}),
        "prompt": objects({"id": WORD, "variables": st.dictionaries(WORD, WORD | PART, max_size=2)}),
        "metadata": st.dictionaries(WORD, WORD, max_size=2),
        "user": WORD,
        "previous_response_id": WORD,
        "include": st.just(["reasoning.encrypted_content"]),
        "service_tier": st.just("flex"),
    }
)


@given(REQUEST)
def test_every_text_is_in_one_segment_and_can_be_replaced(document: dict[str, Any]) -> None:
    before = copy.deepcopy(document)
    found = list(segments(document))
    assert shown(iter(found)) == marked(document)
    edits = {segment.path: "[X]" for segment in found if segment.path[-1] != KEY}
    left = replace_leaves(document, edits)
    assert [text for path, text in marked(left) if path[-1] != KEY] == []
    assert document == before


def test_who_said_what_and_what_it_is() -> None:
    document = {
        "model": "m",
        "instructions": "be kind",
        "input": [
            {"role": "user", "content": "hi"},
            {"role": "developer", "content": [{"type": "input_text", "text": "rule"}]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]},
            {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": '{"a":1}'},
            {"type": "function_call_output", "call_id": "call_1", "output": "found"},
            {"type": "custom_tool_call", "call_id": "call_2", "name": "run", "input": "ls"},
            {"type": "shell_call_output", "call_id": "c", "output": [{"stdout": "out", "stderr": ""}]},
            {"type": "code_interpreter_call", "id": "ci_1", "code": "1+1", "outputs": [{"type": "logs", "logs": "2"}]},
        ],
        "tools": [{"type": "function", "name": "look", "description": "looks", "parameters": {"type": "object"}}],
    }
    said = [(s.role, s.kind, s.text, s.tool) for s in segments(document) if s.kind != "leaf"]
    assert said == [
        ("system", "text", "be kind", ""),
        ("user", "text", "hi", ""),
        ("developer", "text", "rule", ""),
        ("assistant", "reasoning", "hm", ""),
        ("assistant", "tool_name", "look", ""),
        ("assistant", "tool_argument", '{"a":1}', "look"),
        ("tool", "tool_result", "found", "look"),
        ("assistant", "tool_name", "run", ""),
        ("assistant", "tool_argument", "ls", "run"),
        ("tool", "tool_result", "out", "shell"),
        ("assistant", "tool_argument", "1+1", "code_interpreter"),
        ("tool", "tool_result", "2", "code_interpreter"),
        ("", "tool_name", "look", ""),
        ("", "tool_description", "looks", ""),
    ]


def test_identifiers_that_providers_make_up_are_no_text() -> None:
    item = {"type": "function_call", "id": "fc_" + "0" * 48, "call_id": "call_SECRET", "name": "f", "arguments": "{}"}
    assert [s.text for s in segments({"input": [item]})] == ["call_SECRET", "f", "{}"]


def test_a_string_is_what_the_user_says() -> None:
    assert [(s.path, s.role, s.text) for s in segments({"model": "m", "input": "hi"})] == [(("input",), "user", "hi")]


def test_what_is_read_of_a_request() -> None:
    document = {
        "model": "m", "input": "hi", "stream": True, "max_output_tokens": 7, "background": True,
        "previous_response_id": "resp_1",
    }  # fmt: skip
    request = parse(json_incoming("/v1/responses", document, query="a=b"), document)
    assert (request.route, request.upstream_path, request.operation) == ("/v1/responses", "/responses?a=b", "chat")
    assert (request.model, request.stream, request.max_output_tokens) == ("m", True, 7)
    assert (request.stored, request.detached, request.after) == ("resp_1", True, None)
    named = parse(json_incoming("/providers/openai/responses", document), document)
    assert (named.provider, named.route, named.upstream_path) == ("openai", "/v1/responses", "/responses")


@pytest.mark.parametrize(
    ("document", "param"),
    [
        ([], None),
        ({"input": "x"}, "model"),
        ({"model": 1}, "model"),
        ({"model": "m", "input": 1}, "input"),
        ({"model": "m", "input": ["x"]}, "input[0]"),
        ({"model": "m", "stream": 1}, "stream"),
        ({"model": "m", "previous_response_id": 1}, "previous_response_id"),
        ({"model": "m", "max_output_tokens": "x"}, "max_output_tokens"),
    ],
)
def test_fields_that_we_act_on_are_checked(document: Any, param: str | None) -> None:
    with pytest.raises(MalformedRequest) as caught:
        parse(json_incoming("/v1/responses", document), document)
    assert caught.value.param == param


def test_a_new_answer_is_asked_for_by_post() -> None:
    with pytest.raises(MethodNotAllowed):
        parse(incoming("GET", "/providers/p/responses"), None)


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("GET", "/v1/responses/resp_1", "/v1/responses/{id}"),
        ("DELETE", "/v1/responses/resp_1", "/v1/responses/{id}"),
        ("POST", "/v1/responses/resp_1/cancel", "/v1/responses/{id}/cancel"),
        ("GET", "/v1/responses/resp_1/input_items", "/v1/responses/{id}/input_items"),
        ("GET", "/providers/p/responses/resp_1", "/v1/responses/{id}"),
    ],
)
def test_stored_answers_are_named_in_the_path(method: str, path: str, route: str) -> None:
    assert names_stored(path)
    request = parse_stored(incoming(method, path))
    assert (request.route, request.stored, request.stream) == (route, "resp_1", False)
    assert request.upstream_path == "/responses/resp_1" + route.removeprefix("/v1/responses/{id}")
    assert request.provider == ("p" if path.startswith("/providers") else "")


@pytest.mark.parametrize(
    ("method", "path", "error"),
    [
        ("PUT", "/v1/responses/resp_1", MethodNotAllowed),
        ("GET", "/v1/responses/resp_1/cancel", MethodNotAllowed),
        ("GET", "/v1/responses/resp_1/other", RouteNotFound),
        ("GET", "/v1/responses/resp_1/input_items/x", RouteNotFound),
        ("GET", "/v1/responses/", RouteNotFound),
        ("GET", "/v1/responses/a%20b", RouteNotFound),
        ("GET", "/v1/responses/a%2Fcancel", RouteNotFound),
        ("GET", "/v1/responses/%C3%A4", RouteNotFound),
    ],
)
def test_other_paths_below_are_refused(method: str, path: str, error: type[ClientError]) -> None:
    with pytest.raises(error):
        parse_stored(incoming(method, path))


def test_a_stored_stream_can_be_asked_for_from_an_event_on() -> None:
    query = "stream=true&starting_after=7&include[]=x"
    request = parse_stored(incoming("GET", "/v1/responses/resp_1", query=query))
    assert (request.stream, request.after) == (True, 7)
    assert request.upstream_path == "/responses/resp_1?" + query
    assert from_the_start(request) == "/responses/resp_1?stream=true&include%5B%5D=x"
    for wrong in ("x", "-1", "", "1&starting_after=2", "9999999999"):
        with pytest.raises(MalformedRequest):
            parse_stored(incoming("GET", "/v1/responses/r", query="stream=true&starting_after=" + wrong))


def test_paths_of_named_providers() -> None:
    assert names_new("/providers/p/responses")
    assert names_new("/providers/p/responses/compact")
    assert not names_new("/providers/p/responses/resp_1")
    others = ("/providers/p/responses/compact", "/providers/p/x/responses/y", "/v1/responses", "/v1/files/responses/x")
    assert [path for path in others if names_stored(path)] == []


def test_the_clients_bytes_go_on_unless_something_must_change() -> None:
    body = b'{ "model":"m", "input":"hi", "previous_response_id":"resp_1.seal", "x":1.50 }'
    document = orjson.loads(body)
    request = parse(incoming("POST", "/v1/responses", body=body), document)
    assert upstream_body(request, document, "") == body
    assert upstream_body(request, document, "m") == body
    assert upstream_body(request, document, "n") == body.replace(b'"m"', b'"n"')
    request.kept = "resp_1"
    sent = orjson.loads(upstream_body(request, document, "n"))
    assert sent == {**document, "model": "n", "previous_response_id": "resp_1"}
    assert document["previous_response_id"] == "resp_1.seal"
    edited = {**document, "input": "[X]"}
    assert orjson.loads(upstream_body(request, edited, "")) == {**edited, "previous_response_id": "resp_1"}
    assert upstream_body(parse_stored(incoming("GET", "/v1/responses/r")), None, "m") == b""
