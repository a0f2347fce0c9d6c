"""Who is erased from what was recorded: named by a session, a key, a user, one exchange or a tag."""

from __future__ import annotations

import hashlib
from typing import Literal, get_args

import msgspec

Kind = Literal["session", "key", "user", "id", "tag"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# The tag that names the person a call is for.
USER_TAG = "user"
# What stands where a tag's value was.
ERASED = "erased"


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """One subject that was erased.

    Attributes:
        id: Of the erasure.
        at_us: When, microseconds since 1970: calls that began later are none of it.
        kind: How the subject is named.
        name: The tag's name, for a tag.
        digest: What is kept of the subject's own name for good; see :func:`digest_of`.
        value: The subject's own name, until the store has forgotten it too.
        tenant: Only this tenant's calls; ``None`` for those of all.
        done: The store has forgotten it.
    """

    id: str
    at_us: int
    kind: Kind
    name: str = ""
    digest: str
    value: str = ""
    tenant: str | None = None
    done: bool = False


def digest_of(kind: str, name: str, value: str) -> str:
    """Digest a subject's name: 64 hexadecimal digits."""
    return hashlib.sha256(f"{kind}\0{name}\0{value}".encode("utf-8", "replace")).hexdigest()
