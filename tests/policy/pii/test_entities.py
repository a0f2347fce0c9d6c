from __future__ import annotations

import pytest

from gateway.policy.pii.entities import ADDRESSES, MONEY, PAPERS, PATIENTS
from gateway.policy.pii.kind import Kind


def named(kind: Kind) -> str:
    return f"{kind.name}-{kind.private}"


@pytest.mark.parametrize("kind", [*MONEY, *ADDRESSES, *PAPERS, *PATIENTS], ids=named)
def test_what_needs_a_word_has_words(kind: Kind) -> None:
    assert bool(kind.words) == (kind.strength in {"weak", "form"})
    assert not kind.form or kind.sizes


def test_patients_are_only_believed_behind_a_word() -> None:
    assert {kind.strength for kind in PATIENTS} <= {"weak", "form"}
