"""What measures guards measures something."""

from __future__ import annotations

import pytest

from gateway.app.policies import load_guards
from loadtests import guards
from tests.guards.test_prefix_law import ROOT


def test_every_figure_is_taken(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(guards, "MEGABYTE", 40_000)
    assert guards.main("secrets.yaml", 1) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("secrets.yaml\n")
    assert shown.count(" us") == 3
    assert shown.count("the loop stood still") == len(guards.HOSTILE)


def test_prose_sets_nothing_off_and_hostile_text_is_full_of_candidates() -> None:
    engine = load_guards((("baseline.yaml", ROOT / "policies" / "baseline.yaml"),))
    assert not engine.kit.matcher.quick(guards.PROSE)
    for part in guards.HOSTILE.values():
        assert len(engine.kit.matcher.scan(part * 100)) >= 90
