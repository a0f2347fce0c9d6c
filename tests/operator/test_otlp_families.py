from pathlib import Path

from gateway.config.otlp import Otlp
from gateway.operator.families import render
from gateway.operator.otlp_families import otlp_families
from gateway.operator.telemetry import open_telemetry
from tests.support.clock import ManualClock


def test_everything_is_counted_from_the_beginning(tmp_path: Path):
    options = Otlp(endpoint="http://o:4318", protocol="http")
    told = render(otlp_families(open_telemetry(options, {}, tmp_path, tmp_path, ManualClock())))
    assert 'weighbridge_otlp_spans_total{outcome="dropped"} 0' in told
    assert 'weighbridge_otlp_calls_total{reason="left_out"} 0' in told
    assert 'weighbridge_otlp_lines_total{outcome="skipped"} 0' in told
    assert "weighbridge_otlp_queue_spans 0" in told
