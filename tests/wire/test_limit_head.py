"""Golden: how the same standings read in each dialect."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import BudgetExceeded
from gateway.core.limit_state import Allowance, Quantity, Standing
from gateway.wire import anthropic_messages, gemini, openai_chat
from gateway.wire.error_head import error_headers
from gateway.wire.limit_head import duration, limit_headers
from tests.support.limit_states import charge

AT_US = 1_700_000_000_250_000
STANDINGS = (
    Standing(charge=charge(Quantity.REQUESTS, 60), left=59, reset_s=1.0),
    Standing(charge=charge(Quantity.TOKENS, 150_000), left=149_984, reset_s=360.0),
    Standing(charge=charge(Quantity.NANOUSD, 5), left=1, reset_s=1.0),
)
OPENAIS = {
    b"x-ratelimit-limit-requests": b"60",
    b"x-ratelimit-remaining-requests": b"59",
    b"x-ratelimit-reset-requests": b"1s",
    b"x-ratelimit-limit-tokens": b"150000",
    b"x-ratelimit-remaining-tokens": b"149984",
    b"x-ratelimit-reset-tokens": b"6m0s",
}
ANTHROPICS = {
    b"anthropic-ratelimit-requests-limit": b"60",
    b"anthropic-ratelimit-requests-remaining": b"59",
    b"anthropic-ratelimit-requests-reset": b"2023-11-14T22:13:22Z",
    b"anthropic-ratelimit-tokens-limit": b"150000",
    b"anthropic-ratelimit-tokens-remaining": b"149984",
    b"anthropic-ratelimit-tokens-reset": b"2023-11-14T22:19:21Z",
}
DIALECTS = {
    "openai_chat": OPENAIS, "openai_completions": OPENAIS, "openai_embeddings": OPENAIS, "openai_models": OPENAIS,
    "openai_responses": OPENAIS, "openai_realtime": OPENAIS, "gemini": OPENAIS, "gemini_tokens": OPENAIS,
    "bedrock_converse": OPENAIS, "triton": OPENAIS, "passthrough": OPENAIS, "anthropic_messages": ANTHROPICS,
    "anthropic_count_tokens": ANTHROPICS,
}  # fmt: skip
UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_each_dialect_has_its_names(dialect):
    assert limit_headers(dialect, STANDINGS, AT_US) == DIALECTS[dialect]


def test_money_has_no_name():
    assert limit_headers("openai_chat", STANDINGS[2:], AT_US) == {}


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, b"0s"), (0.0061, b"7ms"), (0.9999, b"1s"), (1, b"1s"), (8.64, b"8.64s"), (59.9995, b"1m0s"),
        (90.5, b"1m30.5s"), (86_391.36, b"23h59m51.36s"), (2_592_000, b"720h0m0s"), (-1, b"0s"),
    ],
)  # fmt: skip
def test_times_are_written_as_openai_does(seconds, written):
    assert duration(seconds) == written


@given(st.floats(0, 1e7))
def test_a_time_reads_as_what_it_is_and_never_shorter(seconds):
    found = re.findall(r"([\d.]+)(ms|h|m|s)", duration(seconds).decode())
    read = sum(float(number) * UNITS[unit] for number, unit in found)
    assert seconds - 1e-6 <= read <= seconds + 0.001001


@given(st.floats(0, 1e7))
def test_a_moment_is_never_too_soon(seconds):
    standing = Standing(charge=charge(Quantity.TOKENS, 1), left=0, reset_s=seconds)
    said = limit_headers("anthropic_messages", (standing,), AT_US)[b"anthropic-ratelimit-tokens-reset"].decode()
    assert -1e-3 <= datetime.fromisoformat(said).timestamp() - (AT_US / 1e6 + seconds) < 1.001


def test_a_refusal_says_it_in_its_dialect():
    error = BudgetExceeded("Used up.")
    assert error_headers(openai_chat.DIALECT, error) == {}
    error.allowance = Allowance(STANDINGS, AT_US)
    assert error_headers(openai_chat.DIALECT, error) == OPENAIS
    assert error_headers(gemini.DIALECT, error) == OPENAIS
    assert error_headers(anthropic_messages.DIALECT, error) == ANTHROPICS
