from __future__ import annotations

import pytest

from gateway.core.errors import UnsupportedField
from gateway.core.losses import Losses


def test_a_loss_is_refused_by_the_name_that_the_client_uses():
    losses = Losses({"sampling.max_tokens": "max_output_tokens"}, "triton")
    with pytest.raises(UnsupportedField, match="'max_output_tokens' is not supported here") as refused:
        losses.lose("sampling.max_tokens")
    assert refused.value.param == "max_output_tokens"
    assert refused.value.status == 400
    with pytest.raises(UnsupportedField, match=r"'seed'.*speaks triton"):
        losses.lose("sampling.seed")
    with pytest.raises(UnsupportedField, match="'top_k' is not supported here: it must be at least 1"):
        losses.lose("sampling.top_k", "it must be at least 1")
    assert losses.fields == ()


def test_what_may_be_dropped_is_named_once_and_in_order():
    losses = Losses({}, "gemini", "drop")
    losses.lose("sampling.seed")
    losses.always("cache")
    losses.lose("sampling.seed")
    assert losses.fields == ("seed", "cache")


def test_what_harms_nobody_is_never_refused():
    losses = Losses({}, "gemini")
    losses.always("cache")
    assert losses.fields == ("cache",)


def test_names_do_not_grow_without_bound():
    losses = Losses({}, "gemini", "drop")
    for number in range(1000):
        losses.lose(f"x{number}")
        losses.always(f"y{number}")
    assert len(losses.fields) == 32
