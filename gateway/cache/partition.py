"""Who shares answers, and who may have made them: a digest in which nobody else's ever is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import orjson

from gateway.core.cache_rules import Scope
from gateway.core.exchange import Deployment, Principal


def partition(
    principal: Principal, scope: Scope, alias: str, arm: tuple[str, str], family: Iterable[Deployment], asked: str
) -> str:
    """Digest who shares an answer.

    Args:
        principal: Who is calling.
        scope: Whether answers are shared by a tenant, a team of it, or the callers of one key.
        alias: What led to the deployments.
        arm: The split that the caller is in, and the arm there.
        family: The deployments that may answer.
        asked: The model name as the client wrote it.

    Returns:
        32 hexadecimal digits.
    """
    whose = [principal.tenant]
    if scope != "tenant":
        whose.append(principal.team)
    if scope == "key":
        whose.append(principal.key_id)
    made_by = sorted([each.provider, each.kind, each.model or asked, each.base_url] for each in family)
    text = orjson.dumps([scope, whose, alias, arm, made_by])
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def key_of(partition_: str, policy_revision: str, digest: bytes) -> bytes:
    """Give the key of an answer: whose it is, by which rules it was admitted, what was asked."""
    made = hashlib.blake2b(partition_.encode(), digest_size=32)
    made.update(len(policy_revision).to_bytes(8, "big"))
    made.update(policy_revision.encode("utf-8", "surrogatepass"))
    made.update(digest)
    return made.digest()
