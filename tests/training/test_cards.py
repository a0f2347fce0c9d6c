from __future__ import annotations

from training import cards


def test_the_page_says_what_the_reports_say() -> None:
    assert cards.PAGE.read_text(encoding="utf-8") == cards.page()
    assert "<<" not in cards.page()
