from __future__ import annotations

import pytest

from gateway.core.errors import MalformedRequest, MethodNotAllowed
from gateway.core.ports import Dialect
from gateway.wire.gemini import ARRAY, COUNT, DIALECT, EMBED, dialect_of
from tests.support.incoming import incoming


@pytest.mark.parametrize(
    ("method", "query", "dialect"),
    [
        ("generateContent", "", DIALECT),
        ("generateContent", "alt=json", DIALECT),
        ("streamGenerateContent", "alt=sse", DIALECT),
        ("streamGenerateContent", "", ARRAY),
        ("streamGenerateContent", "alt=json&key=k", ARRAY),
        ("countTokens", "", COUNT),
        ("embedContent", "", EMBED),
        ("batchEmbedContents", "", EMBED),
        ("predict", "", EMBED),
    ],
)
def test_method_and_form_say_which_dialect_it_is(method: str, query: str, dialect: Dialect) -> None:
    assert dialect_of(incoming(path=f"/v1beta/models/m:{method}", query=query)) is dialect


def test_other_paths_have_none_here() -> None:
    assert dialect_of(incoming(path="/v1/chat/completions")) is None
    with pytest.raises(MethodNotAllowed):
        dialect_of(incoming("GET", "/v1beta/models/m:generateContent"))
    with pytest.raises(MalformedRequest):
        dialect_of(incoming(path="/v1beta/models/m:streamGenerateContent", query="alt=proto"))
