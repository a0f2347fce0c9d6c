from __future__ import annotations

from gateway.config.validation import Many, Strict
from gateway.policy.options import plain


class Inner(Strict):
    """A part."""

    a: int = 1
    b: int | None = None


class Outer(Strict):
    """A whole."""

    many: Many[Inner] = ()
    named: dict[str, Inner] = {}
    text: str = "x"


def test_only_what_is_written_is_kept_as_plain_values():
    model = Outer.model_validate({"many": [{"a": 2}, {}], "named": {"n": {"b": 3}}})
    assert plain(model) == {"many": [{"a": 2}, {}], "named": {"n": {"b": 3}}}
