"""Cuts a document into sentences with their places, and tells code from prose.

An instruction hidden in an e-mail or a table is one sentence among many: judged as a whole the document is harmless.
"""

from __future__ import annotations

import re

Span = tuple[int, int]

# Longer stretches without an end are cut.
MOST_CHARS = 400
_LEAST_CHARS = 4
# An end of a sentence, a line, or a cell of a table.
_END = re.compile(r"(?<=[.!?。！？])[\"'”’)\]]*\s+|(?<=[。！？])|\n+|\||\t+|<[^<>]{1,200}>")
_BEGINS_CODE = re.compile(
    r"""(?:def|class|import|from|return|if|elif|else|for|while|try|except|with|public|private|static|const|let|var|function
    |func|fn|package|using|namespace|struct|enum|SELECT|INSERT|UPDATE|@\w+)\b.*[:;{(\])}'"\w]$|\#include|//|/\*|\*/
    |[\w.\[\]'"]{1,80}\s{0,8}(?:[-+*/|&]?=|:=)\s{0,8}\S|[\w.]{1,80}\(""",
    re.VERBOSE,
)
_ENDS_CODE = (";", "{", "}", "})", "});", "),", "],", "},")
_PROSE_WORDS = re.compile(r"[^\W\d_]{2,30}(?: [^\W\d_]{1,30}){4}")
# From this share of lines on, a text is code.
_CODE_SHARE = 0.5
_CODE_LINES = 3
# A line is judged by so much of it.
_SHOWN = 240


def sentences(text: str) -> list[Span]:
    """Return the sentences of a text, in code points; what is too short to say anything is left out."""
    spans: list[Span] = []
    start = 0
    for end in _END.finditer(text):
        _add(spans, text, start, end.start())
        start = end.end()
    _add(spans, text, start, len(text))
    return spans


def _add(spans: list[Span], text: str, start: int, end: int) -> None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    while end - start > MOST_CHARS:
        cut = text.rfind(" ", start + MOST_CHARS // 2, start + MOST_CHARS)
        cut = cut if cut > 0 else start + MOST_CHARS
        spans.append((start, cut))
        start = cut + 1 if text[cut].isspace() else cut
    if end - start >= _LEAST_CHARS:
        spans.append((start, end))


def is_code(text: str) -> bool:
    """Return whether most lines of a text are of a program, where every second line tells somebody to do something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) < _CODE_LINES:
        return False
    return sum(_is_code_line(line) for line in lines) >= _CODE_SHARE * len(lines)


def _is_code_line(line: str) -> bool:
    shown = line[:_SHOWN]
    if _PROSE_WORDS.search(shown):
        return False
    return line.endswith(_ENDS_CODE) or line in {")", "]"} or _BEGINS_CODE.match(shown) is not None
