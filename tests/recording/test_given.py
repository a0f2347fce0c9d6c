import msgspec

from gateway.core.record import CacheRecord, ExchangeRecord
from gateway.recording.given import Given, GivenOutcome
from gateway.recording.metrics import EXCHANGES, Metrics
from tests.support.clock import ManualClock


def test_the_line_is_the_record_that_it_stands_for_and_is_counted():
    metrics = Metrics(0, ManualClock().unix_ms)
    cell = metrics.cell("openai_chat", "p", "m", 200, "")
    template = ExchangeRecord(dialect="openai_chat", provider="p", model_requested="m", alias="a", cache="miss")
    given = Given(template, msgspec.json.Encoder().encode, cell)
    told = [CacheRecord(origin="o", age_s=3, saved_nanousd=4)]
    outcome = GivenOutcome("i", 5, "m-1", "stop", 1.5, 1.25, 6, 7, told)
    expected = msgspec.structs.replace(
        template, id="i", started_us=5, model_served="m-1", finish_reason="stop", duration_ms=1.5, overhead_ms=1.25,
        bytes_in=6, bytes_out=7, cached=told, status=200, usage_source="reported", input_tokens=0, output_tokens=0,
        cost_nanousd=0, cache="hit-exact",
    )  # fmt: skip
    assert msgspec.json.decode(given.line(outcome), type=ExchangeRecord) == expected
    assert given.template.cache == "hit-exact"
    given.count(outcome)
    cell.settle()
    assert cell.counts[EXCHANGES] == 1
