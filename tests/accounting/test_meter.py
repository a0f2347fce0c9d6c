from __future__ import annotations

import asyncio

import msgspec
import pytest

from gateway.accounting.limits import Limits
from gateway.accounting.meter import Accounting
from gateway.accounting.prices import PriceBook
from gateway.clients.price_catalog import load_catalog
from gateway.clients.tokenizers import Tokenizers
from gateway.core.errors import RateLimited
from gateway.core.exchange import AnswerFacts, Deployment, Principal, Request
from gateway.core.limits import Budget, LimitRule, Period
from gateway.core.record import AttemptRecord, ExchangeRecord
from gateway.core.segments import Segment
from gateway.core.usage import Usage
from tests.support.clock import ManualClock

OPENAI = Deployment(provider="openai", kind="openai", model="", base_url="https://api.openai.com/v1", credential=None)
OWN = Deployment(provider="vllm-a", kind="openai", model="", base_url="http://vllm-a:8000/v1", credential=None)
CHAT = Request(
    dialect="openai_chat",
    operation="chat",
    route="/v1/chat/completions",
    upstream_path="/chat/completions",
    model="gpt-4o-mini",
    body=b"x" * 400,
)
CATALOG = load_catalog()


@pytest.fixture
def tokenizers():
    made = Tokenizers()
    yield made
    made.close()


def accounting(tokenizers: Tokenizers, *rules: LimitRule) -> Accounting:
    return Accounting(PriceBook(load=lambda: CATALOG), tokenizers, Limits(rules, ManualClock()))


def record() -> ExchangeRecord:
    return ExchangeRecord(started_us=1_790_000_000_000_000, model_requested="gpt-4o-mini")


def test_reported_usage_and_its_cost_are_written_to_record_and_attempt(tokenizers: Tokenizers):
    usage = Usage(
        input_fresh_tokens=100, cache_read_tokens=20, output_text_tokens=7, reasoning_tokens=3, image_input_tokens=5
    )
    row, attempt = record(), AttemptRecord()
    facts = AnswerFacts(model_served="gpt-4o-mini-2024-07-18", usage=usage)
    accounting(tokenizers).settle(row, facts, OPENAI, attempt)
    assert (row.usage_source, row.input_tokens, row.output_tokens) == ("reported", 125, 10)
    assert (row.cached_input_tokens, row.reasoning_tokens, row.image_input_tokens) == (20, 3, 5)
    assert (row.cache_write_tokens, row.audio_input_tokens, row.audio_output_tokens) == (0, 0, 0)
    assert row.cost_nanousd == 105 * 150 + 20 * 75 + 10 * 600
    assert (attempt.input_tokens, attempt.output_tokens, attempt.cost_nanousd) == (125, 10, row.cost_nanousd)


def test_without_usage_everything_stays_unknown(tokenizers: Tokenizers):
    row = record()
    accounting(tokenizers).settle(row, AnswerFacts(), OPENAI)
    assert msgspec.structs.asdict(row) == msgspec.structs.asdict(record())
    assert row.usage_source == "missing"
    assert row.cost_nanousd is None


def test_an_unknown_price_is_no_cost_and_no_zero(tokenizers: Tokenizers):
    row = record()
    accounting(tokenizers).settle(row, AnswerFacts(usage=Usage(input_fresh_tokens=5)), OWN)
    assert (row.input_tokens, row.cost_nanousd) == (5, None)


def test_an_estimate_is_marked_and_says_nothing_of_what_it_cannot_see(tokenizers: Tokenizers):
    row = record()
    facts = AnswerFacts(usage=Usage(input_fresh_tokens=10, output_text_tokens=2, source="estimated"))
    accounting(tokenizers).settle(row, facts, OPENAI)
    assert (row.usage_source, row.input_tokens, row.output_tokens) == ("estimated", 10, 2)
    assert row.cost_nanousd == 10 * 150 + 2 * 600
    assert row.cached_input_tokens is None
    assert row.reasoning_tokens is None


def test_an_estimate_counts_text_and_what_surrounds_messages(tokenizers: Tokenizers):
    segments = [
        Segment(("messages", 0, "content"), "system", "text", "hello world"),
        Segment(("messages", 1, "content", 0, "text"), "user", "text", "hello world"),
        Segment(
            ("messages", 1, "content", 1, "image_url", "url"), "user", "url", "data:image/png;base64," + "A" * 9999
        ),
        Segment(("temperature",), "", "leaf", "0.7"),
    ]
    usage = asyncio.run(accounting(tokenizers).estimate(CHAT, segments, "hello world hello world"))
    # Two texts of two tokens and the line between them, two messages, and the start of the answer.
    assert usage == Usage(input_fresh_tokens=2 + 1 + 2 + 2 * 4 + 3, output_text_tokens=4, source="estimated")


def test_an_embedding_s_estimate_has_no_messages_and_no_output(tokenizers: Tokenizers):
    request = msgspec.structs.replace(CHAT, operation="embeddings", model="text-embedding-3-small")
    segments = [Segment(("input",), "", "text", "hello world")]
    usage = asyncio.run(accounting(tokenizers).estimate(request, segments, ""))
    assert usage == Usage(input_fresh_tokens=2, source="estimated")


def test_a_request_without_text_cannot_be_estimated(tokenizers: Tokenizers):
    segments = [Segment(("input", 0), "", "leaf", "15339")]
    assert asyncio.run(accounting(tokenizers).estimate(CHAT, segments, "")) is None


def test_a_reservation_is_held_until_it_is_settled(tokenizers: Tokenizers):
    books = accounting(tokenizers, LimitRule(scope="provider", match={"provider": ("openai",)}, tokens=(700, 60)))
    asked = msgspec.structs.replace(CHAT, max_output_tokens=512)
    lease = books.reserve(Principal(), asked, OPENAI)
    with pytest.raises(RateLimited):
        books.reserve(Principal(), asked, OPENAI)
    books.reserve(Principal(), asked, OWN)
    lease.settle(Usage(input_fresh_tokens=10, output_text_tokens=10))
    books.reserve(Principal(), asked, OPENAI)


def test_an_answer_of_unknown_length_leaves_room_in_a_small_limit(tokenizers: Tokenizers):
    rule = LimitRule(
        scope="team", tokens=(2000, 60.0), budget=Budget(nanousd=400_000, per=Period(calendar="month")), concurrency=90
    )
    anyone = Principal(key_id="k", team="t")
    weighed = accounting(tokenizers, rule)
    held = [weighed.reserve(anyone, CHAT, OPENAI) for _ in range(6)]
    # 100 tokens asked, and 200 guessed of an answer instead of 512.
    assert [(lease.tokens, lease.nanousd) for lease in held] == [(300, 100 * 150 + 40_000)] * 6
    with pytest.raises(RateLimited):
        weighed.reserve(anyone, CHAT, OPENAI)
    # What a client asks for is no guess.
    asked = msgspec.structs.replace(CHAT, max_output_tokens=512)
    assert accounting(tokenizers, rule).reserve(anyone, asked, OPENAI).tokens == 612


def test_of_a_large_limit_a_guess_is_taken_whole(tokenizers: Tokenizers):
    rule = LimitRule(scope="team", tokens=(20_000, 60.0), budget=Budget(nanousd=10**9, per=Period(calendar="month")))
    lease = accounting(tokenizers, rule).reserve(Principal(key_id="k", team="t"), CHAT, OPENAI)
    assert (lease.tokens, lease.nanousd) == (612, 100 * 150 + 512 * 600)
