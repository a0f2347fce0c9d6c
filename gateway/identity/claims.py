"""From the claims of a token that is believed to who calls."""

from __future__ import annotations

from typing import Any, cast

from gateway.core.exchange import Principal
from gateway.core.jwt import JwtRefused
from gateway.core.trust import ClaimNames
from gateway.core.vouched import is_name

MAX_TAGS = 16
MAX_MODELS = 64


def find_claim(claims: dict[str, Any], name: str) -> Any:
    """Find a claim: one that is called so, dots and all, or the end of the way that the dots show; else ``None``."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for step in name.split("."):
        if not isinstance(found, dict):
            return None
        found = cast("dict[str, Any]", found).get(step)
    return found


def principal_of(claims: dict[str, Any], names: ClaimNames, consumed: frozenset[bytes]) -> Principal:
    """Make a principal.

    Args:
        claims: Of a token that was checked.
        names: Which of them say what.
        consumed: Headers that carried the token.

    Raises:
        JwtRefused: A claim that must be there is not, or is no name.
    """
    return Principal(
        key_id=_named(claims, names.key_id),
        team=_named(claims, names.team) if names.team else "",
        tenant=_named(claims, names.tenant) if names.tenant else "",
        models=_models(claims, names.models) if names.models else (),
        tags=_tags(claims, names),
        consumed=consumed,
        lasting=False,
    )


def _named(claims: dict[str, Any], claim: str) -> str:
    value = find_claim(claims, claim)
    given = cast("list[Any]", value) if isinstance(value, list) else [value]
    if len(given) != 1 or not is_name(given[0]):
        raise JwtRefused(claim)
    return str(given[0])


def _models(claims: dict[str, Any], claim: str) -> tuple[str, ...]:
    value = find_claim(claims, claim)
    globs = value.split() if isinstance(value, str) else value
    # Nothing at all would stand for every model.
    if not isinstance(globs, list) or not 0 < len(cast("list[Any]", globs)) <= MAX_MODELS:
        raise JwtRefused(claim)
    found = tuple(one for one in cast("list[Any]", globs) if _is_glob(one))
    if len(found) != len(cast("list[Any]", globs)):
        raise JwtRefused(claim)
    return found


def _is_glob(value: object) -> bool:
    return isinstance(value, str) and is_name("x" + value.translate(_GLOB_SIGNS))


_GLOB_SIGNS = {ord(sign): "x" for sign in "*?[]!"}


def _tags(claims: dict[str, Any], names: ClaimNames) -> dict[str, str]:
    found: dict[str, Any] = {}
    if names.all_tags:
        given = find_claim(claims, names.all_tags)
        if given is not None and not isinstance(given, dict):
            raise JwtRefused(names.all_tags)
        found |= cast("dict[str, Any]", given or {})
    found |= {tag: value for tag, claim in names.tags.items() if (value := find_claim(claims, claim)) is not None}
    if len(found) > MAX_TAGS or not all(is_name(tag) and is_name(value) for tag, value in found.items()):
        raise JwtRefused("tags")
    return found
