from __future__ import annotations

import orjson

from tests.cli.conftest import Weighbridge
from tests.support.operator_plane import OperatorPlane, exchange


def test_a_run_is_drawn_as_a_tree_and_given_as_one_object(weighbridge: Weighbridge, plane: OperatorPlane) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    said = orjson.dumps({"choices": [{"message": message, "finish_reason": "tool_calls"}]}).decode()
    asked = '{"model":"m","messages":[{"role":"user","content":"hi"}]}'
    first, second = plane.record(
        exchange(session_id="drawn", request_body=asked, response_body=said, trace_id="a" * 32, span_id="b" * 16),
        exchange(session_id="drawn", status=429, error_code="rate_limited", model_served="m\x1b[2J"),
    )
    done = weighbridge("traces", "sessions", "drawn", "--operator", plane.address)
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode()
    assert f"├─ span {'b' * 16} of trace {'a' * 32}" in text
    assert "│     └─ tool look: no result seen" in text
    assert first in text
    assert "rate_limited" in text
    assert "\x1b" not in text
    tree = orjson.loads(weighbridge("traces", "sessions", "drawn", "--json", "--operator", plane.address).stdout)
    assert (tree["session"], tree["calls"], tree["children"][1]["id"]) == ("drawn", 2, second)
    listed = weighbridge("traces", "sessions", "--session", "drawn", "--json", "--operator", plane.address)
    assert [row["calls"] for row in orjson.loads(listed.stdout)] == [2]
    assert weighbridge("traces", "sessions", "nobody", "--operator", plane.address).returncode == 1


def test_latency_is_a_table(weighbridge: Weighbridge, plane: OperatorPlane) -> None:
    plane.record(exchange(deployment="table/model", duration_ms=70.0))
    done = weighbridge("traces", "latency", "--by", "deployment", "--operator", plane.address)
    assert b"deployment" in done.stdout
    assert b"table/model" in done.stdout
    rows = orjson.loads(weighbridge("traces", "latency", "--json", "--operator", plane.address).stdout)
    assert 70.0 in {row["duration_ms_p99"] for row in rows}
