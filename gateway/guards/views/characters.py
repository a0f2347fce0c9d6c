"""Classes of characters that hide text or change how it is read, as pieces of regular expressions.

From the Unicode Character Database: the Default_Ignorable_Code_Point property, with blank letters that the property
leaves out, directional formatting, tags, variation selectors, controls and private use.
"""

from __future__ import annotations

import re

# Breaks, joiners and operators without width, soft hyphen, byte order mark, shorthand and musical controls, and what
# is reserved for more of the kind.
ZERO_WIDTH = (
    "\u00ad\u034f\u180e\u200b-\u200d\u2060-\u2065\u206a-\u206f\ufeff\ufff0-\ufffb\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0080-\U000e00ff\U000e01f0-\U000e0fff"
)
# Letters and a pattern of dots that are blank.
FILLER = "\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
# Marks, embeddings, overrides, isolates.
BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
TAG = "\U000e0000-\U000e007f"
VARIATION = "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
# Tab, line feed, form feed and carriage return are text.
CONTROL = "\x00-\x08\x0b\x0e-\x1f\x7f-\x9f"
PRIVATE_USE = "\ue000-\uf8ff\U000f0000-\U0010ffff"

CLASSES = {
    "zero_width": ZERO_WIDTH,
    "bidi": BIDI,
    "tag": TAG,
    "variation": VARIATION,
    "filler": FILLER,
    "control": CONTROL,
    "private_use": PRIVATE_USE,
}

UNSEEN = re.compile("[" + ZERO_WIDTH + FILLER + BIDI + TAG + VARIATION + CONTROL + PRIVATE_USE + "]")
# A terminal's escape sequences: colours and moves, titles and links, the rest.
ANSI = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?|\x1b[ -/]*[0-Z\\^-~]"
)
