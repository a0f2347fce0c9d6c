"""How the configuration says whom it trusts: issuers of tokens, and peers of a mesh."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Any, Literal, Self, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from gateway.config.addresses import is_loopback_name
from gateway.config.provider_spec import Text
from gateway.config.units import parse_duration
from gateway.config.validation import Many, Strict
from gateway.core.jwt import EVERY_ALGORITHM
from gateway.core.spiffe import SpiffePattern, named_in
from gateway.core.trust import ISTIO, ClaimNames, MeshTrust, Mode, SpiffeRule, TokenTrust
from gateway.core.vouched import is_name

_MAX_LEEWAY_S = 600.0
_DURATION = WithJsonSchema({"type": "string", "examples": ["30s", "10m", "24h"]})
Duration = Annotated[float, BeforeValidator(parse_duration), _DURATION]


def _one_or_more(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _url(value: object) -> str:
    if isinstance(value, str) and value.isascii() and value.isprintable() and " " not in value:
        try:
            parts = urlsplit(value)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        whole = parts.hostname and not parts.fragment and parts.username is None and parts.password is None
        if whole and port != 0 and parts.scheme in {"https", "http"}:
            if parts.scheme == "http" and not is_loopback_name(parts.hostname or ""):
                raise ValueError("should be https: keys that anybody on the way can change prove nothing")
            return value
    raise ValueError("should be a URL such as https://login.example.com/keys")


def _algorithm(value: object) -> str:
    if value not in EVERY_ALGORITHM:
        raise ValueError(f"should be one of {', '.join(EVERY_ALGORITHM)}")
    return str(value)


def _peer(value: object) -> str:
    try:
        return str(ip_network(value if isinstance(value, str) else ""))
    except ValueError:
        raise ValueError("should be a network such as 10.1.0.0/16 or 127.0.0.1/32") from None


def _pattern(value: str) -> str:
    SpiffePattern(value)
    return value


def _tags(value: object) -> object:
    if isinstance(value, str):
        return {"": value}
    if isinstance(value, list):
        names = cast("list[Any]", value)
        if not all(isinstance(one, str) for one in names):
            raise ValueError("should be names of claims")
        return {one: one for one in names}
    return value


Audiences = Annotated[
    Many[Text], BeforeValidator(_one_or_more, json_schema_input_type=str | list[str]), Field(min_length=1)
]
ClaimTags = Annotated[dict[str, Text], BeforeValidator(_tags, json_schema_input_type=str | list[str] | dict[str, str])]
Url = Annotated[str, BeforeValidator(_url, json_schema_input_type=str)]
Algorithm = Annotated[str, BeforeValidator(_algorithm), WithJsonSchema({"enum": list(EVERY_ALGORITHM)})]
Peer = Annotated[str, BeforeValidator(_peer, json_schema_input_type=str)]
Pattern = Annotated[str, AfterValidator(_pattern)]


class IssuerSpec(Strict):
    """An issuer of tokens."""

    issuer: Text | None = None
    audience: Audiences | None = None
    jwks_url: Url | None = None
    algorithms: Many[Algorithm] = ()
    leeway_s: Annotated[Duration, Field(ge=0, le=_MAX_LEEWAY_S)] = Field(30.0, validation_alias="leeway")
    jwks_refresh_s: Annotated[Duration, Field(ge=10)] = Field(600.0, validation_alias="jwks_refresh")
    jwks_keep_s: Annotated[Duration, Field(ge=60)] = Field(86_400.0, validation_alias="jwks_keep")

    def check_issuer(self) -> None:
        """Check that tokens could be believed.

        Raises:
            ValueError: Why not.
        """
        if self.issuer is None or self.audience is None:
            raise ValueError("tokens need an issuer and an audience")
        if self.jwks_keep_s < self.jwks_refresh_s:
            raise ValueError("jwks_keep should be no shorter than jwks_refresh")
        if self.jwks_url is None:
            try:
                _url(self.issuer)
            except ValueError as error:
                raise ValueError(f"issuer {error}; or give jwks_url") from None

    def trust(self) -> TokenTrust | None:
        """Give the issuer; ``None`` where there is none."""
        if self.issuer is None or self.audience is None:
            return None
        return TokenTrust(
            issuer=self.issuer,
            audiences=self.audience,
            jwks_url=self.jwks_url or "",
            algorithms=self.algorithms,
            leeway_s=self.leeway_s,
            refresh_s=self.jwks_refresh_s,
            keep_s=self.jwks_keep_s,
        )


class ClaimsSpec(Strict):
    """Which claims say what of a caller."""

    key_id: Text = "sub"
    team: Text | None = None
    tenant: Text | None = None
    models: Text | None = None
    tags: ClaimTags = {}

    def names(self) -> ClaimNames:
        """Give them."""
        return ClaimNames(
            key_id=self.key_id,
            team=self.team or "",
            tenant=self.tenant or "",
            models=self.models or "",
            tags={tag: claim for tag, claim in self.tags.items() if tag},
            all_tags=self.tags.get("", ""),
        )


class SpiffeSpec(Strict):
    """Who a workload is, by its SPIFFE id."""

    match: Pattern
    key_id: Text | None = None
    team: Text | None = None
    tenant: Text | None = None
    tags: dict[str, Text] = {}
    models: Many[Text] = ()

    @model_validator(mode="after")
    def _knows_its_parts(self) -> Self:
        known = SpiffePattern(self.match).names
        templates = [self.key_id or "", self.team or "", self.tenant or "", *self.tags.values()]
        for name in [name for template in templates for name in named_in(template)]:
            if name not in known:
                raise ValueError(f"'{{{name}}}' is no part of match")
        # Parts of an id are names; what is written around them must be one too.
        filled = [template.replace("{", "x").replace("}", "x") for template in templates if template]
        if not all(is_name(one) for one in (*filled, *self.tags)):
            raise ValueError("key_id, team, tenant and tags are names: letters, digits, blanks and ._@:/|+=~#()&-")
        return self

    def rule(self) -> SpiffeRule:
        """Give it."""
        return SpiffeRule(
            match=self.match,
            key_id=self.key_id or "",
            team=self.team or "",
            tenant=self.tenant or "",
            tags=self.tags,
            models=self.models,
        )


_JWT_ONLY = ("issuer", "audience", "jwks_url", "algorithms", "leeway_s", "jwks_refresh_s", "jwks_keep_s", "claims")
_MESH_ONLY = ("peers", "spiffe")


class TrustSpec(IssuerSpec):
    """What of ``identity`` is about tokens and certificates, and about several ways at once."""

    mode: Literal["open", "keys", "jwt", "mesh"] = "open"
    modes: Many[Mode] = ()
    claims: ClaimsSpec
    peers: Many[Peer] = ()
    spiffe: Many[SpiffeSpec] = ()

    @property
    def asked(self) -> tuple[Mode, ...]:
        """The ways in which callers say who they are, in order; none where nobody is asked."""
        return self.modes or (() if self.mode == "open" else (self.mode,))

    @model_validator(mode="after")
    def _modes_have_what_they_need(self) -> Self:
        if self.modes and "mode" in self.model_fields_set:
            raise ValueError("takes mode or modes, not both")
        if len(set(self.modes)) != len(self.modes):
            raise ValueError("modes names one twice")
        self._check_jwt()
        self._check_mesh()
        return self

    def _check_jwt(self) -> None:
        if "jwt" in self.asked:
            self.check_issuer()
            return
        written = [name for name in _JWT_ONLY if getattr(self, name) != type(self).model_fields[name].get_default()]
        if [name for name in written if name != "claims"] or self.claims != ClaimsSpec():
            raise ValueError("issuer, audience, claims and what else is about tokens go with mode jwt")

    def _check_mesh(self) -> None:
        if "mesh" in self.asked:
            if not self.peers:
                raise ValueError("mode mesh needs peers: the networks of the proxies whose word counts")
        elif any(getattr(self, name) for name in _MESH_ONLY):
            raise ValueError("peers and spiffe go with mode mesh")

    def mesh(self) -> MeshTrust | None:
        """Give whom certificates are believed of; ``None`` where they are not asked for."""
        if "mesh" not in self.asked:
            return None
        return MeshTrust(peers=self.peers, rules=tuple(one.rule() for one in self.spiffe) or (ISTIO,))


def token_trust(spec: TrustSpec) -> tuple[TokenTrust, ClaimNames] | None:
    """Give whose tokens are believed of callers; ``None`` where they are not asked for."""
    trust = spec.trust() if "jwt" in spec.asked else None
    return None if trust is None else (trust, spec.claims.names())
