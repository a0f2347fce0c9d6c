from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import MalformedRequest
from gateway.wire.openai_models.request import parse
from tests.support.incoming import incoming


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/"])
def test_the_list_names_no_model(path: str) -> None:
    request = parse(incoming("GET", path, query="after=x"))
    assert (request.route, request.upstream_path, request.model) == ("/v1/models", "/models?after=x", "")
    assert request.document is None
    assert not request.stream


def test_capabilities_are_our_own_to_tell() -> None:
    request = parse(incoming("GET", "/v1/capabilities"))
    assert (request.route, request.upstream_path) == ("/v1/capabilities", "/capabilities")
    assert (request.provider, request.model) == ("weighbridge", "")


@pytest.mark.parametrize(
    ("below", "model"),
    [
        ("gpt-4o", "gpt-4o"),
        ("meta-llama/Llama-3", "meta-llama/Llama-3"),
        ("meta-llama%2FLlama-3", "meta-llama/Llama-3"),
        ("sim/lorem%3Ftokens=5", "sim/lorem?tokens=5"),
        ("ft:gpt-4o:acme::1", "ft:gpt-4o:acme::1"),
        ("%E6%A8%A1", "模"),
    ],
)
def test_a_model_is_named_decoded_and_asked_for_as_it_came(below: str, model: str) -> None:
    request = parse(incoming("GET", f"/v1/models/{below}"))
    assert (request.route, request.upstream_path, request.model) == ("/v1/models/{id}", f"/models/{below}", model)


@pytest.mark.parametrize("below", ["%ff", "%00", "a%0Ab", "%E2%80%AE"])
def test_what_is_no_name_is_refused(below: str) -> None:
    with pytest.raises(MalformedRequest):
        parse(incoming("GET", f"/v1/models/{below}"))


@given(st.text(max_size=20))
def test_any_path_gives_a_printable_name_or_is_refused(below: str) -> None:
    try:
        request = parse(incoming("GET", f"/v1/models/{below}"))
    except MalformedRequest:
        return
    assert request.model.isprintable()
