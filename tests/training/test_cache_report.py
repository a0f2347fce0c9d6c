from __future__ import annotations

from training import cache_report


def test_the_page_says_what_the_report_says() -> None:
    assert cache_report.PAGE.read_text(encoding="utf-8") == cache_report.page()
