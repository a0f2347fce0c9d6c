from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.config.aws import bedrock_url, find_account, find_region
from gateway.core.aws_account import AwsKeys, ContainerKeys, InstanceKeys, WebIdentity, read_account
from tests.support.settings import good, load, wrong

REGION = "eu-west-1"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "s3cret"}
CREDENTIALS = """
[default]
aws_access_key_id = AKIDFILE
aws_secret_access_key = f1le
[work]
aws_access_key_id = AKIDWORK
aws_secret_access_key = w0rk
aws_session_token = t0ken
"""
CONFIG_FILE = """
[profile work]
region = ap-south-1
[profile sso]
sso_session = x
[profile role]
role_arn = arn:aws:iam::1:role/x
web_identity_token_file = /token
[profile empty]
region = eu-west-2
"""


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(CREDENTIALS)
    (tmp_path / ".aws" / "config").write_text(CONFIG_FILE)
    return {"HOME": str(tmp_path)}


def account(environ: dict[str, str], profile: str | None = None) -> tuple[Any, str]:
    secret = find_account(profile, REGION, environ)
    return read_account(secret.reveal()), secret.reference


def test_keys_are_looked_for_as_amazons_tools_look(home: dict[str, str]) -> None:
    assert account({**home, **KEYS, "AWS_SESSION_TOKEN": "t"}) == (
        AwsKeys(access_key_id="AKIDENV", secret_access_key="s3cret", session_token="t"),
        "env:AWS_ACCESS_KEY_ID",
    )
    assert account(home) == (AwsKeys(access_key_id="AKIDFILE", secret_access_key="f1le"), "profile:default")
    work = AwsKeys(access_key_id="AKIDWORK", secret_access_key="w0rk", session_token="t0ken")
    for found in (account({**home, "AWS_PROFILE": "work"}), account({**home, **KEYS}, "work")):
        assert found == (work, "profile:work")


def test_roles_of_clusters_containers_and_machines(home: dict[str, str]) -> None:
    role = {"AWS_ROLE_ARN": "arn:r", "AWS_WEB_IDENTITY_TOKEN_FILE": "/t"}
    url = "https://sts.eu-west-1.amazonaws.com/"
    assert account(role)[0] == WebIdentity(role_arn="arn:r", token_file="/t", session_name="weighbridge", url=url)
    named, _ = account(home, "role")
    assert (named.role_arn, named.token_file) == ("arn:aws:iam::1:role/x", "/token")
    relative, full = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"
    assert account({relative: "/v2/x"})[0] == ContainerKeys(url="http://169.254.170.2/v2/x")
    pod = {full: "http://169.254.170.23/v1/credentials", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/t"}
    assert account(pod)[0] == ContainerKeys(url="http://169.254.170.23/v1/credentials", token_file="/t")
    assert account({}) == (InstanceKeys(url="http://169.254.169.254"), "machine")


@pytest.mark.parametrize(
    ("environ", "profile", "why"),
    [
        ({}, "sso", "single sign-on, which is not yet available"),
        ({}, "gone", "no profile 'gone'"),
        ({}, "empty", "has no keys"),
        ({"AWS_ACCESS_KEY_ID": "a\nb", "AWS_SECRET_ACCESS_KEY": "s"}, None, "no HTTP header"),
        ({"HOME": "/x", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://evil.example/"}, None, "no address"),
        ({"HOME": "/x", "AWS_EC2_METADATA_DISABLED": "true"}, None, "needs AWS credentials"),
    ],
)
def test_what_cannot_be_used_is_said(home: dict[str, str], environ: dict[str, str], profile: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        account({**home, **environ}, profile)


def test_files_that_cannot_be_read_are_none(tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("[default\nnonsense")
    environ = {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"), "HOME": "/x"}
    assert isinstance(account(environ)[0], InstanceKeys)


def test_the_region_is_said_somewhere(home: dict[str, str]) -> None:
    assert find_region("us-east-1", None, {"AWS_REGION": REGION}) == "us-east-1"
    assert find_region(None, None, {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": "us-east-1"}) == REGION
    assert find_region(None, "work", home) == "ap-south-1"
    for bad in ("nowhere", "eu-west-1.evil.example/"):
        with pytest.raises(ValueError, match="such as"):
            find_region(bad, None, {})
    with pytest.raises(ValueError, match="needs a region"):
        find_region(None, None, {})


def test_where_the_models_are() -> None:
    assert bedrock_url(None, "cn-north-1", {}) == "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"
    assert bedrock_url(None, REGION, {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "http://vpce/"}) == "http://vpce"
    assert bedrock_url("http://mine", REGION, {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "http://vpce/"}) == "http://mine"


def test_a_provider_of_the_file(tmp_path: Path) -> None:
    line = "version: 1\nproviders:\n  aws: {kind: bedrock, region: eu-west-1%s}\n"
    keys = ", access_key_id: 'env:A', secret_access_key: 'env:B'"
    entry = good(load(tmp_path, line % keys, A="AKID", B="s3cret")).providers["aws"]
    assert entry.account is not None
    assert read_account(entry.account.reveal()) == AwsKeys(access_key_id="AKID", secret_access_key="s3cret")
    assert (entry.account.reference, "s3cret" in repr(entry)) == ("env:A", False)
    bearer = good(load(tmp_path, line % ", api_key: 'env:A'", A="k")).providers["aws"]
    assert (bearer.account, bearer.region) == (None, "eu-west-1")
    found = good(load(tmp_path, line % "", AWS_BEARER_TOKEN_BEDROCK="k")).providers["aws"]
    assert (found.api_key and found.api_key.reference, found.account) == ("env:AWS_BEARER_TOKEN_BEDROCK", None)
    assert wrong(load(tmp_path, line % ", profile: gone")) == [
        "weighbridge.yaml:3: providers.aws.profile: there is no profile 'gone' in AWS's files"
    ]
    assert wrong(load(tmp_path, line.replace("eu-west-1", "europe") % keys, A="a", B="b")) == [
        "weighbridge.yaml:3: providers.aws.region: should be a region such as eu-west-1"
    ]
    assert wrong(load(tmp_path, line % keys, A="a")) == [
        "weighbridge.yaml:3: providers.aws.secret_access_key: environment variable B is not set"
    ]
