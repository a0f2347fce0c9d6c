"""Heads of requests and answers, as Envoy has them and as the gateway would send them: what lies between the two.

Envoy has received the client's head, and sends it on; the gateway writes the head that it would send if it were the
proxy. So what goes on is the same on both ways, but for what only the one who frames a message can know.
"""

from __future__ import annotations

from gateway.core.exchange import Headers
from gateway.wire.ext_proc.asked import Lines
from gateway.wire.ext_proc.told import Changes

PATH = b":path"
STATUS = b":status"
# How messages are framed, and on which connection, is Envoy's affair; it keeps its own lines besides.
_ENVOYS = frozenset(
    (
        b"connection", b"content-length", b"date", b"expect", b"host", b"http2-settings", b"keep-alive", b"server",
        b"te", b"trailer", b"transfer-encoding", b"upgrade", b"via",
    )
)  # fmt: skip
_ENVOYS_PREFIXES = (b":", b"x-envoy-")
_BREAKS = (b"\r", b"\n", b"\0")


def read_lines(block: bytes) -> Lines:
    """Take lines apart, each ending in CRLF, as the gateway writes them."""
    lines: Lines = []
    for line in block.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon:
            lines.append((name.lower(), value.strip()))
    return lines


def breaks(lines: Lines) -> bool:
    """Whether a line holds what would end it."""
    return any(each in value for _, value in lines for each in _BREAKS)


def request_changes(had: Headers, path: bytes, head: bytes) -> Changes:
    """Say what makes the client's head the one that goes to the provider.

    Args:
        had: Of the client, as Envoy has it.
        path: With its query, likewise.
        head: As the gateway would send it: request line and lines, each ending in CRLF.
    """
    first, _, block = head.partition(b"\r\n")
    wanted = first.split(b" ")[1]
    changes = _changes(had, read_lines(block))
    if wanted != path:
        changes.put.append((PATH, wanted))
    return changes


def answer_changes(had: Headers, block: bytes) -> Changes:
    """Say what makes the provider's head the one that goes to the client.

    Args:
        had: Of the provider, as Envoy has it.
        block: As the gateway would send it.
    """
    return _changes(had, read_lines(block))


def _changes(had: Headers, wanted: Lines) -> Changes:
    put = [(name, value) for name, value in wanted if had.get(name) != value and not _is_envoys(name)]
    names = {name for name, _ in wanted}
    return Changes(put, [name for name in had if name not in names and not _is_envoys(name)])


def _is_envoys(name: bytes) -> bool:
    return name in _ENVOYS or name.startswith(_ENVOYS_PREFIXES)
