from __future__ import annotations

import re
import shutil

import pytest

from loadtests.modelled import main, quantile, report, text_of, texts
from loadtests.ports import free_port
from tests.support.models import built_home


def test_no_text_comes_twice_and_so_many_are_doubtful_as_was_asked() -> None:
    made = texts(40, 0.1)
    assert len(set(made)) == 40
    assert sum("ignore all previous" in text for text in made) == 4
    assert not any("ignore all previous" in text for text in texts(40, 0))
    assert len(text_of(64, doubtful=True).split()) == 61


@pytest.mark.parametrize(("share", "expected"), [(0.5, 51), (0.99, 100), (1.0, 100)])
def test_a_quantile_is_in_milliseconds(share: float, expected: float) -> None:
    assert quantile([number / 1e3 for number in range(1, 101)], share) == pytest.approx(expected)


def test_a_report_is_of_medians() -> None:
    names = [
        f"{kind}_{part}_{at}"
        for kind in ("judged", "others")
        for part in ("without", "with", "added")
        for at in (50, 99)
    ]
    rows = [dict.fromkeys([*names, "cpu_with", "cpu_without"], value) for value in (1.0, 2.0, 9.0)]
    assert "| 50/s that it does not | 2.00 / 2.00 | 2.00 / 2.00 | 2.00 / 2.00 |" in report(rows)


@pytest.mark.integration
@pytest.mark.skipif(not (shutil.which("cc") or shutil.which("gcc")), reason="no C compiler")
def test_a_short_run_measures_both_kinds_of_requests(capsys: pytest.CaptureFixture[str]) -> None:
    given = [
        "--rounds",
        "1",
        "--secs",
        "0.5",
        "--home",
        str(built_home()),
        "--port",
        str(free_port(room=2)),
        "--load-cpu",
        "0",
    ]
    assert main(given) == 0
    told = capsys.readouterr().out
    (judged,) = re.findall(r"100/s that the model judges \| (\S+) / (\S+) \| (\S+) / (\S+) \|", told)
    assert all(float(each) > 0 for each in judged)
    (without, guarded) = re.findall(r"(\d+) without, (\d+) with", told)[0]
    # One text in ten is embedded, which takes longer than the whole call does without.
    assert int(guarded) > int(without) > 0
