from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.config.provider_spec import ProviderSpec

SAID = {"access_key_id": "env:A", "secret_access_key": "env:B"}


@pytest.mark.parametrize(
    "fields", [{}, {"api_key": "env:A"}, {"profile": "work"}, SAID, {**SAID, "session_token": "env:C"}]
)
def test_bedrock_takes_one_kind_of_credential(fields: dict[str, str]) -> None:
    assert ProviderSpec.model_validate({"kind": "bedrock", "region": "eu-west-1", **fields}).region == "eu-west-1"


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "bedrock", "session_token": "env:C"},
        {"kind": "bedrock", "profile": "a", **SAID},
        {"kind": "bedrock", "api_key": "env:A", **SAID},
        {"kind": "openai", "region": "eu-west-1"},
        {"kind": "vertex", "profile": "a", "credentials": "file:a"},
        {"kind": "bedrock", "credentials": "file:a"},
        {"kind": "bedrok"},
    ],
)
def test_what_goes_with_another_kind_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        ProviderSpec.model_validate(fields)
