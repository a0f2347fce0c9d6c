from __future__ import annotations

import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli import output


@pytest.mark.parametrize(
    ("nanousd", "shown"),
    [
        (None, "unknown"),
        (0, "$0.00"),
        (1, "$0.000000001"),
        (31_500, "$0.0000315"),
        (500_000_000, "$0.50"),
        (12_345_678_900, "$12.3456789"),
        (-1_500_000_000, "-$1.50"),
        (2**60, "$1152921504.606846976"),
    ],
)
def test_money_is_shown_exactly_and_unknown_is_not_zero(nanousd: int | None, shown: str) -> None:
    assert output.usd(nanousd) == shown


def test_a_table_is_aligned_with_numbers_to_the_right() -> None:
    rows = [
        {"team": "support", "exchanges": 1200, "cost_nanousd": 1_000_000_000},
        {"team": "a", "exchanges": 7, "cost_nanousd": None},
    ]
    assert output.table(["team", "exchanges", "cost_nanousd"], rows).splitlines() == [
        "team     exchanges  cost_usd",
        "support       1200     $1.00",
        "a                7   unknown",
    ]


def test_a_table_without_rows_still_names_its_columns() -> None:
    assert output.table(["team", "cost_nanousd"], []) == "team  cost_usd\n"


def test_a_record_shows_every_column() -> None:
    row = {"id": "x", "stream": True, "ttft_ms": None, "tags": {"env": "prod"}, "coverage": 1.0, "cost_nanousd": None}
    shown = dict(line.split(maxsplit=1) for line in output.record(row).splitlines())
    assert shown == {
        "id": "x",
        "stream": "yes",
        "ttft_ms": "-",
        "tags": '{"env":"prod"}',
        "coverage": "1",
        "cost_usd": "unknown",
    }


@given(st.text())
def test_no_value_can_drive_the_terminal_or_break_a_line(text: str) -> None:
    shown = output.table(["model"], [{"model": text}]) + output.record({"model": text, "tags": {"a": text}})
    assert shown.count("\n") == 4
    assert [char for char in shown if char != "\n" and unicodedata.category(char) in {"Cc", "Zl", "Zp"}] == []
    assert not set(shown) & set("\u202e\u2066\u200f")


def test_a_block_keeps_its_lines_and_no_escape_sequence() -> None:
    assert output.block("answer", "one\n\ttwo\x1b[2J") == "\nanswer\none\n\ttwo\\x1b[2J\n"


def run(script: str, read: int | None = None) -> tuple[int, bytes, bytes]:
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout
    assert process.stderr
    head = process.stdout.read(read) if read else process.stdout.read()
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    return process.wait(), head, errors


def test_a_reader_that_leaves_early_is_no_failure() -> None:
    script = """
import argparse, sys
from gateway.cli import output
def command(args):
    for number in range(100_000):
        output.write(f"line {number}\\n")
    return 0
sys.exit(output.closing_quietly(command)(argparse.Namespace()))
"""
    assert run(script, read=7) == (0, b"line 0\n", b"")


def test_json_is_one_document_and_complaints_go_elsewhere() -> None:
    script = """
from gateway.cli import output
output.write_json([{"tokens": 2**63 - 1}])
output.complain("no\\x1b[31m")
"""
    code, out, errors = run(script)
    assert (code, out) == (0, b'[\n  {\n    "tokens": 9223372036854775807\n  }\n]\n')
    assert errors == b"weighbridge: no\\x1b[31m\n"
