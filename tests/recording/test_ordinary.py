"""The line of an ordinary call says what the line of its record would have said, and so do the counts."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.record import AttemptRecord, ExchangeRecord
from gateway.recording.metrics import Metrics
from gateway.recording.ordinary import MAX_SHOWN, Ordinary, Outcome, Try
from tests.support.clock import ManualClock

ENCODE = msgspec.json.Encoder().encode
NAMES = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
COUNTS = st.integers(0, 2**53)
TIMES = st.integers(0, 10**13).map(lambda ns: ns / 1e6)
OUTCOMES = st.builds(
    Outcome,
    NAMES,
    COUNTS,
    NAMES,
    NAMES,
    COUNTS,
    COUNTS,
    COUNTS,
    COUNTS,
    st.none() | COUNTS,
    TIMES,
    TIMES,
    COUNTS,
    COUNTS,
)
TEMPLATES = st.builds(
    ExchangeRecord, tenant=NAMES, team=NAMES, key_id=NAMES, tags=st.dictionaries(NAMES, NAMES, max_size=2),
    dialect=NAMES, route=NAMES, alias=NAMES, provider=NAMES, deployment=NAMES, model_requested=NAMES,
    policy_revision=NAMES, config_hash=NAMES,
)  # fmt: skip


def whole(template: ExchangeRecord, outcome: Outcome, tried: Try) -> ExchangeRecord:
    """The record of such a call, filled in field by field."""
    record = msgspec.structs.replace(template, status=200, usage_source="reported")
    for name in Outcome.__struct_fields__:
        setattr(record, name, getattr(outcome, name))
    record.cache_write_tokens = record.audio_input_tokens = record.audio_output_tokens = record.image_input_tokens = 0
    attempt = AttemptRecord(provider=template.provider, deployment=template.deployment, status=200)
    for name in Try.__struct_fields__:
        setattr(attempt, name, getattr(tried, name))
    record.attempts = [attempt]
    return record


@given(TEMPLATES, OUTCOMES, st.builds(Try, COUNTS, TIMES, TIMES, COUNTS, COUNTS, st.none() | COUNTS))
def test_the_line_is_that_of_the_record(template: ExchangeRecord, outcome: Outcome, tried: Try) -> None:
    metrics = Metrics(0, ManualClock().unix_ms)
    line = Ordinary(template, ENCODE, metrics.cell("", "", "", 200, "")).line(outcome, tried)
    record = whole(template, outcome, tried)
    assert b"\n" not in line
    assert msgspec.json.decode(line, type=ExchangeRecord) == record
    # Every column once, the same ones.
    pairs: list[str] = []
    assert msgspec.json.decode(line) == msgspec.json.decode(ENCODE(record))
    for name in ExchangeRecord.__struct_fields__:
        pairs += [name] * line.count(b'"%b":' % name.encode())
    assert set(pairs) == set(ExchangeRecord.__struct_fields__)


@given(st.lists(OUTCOMES, min_size=1, max_size=5))
def test_the_counts_are_those_of_the_records(outcomes: list[Outcome]) -> None:
    template = ExchangeRecord(dialect="d", provider="p", model_requested="m")
    ordinary_way, usual_way = (Metrics(0, ManualClock().unix_ms) for _ in range(2))
    ordinary = Ordinary(template, ENCODE, ordinary_way.cell("d", "p", "m", 200, ""))
    for outcome in outcomes:
        ordinary.count(outcome)
        usual_way.observe(whole(template, outcome, Try(0, 0.0, 0.0, 0, 0, None)))
    one, other = ordinary_way.snapshot(), usual_way.snapshot()
    assert one.cells == other.cells
    assert one.tries == other.tries == [(("p", "first", "ok"), len(outcomes))]
    assert ordinary_way.snapshot().tries == one.tries
    assert (one.overhead, one.overhead_sum_ms) == (other.overhead, other.overhead_sum_ms)


def test_a_name_that_cannot_be_encoded_is_for_the_usual_way() -> None:
    ordinary = Ordinary(ExchangeRecord(), ENCODE, Metrics(0, ManualClock().unix_ms).cell("", "", "", 200, ""))
    outcome = Outcome("a", 0, "\ud800", "stop", 0, 0, 0, 0, None, 0.0, 0.0, 0, 0)
    with pytest.raises(UnicodeEncodeError):
        ordinary.line(outcome, Try(0, 0.0, 0.0, 0, 0, None))


def test_names_that_providers_invent_do_not_fill_the_memory() -> None:
    ordinary = Ordinary(ExchangeRecord(), ENCODE, Metrics(0, ManualClock().unix_ms).cell("", "", "", 200, ""))
    for number in range(3 * MAX_SHOWN):
        assert ordinary.show(str(number), b"x") == b"x"
        assert len(ordinary.shown) <= MAX_SHOWN
