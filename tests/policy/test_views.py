from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from gateway.policy.views import Views

VIEWS: TypeAdapter[object] = TypeAdapter(Views)


@pytest.mark.parametrize("written", ["all", ["raw"], ["raw", "leet"]])
def test_views_are_all_or_named(written: object) -> None:
    assert VIEWS.validate_python(written) == written


@pytest.mark.parametrize(
    ("written", "said"),
    [("leett", "did you mean 'leet'"), (["raw", "nothing-like-it"], "there are raw"), ([], "all, or a list")],
)
def test_what_is_no_view_is_refused(written: object, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        VIEWS.validate_python(written)
