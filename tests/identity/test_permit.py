from __future__ import annotations

import pytest

from gateway.core.errors import PermissionDenied
from gateway.core.exchange import Labels, Principal
from gateway.identity.permit import granted, permit_model, permit_operation


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


@pytest.mark.parametrize(
    ("allowed", "operation", "route", "permitted"),
    [
        ((), "chat", "/v1/chat/completions", True),
        ((), "", "/v1/files", True),
        (("chat",), "chat", "/v1/messages", True),
        (("chat",), "embeddings", "/v1/embeddings", False),
        (("chat",), "", "/v1/files", False),
        (("",), "", "/v1/files", False),
        (("chat", "/v1/files*"), "", "/v1/files/{id}", True),
        (("/v1/*",), "chat", "/v1/chat/completions", True),
        (("/v1/chat/completions",), "chat", "/v1/messages", False),
        # A name is no glob.
        (("*",), "chat", "/v1/chat/completions", False),
    ],
)
def test_what_a_key_may_do_is_named_by_operation_or_by_route(
    allowed: tuple[str, ...], operation: str, route: str, permitted: bool
):
    principal = Principal(operations=allowed)
    if permitted:
        permit_operation(principal, operation, route)
    else:
        with pytest.raises(PermissionDenied) as caught:
            permit_operation(principal, operation, route)
        assert caught.value.status == 403


@pytest.mark.parametrize(
    ("settable", "tags", "permitted"),
    [
        (None, {"any": "x"}, True),
        ((), {}, True),
        ((), {"any": "x"}, False),
        (("env",), {"env": "x"}, True),
        (("env",), {"env": "x", "team": "x"}, False),
        (("cost-*",), {"cost-center": "x"}, True),
    ],
)
def test_a_call_sets_the_tags_that_its_key_lets_it_set(
    settable: tuple[str, ...] | None, tags: dict[str, str], permitted: bool
):
    principal, labels = Principal(settable=settable), Labels(tags=tags)
    if permitted:
        assert granted(principal, labels) is labels
    else:
        with pytest.raises(PermissionDenied) as caught:
            granted(principal, labels)
        assert caught.value.status == 403
    assert granted(principal, None) is None


def test_a_strict_key_makes_every_call_strict():
    strict = Principal(strict=True)
    assert granted(strict, None) == Labels(strict=True)
    assert granted(strict, Labels(session_id="s")) == Labels(session_id="s", strict=True)
