"""How the configuration says who may do what on the operator plane."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gateway.config.provider_spec import Text
from gateway.config.references import References, SecretReference
from gateway.config.settings import Person
from gateway.config.source import Document
from gateway.config.trust import IssuerSpec
from gateway.config.validation import Many, Strict
from gateway.core.trust import RoleTrust
from gateway.core.vouched import is_name

# As ``operator.roles`` has them, and all of them at once.
Role = Literal["viewer", "operator", "policy_editor", "mode_changer", "key_admin", "eraser", "admin"]
Roles = Annotated[Many[Role], Field(min_length=1)]


class PersonSpec(Strict):
    """Somebody with a token of their own."""

    name: Text
    token: SecretReference
    roles: Roles

    @model_validator(mode="after")
    def _is_named(self) -> Self:
        if not is_name(self.name):
            raise ValueError("name should be letters, digits, blanks and ._@:/|+=~#()&-")
        return self


class VisitorClaimsSpec(Strict):
    """Which claims say who somebody is, and what they may do."""

    name: Text = "sub"
    roles: Text = "roles"


class VisitorTokensSpec(IssuerSpec):
    """Tokens of an identity provider."""

    claims: VisitorClaimsSpec
    roles: dict[str, Roles] = {}

    @model_validator(mode="after")
    def _can_be_believed(self) -> Self:
        self.check_issuer()
        return self


class VisitorsSpec(Strict):
    """Who may come, besides the holder of the one token that may do everything."""

    tokens: Many[PersonSpec] = ()
    oidc: VisitorTokensSpec | None = None

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [person.name for person in self.tokens]
        if len(set(names)) != len(names):
            raise ValueError("two tokens have the same name")
        return self


def people_of(spec: VisitorsSpec, references: References, document: Document) -> tuple[Person, ...]:
    """Give those with tokens of their own; the tokens are looked up."""
    found: list[Person] = []
    for index, person in enumerate(spec.tokens):
        path = ("operator", "tokens", index, "token")
        token = references.resolve(person.token, document, path)
        if token is None:
            continue
        if any(token == other.token for other in found):
            references.problems.append(document.problem(path, "the same secret as another token"))
        found.append(Person(name=person.name, token=token, roles=person.roles))
    return tuple(found)


def role_trust(spec: VisitorsSpec) -> RoleTrust | None:
    """Give whose tokens say who may do what; ``None`` where nobody's."""
    trust = None if spec.oidc is None else spec.oidc.trust()
    if spec.oidc is None or trust is None:
        return None
    claims = spec.oidc.claims
    return RoleTrust(tokens=trust, name=claims.name, roles=claims.roles, by_value=dict(spec.oidc.roles))
