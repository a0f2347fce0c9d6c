from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.config.otlp import ServedBy
from gateway.core.record import AttemptRecord, CacheRecord, ExchangeRecord, GuardEvent, MirrorRecord
from gateway.core.span_ids import span_of, trace_of, try_span_of
from gateway.operator.spans import MAX_RULES, SpanMaker
from gateway.wire.otlp import CLIENT, INTERNAL, SERVER, encode_span
from tests.support.operator_plane import exchange

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
MAKER = SpanMaker({"house": ServedBy("azure", "models.example", 8443), "own": ServedBy("triton")})


def hit(rule: str = "no-keys", **changes: object) -> GuardEvent:
    given = {"action": "block", "mode": "enforce", "direction": "request", "path": "p", "start": 0, "end": 4}
    return GuardEvent(rule=rule, detector="secrets", **{**given, "latency_us": 40, **changes})


def test_a_call_of_no_trace_begins_one_of_its_own():
    record = exchange()
    call, tried = MAKER.spans(record)
    assert (call.trace_id, call.span_id, call.parent_id) == (trace_of(record.id), span_of(record.id), "")
    assert (call.kind, call.name) == (SERVER, "chat gpt-4o-mini")
    assert (tried.trace_id, tried.span_id, tried.parent_id) == (call.trace_id, try_span_of(record.id, 1), call.span_id)
    assert (tried.kind, tried.name) == (CLIENT, "chat gpt-4o-mini")
    assert call.end_us - call.start_us == 800_000
    assert not call.failed


def test_a_callers_trace_is_joined():
    call, tried = MAKER.spans(exchange(trace_id=TRACE, span_id=PARENT, trace_flags=0, trace_state="v=1"))
    assert (call.trace_id, call.parent_id, call.remote_parent, call.trace_state) == (TRACE, PARENT, True, "v=1")
    assert (tried.trace_id, tried.remote_parent, tried.trace_state) == (TRACE, False, "v=1")
    # What is told of is kept.
    assert call.trace_flags == 1


def test_the_conventions_names_are_told():
    record = exchange(
        stream=True, session_id="s-1", finish_reason="stop", cached_input_tokens=3, reasoning_tokens=4, tenant="acme",
        tags={"env": "prod"}, provider="house", prompt_id="welcome", ttft_ms=120.0,
    )  # fmt: skip
    told = MAKER.spans(record)[0].attributes
    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.provider.name"] == "azure.ai.openai"
    assert told["gen_ai.request.model"] == "gpt-4o-mini"
    assert told["gen_ai.request.stream"] is True
    assert told["gen_ai.response.model"] == "gpt-4o-mini-2024-07-18"
    assert told["gen_ai.response.finish_reasons"] == ("stop",)
    assert told["gen_ai.response.time_to_first_chunk"] == 0.12
    assert told["gen_ai.conversation.id"] == "s-1"
    assert told["gen_ai.prompt.name"] == "welcome"
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (100, 20)
    assert told["gen_ai.usage.cache_read.input_tokens"] == 3
    assert told["gen_ai.usage.reasoning.output_tokens"] == 4
    assert (told["http.route"], told["http.response.status_code"]) == ("/v1/chat/completions", 200)
    assert told["weighbridge.exchange.id"] == record.id
    assert (told["weighbridge.tenant"], told["weighbridge.tag.env"]) == ("acme", "prod")
    assert told["weighbridge.cost_usd"] == 31_500 / 1e9
    assert "error.type" not in told


def test_what_nobody_knows_is_not_told():
    told = MAKER.spans(exchange(input_tokens=None, output_tokens=None, cost_nanousd=None, ttft_ms=None))[0].attributes
    assert not [key for key in told if key.startswith("gen_ai.usage") or "cost" in key or "first_chunk" in key]


def test_tokens_are_told_once_by_the_names_that_tools_add_up():
    tries = [AttemptRecord(number=number, provider="house", deployment="house/m", input_tokens=7) for number in (1, 2)]
    call, *tried = MAKER.spans(exchange(attempts=tries))
    assert "gen_ai.usage.input_tokens" in call.attributes
    for each in tried:
        assert not [key for key in each.attributes if key.startswith("gen_ai.usage")]
        assert each.attributes["weighbridge.try.input_tokens"] == 7


def test_tries_say_where_they_went_and_what_came_of_them():
    tries = [
        AttemptRecord(
            number=1, started_us=10, provider="house", deployment="house/a", status=503, duration_ms=5.0,
            error_code="upstream_error",
        ),
        AttemptRecord(number=2, kind="hedge", provider="own", deployment="own/b", error_code="outrun"),
        AttemptRecord(number=3, kind="fallback", provider="else", deployment="else/c", status=200),
    ]  # fmt: skip
    failed, outrun, good = MAKER.spans(exchange(attempts=tries))[1:]
    assert (failed.failed, outrun.failed, good.failed) == (True, False, False)
    assert (failed.start_us, failed.end_us) == (10, 5010)
    assert (failed.attributes["server.address"], failed.attributes["server.port"]) == ("models.example", 8443)
    assert failed.attributes["error.type"] == "upstream_error"
    # Triton has no name in the conventions, and nobody knows the last.
    named = [each.attributes["gen_ai.provider.name"] for each in (failed, outrun, good)]
    assert named == ["azure.ai.openai", "own", "else"]
    assert "server.address" not in good.attributes
    assert good.attributes["weighbridge.try.kind"] == "fallback"


def test_rules_are_children_with_what_they_found_and_never_the_text():
    events = [hit(score=0.5), hit(score=0.9, latency_us=70), hit("names", direction="response", latency_us=50)]
    record = exchange(guard_events=events, verdict="block", status=400, error_code="policy_blocked", attempts=[])
    call, keys, names = MAKER.spans(record)
    assert (keys.name, keys.kind, keys.parent_id) == ("guard no-keys", INTERNAL, call.span_id)
    assert keys.attributes == {
        "weighbridge.guard.rule": "no-keys",
        "weighbridge.guard.detectors": ("secrets",),
        "weighbridge.guard.action": "block",
        "weighbridge.guard.mode": "enforce",
        "weighbridge.guard.direction": "request",
        "weighbridge.guard.hits": 2,
        "weighbridge.guard.score": 0.9,
    }
    assert (keys.start_us, keys.end_us) == (call.start_us, call.start_us + 70)
    assert (names.start_us, names.end_us) == (call.end_us - 50, call.end_us)
    # The client is told no, and nothing is broken.
    assert (call.failed, call.attributes["error.type"]) == (False, "policy_blocked")


def test_many_rules_do_not_make_any_number_of_spans():
    spans = MAKER.spans(exchange(guard_events=[hit(f"r-{number}") for number in range(100)], attempts=[]))
    assert len(spans) == 1 + MAX_RULES
    assert spans[0].attributes["weighbridge.guard.left_out"] == 100 - MAX_RULES


def test_what_the_cache_said_is_a_child():
    made = CacheRecord(origin="o", similarity=0.97, age_s=5, saved_nanousd=10**6)
    call, cache = MAKER.spans(exchange(cache="hit-semantic", cached=[made], attempts=[]))
    assert (cache.name, cache.start_us, cache.end_us) == ("cache", call.start_us, call.end_us)
    assert cache.attributes == {
        "weighbridge.cache": "hit-semantic",
        "weighbridge.cache.origin": "o",
        "weighbridge.cache.similarity": 0.97,
        "weighbridge.cache.age": 5,
        "weighbridge.cache.saved_usd": 0.001,
    }
    _, missed, _ = sorted(MAKER.spans(exchange(cache="miss")), key=lambda each: each.name)
    assert missed.start_us == missed.end_us or missed.name != "cache"
    assert len(MAKER.spans(exchange(cache="off"))) == 2


def test_a_copy_says_what_it_is_a_copy_of():
    assert MAKER.spans(exchange(mirrors=[MirrorRecord(mirror_of="x")]))[0].attributes["weighbridge.mirror.of"] == "x"


def test_what_is_no_generation_is_named_by_its_route():
    call, *_ = MAKER.spans(exchange(dialect="openai_models", route="/v1/models"))
    assert call.name == "/v1/models"
    assert not [key for key in call.attributes if key.startswith("gen_ai.operation")]


def test_a_record_without_an_id_has_no_spans():
    assert MAKER.spans(ExchangeRecord()) == []


@given(
    st.text(max_size=40), st.text(max_size=20), st.integers(-(2**62), 2**62), st.floats(-1e6, 1e9), st.integers(0, 999),
    st.lists(st.sampled_from(["a", "b"]), max_size=3),
)  # fmt: skip
def test_whatever_a_record_holds_can_be_told(trace, code, started_us, duration_ms, status, rules):
    record = exchange(
        trace_id=trace, error_code=code, started_us=started_us, duration_ms=duration_ms, status=status,
        guard_events=[hit(rule) for rule in rules],
    )  # fmt: skip
    for span in MAKER.spans(record):
        assert encode_span(span)
