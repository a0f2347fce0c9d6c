from __future__ import annotations

import pytest

from gateway.core.errors import PermissionDenied
from gateway.core.exchange import Principal
from gateway.identity.permit import permit_model


@pytest.mark.parametrize("model", ["gpt-4o", "claude-x", "claude-"])
def test_a_model_on_the_list_passes(model: str):
    permit_model(Principal(models=("gpt-4o", "claude-*")), model)


def test_a_key_without_a_list_may_name_every_model():
    permit_model(Principal(), "anything")
    permit_model(Principal(), "")


@pytest.mark.parametrize("model", ["gpt-4o-mini", "GPT-4O", "xclaude-", "", "gpt-4o\n"])
def test_any_other_model_is_refused(model: str):
    with pytest.raises(PermissionDenied) as caught:
        permit_model(Principal(models=("gpt-4o", "claude-*")), model)
    assert caught.value.status == 403


def test_an_absurdly_long_name_is_refused_unmatched_and_cut():
    with pytest.raises(PermissionDenied) as caught:
        permit_model(Principal(models=("*",)), "a" * 1_000_000)
    assert len(caught.value.public_message) < 300
