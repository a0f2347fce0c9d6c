"""Where in a text a reader's program would send what stands there to somebody else.

Text of a model is shown as markdown or HTML by many clients. What stands in the target of a link or an image, in a bare
address, in a tag, a script or a style sheet may leave for a host that the model, or whoever wrote what it read, has
chosen. This reads text from left to right and says for any place whether it is such a one. It errs on that side: it
never needs to see what follows a place, and what it does not understand it takes for one.
"""

from __future__ import annotations

import re
from collections.abc import Callable

# What may change the state. No alternative is longer than _LONGEST.
_EVENT = re.compile(
    r"""
      (?P<blank>\n[ \t\r]{0,4}\n)
    | (?P<line>\n)
    | (?P<space>\s)
    | (?P<target>\]\()
    | (?P<label>\]:)
    | (?P<open>!?\[(?=[A-Za-z\[!*_`\\]|\Z)|!\[)
    | (?P<shut>\])
    | (?P<raw></?(?:script|style)(?![A-Za-z]))
    | (?P<tag><(?=[A-Za-z/!?]|\Z))
    | (?P<close>>)
    | (?P<quote>["'`])
    | (?P<paren>[()])
    | (?P<address>
          //|:\\?/|\\\\|%2f|&\#|&colon|&sol
        | (?:www\.|url\(|mailto:|tel:|sms:|data:|javascript:|vbscript:|file:|blob:|ftp:|https?:|wss?:)
      )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_LONGEST = 16
# How much is gathered before it is read.
_GATHERED = 512


class Places:
    """Reads one text as it becomes known.

    Args:
        plain: The text is neither markdown nor HTML (a tool's argument): only addresses matter.
    """

    __slots__ = (
        "_address", "_depth", "_handlers", "_label", "_link", "_quote", "_raw", "_raw_next", "_state", "_text"
    )  # fmt: skip

    def __init__(self, *, plain: bool = False) -> None:
        self._text = ""
        # "": between markup; "target": behind "]("; "tag": behind "<x"; "raw": in a script or style sheet; "plain".
        self._state = "plain" if plain else ""
        # Parentheses that are open in a target; what quotes an attribute; the element whose text this is, or will be.
        self._depth = 0
        self._quote = ""
        self._raw = self._raw_next = ""
        # An address has begun, and no space has ended it yet.
        self._address = False
        # Brackets that are open and may be the text of a link or an image.
        self._link = 0
        # Lines that may still hold what a reference leads to.
        self._label = 0
        self._handlers: dict[str, Callable[[str, str], None]] = {
            "": self._between, "plain": self._plain, "tag": self._in_tag, "target": self._in_target, "raw": self._in_raw
        }  # fmt: skip

    def add(self, text: str) -> None:
        """Take more text."""
        self._text += text
        if len(self._text) > _GATHERED:
            self._read(len(self._text) - _LONGEST)

    def leads_away(self) -> bool:
        """Say whether what follows the text so far would be sent to somebody else."""
        self._read(len(self._text))
        between = self._state in ("", "plain")
        return not between or self._address or self._link > 0 or self._label > 0

    def _read(self, stop: int) -> None:
        """Read everything that begins before a place, and forget it."""
        text, at = self._text, 0
        while at < stop:
            found = _EVENT.search(text, at)
            if found is None or found.start() >= stop:
                at = stop
                break
            self._handlers[self._state](found.lastgroup or "", found.group())
            at = found.end()
        self._text = text[at:]

    def _plain(self, event: str, shown: str) -> None:
        del shown
        if event == "address":
            self._address = True
        elif event in ("space", "line", "blank", "quote"):
            self._address = False

    def _in_raw(self, event: str, shown: str) -> None:
        if event == "raw" and shown.lower() == f"</{self._raw}":
            self._state, self._quote, self._raw_next = "tag", "", ""

    def _in_tag(self, event: str, shown: str) -> None:
        if event == "quote" and shown != "`":
            if not self._quote:
                self._quote = shown
            elif self._quote == shown:
                self._quote = ""
        elif event == "close" and not self._quote:
            self._raw = self._raw_next
            self._state = "raw" if self._raw else ""

    def _in_target(self, event: str, shown: str) -> None:
        if event == "blank":
            self._state = ""
        elif event in ("paren", "target"):
            self._depth += -1 if shown == ")" else 1
            if self._depth == 0:
                self._state = ""

    def _between(self, event: str, shown: str) -> None:
        if event in ("raw", "tag"):
            name = shown.lower().lstrip("<")
            self._state, self._quote, self._address = "tag", "", False
            self._raw_next = name if event == "raw" and not name.startswith("/") else ""
        elif event == "target":
            self._state, self._depth, self._address = "target", 1, False
            self._link = max(0, self._link - 1)
        elif event == "address":
            self._address = True
        else:
            self._layout(event)

    def _layout(self, event: str) -> None:
        if event in ("space", "line", "blank", "quote", "close"):
            self._address = False
        if event == "blank":
            self._link = self._label = 0
        elif event == "line":
            self._label = max(0, self._label - 1)
        elif event == "open":
            self._link += 1
        elif event in ("shut", "label"):
            self._link = max(0, self._link - 1)
            if event == "label":
                self._label = 2
