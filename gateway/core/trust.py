"""Whom the configuration trusts to say who calls: issuers of tokens, and peers of a mesh."""

from __future__ import annotations

from typing import Literal

import msgspec

Mode = Literal["keys", "jwt", "mesh"]


class TokenTrust(msgspec.Struct, frozen=True, kw_only=True):
    """An issuer of tokens, and what its tokens must be like.

    Attributes:
        issuer: As tokens name it.
        audiences: Tokens are for one of these.
        jwks_url: Where its keys are; empty where it says so itself, by OpenID Connect Discovery.
        algorithms: Those that may be used at all; empty for all that a key is good for.
        leeway_s: By how much its clock may differ from ours.
        refresh_s: Its keys are fetched again when they are older than that.
        keep_s: Keys that cannot be fetched again are good for so long.
    """

    issuer: str
    audiences: tuple[str, ...]
    jwks_url: str = ""
    algorithms: tuple[str, ...] = ()
    leeway_s: float = 30.0
    refresh_s: float = 600.0
    keep_s: float = 86_400.0


class ClaimNames(msgspec.Struct, frozen=True, kw_only=True):
    """Which claims say what of a caller; dots lead into objects. What is named here must be there, tags aside.

    Attributes:
        key_id: Names the caller.
        team: Empty for no team.
        tenant: Empty for no tenant.
        models: Globs of the aliases that the caller may name, as a list or with blanks between; empty for all.
        tags: By tag.
        all_tags: A claim that is an object: each of its texts is a tag.
    """

    key_id: str = "sub"
    team: str = ""
    tenant: str = ""
    models: str = ""
    tags: dict[str, str] = {}
    all_tags: str = ""


class SpiffeRule(msgspec.Struct, frozen=True, kw_only=True):
    """Who a workload is, by its SPIFFE id.

    Attributes:
        match: The id; ``{name}`` stands for a part of it without a slash, ``*`` at the end for any rest.
        key_id: Made of those parts; empty for the whole id.
        team: Likewise; empty for no team.
        tenant: Likewise.
        tags: Likewise, by tag.
        models: Globs of the aliases that may be named; empty for all.
    """

    match: str
    key_id: str = ""
    team: str = ""
    tenant: str = ""
    tags: dict[str, str] = {}
    models: tuple[str, ...] = ()


class MeshTrust(msgspec.Struct, frozen=True, kw_only=True):
    """Who may say in a header whose certificate they have seen, and what such certificates mean.

    Attributes:
        peers: Networks, as CIDR.
        rules: The first that matches counts; what none matches is nobody.
    """

    peers: tuple[str, ...]
    rules: tuple[SpiffeRule, ...]


# As Istio writes them: the trust domain is the tenant, the namespace the team.
ISTIO = SpiffeRule(match="spiffe://{tenant}/ns/{team}/sa/{account}", tenant="{tenant}", team="{team}")


class RoleTrust(msgspec.Struct, frozen=True, kw_only=True):
    """Whose tokens say who may do what on the operator plane.

    Attributes:
        tokens: The issuer, and what its tokens must be like.
        name: The claim that names somebody.
        roles: The claim that says what they are: a text, or a list of texts.
        by_value: Roles by what that claim says; where it is empty, it says the roles themselves.
    """

    tokens: TokenTrust
    name: str = "sub"
    roles: str = "roles"
    by_value: dict[str, tuple[str, ...]] = {}
