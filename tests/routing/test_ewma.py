"""An average that believes bad news at once."""

from __future__ import annotations

import pytest

from gateway.routing.ewma import PeakAverage


def test_bad_news_at_once_good_news_slowly_and_nothing_for_ever():
    average = PeakAverage(memory_s=10.0)
    assert average.read(0.0) == 0.0
    average.note(1.0, 0.0)
    average.note(5.0, 1.0)
    assert average.read(1.0) == 5.0
    average.note(1.0, 1.1)
    assert 4.9 < average.read(1.1) < 5.0
    average.note(1.0, 21.1)
    assert average.read(21.1) == pytest.approx(1.53, abs=0.02)
    assert average.read(121.1) < 0.001
