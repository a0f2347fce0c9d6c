"""YAML that people edit, with the line of every node.

Every problem of a file is collected as :class:`Problem`, rendered ``file:line: message``; nothing here raises for what
is written in a file. The reader is stricter than YAML 1.1: only ``true``/``false`` are booleans (so that the key ``on``
and the country ``no`` stay text), dates stay text, a key may occur once, tags and merge keys are refused. Depth, size
and what aliases stand for are bounded, so that a file cannot be a bomb. Messages never quote a value, which may be a
secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import msgspec
import yaml
from yaml.reader import ReaderError

from gateway.core.segments import pointer

MAX_FILE_BYTES = 1 << 20
MAX_DEPTH = 40
# Nodes after aliases are expanded; a bundle of the largest rule packs stays below a tenth of it.
MAX_NODES = 100_000

NodePath = tuple[str | int, ...]

_INT = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]{1,2})?")
_CONSTANTS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class Problem(msgspec.Struct, frozen=True, order=True):
    """One thing that is wrong with a file; ``line`` is 0 where no line can be named."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        """Render as ``file:line: message``, the form that editors jump to."""
        return f"{self.file}:{self.line}: {self.message}" if self.line else f"{self.file}: {self.message}"


class Document(msgspec.Struct, frozen=True):
    """A file as read: plain values, and where they stood.

    Attributes:
        name: The file as messages name it.
        data: Mappings, lists and scalars; ``None`` for an empty file or one that is not YAML.
        lines: Line of every node, by path; a mapping's entry counts from its key.
        problems: What was wrong with it as YAML.
        origin: Where list items of ``data`` stood in the file, when others before them were cut out since.
    """

    name: str
    data: Any
    lines: Mapping[NodePath, int] = {}
    problems: tuple[Problem, ...] = ()
    origin: Mapping[NodePath, NodePath] = {}

    def source_path(self, path: NodePath) -> NodePath:
        """Return where the node at ``path`` of ``data`` stood in the file."""
        if not self.origin:
            return path
        source: NodePath = ()
        for depth, step in enumerate(path, start=1):
            source = self.origin.get(path[:depth], (*source, step))
        return source

    def line(self, path: Iterable[str | int]) -> int:
        """Return the line of a node, or of the nearest node above it that exists."""
        steps = self.source_path(tuple(path))
        while steps and steps not in self.lines:
            steps = steps[:-1]
        return self.lines.get(steps, 1)

    def problem(self, path: Iterable[str | int], message: str) -> Problem:
        """Make a problem of the node at ``path``; the message is led by the path."""
        steps = tuple(path)
        where = pointer(self.source_path(steps))
        return Problem(self.name, self.line(steps), f"{where}: {message}" if where else message)


class _Malformed(Exception):
    """The file cannot be read on; carries the zero-based line."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


class _Frame:
    """A mapping or list that is still open."""

    __slots__ = ("anchor", "container", "key", "path", "started", "taken")

    def __init__(self, container: dict[str, Any] | list[Any], path: NodePath, anchor: str | None, started: int) -> None:
        self.container = container
        self.path = path
        self.anchor = anchor
        self.started = started
        # A mapping waits for the value of this key; a key seen twice is remembered as taken and its value dropped.
        self.key: str | None = None
        self.taken = False


class _Composer:
    """Builds plain values from parser events without recursion.

    The library's own composer recurses, takes duplicate keys silently and shares no line numbers; its event stream is
    lazy, so stopping here early also bounds what the scanner does.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.problems: list[Problem] = []
        self.lines: dict[NodePath, int] = {}
        self.root: Any = None
        self._open: list[_Frame] = []
        self._nodes = 0
        self._documents = 0
        # Anchor → (value, nodes it stands for); None while the anchored node is still open.
        self._anchors: dict[str, tuple[Any, int] | None] = {}

    def take(self, event: yaml.Event) -> None:
        """Take the parser's next event."""
        if isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._close()
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise _Malformed(event.start_mark.line, "a second document: one file is one document")
        elif isinstance(event, yaml.NodeEvent):
            line = event.start_mark.line
            top = self._open[-1] if self._open else None
            if top is not None and isinstance(top.container, dict) and top.key is None:
                self._take_key(top, event, line)
            else:
                self._take_node(top, event, line)

    def _grow(self, nodes: int, line: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise _Malformed(line, f"more than {MAX_NODES} values, aliases expanded")

    def _take_key(self, frame: _Frame, event: yaml.NodeEvent, line: int) -> None:
        if not isinstance(event, yaml.ScalarEvent) or event.tag is not None:
            raise _Malformed(line, "a key must be plain text")
        key = _text(event.value, line)
        if key == "<<" and event.implicit[0]:
            raise _Malformed(line, "merge keys (<<) are not supported: write the keys out, or alias whole values")
        self._grow(1, line)
        path = (*frame.path, key)
        frame.taken = key in frame.container
        if frame.taken:
            first = self.lines[path]
            self.problems.append(Problem(self.name, line + 1, f"{pointer(path)}: duplicate key, first on line {first}"))
        else:
            self.lines[path] = line + 1
        frame.key = key

    def _take_node(self, top: _Frame | None, event: yaml.NodeEvent, line: int) -> None:
        if top is None:
            path: NodePath = ()
        elif isinstance(top.container, list):
            path = (*top.path, len(top.container))
        else:
            path = (*top.path, top.key or "")
        if not (top and isinstance(top.container, dict)):
            self.lines[path] = line + 1
        if isinstance(event, yaml.AliasEvent):
            self._put(top, self._resolve(str(event.anchor), line))
            return
        anchor: str | None = event.anchor
        if getattr(event, "tag", None) is not None:
            raise _Malformed(line, "tags (!…) are not allowed")
        self._grow(1, line)
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(_text(event.value, line), plain=bool(event.implicit[0]))
            if anchor:
                self._anchors[anchor] = (value, 1)
            self._put(top, value)
            return
        if len(self._open) >= MAX_DEPTH:
            raise _Malformed(line, f"nested deeper than {MAX_DEPTH} levels")
        if anchor:
            self._anchors[anchor] = None
        container: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._open.append(_Frame(container, path, anchor, self._nodes))

    def _resolve(self, anchor: str, line: int) -> Any:
        if anchor not in self._anchors:
            raise _Malformed(line, "an alias of nothing: the anchor it names is not above it")
        known = self._anchors[anchor]
        if known is None:
            raise _Malformed(line, "an alias inside the value it names")
        self._grow(known[1], line)
        return known[0]

    def _close(self) -> None:
        frame = self._open.pop()
        if frame.anchor:
            self._anchors[frame.anchor] = (frame.container, self._nodes - frame.started + 1)
        self._put(self._open[-1] if self._open else None, frame.container)

    def _put(self, top: _Frame | None, value: Any) -> None:
        if top is None:
            self.root = value
        elif isinstance(top.container, list):
            top.container.append(value)
        else:
            if not top.taken and top.key is not None:
                top.container[top.key] = value
            top.key = None


def _text(value: str, line: int) -> str:
    # An escape in double quotes can make a lone surrogate, which no encoder takes later.
    if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
        raise _Malformed(line, "a lone surrogate is not text")
    return value


def _scalar(text: str, *, plain: bool) -> Any:
    if not plain:
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.fullmatch(text):
        return int(text)
    # Thirty digits and an exponent of two keep an infinity from appearing.
    if len(text) <= 30 and _FLOAT.fullmatch(text):
        return float(text)
    return text


def _events(text: str, *, fast: bool) -> Iterator[yaml.Event]:
    # The one call into the library, whose stubs leave the iterator untyped.
    untyped = cast("Any", yaml)
    loader = getattr(untyped, "CSafeLoader", yaml.SafeLoader) if fast else yaml.SafeLoader
    return cast("Iterator[yaml.Event]", untyped.parse(text, Loader=loader))


def load_yaml(text: str, name: str, *, fast: bool = False) -> Document:
    """Read one YAML document.

    Args:
        text: The file's text.
        name: The file as messages shall name it.
        fast: Read it with libyaml where it is installed: ten times as fast, for long files. What is wrong with a file
            is said by the other reader, which says it better.

    Returns:
        The document; what is wrong with it is in ``problems``, and then ``data`` holds what could be read.
    """
    if len(text) > MAX_FILE_BYTES:
        return Document(name, None, {}, (Problem(name, 0, f"larger than {MAX_FILE_BYTES} characters"),))
    composer = _Composer(name)
    try:
        for event in _events(text, fast=fast):
            composer.take(event)
    except (_Malformed, yaml.YAMLError, ValueError, OverflowError) as error:
        if fast:
            return load_yaml(text, name)
        return _unreadable(composer, text, error)
    return Document(name, composer.root, composer.lines, tuple(composer.problems))


def _unreadable(composer: _Composer, text: str, error: Exception) -> Document:
    # ValueError and OverflowError: escapes and directives beyond what the scanner's int() and chr() take.
    if isinstance(error, _Malformed):
        problem = Problem(composer.name, error.line + 1, error.message)
        return Document(composer.name, None, composer.lines, (*composer.problems, problem))
    problem = _syntax_problem(text, composer.name, error)
    return Document(composer.name, None, composer.lines, (*composer.problems, problem))


def _syntax_problem(text: str, name: str, error: Exception) -> Problem:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        what = error.problem or error.context or "not readable"
        return Problem(name, mark.line + 1 if mark else 0, f"not valid YAML: {what}")
    if isinstance(error, ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return Problem(name, line, "not valid YAML: a control character")
    return Problem(name, 0, "not valid YAML: an escape or a number that stands for nothing")


def read_text(path: Path, name: str) -> tuple[str, Problem | None]:
    """Read a UTF-8 file of bounded size.

    Args:
        path: The file.
        name: The file as messages shall name it.

    Returns:
        The text and ``None``; or an empty text and what is wrong.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        return "", Problem(name, 0, f"cannot be read: {error.strerror or 'unknown error'}")
    if len(data) > MAX_FILE_BYTES:
        return "", Problem(name, 0, f"larger than {MAX_FILE_BYTES} bytes")
    try:
        return data.decode("utf-8"), None
    except UnicodeDecodeError as error:
        return "", Problem(name, data.count(b"\n", 0, error.start) + 1, "not UTF-8")


def read_yaml(path: Path, name: str) -> Document:
    """Read one YAML file; one that cannot be read is a document with that problem."""
    text, problem = read_text(path, name)
    return Document(name, None, {}, (problem,)) if problem else load_yaml(text, name)
