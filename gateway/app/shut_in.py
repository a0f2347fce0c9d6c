"""Keeps to itself what a process of ours knows: its memory, and the secrets that came in its environment.

Done once before the first fork, so every process has it. What was read from the environment stays in ``os.environ``:
reloads and plugins look there. Taken away is what others see of it: the kernel shows a process's first environment in
``/proc/PID/environ`` for as long as it lives, and programs that it starts inherit what the C library has.
"""

from __future__ import annotations

import ctypes
import os
import re
import resource
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

# <linux/prctl.h>
_SET_DUMPABLE, _SET_NO_NEW_PRIVS = 4, 38
# Where /proc/self/stat says that the first environment begins and ends, counted behind the name: proc(5), 50 and 51.
_ENV_START, _ENV_END = 47, 48
_REFERENCE = re.compile(r"\benv:([A-Za-z_][A-Za-z0-9_]*)")
# Parts of names that tell of a secret.
_TELLING = re.compile(
    r"(?:^|_)(?:API_?KEYS?|KEYS?|TOKENS?|SECRETS?|PASS(?:WORDS?|WD|PHRASE)?|CREDENTIALS?|AUTH(?:ORIZATION)?|DSN)(?:_|$)"
    r"|_PWD$|PASSWORD",
    re.IGNORECASE,
)
# A user and a password in an address.
_WITH_PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]+@")


def shut_in(files: Iterable[Path]) -> None:
    """Let nobody look in from outside.

    Args:
        files: Of configuration and policies: the variables that they refer to hold secrets, whatever their names.
    """
    hide_environment(secret_names(os.environ, references_in(files)))
    # A core file holds every prompt and every key. A limit of none does not hold where the kernel pipes cores to a
    # program, and who may not be dumped cannot be traced by others of the same user either.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(AttributeError, OSError):
        library = ctypes.CDLL(None)
        library.prctl(_SET_DUMPABLE, 0, 0, 0, 0)
        # What is started from here gains nothing by set-user-id files.
        library.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def references_in(files: Iterable[Path]) -> frozenset[str]:
    """The variables that files refer to, as ``env:NAME``."""
    return frozenset(name for text in _texts(files) for name in _REFERENCE.findall(text))


def secret_names(environ: Mapping[str, str], referenced: frozenset[str] = frozenset()) -> frozenset[str]:
    """The variables that hold a secret: referred to as one, called like one, or with a password in an address."""
    return frozenset(
        name
        for name, value in environ.items()
        if name in referenced or _TELLING.search(name) or _WITH_PASSWORD.search(value)
    )


def hide_environment(names: Iterable[str]) -> None:
    """Take variables out of what others see of the environment; ``os.environ`` keeps them."""
    hidden = frozenset(map(os.fsencode, names))
    for name in hidden:
        # Not through os.environ, which would forget it. Nothing refers to its place in memory after this.
        os.unsetenv(name)
    with suppress(OSError, ValueError, IndexError):
        fields = Path("/proc/self/stat").read_bytes().rpartition(b") ")[2].split()
        start, end = int(fields[_ENV_START]), int(fields[_ENV_END])
        for offset, size in _places(ctypes.string_at(start, end - start), hidden):
            ctypes.memset(start + offset, 0, size)


def _places(block: bytes, hidden: frozenset[bytes]) -> Iterator[tuple[int, int]]:
    """Where the values of variables are in a block of ``NAME=value`` that end in NUL."""
    offset = 0
    for entry in block.split(b"\0"):
        name, equals, value = entry.partition(b"=")
        if equals and name in hidden:
            yield offset + len(name) + 1, len(value)
        offset += len(entry) + 1


def _texts(files: Iterable[Path]) -> Iterator[str]:
    for path in files:
        with suppress(OSError):
            yield path.read_text(encoding="utf-8", errors="replace")
