"""Providers as the configuration file names them: what each kind takes, and what only another kind does."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from gateway.config.addresses import is_rpc, parse_server_url
from gateway.config.chat_template import ChatTemplateSpec
from gateway.config.entra import EntraSpec
from gateway.config.natives import AZURE_VERSIONS
from gateway.config.references import SecretReference
from gateway.config.server_load import LoadSpec
from gateway.config.validation import Strict
from gateway.core.losses import OnUnsupported

ServerUrl = Annotated[str, BeforeValidator(parse_server_url)]
Text = Annotated[str, Field(min_length=1, max_length=1000)]
CloudName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.:-]{0,62}$")]
_AMAZONS = "region, profile, access_key_id, secret_access_key and session_token"


class ProviderSpec(Strict):
    """Who serves models."""

    kind: Literal["openai", "anthropic", "azure", "gemini", "vertex", "bedrock", "triton", "sim"]
    base_url: ServerUrl | None = None
    api_key: SecretReference | None = None
    credentials: SecretReference | None = None
    project: CloudName | None = None
    location: CloudName | None = None
    region: CloudName | None = None
    profile: Text | None = None
    access_key_id: SecretReference | None = None
    secret_access_key: SecretReference | None = None
    session_token: SecretReference | None = None
    entra: EntraSpec | None = None
    api_version: Annotated[str, Field(pattern=f"^{AZURE_VERSIONS.pattern}$")] | None = None
    on_unsupported: OnUnsupported = "reject"
    model: Text | None = None
    template: Literal["chatml", "llama-3", "mistral"] | None = None
    chat_template: ChatTemplateSpec | None = None
    load: LoadSpec | None = None

    @model_validator(mode="after")
    def _azure_is_somewhere(self) -> ProviderSpec:
        if self.kind == "azure" and self.base_url is None:
            raise ValueError("kind azure needs base_url, the endpoint of the resource")
        if self.kind != "azure" and (self.api_version is not None or self.entra is not None):
            raise ValueError("api_version and entra are for kind azure")
        if self.entra is not None and self.api_key is not None:
            raise ValueError("takes an api_key or entra, not both")
        return self

    @model_validator(mode="after")
    def _sim_is_local(self) -> ProviderSpec:
        if self.kind == "sim" and (self.base_url or self.api_key):
            raise ValueError("kind sim takes no base_url and no api_key")
        return self

    @model_validator(mode="after")
    def _vertex_has_an_account(self) -> ProviderSpec:
        if self.kind == "vertex":
            if self.credentials is None or self.api_key:
                raise ValueError("kind vertex takes credentials, a service account's key file, and no api_key")
        elif self.credentials or self.project or self.location:
            raise ValueError("credentials, project and location are for kind vertex")
        return self

    @model_validator(mode="after")
    def _triton_has_an_address(self) -> ProviderSpec:
        if self.kind == "triton":
            if not self.base_url:
                raise ValueError("kind triton takes a base_url, the server's own address")
            if self.template and self.chat_template:
                raise ValueError("template names one that is built in, chat_template brings one; give one of them")
        elif self.model or self.template or self.chat_template:
            raise ValueError("model, template and chat_template are for kind triton")
        elif is_rpc(self.base_url or ""):
            raise ValueError("grpc:// is for kind triton")
        return self

    @model_validator(mode="after")
    def _amazons_keys_are_whole(self) -> ProviderSpec:
        keys = (self.access_key_id, self.secret_access_key)
        signs = any((*keys, self.session_token))
        if self.kind != "bedrock":
            if signs or self.region or self.profile:
                raise ValueError(f"{_AMAZONS} are for kind bedrock")
        elif signs and not all(keys):
            raise ValueError("access_key_id and secret_access_key go together")
        elif sum((signs, self.profile is not None, self.api_key is not None)) > 1:
            raise ValueError("kind bedrock takes an api_key, or access_key_id and secret_access_key, or a profile")
        return self
