from __future__ import annotations

import pytest

from gateway.core.record import AttemptRecord, MirrorRecord
from gateway.operator.genai_metrics import MAX_SETS, GenAiMetrics
from tests.support.operator_plane import exchange


def counted(*records):
    metrics = GenAiMetrics(lambda provider: provider)
    for record in records:
        metrics.count(record)
    return {each.name: each for each in metrics.told()}


def tried(**changes):
    given = {"provider": "openai", "deployment": "openai/m", "status": 200, "duration_ms": 30.0}
    return AttemptRecord(**{**given, **changes})


def test_a_call_is_counted_on_both_sides():
    told = counted(exchange(stream=True, attempts=[tried(ttft_ms=12.0, input_tokens=100, output_tokens=20)]))
    base = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai"}
    served = {"gen_ai.response.model": "gpt-4o-mini-2024-07-18"}
    ours, theirs = (
        {**base, "gen_ai.request.model": "m", **served},
        {**base, "gen_ai.request.model": "gpt-4o-mini", **served},
    )
    usage = told["gen_ai.client.token.usage"]
    assert [(labels, total) for labels, _, total in usage.points] == [
        ({**ours, "gen_ai.token.type": "input"}, 100.0),
        ({**ours, "gen_ai.token.type": "output"}, 20.0),
    ]
    # A hundred is in the first one that is not below it.
    assert usage.bounds[usage.points[0][1].index(1)] == 256
    for name, labels, total in (
        ("gen_ai.client.operation.duration", ours, 0.03),
        ("gen_ai.client.operation.time_to_first_chunk", ours, 0.012),
        ("gen_ai.server.request.duration", theirs, 0.8),
        ("gen_ai.server.time_to_first_token", theirs, 0.12),
    ):
        assert [(given, sum(counts), sum_) for given, counts, sum_ in told[name].points] == [(labels, 1, total)]


def test_what_failed_says_why():
    tries = [tried(status=503, error_code="upstream_error"), tried(error_code="outrun"), tried()]
    told = counted(exchange(attempts=tries, status=502, error_code="upstream_error"))
    kinds = {name: [labels.get("error.type") for labels, *_ in each.points] for name, each in told.items()}
    assert kinds["gen_ai.client.operation.duration"] == ["upstream_error", None, None]
    assert kinds["gen_ai.server.request.duration"] == ["upstream_error"]
    assert kinds["gen_ai.server.time_to_first_token"] == []


def test_a_copy_is_no_request_of_a_clients():
    told = counted(exchange(mirrors=[MirrorRecord(mirror_of="x")]))
    assert not told["gen_ai.server.request.duration"].points
    assert told["gen_ai.client.operation.duration"].points


def test_what_is_no_generation_is_not_counted():
    assert not any(each.points for each in counted(exchange(dialect="openai_models")).values())


def test_ten_thousand_models_are_not_ten_thousand_series():
    records = [
        exchange(model_requested=f"m-{number}", attempts=[tried(deployment=f"openai/m-{number}", input_tokens=1)])
        for number in range(10_000)
    ]
    told = counted(*records)
    for each in told.values():
        assert len(each.points) <= MAX_SETS + 2, each.name
    duration = told["gen_ai.server.request.duration"]
    assert sum(sum(counts) for _, counts, _ in duration.points) == 10_000
    assert any(labels["gen_ai.request.model"] == "_OTHER" for labels, *_ in duration.points)


@pytest.mark.parametrize(("value", "place"), [(0.01, 0), (0.0100001, 1), (1e9, 14), (-1.0, 0)])
def test_a_bound_belongs_to_the_bucket_below(value, place):
    told = counted(exchange(duration_ms=value * 1000))
    assert told["gen_ai.server.request.duration"].points[0][1][place] == 1
