from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.units import Wait, parse_bytes, parse_duration, parse_percent, parse_wait, period_s


@pytest.mark.parametrize(
    ("written", "count"),
    [
        (0, 0),
        (4096, 4096),
        ("4096", 4096),
        ("64KiB", 65536),
        ("32MiB", 32 << 20),
        ("4GiB", 4 << 30),
        ("1TiB", 1 << 40),
        ("5kB", 5000),
        ("5KB", 5000),
        ("2 MB", 2_000_000),
        ("1.5KiB", 1536),
        ("7B", 7),
    ],
)
def test_bytes(written: object, count: int):
    assert parse_bytes(written) == count


@pytest.mark.parametrize("written", [-1, True, 1.5, None, "", "1 XB", "MiB", "-1", "0.0001KiB", "1e3", [1]])
def test_no_bytes(written: object):
    with pytest.raises(ValueError, match="bytes"):
        parse_bytes(written)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("500ms", 0.5), ("10s", 10.0), ("1.5s", 1.5), ("5m", 300.0), ("2h", 7200.0), ("30d", 2592000.0)],
)
def test_durations(written: str, seconds: float):
    assert parse_duration(written) == pytest.approx(seconds)


@pytest.mark.parametrize("written", [10, 1.5, True, None, "", "10", "s", "-1s", "10 weeks", "1h30m"])
def test_a_duration_without_its_unit_is_refused(written: object):
    with pytest.raises(ValueError, match="with its unit"):
        parse_duration(written)


@pytest.mark.parametrize(("written", "share"), [("1%", 0.01), ("0.5%", 0.005), ("100%", 1.0), ("0 %", 0.0)])
def test_percent(written: str, share: float):
    assert parse_percent(written) == pytest.approx(share)


@pytest.mark.parametrize("written", ["101%", "1", 1, 0.5, "-1%", "", None])
def test_no_percent(written: object):
    with pytest.raises(ValueError, match="0% and 100%"):
        parse_percent(written)


def test_periods():
    assert [period_s(name) for name in ("second", "minute", "hour", "day")] == [1.0, 60.0, 3600.0, 86400.0]


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.lists(st.integers())))
def test_nothing_raises_anything_else(value: object):
    for parse in (parse_bytes, parse_duration, parse_percent):
        with contextlib.suppress(ValueError):
            assert parse(value) >= 0


def test_a_message_never_quotes_what_was_written():
    for parse in (parse_bytes, parse_duration, parse_percent):
        with pytest.raises(ValueError, match="should") as caught:
            parse("hunter22")
        assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "wait", "again"),
    [
        ("p95", Wait(quantile=0.95), "p95"),
        ("p99.5", Wait(quantile=0.995), "p99.5"),
        (" p50 ", Wait(quantile=0.5), "p50"),
        ("800ms", Wait(seconds=0.8), "0.8s"),
        ("10m", Wait(seconds=600.0), "600s"),
        (Wait(seconds=2.0), Wait(seconds=2.0), "2s"),
    ],
)
def test_waits(written: object, wait: Wait, again: str):
    assert parse_wait(written) == wait
    assert str(wait) == again


@pytest.mark.parametrize("written", ["p49", "p99.95", "p100", "p5", "95%", "9ms", "11m", "0s", "", 1, None, "p"])
def test_no_waits(written: object):
    with pytest.raises(ValueError, match="p50 to p99"):
        parse_wait(written)
