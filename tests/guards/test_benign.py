"""Sure rules are quiet on what people ask; sets of requests that are not shipped are read where they are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.guards.detectors.injection import InjectionDetector, shipped_rules
from gateway.plugin.guard import About
from tests.architecture.sources import ROOT
from tests.guards.benign import PROMPTS

ABOUT = About(direction="request", role="user")
DATA = Path(os.environ.get("WEIGHBRIDGE_DATA") or ROOT.parent / "shared" / "data")
SETS = ("clinc_oos", "halueval", "self_instruct_benign")
EACH = None if os.environ.get("WEIGHBRIDGE_SOAK") else 700


def blocked(texts: Iterator[str] | tuple[str, ...]) -> list[str]:
    sure = InjectionDetector("inj", shipped_rules())
    return [text for text in texts if sure.find(text, ABOUT)]


def test_none_of_our_own_samples_is_taken_for_an_order() -> None:
    assert blocked(PROMPTS) == []


def read(name: str) -> list[str]:
    """The requests of one set, spread over it."""
    texts: list[str] = []
    if name == "clinc_oos":
        parts = orjson.loads((DATA / name / "data_full.json").read_bytes())
        texts = [request for part in parts.values() for request, _ in part]
    elif name == "halueval":
        texts = [line["user_query"] for line in lines(DATA / name / "general_data.json")]
    else:
        for path in sorted((DATA / name).glob("*.jsonl")):
            for task in lines(path):
                texts.append(task["instruction"])
                texts += [instance["input"] for instance in task["instances"] if instance["input"]]
    return texts[:: max(1, len(texts) // EACH)] if EACH else texts


def lines(path: Path) -> Iterator[dict[str, Any]]:
    return map(orjson.loads, path.read_bytes().splitlines())


@pytest.mark.skipif(not DATA.is_dir(), reason="the sets of requests are not here")
def test_none_of_two_thousand_requests_is_taken_for_an_order() -> None:
    texts = [text for name in SETS for text in read(name)]
    assert len(texts) >= 2000
    assert blocked(tuple(texts)) == []
