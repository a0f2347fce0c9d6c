from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.environment import Options
from gateway.config.load import load_settings
from gateway.config.settings import Operator
from gateway.core.trust import RoleTrust, TokenTrust

LOGIN = "issuer: 'https://login.example.com/', audience: console"


def loaded(tmp_path: Path, operator: str) -> tuple[Operator | None, str]:
    file = tmp_path / "weighbridge.yaml"
    file.write_text(f"version: 1\noperator: {{{operator}}}\n")
    result = load_settings(Options(config=str(file)), {"A": "a-token", "B": "b-token", "C": "a-token"}, tmp_path)
    return result.settings and result.settings.operator, "\n".join(map(str, result.problems))


def test_people_have_tokens_and_roles(tmp_path: Path) -> None:
    tokens = (
        "tokens: [{name: ann, token: 'env:A', roles: [viewer, key_admin]}, {name: bob, token: 'env:B', roles: [admin]}]"
    )
    operator, problems = loaded(tmp_path, tokens)
    assert operator is not None, problems
    assert [(one.name, one.token.reveal(), one.roles) for one in operator.people] == [
        ("ann", "a-token", ("viewer", "key_admin")),
        ("bob", "b-token", ("admin",)),
    ]
    assert "a-token" not in repr(operator)


def test_an_identity_provider_says_what_somebody_is(tmp_path: Path) -> None:
    more = "claims: {name: email, roles: groups}, roles: {sre: [operator], boss: [admin]}, leeway: 5s"
    operator, problems = loaded(tmp_path, f"oidc: {{{LOGIN}, {more}}}")
    assert operator is not None, problems
    assert operator.visitors == RoleTrust(
        tokens=TokenTrust(issuer="https://login.example.com/", audiences=("console",), leeway_s=5),
        name="email",
        roles="groups",
        by_value={"sre": ("operator",), "boss": ("admin",)},
    )


@pytest.mark.parametrize(
    "operator",
    ["tokens: [{name: ann, token: 'env:A', roles: [viewer]}]", f"oidc: {{{LOGIN}}}", "token: 'env:A'"],
)
def test_whatever_asks_for_a_token_may_be_reached_from_outside(tmp_path: Path, operator: str) -> None:
    found, problems = loaded(tmp_path, f"address: '0.0.0.0:8081', {operator}")
    assert found is not None, problems


@pytest.mark.parametrize(
    ("operator", "said"),
    [
        ("address: '0.0.0.0:8081'", "is no loopback address"),
        ("tokens: [{name: ann, token: 'env:A'}]", "roles: required"),
        ("tokens: [{name: ann, token: 'env:A', roles: []}]", "roles"),
        ("tokens: [{name: ann, token: 'env:A', roles: [boss]}]", "should be"),
        ("tokens: [{name: ann, token: plain, roles: [viewer]}]", "a secret is not written here"),
        ("tokens: [{name: ann, token: 'env:NONE', roles: [viewer]}]", "NONE is not set"),
        ("tokens: [{name: \"a'b\", token: 'env:A', roles: [viewer]}]", "name should be letters"),
        (
            "tokens: [{name: a, token: 'env:A', roles: [viewer]}, {name: a, token: 'env:B', roles: [viewer]}]",
            "two tokens have the same name",
        ),
        (
            "tokens: [{name: a, token: 'env:A', roles: [viewer]}, {name: b, token: 'env:C', roles: [viewer]}]",
            "the same secret as another token",
        ),
        ("oidc: {issuer: 'https://login.example.com'}", "tokens need an issuer and an audience"),
        ("oidc: {issuer: 'http://login.example.com', audience: a}", "should be https"),
        (f"oidc: {{{LOGIN}, roles: {{sre: [boss]}}}}", "should be"),
    ],
)
def test_what_cannot_work_is_said(tmp_path: Path, operator: str, said: str) -> None:
    found, problems = loaded(tmp_path, operator)
    assert found is None
    assert said in problems
