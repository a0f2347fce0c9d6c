from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.drifting import Drift
from gateway.config.environment import Options
from gateway.config.load import load_settings
from gateway.core.drift import Thresholds
from gateway.core.drift_hours import Span
from tests.config.test_schema import problems_of


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("drift: {window: 90m}", "drift.window: should be whole hours"),
        ("drift: {window: 25h}", "drift.window"),
        ("drift: {window: 0s}", "drift.window"),
        ("drift: {weeks: 2}", "drift.weeks"),
        ("drift: {sample: -1}", "drift.sample"),
        ("drift: {subjects: 0}", "drift.subjects"),
        ("drift: {every: 10ms}", "drift.every"),
        ("drift: {thresholds: {rate: 0%}}", "drift.thresholds.rate"),
        ("drift: {thresholds: {psi: 0}}", "drift.thresholds.psi"),
        ("drift: {thresholds: {min_calls: 3}}", "drift.thresholds.min_calls"),
        ("drift: {thresh: 1}", "drift.thresh"),
    ],
)
def test_what_cannot_be_is_said_with_its_place(text: str, problem: str) -> None:
    assert any(problem in each for each in problems_of(text)), problems_of(text)


def settings_of(folder: Path, text: str) -> Drift | None:
    file = folder / "weighbridge.yaml"
    file.write_text(f"version: 1\n{text}\n")
    result = load_settings(Options(config=str(file)), {}, folder)
    assert [str(each) for each in result.problems] == []
    assert result.settings is not None
    return result.settings.drift


def test_settings_are_made_of_it(tmp_path: Path) -> None:
    assert settings_of(tmp_path, "") == Drift()
    assert settings_of(tmp_path, "drift: {enabled: false}") is None
    written = "drift: {every: 5m, window: 3h, weeks: 8, sample: 0, embed: false, subjects: 9, thresholds: {%s}}"
    asked = "rate: 5%, psi: 0.3, shift: 40%, questions: 0.1, min_calls: 50"
    assert settings_of(tmp_path, written % asked) == Drift(
        every_s=300.0,
        span=Span(hours=3, weeks=8),
        thresholds=Thresholds(rate=0.05, psi=0.3, shift=0.4, vectors=0.1, calls=50),
        sample=0,
        embed=False,
        subjects=9,
    )


def test_a_webhook_without_rules_is_for_drift(tmp_path: Path) -> None:
    file = tmp_path / "weighbridge.yaml"
    file.write_text('version: 1\nalerts: {webhook: {url: "https://hooks.example.com/x"}}\n')
    settings = load_settings(Options(config=str(file)), {}, tmp_path).settings
    assert settings is not None
    assert settings.alerts is not None
    assert (settings.alerts.rules, settings.alerts.webhook is not None) == ((), True)
