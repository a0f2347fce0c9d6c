"""Records of exchanges as the spool holds them."""

from __future__ import annotations

import os
import time

import msgspec

from gateway.core.ids import uuid7
from gateway.core.record import AttemptRecord, ExchangeRecord, GuardEvent

_encoder = msgspec.json.Encoder()


def record(**fields) -> ExchangeRecord:
    """A call that went well, a moment ago, with one attempt and one hit of a guard."""
    now_us = time.time_ns() // 1000
    given = {
        "id": uuid7(now_us // 1000, os.urandom(10)),
        "started_us": now_us,
        "tenant": "acme",
        "team": "support",
        "key_id": "k1",
        "dialect": "openai_chat",
        "route": "/v1/chat/completions",
        "alias": "small",
        "provider": "openai",
        "deployment": "openai/gpt",
        "model_requested": "small",
        "model_served": "gpt-1",
        "status": 200,
        "usage_source": "reported",
        "input_tokens": 100,
        "output_tokens": 20,
        "cost_nanousd": 1500,
        "ttft_ms": 12.5,
        "duration_ms": 250.0,
        "overhead_ms": 0.25,
        "attempts": [
            AttemptRecord(started_us=now_us, provider="openai", deployment="openai/gpt", status=200, duration_ms=240.0)
        ],
        "guard_events": [
            GuardEvent(
                rule="no-keys",
                detector="keys",
                action="redact",
                mode="enforce",
                direction="request",
                path="messages[0].content",
                start=3,
                end=9,
                score=0.5,
                latency_us=40,
            )
        ],
        **fields,
    }
    return ExchangeRecord(**given)


def lines(*records: ExchangeRecord) -> bytes:
    return b"".join(_encoder.encode(one) + b"\n" for one in records)
