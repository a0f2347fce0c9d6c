"""What a user reads, taken apart: code blocks, command lines, tables."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[2]
PAGES = {page.relative_to(ROOT).as_posix(): page for page in (ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")))}

_FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_PLACEHOLDER = re.compile(r"<[a-z-]+>")
AN_ID = "0192f3a1-7c4e-7d0a-9b1c-2f6d8e4a5b3c"


class Block(msgspec.Struct, frozen=True):
    """A fenced block: ``info`` is what stands behind the fence."""

    page: str
    info: str
    body: str


def read(page: str) -> str:
    return PAGES[page].read_text(encoding="utf-8")


def blocks(info: str) -> list[Block]:
    return [
        Block(page, match["info"], match["body"])
        for page in PAGES
        for match in _FENCE.finditer(read(page))
        if match["info"] == info
    ]


def infos() -> set[str]:
    return {match["info"] for page in PAGES for match in _FENCE.finditer(read(page))}


def commands() -> list[str]:
    """Every command line of ours that stands in a code block; placeholders are filled in."""
    lines = (line for page in PAGES for line in _FENCE.sub("", read(page)).splitlines())
    ours = (line.strip() for line in lines if line.startswith("    weighbridge "))
    return [_PLACEHOLDER.sub(AN_ID, line) for line in ours]


def rows(page: str) -> list[list[str]]:
    """The cells of every table row."""
    lines = (line for line in read(page).splitlines() if line.startswith("| ") and not line.startswith("| ---"))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def quoted(text: str) -> list[str]:
    """What stands between backticks, fenced blocks left out."""
    return re.findall(r"`([^`\n]+)`", _FENCE.sub("", text))
