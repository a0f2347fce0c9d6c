from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import (
    ClientError,
    HeadersTooLarge,
    MalformedRequest,
    MethodNotAllowed,
    NotAvailable,
    RequestTooLarge,
    RouteNotFound,
)
from gateway.core.exchange import Headers, Incoming
from gateway.wire.extent import MAX_VALUES
from gateway.wire.select import error_dialect, select
from tests.support.incoming import JSON, incoming, json_incoming
from tests.support.realtime_lines import handshake

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": CHAT,
    "/v1/completions": {"model": "m", "prompt": "hi"},
    "/v1/embeddings": {"model": "m", "input": "hi"},
    "/v1/messages": CHAT,
    "/v1/messages/count_tokens": CHAT,
    "/v1/responses": {"model": "m", "input": "hi"},
    "/v1/responses/compact": {"model": "m", "input": "hi"},
    "/v1/responses/input_tokens": {"model": "m", "input": "hi"},
}
NAMES = {
    "/v1/chat/completions": "openai_chat",
    "/v1/completions": "openai_completions",
    "/v1/embeddings": "openai_embeddings",
    "/v1/messages": "anthropic_messages",
    "/v1/messages/count_tokens": "anthropic_count_tokens",
    "/v1/responses": "openai_responses",
    "/v1/responses/compact": "openai_responses",
    "/v1/responses/input_tokens": "openai_responses",
}


@pytest.mark.parametrize("path", NAMES)
def test_known_routes_go_to_their_own_dialect(path: str) -> None:
    dialect, request = select(json_incoming(path, BODIES[path], query="api-version=1"))
    assert dialect.name == request.dialect == NAMES[path]
    assert request.route == path
    assert request.upstream_path == path.removeprefix("/v1") + "?api-version=1"
    assert request.document == BODIES[path]
    assert request.body == orjson.dumps(BODIES[path])


@pytest.mark.parametrize("path", NAMES)
@pytest.mark.parametrize("body", [b"", b"[]", b'"x"', b"null", b"{", b"{}", b'{"model":"m","model":"n"}', b"\xff"])
def test_known_routes_refuse_bodies_that_are_not_theirs(path: str, body: bytes) -> None:
    with pytest.raises(MalformedRequest):
        select(incoming("POST", path, body=body, headers=JSON))


@pytest.mark.parametrize("path", [*NAMES, "/v1/rerank"])
@pytest.mark.parametrize(
    "headers",
    [{b"content-type": b"application/json; charset=utf-7"}, JSON | {b"content-encoding": b"deflate"}],
)
def test_a_body_that_a_provider_would_decode_to_something_else_is_refused(path: str, headers: Headers) -> None:
    with pytest.raises(MalformedRequest):
        select(incoming("POST", path, body=b'{"model":"m","messages":[],"prompt":"","input":""}', headers=headers))


@pytest.mark.parametrize("path", [*NAMES, "/v1/rerank", "/providers/a/b"])
def test_a_body_of_too_many_values_is_too_large(path: str) -> None:
    document = {"model": "m", "messages": [], "prompt": "a", "input": "a", "x": [{}] * MAX_VALUES}
    with pytest.raises(RequestTooLarge):
        select(json_incoming(path, document))


@pytest.mark.parametrize(("path", "name"), [("/v1/embeddings", "input"), ("/v1/completions", "prompt")])
def test_texts_may_come_as_many_tokens(path: str, name: str) -> None:
    _, request = select(json_incoming(path, {"model": "m", name: [[7] * 2048] * 100}))
    assert request.model == "m"


@pytest.mark.parametrize(("value", "taken"), [(b"off", True), (b"Refresh", True), (b"on", False), (b"", False)])
def test_the_cache_header_is_understood_or_refused(value: bytes, *, taken: bool) -> None:
    asked = incoming("POST", "/v1/completions", body=b'{"model":"m"}', headers=JSON | {b"x-weighbridge-cache": value})
    if taken:
        assert select(asked)[1].model == "m"
    else:
        with pytest.raises(MalformedRequest, match="x-weighbridge-cache"):
            select(asked)


@pytest.mark.parametrize("path", NAMES)
def test_known_routes_name_the_method_they_take(path: str) -> None:
    with pytest.raises(MethodNotAllowed) as refused:
        select(incoming("GET", path))
    assert "POST" in refused.value.public_message


def test_query_of_a_known_route_cannot_break_the_request_line() -> None:
    with pytest.raises(MalformedRequest):
        select(json_incoming("/v1/chat/completions", CHAT, query="a=1 HTTP/1.1"))


def test_what_the_listener_found_is_raised_before_anything_else() -> None:
    fault = HeadersTooLarge("Too many headers.")
    broken = Incoming("", "", "", {}, b"", "", 0, fault)
    with pytest.raises(HeadersTooLarge) as raised:
        select(broken)
    assert raised.value is fault


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/", "/v1/models/gpt-4o"])
def test_models_are_read_with_get_only(path: str) -> None:
    dialect, request = select(incoming("GET", path))
    assert dialect.name == request.dialect == "openai_models"
    with pytest.raises(MethodNotAllowed, match="GET"):
        select(incoming("POST", path))


def test_a_model_can_be_deleted_at_its_provider_but_not_the_list() -> None:
    dialect, request = select(incoming("DELETE", "/v1/models/ft:x"))
    assert dialect.name == "passthrough"
    assert request.upstream_path == "/models/ft:x"
    with pytest.raises(MethodNotAllowed):
        select(incoming("DELETE", "/v1/models/"))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/files"),
        ("DELETE", "/v1/files/file-1"),
        ("POST", "/v1/something/new"),
        ("PATCH", "/providers/claude/v1/messages"),
        ("GET", "/v1/chat/completions/chatcmpl-1"),
    ],
)
def test_everything_else_below_v1_and_a_provider_passes_through(method: str, path: str) -> None:
    dialect, request = select(incoming(method, path))
    assert dialect.name == request.dialect == "passthrough"


def test_json_bodies_are_read_strictly_wherever_they_go() -> None:
    _, request = select(json_incoming("/v1/rerank", {"model": "m", "input": "hi"}))
    assert request.document == {"model": "m", "input": "hi"}
    with pytest.raises(MalformedRequest, match="duplicate"):
        select(incoming("POST", "/v1/rerank", body=b'{"input":1,"input":2}', headers=JSON))


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v2/x", "/chat/completions", "/providers", "/providers/", "/healthz/x", "/V1/x"]
)
def test_unknown_paths_are_not_found(path: str) -> None:
    with pytest.raises(RouteNotFound):
        select(incoming("POST", path))


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions/",
        "/v1/Chat/completions",
        "/v1/%63hat/completions",
        "/v1/chat%2fcompletions",
        "/v1/embeddings;a=b",
        "/v1/messages/",
        "/v1/Messages",
        "/v1/messages/count%5ftokens",
    ],
)
def test_near_spellings_of_a_known_route_do_not_slip_past_its_dialect(path: str) -> None:
    with pytest.raises(RouteNotFound, match="the one meant is /v1/"):
        select(json_incoming(path, CHAT))


@pytest.mark.parametrize(
    "path",
    [
        "/v1/messages/batches", "/v1/messages/batches/msgbatch_1/results", "/anthropic/v1/messages/batches",
        "/v1/messages/b%61tches", "/anthropic/v1/models", "/anthropic",
        "/v1beta/models/gemini-2.5-flash:generateAnswer", "/gemini/v1beta/files", "/V1beta/models/g:embedContent",
        "/openai/deployments/d/images/edits", "/v1/realtime/client_secrets", "/v1/realtime/calls",
        "/providers/p/realtime/sessions", "/openai/v1/realtime/client_secrets", "/v1/%72ealtime/client_secrets",
    ],
)  # fmt: skip
def test_what_is_promised_and_not_built_is_refused_by_name(path: str) -> None:
    with pytest.raises(NotAvailable, match="not yet available") as refused:
        select(json_incoming(path, CHAT))
    assert refused.value.status == 501


@pytest.mark.parametrize(
    ("path", "name", "route"),
    [
        ("/v2/models/m/generate", "triton", "/v2/models/{model}/generate"),
        ("/v2/models/m/versions/2/generate_stream", "triton", "/v2/models/{model}/generate_stream"),
        ("/v2/models/m/infer", "kserve", "/v2/models/{model}/infer"),
        ("/v2/models/m/ready", "kserve", "/v2/models/{model}/ready"),
    ],
)
def test_tritons_paths_have_the_model_in_them(path: str, name: str, route: str) -> None:
    dialect, request = select(json_incoming(path, {"text_input": "hi"}))
    assert (dialect.name, request.dialect, request.route, request.model) == (name, name, route, "m")
    assert error_dialect(path).name == "triton"


@pytest.mark.parametrize("path", ["/v2/models/%2e%2e/generate", "/v2/models/a%5cb/generate", "/v2/models/../generate"])
def test_nobody_climbs_out_of_a_models_path(path: str) -> None:
    with pytest.raises((MalformedRequest, RouteNotFound)):
        select(json_incoming(path, {"text_input": "hi"}))


@pytest.mark.parametrize("path", ["/v1/responses/x", "/v1/chat", "/providers/p/realtime"])
def test_websocket_is_refused_by_name_where_there_are_no_sessions(path: str) -> None:
    with pytest.raises(NotAvailable, match="WebSocket"):
        select(incoming("GET", path, headers={b"connection": b"Upgrade", b"upgrade": b"WebSocket"}))


@pytest.mark.parametrize("path", ["/v1/realtime", "/openai/realtime", "/openai/v1/realtime"])
def test_handshakes_go_where_sessions_are(path: str) -> None:
    dialect, request = select(handshake(path=path))
    assert (dialect.name, request.route, request.model) == ("openai_realtime", "/v1/realtime", "m")
    with pytest.raises(MalformedRequest):
        select(incoming("GET", path, query="model=m"))


@pytest.mark.parametrize("path", ["/providers/a/../b", "/v1/../admin", "/v1/x/%2e%2e/y", "/providers/a//b"])
def test_nobody_climbs_out_of_a_providers_base_path(path: str) -> None:
    with pytest.raises(MalformedRequest):
        select(incoming("GET", path))


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "get", "", "X\r\n"])
def test_methods_that_no_provider_takes_are_refused(method: str) -> None:
    with pytest.raises(MethodNotAllowed):
        select(incoming(method, "/v1/files"))


paths = (
    st.sampled_from(
        [
            *NAMES,
            "/v1/models/x",
            "/v1/responses/resp_1",
            "/providers/a/responses/b",
            "/providers/a/b",
            "/v1/messages",
            "/v1beta/x",
        ]
    )
    | st.text(max_size=20)
    | st.lists(st.sampled_from(["/", "v1", "providers", "..", "%2e", "models", "chat"]), max_size=6).map("".join)
)
bodies = st.binary(max_size=30) | st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["model", "messages", "prompt", "input", "stream", "n", "max_tokens", "stream_options"]),
            inner,
        )
    ),
).map(orjson.dumps)


@given(
    st.sampled_from(["GET", "POST", "DELETE", "TRACE", "\r\n", ""]),
    paths,
    st.text(max_size=10),
    bodies,
    st.sampled_from([b"application/json", b"", b"multipart/form-data", b"x+json; charset=latin-1", b"\xff"]),
)
def test_garbage_raises_only_declared_errors(
    method: str, path: str, query: str, body: bytes, content_type: bytes
) -> None:
    asked = incoming(method, path, body=body, query=query, headers={b"content-type": content_type})
    try:
        dialect, request = select(asked)
    except (ClientError, NotAvailable):
        return
    assert dialect.name == request.dialect
    assert request.upstream_path.startswith("/")
    assert request.upstream_path.isascii()
    assert request.upstream_path.isprintable()
    assert list(dialect.segments(request.document)) is not None


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models", "/providers/a/b", "/nowhere", "", "\x00"])
def test_every_path_has_a_shape_for_its_errors(path: str) -> None:
    body = orjson.loads(error_dialect(path).error_body(RouteNotFound("No such path."), "id"))
    assert body["error"]["code"] == "not_found"


def test_errors_of_a_known_route_are_in_its_own_dialect() -> None:
    assert error_dialect("/v1/chat/completions").name == "openai_chat"
    assert error_dialect("/v1/responses").name == "openai_responses"
    assert error_dialect("/v1/responses/resp_1").name == "openai_responses"
    assert error_dialect("/v1/rerank").name == "passthrough"
    assert error_dialect("/v1beta/models/m:generateContent").name == "gemini"
    assert error_dialect("/gemini/nothing").name == "gemini"


@pytest.mark.parametrize(
    ("method", "query", "name"),
    [
        ("generateContent", "", "gemini"),
        ("streamGenerateContent", "alt=sse", "gemini"),
        ("streamGenerateContent", "", "gemini"),
        ("countTokens", "", "gemini_tokens"),
        ("batchEmbedContents", "", "gemini_embeddings"),
    ],
)
@pytest.mark.parametrize("prefix", ["/v1beta", "/gemini/v1beta", "/v1", "/v1/projects/p/locations/l/publishers/google"])
def test_gemini_is_known_by_its_paths(prefix: str, method: str, query: str, name: str) -> None:
    asked = json_incoming(f"{prefix}/models/g:{method}", {"contents": []}, query=f"key=wb-1&{query}")
    asked.memo = {}
    for again in (asked, json_incoming(asked.path, {"contents": []}, query=f"key=wb-1&{query}")):
        again.memo = asked.memo
        dialect, request = select(again)
        assert (dialect.name, request.dialect, request.model) == (name, name, "g")
        assert again.headers[b"x-goog-api-key"] == b"wb-1"
        assert "wb-1" not in request.upstream_path
    assert error_dialect("/v1/responses").name == "openai_responses"
    assert error_dialect("/v1/responses/resp_1").name == "openai_responses"
    assert error_dialect("/v1/rerank").name == "passthrough"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/responses/resp_1"),
        ("DELETE", "/v1/responses/resp_1"),
        ("POST", "/v1/responses/resp_1/cancel"),
        ("GET", "/v1/responses/resp_1/input_items"),
        ("GET", "/providers/p/responses/resp_1"),
    ],
)
def test_answers_that_a_provider_keeps_have_a_dialect(method: str, path: str) -> None:
    dialect, request = select(incoming(method, path))
    assert (dialect.name, request.stored) == ("openai_responses", "resp_1")


@pytest.mark.parametrize(
    "path", ["/v1/%72esponses/resp_1", "/v1/Responses/resp_1", "/providers/p/RESPONSES/x", "/v1/responses%2Fresp_1"]
)
def test_other_spellings_of_their_paths_are_refused(path: str) -> None:
    with pytest.raises(RouteNotFound):
        select(incoming("GET", path))


@pytest.mark.parametrize(("value", "allowed"), [(b"strict", True), (b"Strict", True), (b"off", False), (b"", False)])
def test_clients_may_only_tighten_the_policy(value: bytes, *, allowed: bool) -> None:
    asked = json_incoming("/v1/chat/completions", {"model": "m", "messages": []})
    asked.headers = {**asked.headers, b"x-weighbridge-policy": value}
    if allowed:
        assert select(asked)[1].model == "m"
    else:
        with pytest.raises(MalformedRequest):
            select(asked)


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_anthropics_paths_are_known_by_two_names_and_one_route(path: str) -> None:
    dialect, request = select(json_incoming("/anthropic" + path, CHAT))
    assert dialect.name == NAMES[path]
    assert (request.route, request.upstream_path) == (path, path.removeprefix("/v1"))


def test_capabilities_are_told_to_whoever_asks() -> None:
    dialect, request = select(incoming("GET", "/v1/capabilities"))
    assert (dialect.name, request.route, request.provider) == ("openai_models", "/v1/capabilities", "weighbridge")
    with pytest.raises(MethodNotAllowed):
        select(incoming("DELETE", "/v1/capabilities"))


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/batches", "/anthropic/v1/models"])
def test_anthropics_clients_get_errors_in_their_own_form(path: str) -> None:
    body = orjson.loads(error_dialect(path).error_body(NotAvailable("m"), "x"))
    assert (body["type"], body["request_id"]) == ("error", "x")
