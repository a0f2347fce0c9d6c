"""Wherever a document may hold something, it may hold anything: it is understood or refused, and breaks nothing."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from tests.fuzz.dialects import DIALECTS, said
from tests.fuzz.targets import TARGETS
from tests.support.golden import FRAMED, cases

Path = tuple[str | int, ...]
ANYTHING: tuple[Any, ...] = (None, True, 1, -1.5, "x", [], {}, [{}], {"a": 1}, 2**63)
# What takes longer is shown less.
SOME: tuple[Any, ...] = (None, 1, "x", [], {})
FEW: tuple[Any, ...] = (None, "x", {})


def places(node: Any, at: Path = ()) -> Iterator[Path]:
    """Every place in a document but its root."""
    if at:
        yield at
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, held in inner:
        yield from places(held, (*at, step))


def put(document: Any, place: Path, value: Any) -> Any:
    changed = copy.deepcopy(document)
    node = changed
    for step in place[:-1]:
        node = node[step]
    node[place[-1]] = value
    return changed


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize(("folder", "target"), [("requests", "request"), ("answers", "answer")])
def test_a_document_may_hold_anything_anywhere(name: str, folder: str, target: str) -> None:
    for case in cases(name, folder):
        document = orjson.loads(case.read_bytes())
        for place in places(document):
            for value in ANYTHING:
                body = said(name, orjson.dumps(put(document, place, value)))
                TARGETS[target](body)
                if value in SOME:
                    TARGETS["screened"](body)


@pytest.mark.parametrize("name", sorted(DIALECTS.keys() - FRAMED))
def test_an_event_may_hold_anything_anywhere(name: str) -> None:
    seen: set[tuple[Path, str]] = set()
    for case in cases(name, "streams"):
        lines = case.read_bytes().split(b"\n")
        for at, line in enumerate(lines):
            # Of a few, the document goes over several lines.
            if not (line.startswith(b"data: {") and line.rstrip().endswith(b"}")):
                continue
            document = orjson.loads(line[6:])
            kind = str(document.get("type", ""))
            for place in places(document):
                # Once for each kind of event, and of a list once: streams repeat themselves.
                known = (tuple(0 if isinstance(step, int) else step for step in place), kind)
                if known in seen:
                    continue
                seen.add(known)
                for value in FEW:
                    changed = b"data: " + orjson.dumps(put(document, place, value))
                    body = said(name, b"\n".join((*lines[:at], changed, *lines[at + 1 :])))
                    for target in ("stream", "crossing", "screened"):
                        TARGETS[target](body)
