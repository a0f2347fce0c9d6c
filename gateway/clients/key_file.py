"""Virtual keys in a file of the data home: a log of what each key has become, one line a change.

A line is its checksum and a JSON document; of a key's lines the last one counts. The first line names the file's
generation, so that a reader who knows a part of it reads on from there, and all of it when it was written anew. Writers
take turns by a lock; readers take none: they see whole lines or do not see them yet. What a killed writer has left of a
line is cut off by the next one. A line in the middle that does not fit its checksum is damage, and nothing is guessed.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar
from zlib import crc32

import msgspec

from gateway.clients.secret_file import secret_in
from gateway.core.errors import KeyChanged, StoreRejected, StoreUnavailable
from gateway.core.keys import MAX_KEYS, PEPPER_BYTES, KeyBatch, StoredKey

FOLDER = "keys"
_FILE, _LOCK, _PEPPER = "keys.log", "lock", "pepper"
FORMAT = 1
# The file is written anew when it has grown to several times what its keys need.
_SLACK_LINES, _MOST_LINES_A_KEY = 1000, 4
_CHECK_CHARS = 9
_MAX_HEAD_BYTES = 256
P = ParamSpec("P")
R = TypeVar("R")
_ENCODER = msgspec.json.Encoder()


class Header(msgspec.Struct, frozen=True):
    """The first line: in which form the file is, and which of all that ever lay in its place."""

    format: int
    generation: str


class Damaged(ValueError):
    """A line that was written whole cannot be read."""


_HEADER = msgspec.json.Decoder(Header)
_KEY = msgspec.json.Decoder(StoredKey)


def write_line(value: Header | StoredKey) -> bytes:
    """Write one line."""
    document = _ENCODER.encode(value)
    return b"%08x %b\n" % (crc32(document), document)


def read_lines(data: bytes) -> tuple[list[bytes], int]:
    """Read the lines of a part of a file.

    Returns:
        The JSON documents, and how many bytes hold them: what follows is not written to its end yet.

    Raises:
        Damaged: A line that others follow does not fit its checksum.
    """
    documents: list[bytes] = []
    good = 0
    while (end := data.find(b"\n", good)) >= 0:
        document = data[good + _CHECK_CHARS : end]
        if data[good : good + _CHECK_CHARS] != b"%08x " % crc32(document):
            if end + 1 < len(data):
                raise Damaged
            break
        documents.append(document)
        good = end + 1
    return documents, good


class KeyFile:
    """The file, as :class:`gateway.plugin.keys.KeyStore`. What blocks is done in threads.

    Args:
        home: The data home; the file is in a folder of its own there.
    """

    def __init__(self, home: Path) -> None:
        self.folder = home / FOLDER
        self.path = self.folder / _FILE
        # What this process knows of the file as a writer.
        self._cursor = ""
        self._revisions: dict[str, int] = {}
        self._lines = 0

    async def pepper(self) -> bytes:
        """Give the key under which digests are made."""
        return await asyncio.to_thread(_mapped(self._pepper))

    async def read(self, cursor: str) -> KeyBatch | None:
        """Give what has changed since a batch."""
        return await asyncio.to_thread(_mapped(self.read_now), cursor)

    async def put(self, key: StoredKey, expected: int) -> None:
        """Keep a key."""
        await asyncio.to_thread(_mapped(self.put_now), key, expected)

    async def close(self) -> None:
        """Do nothing: no file is kept open."""

    def _pepper(self) -> bytes:
        return secret_in(self.folder / _PEPPER, PEPPER_BYTES)

    def read_now(self, cursor: str) -> KeyBatch | None:
        """Read what has been appended since a batch, or all when the file is another one.

        Raises:
            Damaged: As said.
        """
        return self._read(cursor)[0]

    def _read(self, cursor: str) -> tuple[KeyBatch | None, int]:
        """Read as said; and how many lines these were."""
        known, offset = _parts(cursor)
        generation, documents = "", list[bytes]()
        try:
            with self.path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                head = file.readline(_MAX_HEAD_BYTES)
                generation = _generation(head)
                whole = not generation or known != generation or not len(head) <= offset <= size
                if whole:
                    offset = len(head) if generation else 0
                file.seek(offset)
                if generation:
                    documents, good = read_lines(file.read(size - offset))
                    offset += good
        except FileNotFoundError:
            offset, whole = 0, True
        now = f"{generation}:{offset}"
        if now == cursor:
            return None, 0
        keys = {key.id: key for key in map(_decode, documents)}
        return KeyBatch(cursor=now, keys=tuple(keys.values()), whole=whole), len(documents)

    def put_now(self, key: StoredKey, expected: int) -> None:
        """Append a key; it is on the disk when this returns.

        Raises:
            KeyChanged: It has another revision than the expected one.
            Damaged: The file cannot be read.
            StoreRejected: There are too many.
        """
        with self._locked():
            self._catch_up()
            if self._revisions.get(key.id, 0) != expected:
                raise KeyChanged("The key has been changed meanwhile.")
            if not expected and len(self._revisions) >= MAX_KEYS:
                raise StoreRejected(f"There are {MAX_KEYS} keys already.")
            self._append(write_line(key))
            self._catch_up()
            if self._lines > _SLACK_LINES + _MOST_LINES_A_KEY * len(self._revisions):
                self._write_anew()

    def _catch_up(self) -> None:
        batch, lines = self._read(self._cursor)
        if batch is None:
            return
        if batch.whole:
            self._revisions.clear()
            self._lines = 0
        self._revisions |= {key.id: key.revision for key in batch.keys}
        self._lines += lines
        self._cursor = batch.cursor

    def _append(self, line: bytes) -> None:
        generation, end = _parts(self._cursor)
        fd = os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            if not generation:
                line = write_line(Header(FORMAT, os.urandom(8).hex())) + line
            # What a killed writer has left of its line goes first, so that nobody reads it with the new one.
            os.ftruncate(fd, end)
            _write_all(fd, line, end)
            os.fsync(fd)
        finally:
            os.close(fd)
        if not generation:
            self._sync_folder()

    def _write_anew(self) -> None:
        """Write one line a key, into a file that takes the place of this one when it is whole."""
        batch = self.read_now("")
        keys = () if batch is None else batch.keys
        fresh = self.path.with_name(_FILE + ".new")
        fd = os.open(fresh, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            lines = [write_line(Header(FORMAT, os.urandom(8).hex())), *map(write_line, keys)]
            _write_all(fd, b"".join(lines), 0)
            os.fsync(fd)
        finally:
            os.close(fd)
        fresh.replace(self.path)
        self._sync_folder()

    @contextmanager
    def _locked(self) -> Generator[None, None, None]:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(self.folder / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def _sync_folder(self) -> None:
        fd = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _mapped(work: Callable[P, R]) -> Callable[P, R]:
    """Make a failure of the disk, and a damaged file, one that others know."""

    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return work(*args, **kwargs)
        except OSError as error:
            raise StoreUnavailable(f"The file of keys cannot be used: {error.strerror}.") from None
        except Damaged:
            raise StoreRejected("The file of keys is damaged; nothing in it is believed.") from None

    return run


def _write_all(fd: int, data: bytes, at: int) -> None:
    while data:
        written = os.pwrite(fd, data, at)
        data, at = data[written:], at + written


def _generation(head: bytes) -> str:
    """The generation of a file that begins so; nothing when its first line is not written to its end yet.

    Raises:
        Damaged: It is written, and cannot be read.
    """
    if not head.endswith(b"\n"):
        if len(head) >= _MAX_HEAD_BYTES:
            raise Damaged
        return ""
    documents, _ = read_lines(head + b" ")
    try:
        header = _HEADER.decode(documents[0])
    except (msgspec.DecodeError, IndexError):
        raise Damaged from None
    if header.format != FORMAT:
        raise Damaged
    return header.generation


def _decode(document: bytes) -> StoredKey:
    try:
        return _KEY.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Damaged from None


def _parts(cursor: str) -> tuple[str, int]:
    generation, _, offset = cursor.partition(":")
    return generation, int(offset or 0)
