from __future__ import annotations

import asyncio

import pytest

from loadtests.models import ours, text_of
from tests.support.models import built_home


def test_a_text_is_about_as_long_as_was_asked() -> None:
    assert len(text_of(64).split()) == 62


@pytest.mark.parametrize("model", ["embedder", "names"])
def test_a_run_says_what_each_took(model: str) -> None:
    took = asyncio.run(ours(built_home(), model=model, pieces=16, times=2))
    assert len(took) == 2
    assert min(took) > 0
