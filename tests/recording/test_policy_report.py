from __future__ import annotations

from pathlib import Path

from gateway.recording.policy_report import (
    LastReload,
    PolicyReport,
    RuleRow,
    read_reports,
    report_path,
    write_report,
)


def test_what_is_written_is_read_by_index(tmp_path: Path) -> None:
    for index in (1, 0):
        report = PolicyReport(
            index=index,
            revision="0123456789ab",
            rules=(RuleRow(id="r", actions=("redact", "score"), mode="canary", share=0.1, exclusions={"e": 5}),),
            last_reload=LastReload(result="rejected", problems=("p.yaml:1: no",)),
        )
        assert write_report(report_path(tmp_path, index), report)
    found = read_reports(tmp_path)
    assert [report.index for report in found] == [0, 1]
    assert found[1].rules[0].exclusions == {"e": 5}
    assert found[0].last_reload.problems == ("p.yaml:1: no",)


def test_a_damaged_file_is_left_out(tmp_path: Path) -> None:
    write_report(report_path(tmp_path, 0), PolicyReport())
    report_path(tmp_path, 1).write_text('{"v": 1, "rules": 5}')
    report_path(tmp_path, 2).write_text('{"v": 99}')
    report_path(tmp_path, 3).write_text("{")
    assert [report.index for report in read_reports(tmp_path)] == [0]


def test_a_disk_that_takes_nothing_is_no_failure(tmp_path: Path) -> None:
    assert not write_report(tmp_path / "gone" / "x.json", PolicyReport())
