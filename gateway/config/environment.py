"""What flags and environment variables say, and the providers that appear from credentials in the environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from gateway.config.addresses import Address, parse_base_url, points_at
from gateway.config.aws import BEARER, bedrock_url, find_account, find_region
from gateway.config.entra import entra_from
from gateway.config.natives import AZURE_VERSION, AZURE_VERSIONS, NATIVES, azure_url
from gateway.config.references import Secret, secret_fault
from gateway.config.settings import ProviderEntry
from gateway.config.source import Problem

# Providers that speak OpenAI's dialect, in the order in which the first becomes the default.
_PUBLIC = (
    ("openai", "OPENAI_API_KEY", "https://api.openai.com/v1"),
    ("mistral", "MISTRAL_API_KEY", "https://api.mistral.ai/v1"),
    ("groq", "GROQ_API_KEY", "https://api.groq.com/openai/v1"),
    ("deepseek", "DEEPSEEK_API_KEY", "https://api.deepseek.com/v1"),
    ("xai", "XAI_API_KEY", "https://api.x.ai/v1"),
    ("together", "TOGETHER_API_KEY", "https://api.together.xyz/v1"),
    ("openrouter", "OPENROUTER_API_KEY", "https://openrouter.ai/api/v1"),
)
# What says that there are credentials of Amazon's; a machine's own role is used by who asks for it only.
_AMAZONS = ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_ROLE_ARN")
OPENAI_URL = _PUBLIC[0][2]
SIM = ProviderEntry(name="sim", kind="sim", base_url="")
DEFAULT_FILE = "weighbridge.yaml"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line said; ``None`` and ``False`` where it said nothing. Values are as typed."""

    config: str | None = None
    listen: str | None = None
    operator: str | None = None
    no_operator: bool = False
    workers: str | None = None
    upstream: str | None = None
    intercept: bool = False
    only_models: bool = False
    ext_proc: str | None = None
    confirm_prices: bool = False


def shown(path: Path, cwd: Path) -> str:
    """Name a file as the person in this folder would."""
    return str(path.relative_to(cwd)) if path.is_relative_to(cwd) else str(path)


class Override(msgspec.Struct, frozen=True):
    """A value from outside the file, and what to call its source in messages."""

    source: str
    value: str


class Outside:
    """Flags before environment variables; an empty variable counts as unset.

    Args:
        options: What the command line said.
        environ: The process's environment.
        cwd: Where relative paths of flags and variables start.
    """

    def __init__(self, options: Options, environ: Mapping[str, str], cwd: Path) -> None:
        self.options = options
        self.environ = environ
        self.cwd = cwd

    def get(self, name: str) -> Override | None:
        """Return what the flag ``--name`` or the variable ``WEIGHBRIDGE_NAME`` says."""
        flag: str | None = getattr(self.options, name, None)
        if flag is not None:
            return Override(f"--{name.replace('_', '-')}", flag)
        variable = f"WEIGHBRIDGE_{name.upper()}"
        value = self.environ.get(variable)
        return Override(variable, value) if value else None

    @property
    def home(self) -> Path:
        """Where the gateway keeps its data."""
        return self.cwd / (self.environ.get("WEIGHBRIDGE_HOME") or ".weighbridge")

    def config_file(self) -> Path | None:
        """The configuration file: the one that was named, else ``weighbridge.yaml`` if it is there."""
        named = self.get("config")
        if named is not None:
            return self.cwd / named.value
        default = self.cwd / DEFAULT_FILE
        return default if default.is_file() else None


class Found(msgspec.Struct, kw_only=True):
    """Providers from the environment, and what there is to say about them."""

    providers: list[ProviderEntry] = []
    problems: list[Problem] = []
    notices: list[str] = []


def providers_from(environ: Mapping[str, str], listen: Address) -> Found:
    """Make a provider of every credential that tools commonly keep in the environment.

    Args:
        environ: The process's environment.
        listen: Our own address; clients of ours set ``OPENAI_BASE_URL`` to it, and then it is no provider.
    """
    found = Found()
    for name, variable, url in _PUBLIC:
        key = _key(environ, variable, found)
        if key is not None:
            base_url = _address(environ, "OPENAI_BASE_URL", url, listen, found) if name == "openai" else url
            found.providers.append(ProviderEntry(name=name, kind="openai", base_url=base_url, api_key=key))
    for native in NATIVES.values():
        key = _key(environ, native.variable if environ.get(native.variable) else native.also, found)
        if key is not None:
            base_url = native.base_url(_address(environ, native.url_variable, native.url, listen, found))
            found.providers.append(ProviderEntry(name=native.kind, kind=native.kind, base_url=base_url, api_key=key))
    _find_azure(environ, found)
    _find_bedrock(environ, found)
    return found


def _find_bedrock(environ: Mapping[str, str], found: Found) -> None:
    key = _key(environ, BEARER, found)
    if key is None and not any(environ.get(variable) for variable in _AMAZONS):
        return
    try:
        region = find_region(None, None, environ)
        account = None if key is not None else find_account(None, region, environ)
        url = parse_base_url(bedrock_url(None, region, environ))
    except ValueError as error:
        # These variables are there for other tools as well.
        found.notices.append(f"no provider bedrock: {error}")
        return
    entry = ProviderEntry(name="bedrock", kind="bedrock", base_url=url, api_key=key, account=account, region=region)
    found.providers.append(entry)


def _find_azure(environ: Mapping[str, str], found: Found) -> None:
    key, endpoint = _key(environ, "AZURE_OPENAI_API_KEY", found), environ.get("AZURE_OPENAI_ENDPOINT")
    if not endpoint:
        # Other tools use the variables of Entra too: they alone ask for nothing here.
        if key is not None:
            found.notices.append("provider azure needs AZURE_OPENAI_ENDPOINT too, ignored its key")
        return
    entra = None if key is not None else entra_from(environ, found.problems)
    if key is None and entra is None:
        return
    version = environ.get("OPENAI_API_VERSION") or AZURE_VERSION
    try:
        url = azure_url(parse_base_url(endpoint))
    except ValueError as error:
        found.problems.append(Problem("AZURE_OPENAI_ENDPOINT", 0, str(error)))
        return
    if not AZURE_VERSIONS.fullmatch(version):
        found.problems.append(Problem("OPENAI_API_VERSION", 0, "should be a date such as 2024-10-21"))
        return
    entry = ProviderEntry(name="azure", kind="azure", base_url=url, api_key=key, entra=entra, api_version=version)
    found.providers.append(entry)


def _key(environ: Mapping[str, str], variable: str, found: Found) -> Secret | None:
    value = environ.get(variable)
    if not value:
        return None
    fault = secret_fault(value)
    if fault:
        found.problems.append(Problem(variable, 0, fault))
        return None
    return Secret(value, f"env:{variable}")


def _address(environ: Mapping[str, str], variable: str, public: str, listen: Address, found: Found) -> str:
    written = environ.get(variable)
    if not written:
        return public
    try:
        url = parse_base_url(written)
    except ValueError as error:
        found.problems.append(Problem(variable, 0, str(error)))
        return public
    if points_at(url, listen):
        name = variable.partition("_")[0].lower()
        found.notices.append(f"{variable} is this gateway's own address; provider {name} is {public}")
        return public
    return url
