"""Names of the views of a text: what policies ask for, what findings say they were seen in.

A view that was made of another one is named after both, outermost first: ``base64+rot13``.
"""

from __future__ import annotations

RAW = "raw"
FOLDED = "folded"
# In the order in which they are made.
VIEW_NAMES = (
    RAW,
    # Invisible characters, combining marks and terminal escapes are left out; look-alikes are what they look like.
    FOLDED,
    # What Unicode tag characters spell.
    "tags",
    # The bytes that variation selectors stand for.
    "variation",
    # Overridden directions as a reader sees them.
    "bidi",
    # HTML entities, %XX, \uXXXX, \xXX and quoted-printable resolved.
    "escapes",
    # Tags and comments are left out.
    "markup",
    "base64",
    "base32",
    "hex",
    # Groups of eight binary digits, and lists of decimal character codes.
    "codes",
    "rot13",
    # The whole text from its end, and each word from its end.
    "reversed",
    # Digits and signs that stand for letters.
    "leet",
    # Single letters with something between them, put together.
    "spaced",
    # Several texts as one.
    "joined",
)
