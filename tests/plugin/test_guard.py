from __future__ import annotations

import msgspec
import pytest

from gateway.plugin.guard import EVERYWHERE, About, CallFinding, Finding, Scope, scope_of


def test_values_of_a_detector_cannot_be_changed() -> None:
    for value, name in ((Finding(kind="k"), "start"), (About("request"), "role"), (CallFinding(kind="k"), "path")):
        with pytest.raises(AttributeError):
            setattr(value, name, "x")


def test_a_finding_is_about_the_whole_text_unless_it_says_where() -> None:
    found = Finding(kind="language/xx")
    assert (found.start, found.end, found.score, found.replacement) == (0, 0, None, None)
    assert msgspec.structs.replace(found, end=3) == Finding(kind="language/xx", end=3)


def test_a_detector_is_asked_everywhere_unless_it_says_otherwise() -> None:
    class Limited:
        scope = Scope(directions=("request",), kinds=("text",))

    class Wrong:
        scope = "everywhere"

    assert scope_of(object()) == scope_of(Wrong()) == EVERYWHERE
    assert scope_of(Limited()).kinds == ("text",)
