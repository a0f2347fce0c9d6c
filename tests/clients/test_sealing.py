import os

import pytest

from gateway.clients.sealing import OURS, Seal

TEXT, ABOUT = b"what rules may still take out", b"12345678"


def test_what_was_sealed_is_opened_by_the_same_key_about_the_same_thing():
    seal = Seal(b"k" * 32)
    first, second = seal.seal(TEXT, ABOUT), seal.seal(TEXT, ABOUT)
    assert first != second
    assert TEXT not in first
    assert Seal(b"k" * 32).open(first, ABOUT) == seal.open(second, ABOUT) == TEXT
    assert seal.open(first, b"another") is None
    assert Seal(b"o" * 32).open(first, ABOUT) is None


@pytest.mark.parametrize("at", [0, 12, -1])
def test_what_was_changed_is_not_opened(at: int):
    seal = Seal(b"k" * 32)
    changed = bytearray(seal.seal(TEXT, ABOUT))
    changed[at] ^= 1
    assert seal.open(bytes(changed), ABOUT) is None


@pytest.mark.parametrize("sealed", [b"", b"short", b"x" * 12, b"x" * 40])
def test_what_was_never_sealed_is_not_opened(sealed: bytes):
    assert Seal(b"k" * 32).open(sealed, ABOUT) is None


def test_a_key_is_told_from_another_by_its_name_and_forked_workers_have_the_same():
    assert Seal(b"k" * 32).name != Seal(b"o" * 32).name
    assert b"k" * 4 not in Seal(b"k" * 32).name
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, OURS.seal(TEXT, ABOUT))
        os._exit(0)
    os.waitpid(child, 0)
    assert OURS.open(os.read(read, 1024), ABOUT) == TEXT
    os.close(read)
    os.close(write)
