"""JSON documents for tests of coverage: every string in them is marked, so that it can be found again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from gateway.core.segments import KEY, Path, Segment

# Words no protocol knows.
WORD = st.integers(0, 10**9).map(lambda number: f"w{number}")
UNKNOWN = st.recursive(WORD, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORD, inner, max_size=2))


def strings(document: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every string value of a document and every key that is a marked word, by the plainest walk there is."""
    if isinstance(document, str):
        yield path, document
    elif isinstance(document, dict):
        for name, value in document.items():
            if name.startswith("w") and name[1:].isdigit():
                yield (*path, name, KEY), name
            yield from strings(value, (*path, name))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from strings(value, (*path, index))


def marked(document: Any) -> list[tuple[Path, str]]:
    """The strings of a document that are words of nobody's protocol."""
    return sorted(
        ((path, text) for path, text in strings(document) if text.startswith("w") and text[1:].isdigit()), key=str
    )


def shown(segments: Iterator[Segment]) -> list[tuple[Path, str]]:
    """The marked words among segments."""
    found = [(segment.path, segment.text) for segment in segments]
    return sorted(((path, text) for path, text in found if text.startswith("w") and text[1:].isdigit()), key=str)


def objects(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with any of these fields and sometimes one that nobody knows."""
    known = st.fixed_dictionaries({}, optional={name: value | UNKNOWN for name, value in fields.items()})
    return st.tuples(known, st.dictionaries(WORD, UNKNOWN, max_size=1)).map(lambda both: {**both[0], **both[1]})
