"""The file of keys: whatever happens to it, what was acknowledged is read, or nothing is guessed."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clients.key_file import Damaged, KeyFile, read_lines, write_line
from gateway.core.errors import StoreRejected, StoreUnavailable
from gateway.core.keys import KeyBatch, StoredKey
from tests.support.virtual_keys import changed, minted
from tests.support.waiting import until

WRITER = """
import asyncio, os, sys
from pathlib import Path
from gateway.clients.key_file import KeyFile
from tests.support.virtual_keys import minted
store = KeyFile(Path(sys.argv[1]))
while True:
    key, _ = minted(name="x" * 2000)
    store.put_now(key, 0)
    os.write(1, key.id.encode() + b"\\n")
"""


def keys_of(batch: KeyBatch | None) -> dict[str, StoredKey]:
    assert batch is not None
    return {key.id: key for key in batch.keys}


def filled(home: Path, count: int = 3) -> tuple[KeyFile, list[StoredKey]]:
    store, keys = KeyFile(home), [minted()[0] for _ in range(count)]
    for key in keys:
        store.put_now(key, 0)
    return store, keys


@given(st.lists(st.builds(lambda name: minted(name=name)[0], st.text(max_size=20)), max_size=6), st.data())
def test_a_part_of_lines_gives_those_that_are_whole(keys: list[StoredKey], data: st.DataObject):
    lines = [write_line(key) for key in keys]
    written = b"".join(lines)
    cut = data.draw(st.integers(0, len(written)))
    documents, good = read_lines(written[:cut])
    whole = 0
    while whole < len(lines) and sum(map(len, lines[: whole + 1])) <= cut:
        whole += 1
    assert len(documents) == whole
    assert good == sum(map(len, lines[:whole]))


@given(st.integers(0, 10_000), st.integers(1, 255))
@settings(max_examples=60)
def test_a_flipped_byte_is_damage_or_a_line_less_and_never_another_key(place: int, flip: int):
    keys = [minted()[0] for _ in range(3)]
    written = bytearray(b"".join(map(write_line, keys)))
    written[place % len(written)] ^= flip
    try:
        documents, _ = read_lines(bytes(written))
    except Damaged:
        return
    assert documents == [write_line(key)[9:-1] for key in keys[: len(documents)]]
    assert len(documents) < 3


def test_a_file_cut_anywhere_reads_as_it_was_before_and_takes_the_next_key(tmp_path: Path):
    store, keys = filled(tmp_path)
    whole = store.path.read_bytes()
    ends = [at + 1 for at, byte in enumerate(whole) if byte == 10]
    for cut in (0, 1, ends[0] - 1, ends[0], ends[0] + 1, ends[1] - 1, ends[1] + 30, ends[2], len(whole) - 1):
        store.path.write_bytes(whole[:cut])
        left = keys[: max(0, sum(end <= cut for end in ends) - 1)]
        assert keys_of(KeyFile(tmp_path).read_now("")) == {key.id: key for key in left}
        fresh, _ = minted()
        KeyFile(tmp_path).put_now(fresh, 0)
        assert keys_of(KeyFile(tmp_path).read_now("")) == {key.id: key for key in (*left, fresh)}


def test_a_writer_that_is_killed_loses_nothing_that_it_has_told_of(tmp_path: Path):
    told: list[str] = []
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            told += [writer.stdout.readline().decode().strip() for _ in range(20)]
            writer.send_signal(signal.SIGKILL)
            told += [line for line in writer.stdout.read().decode().split("\n")[:-1] if line]
    assert set(told) <= keys_of(KeyFile(tmp_path).read_now("")).keys()


def test_a_reader_beside_writers_sees_every_key_and_no_part_of_one(tmp_path: Path):
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE) as writer:
        seen: dict[str, StoredKey] = {}
        cursor = ""
        reader = KeyFile(tmp_path)

        def look() -> bool:
            nonlocal cursor
            batch = reader.read_now(cursor)
            if batch is not None:
                cursor = batch.cursor
                seen.update(keys_of(batch))
            return len(seen) >= 60

        until(look)
        writer.kill()
    assert keys_of(KeyFile(tmp_path).read_now("")).items() >= seen.items()


def test_a_file_that_was_changed_often_is_written_anew_and_readers_notice(tmp_path: Path):
    store, keys = filled(tmp_path, 2)
    first = store.read_now("")
    key = keys[0]
    for _ in range(1100):
        key = changed(key, disabled=not key.disabled)
        # As another process does, now and then.
        store.put_now(key, key.revision - 1)
    assert store.path.read_bytes().count(b"\n") < 200
    assert first is not None
    batch = KeyFile(tmp_path).read_now(first.cursor)
    assert batch is not None
    assert batch.whole
    assert keys_of(batch) == {key.id: key, keys[1].id: keys[1]}
    assert sorted(path.name for path in store.folder.iterdir()) == ["keys.log", "lock"]


def test_damage_is_said_and_nothing_of_it_believed(tmp_path: Path):
    store, _ = filled(tmp_path)
    whole = bytearray(store.path.read_bytes())
    whole[whole.index(b"\n") + 30] ^= 1
    store.path.write_bytes(whole)
    with pytest.raises(StoreRejected, match="damaged"):
        asyncio.run(KeyFile(tmp_path).read(""))
    with pytest.raises(StoreRejected, match="damaged"):
        asyncio.run(KeyFile(tmp_path).put(minted()[0], 0))
    for head in (b"x\n", b"00000000 {}\n", b"y" * 300):
        store.path.write_bytes(head)
        with pytest.raises(StoreRejected, match="damaged"):
            asyncio.run(KeyFile(tmp_path).read(""))


def test_a_file_that_cannot_be_opened_is_a_store_that_is_away(tmp_path: Path):
    store, _ = filled(tmp_path)
    store.path.unlink()
    store.path.mkdir()
    with pytest.raises(StoreUnavailable):
        asyncio.run(store.read(""))


def test_nobody_else_can_read_the_file(tmp_path: Path):
    store, _ = filled(tmp_path)
    asyncio.run(store.pepper())
    for path in (store.path, store.folder / "pepper", store.folder / "lock"):
        assert path.stat().st_mode & 0o077 == 0
    assert store.folder.stat().st_mode & 0o077 == 0


def test_no_secret_is_in_the_file(tmp_path: Path):
    store = KeyFile(tmp_path)
    key, token = minted()
    store.put_now(key, 0)
    assert token.encode() not in store.path.read_bytes()
    assert token.partition("-")[2].partition("-")[2].encode() not in store.path.read_bytes()
