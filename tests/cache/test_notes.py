from __future__ import annotations

import pytest

from gateway.cache.notes import CODE, NUMBER, Notes, dated
from gateway.cache.questions import read_question


@pytest.mark.parametrize(
    ("written", "noted"), [("2024-03-05", "2024-3-5"), ("5/3/2024", "5-3-2024"), ("09:30", "9:30")]
)
def test_dates_are_written_in_one_way(written: str, noted: str) -> None:
    assert dated(written) == noted


def test_numbers_are_content_and_facts() -> None:
    asked = read_question("twenty five files in run_all()", "en")
    assert asked.words == ("25", "file", "run_all()")
    assert asked.marks[0] == NUMBER
    assert asked.marks[2] == CODE
    assert asked.facts["numbers"] == ("25",)
    assert asked.facts["code"] == ("run_all()",)


def test_notes_begin_empty() -> None:
    assert Notes("en").words == []
