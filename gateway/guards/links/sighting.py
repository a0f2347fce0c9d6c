"""A place where a link may stand, as the scanners see it."""

from __future__ import annotations

from typing import Literal

import msgspec

Surface = Literal["md_image", "md_link", "md_reference", "html", "bare_url", "autolink"]

# A URL is looked at up to here; one that is longer is never let through.
MAX_URL = 2048
# From an opening bracket to what shows that it begins a link, there are at most so many characters: prose in brackets
# is not held longer. A link with a longer text is found where its text ends.
HEAD = 48


class Sighting(msgspec.Struct, frozen=True):
    """A link, or a place where one may still come to be.

    Whether it is there depends on nothing but the text from :data:`REACH` characters before it on, so it is the same
    however the text was cut.

    Attributes:
        surface: How it is written.
        start: First character.
        end: Character after the last.
        seen: How far the text was looked at; more than its length when what follows may change this sighting.
        targets: Where it leads, entities and escapes as written; none when it is no link to anywhere else.
        text: What a reader sees of it.
        husk: What is left of it when the link is taken out, for a link that is found at the end of its text.
    """

    surface: Surface
    start: int
    end: int
    seen: int
    targets: tuple[str, ...] = ()
    text: str = ""
    husk: str | None = None


# To the left of a sighting: the name of an attribute, an opening bracket, a scheme.
REACH = 64
