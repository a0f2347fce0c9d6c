"""Prints what was measured of the semantic cache, or writes it into its page: ``python -m training.cache_report``.

Needs nothing but Python, as ``training/cards.py``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "cache-quality.md"
BEGIN, END = "<!-- measured: written by training/cache_report.py -->", "<!-- end of measured -->"


def percent(share: float) -> str:
    """Return a share as people write it."""
    return f"{100 * share:.1f} %"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a table in Markdown."""
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def curve(rows: list[dict[str, Any]], name: str) -> str:
    """Return what is served at each threshold."""
    head = (
        *(f"{name} ≥", "STS-B ≥ 4 found", "≥ 4.5", "= 5", "precision on STS-B, < 3 wrong", "< 4 wrong"),
        *("made paraphrases found", "precision, all together", "near misses served", "worded otherwise too"),
    )
    return table(
        head,
        [
            (
                f"{row['threshold']:.2f}",
                *(
                    percent(row[key])
                    for key in (
                        *("stsb_recall", "stsb_recall_nearly", "stsb_recall_same"),
                        *("stsb_precision_3", "stsb_precision_4"),
                    )
                ),
                *(percent(row[key]) for key in ("changed_recall", "precision", "near_served", "worded_served")),
            )
            for row in rows
        ],
    )


def kinds(found: dict[str, list[int]], served: str) -> str:
    """Return each kind with how many there are and how many were served."""
    return table(("kind", "pairs", served), [(kind, str(of), str(hits)) for kind, (of, hits) in found.items()])


def measured() -> str:
    """Return the part of the page."""
    report = json.loads((HERE / "reports" / "cache.json").read_text(encoding="utf-8"))
    pairs = report["pairs"]
    return "\n\n".join(
        [
            _held_out(pairs, report["threshold"]),
            curve(report["curve"], "chance"),
            "A cosine alone, on the same pairs:",
            curve(report["cosine"], "cosine"),
            f"Near misses by kind of edit, served at {report['threshold']}:",
            kinds(report["near"], "served"),
            "Those that are worded otherwise too:",
            kinds(report["worded"], "served"),
            "Made paraphrases by kind of change:",
            kinds(report["changed"], "found"),
        ]
    )


def _held_out(pairs: dict[str, int], threshold: float) -> str:
    return (
        f"Held out: {pairs['stsb']:,} pairs of STS-B's test part, {pairs['edits']:,} near misses, {pairs['worded']:,}"
        f" that are worded otherwise too, {pairs['changes']:,} made paraphrases. A partition begins at a chance of"
        f" {threshold}."
    )


def page() -> str:
    """Return the page with what was measured in its place."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    return before + BEGIN + "\n\n" + measured() + "\n\n" + END + rest.split(END)[1]


def main() -> None:
    """Print, or write."""
    if "--write" in sys.argv:
        PAGE.write_text(page(), encoding="utf-8")
    print(measured())


if __name__ == "__main__":
    main()
