"""Virtual keys as callers write them and as they are shown: never with a secret, or with what is kept of one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal, cast

import msgspec
from msgspec import UNSET, UnsetType

from gateway.config.key_terms import budget_text, parse_budget, parse_expiry
from gateway.core.capture import Bodies
from gateway.core.errors import MalformedRequest
from gateway.core.key_token import PREFIX
from gateway.core.keys import Grant, StoredKey

_MAX_CHARS, _MAX_VALUES, _MAX_TAGS = 200, 100, 16
_MAX_TAG_NAME_CHARS, _MAX_TAG_VALUE_CHARS = 64, 256
_ENDPOINT = re.compile(r"[a-z_]{1,64}|/\S{0,199}")
# What a caller calls otherwise than we do.
_OURS = {"endpoints": "operations", "may_tag": "settable"}
_TEXTS, _LISTS = ("team", "tenant", "name"), ("models", "endpoints")


class Wish(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a key is to be like; what is left out stays as it is, and ``null`` takes a bound away."""

    team: str | UnsetType = UNSET
    tenant: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    tags: dict[str, str] | UnsetType = UNSET
    models: list[str] | UnsetType = UNSET
    endpoints: list[str] | UnsetType = UNSET
    may_tag: list[str] | UnsetType | None = UNSET
    policies: list[Literal["strict"]] | UnsetType = UNSET
    capture: Bodies | UnsetType | None = UNSET
    budget: str | dict[str, Any] | UnsetType | None = UNSET
    expires: str | UnsetType | None = UNSET
    disabled: bool | UnsetType = UNSET


class Turn(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How a secret is exchanged: for how long the one before is good beside the new one."""

    overlap: str = "24h"


def wished(document: Mapping[str, Any]) -> Wish:
    """Read what a caller wishes.

    Raises:
        MalformedRequest: It is no such wish.
    """
    try:
        return msgspec.convert(document, Wish)
    except msgspec.ValidationError as error:
        raise MalformedRequest(f"Not a key: {error}.") from None


def terms(wish: Wish, now_s: float) -> dict[str, Any]:
    """Give the fields of a :class:`StoredKey` that a wish is about.

    Raises:
        MalformedRequest: A value is none that it can have.
    """
    given = {name: value for name, value in msgspec.structs.asdict(wish).items() if value is not UNSET}
    for name in _TEXTS:
        _check_text(name, given.get(name, ""))
    for name in (*_LISTS, "may_tag"):
        _check_list(name, given.get(name) or [])
    _check_tags(given.get("tags", {}))
    fields: dict[str, Any] = {}
    for name, value in given.items():
        fields[_OURS.get(name, name)] = tuple(cast("list[str]", value)) if isinstance(value, list) else value
    if "policies" in fields:
        fields["strict"] = "strict" in fields.pop("policies")
    if fields.get("budget") is not None:
        fields["budget"] = _read("budget", parse_budget, fields["budget"])
    if "expires" in fields:
        written = fields.pop("expires")
        fields["expires_s"] = written and _read("expires", partial(parse_expiry, now_s=now_s), written)
    return fields


def shown(key: StoredKey, now_s: float) -> dict[str, Any]:
    """Show a key of the store."""
    return {
        **_granted(key),
        "status": key.status(now_s),
        "declared": False,
        "prefix": f"{PREFIX}{key.id}-",
        "created_at": _moment(key.created_s),
        "expires_at": _moment(key.expires_s),
        "revoked_at": _moment(key.revoked_s),
        "secrets": [
            {"created_at": _moment(each.created_s), "expires_at": _moment(each.expires_s)} for each in key.secrets
        ],
    }


def shown_declared(key: Grant, now_s: float) -> dict[str, Any]:
    """Show a key of the configuration."""
    return {
        **_granted(key),
        "status": "expired" if key.expires_s is not None and key.expires_s <= now_s else "active",
        "declared": True,
        "prefix": None,
        "created_at": None,
        "expires_at": _moment(key.expires_s),
        "revoked_at": None,
        "secrets": [],
    }


def _granted(key: Grant) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "team": key.team,
        "tenant": key.tenant,
        "tags": key.tags,
        "models": list(key.models),
        "endpoints": list(key.operations),
        "may_tag": None if key.settable is None else list(key.settable),
        "policies": ["strict"] if key.strict else [],
        "capture": key.capture,
        "budget": None if key.budget is None else budget_text(key.budget),
    }


def _check_text(name: str, value: str) -> None:
    if len(value) > _MAX_CHARS or not value.isprintable():
        raise MalformedRequest(f"'{name}' takes up to {_MAX_CHARS} characters that can be printed.", param=name)


def _check_list(name: str, values: list[str]) -> None:
    if len(values) > _MAX_VALUES or "" in values:
        raise MalformedRequest(f"'{name}' takes up to {_MAX_VALUES} entries, none of them empty.", param=name)
    for value in values:
        _check_text(name, value)
        if name == "endpoints" and not _ENDPOINT.fullmatch(value):
            message = "'endpoints' takes names of operations such as chat, and globs of routes such as /v1/files*."
            raise MalformedRequest(message, param=name)


def _check_tags(tags: dict[str, str]) -> None:
    for name, value in tags.items():
        fits = 0 < len(name) <= _MAX_TAG_NAME_CHARS and len(value) <= _MAX_TAG_VALUE_CHARS
        if not fits or not (name + value).isprintable():
            raise MalformedRequest("A tag's name takes 1 to 64 characters, its value up to 256.", param="tags")
    if len(tags) > _MAX_TAGS:
        raise MalformedRequest(f"A key has up to {_MAX_TAGS} tags.", param="tags")


def _read(name: str, parse: Any, written: Any) -> Any:
    try:
        return parse(written)
    except ValueError as error:
        raise MalformedRequest(f"'{name}' {error}.", param=name) from None


def _moment(seconds: int | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
