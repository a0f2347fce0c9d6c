from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.entra import MACHINE, entra_from
from gateway.config.settings import EntraEntry
from gateway.config.source import Problem
from gateway.core.entra_account import AUTHORITY
from tests.config.test_build import good, load

PROVIDER = "version: 1\nproviders:\n  a: {kind: azure, base_url: 'https://r.openai.azure.com', entra: %s}\n"


def written(tmp_path: Path, entra: str, **environ: str) -> EntraEntry | None:
    return good(load(tmp_path, PROVIDER % entra, None, **environ)).providers["a"].entra


def test_an_application_has_one_of_three_ways(tmp_path: Path) -> None:
    by_secret = written(tmp_path, "{tenant_id: t, client_id: c, client_secret: 'env:S'}", S="x y")
    assert by_secret is not None
    assert by_secret.secret is not None
    assert (by_secret.authority, by_secret.tenant, by_secret.client_id) == (AUTHORITY, "t", "c")
    assert by_secret.secret.reveal() == "x y"
    by_file = written(
        tmp_path, "{tenant_id: t, client_id: c, federated_token_file: /var/run/t, authority: 'http://l/'}"
    )
    assert by_file == EntraEntry(authority="http://l", tenant="t", client_id="c", token_file="/var/run/t")
    by_machine = written(tmp_path, "{managed: true}")
    assert by_machine == EntraEntry(authority=MACHINE, managed=True)


@pytest.mark.parametrize(
    "entra",
    [
        "{}",
        "{tenant_id: t, client_id: c}",
        "{tenant_id: t, client_secret: 'env:S'}",
        "{managed: true, client_secret: 'env:S'}",
        "{tenant_id: t, client_id: c, client_secret: 'env:MISSING'}",
        "{tenant_id: 'a/b', client_id: c, client_secret: 'env:S'}",
        "{managed: true, authority: 'nowhere'}",
        "{tenant_id: t, client_id: c, client_secret: 'env:S'}, api_key: 'env:S'",
    ],
)
def test_anything_else_is_a_problem(tmp_path: Path, entra: str) -> None:
    assert load(tmp_path, PROVIDER % entra, S="x").problems


def test_only_azure_has_applications(tmp_path: Path) -> None:
    wrong = "version: 1\nproviders: {a: {kind: openai, entra: {managed: true}}}\n"
    assert load(tmp_path, wrong).problems


def test_azures_own_variables_name_one() -> None:
    problems: list[Problem] = []
    named = {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c"}
    assert entra_from(named, problems) is None
    by_secret = entra_from(named | {"AZURE_CLIENT_SECRET": "s"}, problems)
    assert by_secret is not None
    assert by_secret.secret is not None
    assert by_secret.secret.reference == "env:AZURE_CLIENT_SECRET"
    by_file = entra_from(
        named | {"AZURE_FEDERATED_TOKEN_FILE": "/t", "AZURE_AUTHORITY_HOST": "https://login.example/"}, problems
    )
    assert by_file == EntraEntry(authority="https://login.example", tenant="t", client_id="c", token_file="/t")
    assert not problems
    assert entra_from(named | {"AZURE_CLIENT_SECRET": "a\nb"}, problems) is None
    assert entra_from(named | {"AZURE_CLIENT_SECRET": "s", "AZURE_AUTHORITY_HOST": "x"}, problems) is None
    assert [problem.file for problem in problems] == ["AZURE_CLIENT_SECRET", "AZURE_AUTHORITY_HOST"]
