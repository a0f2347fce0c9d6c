"""Who we are to Amazon's cloud, found where Amazon's own tools look for it, and where its models are."""

from __future__ import annotations

import configparser
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from gateway.config.provider_spec import ProviderSpec
from gateway.config.references import References, Secret, secret_fault
from gateway.config.source import Document, NodePath, Problem
from gateway.core.aws_account import AwsAccount, AwsKeys, ContainerKeys, InstanceKeys, WebIdentity, write_account

BEARER = "AWS_BEARER_TOKEN_BEDROCK"
# Names of models begin with who made them, and before that with the group of regions that serves them.
_MAKERS = (
    "anthropic", "amazon", "meta", "mistral", "cohere", "ai21", "deepseek", "openai", "qwen", "writer", "us", "eu",
    "apac", "jp", "au", "global",
)  # fmt: skip
MODELS = (*(f"{name}.*" for name in _MAKERS), "arn:aws*")
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-[0-9]{1,2}")
# Who runs containers gives keys out there; anywhere else it must be over TLS.
_CONTAINER_HOSTS = frozenset({"169.254.170.2", "169.254.170.23", "fd00:ec2::23", "127.0.0.1", "localhost", "::1"})
_LATER = {
    "sso_session": "single sign-on",
    "sso_start_url": "single sign-on",
    "credential_process": "a process",
    "source_profile": "another profile's role",
    "credential_source": "another profile's role",
}


class Profiles:
    """What the files of Amazon's tools say.

    Args:
        environ: The process's environment: where the files are, and which profile is meant.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        home = Path(environ.get("HOME") or "/nonexistent")
        self._parser = configparser.RawConfigParser(strict=False, default_section="")
        files = (
            environ.get("AWS_CONFIG_FILE") or home / ".aws/config",
            environ.get("AWS_SHARED_CREDENTIALS_FILE") or home / ".aws/credentials",
        )
        try:
            self._parser.read(files, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError, OSError):
            # Amazon's tools cannot read them either; whoever names a profile is told that it is not there.
            self._parser = configparser.RawConfigParser()

    def find(self, name: str) -> dict[str, str]:
        """The settings of a profile; none where it is not."""
        found: dict[str, str] = {}
        for section in (f"profile {name}", name):
            if self._parser.has_section(section):
                found |= self._parser.items(section)
        return found


def find_region(written: str | None, profile: str | None, environ: Mapping[str, str]) -> str:
    """Find the region to send requests to.

    Raises:
        ValueError: Nobody says, or it cannot be one.
    """
    named = profile or environ.get("AWS_PROFILE") or "default"
    region = written or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    region = region or Profiles(environ).find(named).get("region", "")
    if not region:
        raise ValueError("kind bedrock needs a region, here or in AWS_REGION")
    if _REGION.fullmatch(region) is None:
        raise ValueError("should be a region such as eu-west-1")
    return region


def bedrock_url(base_url: str | None, region: str, environ: Mapping[str, str]) -> str:
    """Return where a region's models are."""
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    named = base_url or environ.get("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "").rstrip("/")
    return named or f"https://bedrock-runtime.{region}.{suffix}"


def find_account(profile: str | None, region: str, environ: Mapping[str, str]) -> Secret:
    """Find out who we are: keys, a role, or whoever gives keys out here.

    Args:
        profile: The one to use; ``None`` looks everywhere that Amazon's tools look.
        region: Of the service that gives out keys of roles.
        environ: The process's environment.

    Raises:
        ValueError: A profile cannot be used; the message holds nothing secret.
    """
    if profile is not None:
        return _of_profile(profile, region, environ)
    key, secret = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
    if key and secret:
        return _kept(_keys(key, secret, environ.get("AWS_SESSION_TOKEN") or ""), "env:AWS_ACCESS_KEY_ID")
    role, token_file = environ.get("AWS_ROLE_ARN"), environ.get("AWS_WEB_IDENTITY_TOKEN_FILE")
    if role and token_file:
        return _kept(_web_identity(role, token_file, region, environ), "env:AWS_ROLE_ARN")
    named = environ.get("AWS_PROFILE")
    if named or Profiles(environ).find("default").keys() & {"aws_access_key_id", "role_arn", *_LATER}:
        return _of_profile(named or "default", region, environ)
    return _of_surroundings(environ)


class Amazon(msgspec.Struct, frozen=True, kw_only=True):
    """Where a provider is and who we are there: a key that is sent, or an account whose keys sign."""

    url: str
    key: Secret | None = None
    region: str = ""
    account: Secret | None = None
    problems: tuple[Problem, ...] = ()


def find_amazon(
    spec: ProviderSpec,
    key: Secret | None,
    environ: Mapping[str, str],
    references: References,
    place: tuple[Document, NodePath],
) -> Amazon:
    """Find out about a provider of kind ``bedrock``.

    Args:
        spec: As it is written.
        key: The ``api_key`` that it refers to.
        environ: The process's environment.
        references: Resolves those of its keys.
        place: Where it is written.
    """
    document, path = place
    try:
        region = find_region(spec.region, spec.profile, environ)
    except ValueError as error:
        wrong = document.problem((*path, "region") if spec.region else path, str(error))
        return Amazon(url="", problems=(wrong,))
    url = bedrock_url(spec.base_url, region, environ)
    bearer = environ.get(BEARER)
    said = spec.api_key or spec.access_key_id or spec.profile
    if not said and bearer and not secret_fault(bearer):
        return Amazon(url=url, region=region, key=Secret(bearer, f"env:{BEARER}"))
    if spec.api_key:
        return Amazon(url=url, region=region, key=key)
    try:
        if spec.access_key_id:
            account = _given_account(spec, references, document, path)
        else:
            account = find_account(spec.profile, region, environ)
    except ValueError as error:
        wrong = document.problem((*path, "profile") if spec.profile else path, str(error))
        return Amazon(url=url, region=region, problems=(wrong,))
    return Amazon(url=url, region=region, account=account)


def _given_account(spec: ProviderSpec, references: References, document: Document, path: NodePath) -> Secret | None:
    """Return the keys that the configuration refers to; ``None`` where they are not there, which is a problem kept."""
    held = {
        name: references.resolve(getattr(spec, name), document, (*path, name))
        for name in ("access_key_id", "secret_access_key", "session_token")
    }
    key, secret, token = held.values()
    if key is None or secret is None:
        return None
    return _kept(_keys(key.reveal(), secret.reveal(), token.reveal() if token else ""), key.reference)


def _of_profile(name: str, region: str, environ: Mapping[str, str]) -> Secret:
    found, reference = Profiles(environ).find(name), f"profile:{name}"
    if not found:
        raise ValueError(f"there is no profile '{name}' in AWS's files")
    key, secret = found.get("aws_access_key_id"), found.get("aws_secret_access_key")
    if key and secret:
        return _kept(_keys(key, secret, found.get("aws_session_token", "")), reference)
    role, token_file = found.get("role_arn"), found.get("web_identity_token_file")
    if role and token_file:
        return _kept(_web_identity(role, token_file, region, environ), reference)
    for field, what in _LATER.items():
        if field in found:
            raise ValueError(f"profile '{name}' gets its keys by {what}, which is not yet available")
    raise ValueError(f"profile '{name}' has no keys")


def _of_surroundings(environ: Mapping[str, str]) -> Secret:
    relative, full = (environ.get(f"AWS_CONTAINER_CREDENTIALS_{which}_URI") for which in ("RELATIVE", "FULL"))
    url = f"http://169.254.170.2{relative}" if relative else full
    if url:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _CONTAINER_HOSTS):
            raise ValueError("AWS_CONTAINER_CREDENTIALS_FULL_URI is no address that keys may come from")
        token = environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN") or ""
        file = environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") or ""
        return _kept(ContainerKeys(url=url, token=token, token_file=file), "env:AWS_CONTAINER_CREDENTIALS")
    if environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        raise ValueError("kind bedrock needs AWS credentials: an api_key, keys, a profile or a role")
    address = environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or "http://169.254.169.254"
    return _kept(InstanceKeys(url=address.rstrip("/")), "machine")


def _keys(key: str, secret: str, token: str) -> AwsKeys:
    if secret_fault(key) or secret_fault(secret) or (token and secret_fault(token)):
        raise ValueError("the AWS keys have characters that no HTTP header can carry")
    return AwsKeys(access_key_id=key, secret_access_key=secret, session_token=token)


def _web_identity(role: str, token_file: str, region: str, environ: Mapping[str, str]) -> WebIdentity:
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return WebIdentity(
        role_arn=role,
        token_file=token_file,
        session_name=environ.get("AWS_ROLE_SESSION_NAME") or "weighbridge",
        url=environ.get("AWS_ENDPOINT_URL_STS") or f"https://sts.{region}.{suffix}/",
    )


def _kept(account: AwsAccount, reference: str) -> Secret:
    return Secret(write_account(account), reference)
