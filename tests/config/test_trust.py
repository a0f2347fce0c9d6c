from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.environment import Options
from gateway.config.load import load_settings
from gateway.config.settings import Settings
from gateway.core.trust import ISTIO, ClaimNames, MeshTrust, SpiffeRule, TokenTrust

LOGIN = "issuer: 'https://login.example.com/', audience: weighbridge"


def loaded(tmp_path: Path, identity: str) -> tuple[Settings | None, str]:
    file = tmp_path / "weighbridge.yaml"
    file.write_text(f"version: 1\nidentity: {{{identity}}}\n")
    result = load_settings(Options(config=str(file)), {"KEY": "wb-one"}, tmp_path)
    return result.settings, "\n".join(map(str, result.problems))


def test_tokens_as_the_contract_has_them(tmp_path: Path) -> None:
    settings, problems = loaded(tmp_path, f"mode: jwt, {LOGIN}, claims: {{team: groups, tags: [env, cost]}}")
    assert settings is not None, problems
    assert settings.modes == ("jwt",)
    trust = TokenTrust(issuer="https://login.example.com/", audiences=("weighbridge",))
    assert settings.tokens == (trust, ClaimNames(team="groups", tags={"env": "env", "cost": "cost"}))
    assert settings.mesh is None


def test_all_that_can_be_said_of_tokens(tmp_path: Path) -> None:
    settings, problems = loaded(
        tmp_path,
        "mode: jwt, issuer: kubernetes/serviceaccount, audience: [a, b], jwks_url: 'https://k8s.example/keys?x=1', "
        "algorithms: [RS256, ES256], leeway: 0s, jwks_refresh: 1m, jwks_keep: 1h, "
        "claims: {key_id: azp, tenant: org.name, models: scope, tags: labels}",
    )
    assert settings is not None, problems
    assert settings.tokens == (
        TokenTrust(
            issuer="kubernetes/serviceaccount",
            audiences=("a", "b"),
            jwks_url="https://k8s.example/keys?x=1",
            algorithms=("RS256", "ES256"),
            leeway_s=0,
            refresh_s=60,
            keep_s=3600,
        ),
        ClaimNames(key_id="azp", tenant="org.name", models="scope", all_tags="labels"),
    )


def test_tags_by_claim(tmp_path: Path) -> None:
    settings, _ = loaded(tmp_path, f"mode: jwt, {LOGIN}, claims: {{tags: {{stage: env}}}}")
    assert settings is not None
    assert settings.tokens is not None
    assert settings.tokens[1].tags == {"stage": "env"}


def test_certificates(tmp_path: Path) -> None:
    settings, problems = loaded(tmp_path, "mode: mesh, peers: [10.0.0.0/8, '::1/128', 127.0.0.1]")
    assert settings is not None, problems
    assert settings.mesh == MeshTrust(peers=("10.0.0.0/8", "::1/128", "127.0.0.1/32"), rules=(ISTIO,))
    settings, problems = loaded(
        tmp_path,
        "mode: mesh, peers: [10.0.0.0/8], spiffe: [{match: 'spiffe://acme/ns/{ns}/*', team: '{ns}', tenant: acme, "
        "key_id: 'mesh:{ns}', tags: {via: mesh}, models: [a, b]}]",
    )
    assert settings is not None, problems
    assert settings.mesh is not None
    rule = SpiffeRule(
        match="spiffe://acme/ns/{ns}/*",
        team="{ns}",
        tenant="acme",
        key_id="mesh:{ns}",
        tags={"via": "mesh"},
        models=("a", "b"),
    )
    assert settings.mesh.rules == (rule,)


def test_several_modes_keep_their_order(tmp_path: Path) -> None:
    keys = "keys: [{id: k, key: 'env:KEY'}]"
    settings, problems = loaded(tmp_path, f"modes: [mesh, keys, jwt], {LOGIN}, peers: [10.0.0.0/8], {keys}")
    assert settings is not None, problems
    assert settings.modes == ("mesh", "keys", "jwt")


@pytest.mark.parametrize(
    ("identity", "said"),
    [
        ("mode: jwt", "tokens need an issuer and an audience"),
        ("mode: jwt, issuer: 'https://a'", "tokens need an issuer and an audience"),
        ("mode: jwt, issuer: acme, audience: a", "issuer should be a URL"),
        ("mode: jwt, issuer: 'http://login.example.com', audience: a", "should be https"),
        (f"mode: jwt, {LOGIN}, jwks_url: 'http://login.example.com/keys'", "should be https"),
        (f"mode: jwt, {LOGIN}, jwks_url: 'https://u:p@login.example.com'", "should be a URL"),
        (f"mode: jwt, {LOGIN}, jwks_url: 'file:///etc/passwd'", "should be a URL"),
        (f"mode: jwt, {LOGIN}, algorithms: [HS256]", "should be one of RS256"),
        (f"mode: jwt, {LOGIN}, algorithms: [none]", "should be one of RS256"),
        (f"mode: jwt, {LOGIN}, leeway: 1h", "should be less than or equal to 600"),
        (f"mode: jwt, {LOGIN}, jwks_refresh: 1s", "should be greater than or equal to 10"),
        (f"mode: jwt, {LOGIN}, jwks_refresh: 2h, jwks_keep: 1h", "jwks_keep should be no shorter"),
        (f"mode: jwt, {LOGIN}, audience: []", "audience"),
        (f"mode: jwt, {LOGIN}, claims: {{tags: [{{a: b}}]}}", "should be names of claims"),
        (LOGIN, "go with mode jwt"),
        ("claims: {team: groups}", "go with mode jwt"),
        ("mode: mesh", "mode mesh needs peers"),
        ("mode: mesh, peers: [10.0.0.1/8]", "should be a network"),
        ("mode: mesh, peers: [everybody]", "should be a network"),
        ("mode: mesh, peers: [7]", "should be a network"),
        ("mode: mesh, peers: [unix]", "should be a network"),
        ("peers: [10.0.0.0/8]", "peers and spiffe go with mode mesh"),
        ("mode: mesh, peers: [10.0.0.0/8], spiffe: [{match: 'https://a'}]", "should begin with spiffe://"),
        ("mode: mesh, peers: [10.0.0.0/8], spiffe: [{match: 'spiffe://a/*', team: '{ns}'}]", "is no part of match"),
        ("mode: mesh, peers: [10.0.0.0/8], spiffe: [{match: 'spiffe://a/*', team: \"a'b\"}]", "are names"),
        (f"mode: jwt, modes: [jwt], {LOGIN}", "takes mode or modes, not both"),
        (f"modes: [jwt, jwt], {LOGIN}", "modes names one twice"),
        ("modes: [open]", "should be"),
        (f"mode: jwt, {LOGIN}, keys: [{{id: k, key: 'env:KEY'}}]", "keys are given but mode is jwt"),
    ],
)
def test_what_cannot_work_is_said(tmp_path: Path, identity: str, said: str) -> None:
    settings, problems = loaded(tmp_path, identity)
    assert settings is None
    assert said in problems


def test_a_providers_credential_of_the_clients_own_goes_with_no_mode(tmp_path: Path) -> None:
    file = tmp_path / "weighbridge.yaml"
    file.write_text("version: 1\nidentity: {mode: mesh, peers: [10.0.0.0/8]}\n")
    result = load_settings(Options(config=str(file), upstream="https://api.example.com/v1"), {}, tmp_path)
    assert "mode mesh cannot go with" in "\n".join(map(str, result.problems))
