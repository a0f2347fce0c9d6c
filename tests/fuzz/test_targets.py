"""Every target holds on what it begins with, on what once broke it, and on a little of what chance makes of these."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.seeds import CORPUS, seeds
from tests.fuzz.targets import TARGETS

EXAMPLES = 2000 if os.environ.get("WEIGHBRIDGE_SOAK") else 8


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_holds_on_its_seeds(name: str) -> None:
    begins = seeds(name)
    assert len(begins) > 1
    for seed in begins:
        TARGETS[name](seed)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_a_target_holds_on_what_chance_makes_of_them(name: str, data: st.DataObject) -> None:
    seed = data.draw(st.sampled_from(seeds(name)))[:512]
    at, size = data.draw(st.integers(0, len(seed))), data.draw(st.integers(0, 8))
    TARGETS[name](seed[:at] + data.draw(st.binary(max_size=8)) + seed[at + size :])


def test_what_was_found_belongs_to_a_target() -> None:
    assert set() < {path.name for path in CORPUS.iterdir()} <= set(TARGETS)
