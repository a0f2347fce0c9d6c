from __future__ import annotations

import pytest

from gateway.core.capture import decided


@pytest.mark.parametrize(
    ("default", "said", "kept"),
    [
        ("redacted", (None, None), "redacted"),
        ("none", ("full", None), "full"),
        ("full", ("redacted", None), "redacted"),
        ("none", ("full", "redacted"), "redacted"),
        ("full", ("full", "none"), "none"),
    ],
)
def test_the_strictest_of_those_who_say_something_decides(default, said, kept) -> None:
    assert decided(default, *said) == kept
