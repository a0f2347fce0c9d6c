"""Paths of vendors' hosts as ours: what has a dialect keeps it, and nothing else is taken for one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.model_hosts import ModelHost, Mount, our_path


def host(base: str, kind: Any, *more: Mount) -> ModelHost:
    return ModelHost(name="it", host="api.example.com", mounts=(*more, Mount(base, kind)))


@pytest.mark.parametrize(
    ("base", "kind", "path", "ours"),
    [
        ("/v1", "openai", "/v1/chat/completions", "/v1/chat/completions"),
        ("/openai/v1", "openai", "/openai/v1/responses", "/v1/responses"),
        ("/v1", "openai", "/chat/completions", "/v1/chat/completions"),
        ("", "openai", "/chat/completions", "/v1/chat/completions"),
        ("/v1", "openai", "/v2/rerank", "/providers/it/v2/rerank"),
        ("/openai/v1", "openai", "/v1/chat/completions", "/providers/it/v1/chat/completions"),
        ("/v1", "openai", "/v1x/chat", "/providers/it/v1x/chat"),
        ("/v1", "anthropic", "/v1/messages", "/v1/messages"),
        ("/v1", "anthropic", "/v1/messages/count_tokens", "/v1/messages/count_tokens"),
        ("/v1", "anthropic", "/v1/models", "/providers/it/v1/models"),
        ("/v1", "anthropic", "/v1/messages/batches", "/providers/it/v1/messages/batches"),
        ("/v1", "anthropic", "/v1/chat/completions", "/providers/it/v1/chat/completions"),
        ("/v1beta", "gemini", "/v1beta/models/g:generateContent", "/v1beta/models/g:generateContent"),
        ("/v1beta", "gemini", "/v1beta/files", "/providers/it/v1beta/files"),
        ("/v1beta", "gemini", "/v1/models/g:generateContent", "/providers/it/v1/models/g:generateContent"),
        ("/v1/p/google", "vertex", "/v1/p/google/models/g:countTokens", "/v1beta/models/g:countTokens"),
        ("/openai", "azure", "/openai/deployments/d/chat/completions", "/openai/deployments/d/chat/completions"),
        ("/openai", "azure", "/contentsafety/text:analyze", "/providers/it/contentsafety/text:analyze"),
        ("", "bedrock", "/model/m/converse", "/bedrock/model/m/converse"),
        ("", "bedrock", "/guardrail/g/apply", "/providers/it/guardrail/g/apply"),
        ("", "triton", "/v2/models/m/generate", "/v2/models/m/generate"),
        ("", "triton", "/metrics", "/providers/it/metrics"),
        ("", "sim", "/v1/chat/completions", "/providers/it/v1/chat/completions"),
    ],
)  # fmt: skip
def test_a_path_of_theirs_is_ours(base: str, kind: str, path: str, ours: str) -> None:
    at = host(base, kind)
    assert our_path(at, at.mount(path), path) == ours


def test_a_host_may_have_several_apis() -> None:
    at = host("/v1beta", "gemini", Mount("/v1beta/openai", "openai"))
    for path, kind, ours in [
        ("/v1beta/openai/chat/completions", "openai", "/v1/chat/completions"),
        ("/v1beta/models/g:generateContent", "gemini", "/v1beta/models/g:generateContent"),
        # The first where it is none's.
        ("/other", "openai", "/providers/it/other"),
    ]:
        mount = at.mount(path)
        assert (mount.kind, our_path(at, mount, path)) == (kind, ours)


@given(st.text("/abv1.:%2eopnmdls", max_size=30).map(lambda rest: f"/{rest}"))
def test_whatever_the_path_it_stays_what_it_is_behind_its_start(path: str) -> None:
    for base, kind in [("/v1", "openai"), ("/v1", "anthropic"), ("/v1beta", "gemini"), ("", "bedrock"), ("", "sim")]:
        at = host(base, kind)
        ours = our_path(at, at.mount(path), path)
        assert ours.endswith(path.removeprefix(base))


def test_hosts_fit_by_name_and_port() -> None:
    below = ModelHost(name="azure", host="*.openai.azure.com")
    assert below.fits("one.openai.azure.com", 443)
    assert below.fits("a.b.openai.azure.com", 443)
    for other, port in [
        ("openai.azure.com", 443),
        (".openai.azure.com", 443),
        ("openai.azure.com.evil.example", 443),
        ("notopenai.azure.com", 443),
        ("one.openai.azure.com", 8443),
    ]:
        assert not below.fits(other, port)
    assert ModelHost(name="it", host="127.0.0.1", port=80, tls=False).fits("127.0.0.1", 80)
