"""Writes docs/models.md from the reports, and prints what was measured: ``python training/cards.py``.

Needs nothing but Python, so that the report can be read where nothing is installed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "models.md"

Report = dict[str, Any]


def read(name: str) -> Report:
    """Return a part of the report."""
    found: Report = json.loads((HERE / "reports" / f"{name}.json").read_text(encoding="utf-8"))
    return found


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def percent(share: float, digits: int = 0) -> str:
    """Return a share as people write it."""
    return f"{100 * share:.{digits}f} %"


def attacks(rows: Sequence[Report]) -> str:
    """Return how well attacks are found."""
    head = ("source, unseen", "texts", "AUC", "found at 1 %", "found at 0.5 %", "cheap tier alone, at 1 %")
    return table(
        head,
        [
            (
                *(row["name"], str(row["texts"]), f"{row['auc']:.3f}", percent(row["at_1"])),
                *(percent(row["at_half"]), percent(row["cheap_1"])),
            )
            for row in rows
        ],
    )


def harmless(rows: Sequence[Report]) -> str:
    """Return how often harmless texts are flagged."""
    head = ("harmless texts, unseen", "texts", "flagged", "95 % bounds")
    return table(
        head,
        [
            (
                *(row["name"], str(row["texts"]), percent(row["share"], 1)),
                f"{percent(row['low'], 1)} to {percent(row['high'], 1)}",
            )
            for row in rows
        ],
    )


def documents(rows: Sequence[Report]) -> str:
    """Return how well hidden instructions are found."""
    head = ("documents", "clean", "injected", "AUC", "found at 5 %", "found at 1 %", "cheap tier alone, at 5 %")
    return table(
        head,
        [
            (
                *(row["name"], str(row["clean"]), str(row["injected"]), f"{row['auc']:.3f}", percent(row["at_5"])),
                *(percent(row["at_1"]), percent(row["cheap_5"])),
            )
            for row in rows
        ],
    )


def toxic(rows: Sequence[Report]) -> str:
    """Return how well toxic texts are found."""
    head = (
        *("source, unseen", "toxic", "clean", "AUC against prompts", "AUC within", "AUC within, `identity_attack`"),
        *("found at 1 %", "found at 0.5 %", "its clean texts flagged"),
    )
    return table(
        head,
        [
            (
                *(row["name"], str(row["toxic"]), str(row["clean"]), f"{row['auc_prompts']:.3f}"),
                *(f"{row['auc_within']:.3f}", f"{row['attack_auc_within']:.3f}", percent(row["at_1"])),
                *(percent(row["at_half"]), percent(row["clean_flagged"])),
            )
            for row in rows
        ],
    )


def named(rows: Sequence[Report]) -> str:
    """Return how well names or addresses are found."""
    head = ("texts", "how many", "named", "said", "recall", "precision", "found whole")
    return table(
        head,
        [
            (
                *(row["name"], str(row["texts"]), str(row["named"]), str(row["said"])),
                *(
                    (percent(row["recall"]), percent(row["precision"]), percent(row["whole"]))
                    if row["named"]
                    else ("–",) * 3
                ),
            )
            for row in rows
        ],
    )


def streamed(rows: Sequence[Report]) -> str:
    """Return how often harmless answers are flagged as a whole, and on a stream."""
    head = ("detector", "`target_fpr`", "answers flagged as a whole", "by clause", "clauses flagged")
    return table(
        head,
        [
            (
                *(row["name"], percent(row["target"]), percent(row["whole"], 1)),
                *(percent(row["streamed"], 1), percent(row["clauses"], 2)),
            )
            for row in rows
        ],
    )


def worst(shares: dict[str, float], count: int, *, highest: bool) -> str:
    """Return the ends of a list of shares, in words."""
    chosen = sorted(shares.items(), key=lambda item: item[1], reverse=highest)[:count]
    return ", ".join(f"{name} {percent(share)}" for name, share in chosen)


def _kinds(shares: dict[str, float], *, hateful: bool) -> dict[str, float]:
    """Return the kinds of HateCheck that are hateful, or those that are not."""
    return {name: share for name, share in shares.items() if name.endswith("_nh") != hateful}


def page() -> str:
    """Return the page."""
    injection, instruction, toxicity = read("injection"), read("instruction"), read("toxicity")
    names = read("names")
    streams = read("streams")
    text = (HERE / "models.template.md").read_text(encoding="utf-8")
    kinds = toxicity["by_kind"]
    apart = {row["name"]: row for row in instruction["found"]}
    run_on = apart.pop("email, mid-sentence")
    missed = {f"{row['name']}, {name}": share for row in apart.values() for name, share in row["missed"].items()}
    values = {
        "answers": f"{streams['answers']}",
        "mean_clauses": f"{streams['mean_clauses']:.1f}",
        "streams": streamed(streams["rows"]),
        "injection_benign": f"{injection['benign']:,}",
        "jailbreaks": attacks(injection["jailbreaks"]),
        "mean_1": percent(injection["mean_recall_at_1"], 1),
        "mean_half": percent(injection["mean_recall_at_half"], 1),
        "others": attacks(injection["others"]),
        "harmless": harmless(injection["harmless"]),
        "documents": documents(instruction["found"]),
        "run_on_5": percent(run_on["at_5"]),
        "run_on_1": percent(run_on["at_1"]),
        "documents_benign": f"{instruction['benign']:,}",
        "documents_missed": worst(missed, 5, highest=True),
        "code_skipped": percent(instruction["code_skipped"]),
        "toxicity_benign": f"{toxicity['benign']:,}",
        "toxic": toxic(toxicity["found"]),
        "toxic_harmless": harmless(toxicity["harmless"]),
        "without_words": " and ".join(f"`{name}`" for name in toxicity["without_words"]),
        "near_duplicates": str(sum(toxicity["near_duplicates"].values())),
        "kinds_missed": worst(_kinds(kinds, hateful=True), 6, highest=False),
        "kinds_flagged": worst(_kinds(kinds, hateful=False), 6, highest=True),
    }
    values |= {f"names_{part}": named(names[part]) for part in ("people", "alone", "small", "kinds", "addresses")}
    values |= {f"names_{part}": harmless(names[part]) for part in ("prompts", "prompts_address", "prompts_default")}
    values["names_at"] = str(names["at"])
    for name, value in values.items():
        text = text.replace(f"<<{name}>>", value)
    return text


def main() -> None:
    """Print the page; with ``--write`` put it where it belongs."""
    if "--write" in sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        print(page())


if __name__ == "__main__":
    main()
