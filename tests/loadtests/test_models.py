from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest

from loadtests.models import DOUBT, conversation, conversed, judged, ours, prompt, text_of
from tests.support.models import built_home


def test_a_text_is_about_as_long_as_was_asked() -> None:
    assert len(text_of(64).split()) == 62


@pytest.mark.parametrize("model", ["embedder", "names"])
def test_a_run_says_what_each_took(model: str) -> None:
    took = asyncio.run(ours(built_home(), model=model, pieces=16, times=2))
    assert len(took) == 2
    assert min(took) > 0


@pytest.mark.parametrize(("opening", "windows"), [("", 0), (DOUBT, 1)])
def test_the_embedder_reads_a_prompt_only_in_doubt(opening: str, windows: int) -> None:
    text = prompt(64, opening)
    assert len(text.split()) == 62
    took, embedded = asyncio.run(judged(built_home(), partial("{1} {0}".format, text), ("injection", "names"), 1))
    assert took > 0
    assert embedded == windows


def test_of_a_conversation_the_newest_turn_is_judged(tmp_path: Path) -> None:
    assert len(conversation(21, 0)["messages"]) == 21
    took = asyncio.run(conversed(built_home(), tmp_path, 1))
    # Twenty texts, then one; and no model at all. Far apart, so that no neighbour turns them round.
    assert took["new"] > 2 * took["next turn"] > 4 * took["no rule"]
