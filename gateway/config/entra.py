"""How a provider of kind ``azure`` is proved who we are, where that is not by a key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, model_validator

from gateway.config.addresses import parse_base_url
from gateway.config.references import References, Secret, SecretReference, secret_fault
from gateway.config.settings import EntraEntry
from gateway.config.source import Document, Problem
from gateway.config.validation import Strict
from gateway.core.entra_account import AUTHORITY

# Where a machine's own service is.
MACHINE = "http://169.254.169.254"
Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
TokenPath = Annotated[str, Field(min_length=1, max_length=1000)]


class EntraSpec(Strict):
    """An application of Microsoft Entra, and one of three ways to prove that we are it."""

    tenant_id: Id | None = None
    client_id: Id | None = None
    client_secret: SecretReference | None = None
    federated_token_file: TokenPath | None = None
    managed: bool = False
    authority: Annotated[str, Field(min_length=1, max_length=1000)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> EntraSpec:
        ways = [self.client_secret is not None, self.federated_token_file is not None, self.managed]
        if sum(ways) != 1:
            raise ValueError("takes one of client_secret, federated_token_file and managed: true")
        if not self.managed and not (self.tenant_id and self.client_id):
            raise ValueError("needs tenant_id and client_id")
        if self.authority is not None:
            parse_base_url(self.authority)
        return self


def entra_entry(
    spec: EntraSpec | None, references: References, document: Document, path: tuple[str, ...]
) -> EntraEntry | None:
    """Give the settings of an application; ``None`` where there is none, or its secret cannot be found."""
    if spec is None:
        return None
    secret = references.resolve(spec.client_secret, document, (*path, "client_secret"), in_header=False)
    if spec.client_secret is not None and secret is None:
        return None
    return EntraEntry(
        authority=parse_base_url(spec.authority) if spec.authority else (MACHINE if spec.managed else AUTHORITY),
        tenant=spec.tenant_id or "",
        client_id=spec.client_id or "",
        secret=secret,
        token_file=spec.federated_token_file or "",
        managed=spec.managed,
    )


def entra_from(environ: Mapping[str, str], problems: list[Problem]) -> EntraEntry | None:
    """Find an application in the variables that Azure's own tools read; ``None`` where they name none."""
    tenant, client = environ.get("AZURE_TENANT_ID"), environ.get("AZURE_CLIENT_ID")
    password, file = environ.get("AZURE_CLIENT_SECRET"), environ.get("AZURE_FEDERATED_TOKEN_FILE")
    if not (tenant and client and (password or file)):
        return None
    found: dict[str, Any] = {"token_file": file or ""}
    if password:
        fault = secret_fault(password)
        if fault:
            problems.append(Problem("AZURE_CLIENT_SECRET", 0, fault))
            return None
        found = {"secret": Secret(password, "env:AZURE_CLIENT_SECRET")}
    try:
        authority = parse_base_url(environ.get("AZURE_AUTHORITY_HOST") or AUTHORITY)
    except ValueError as error:
        problems.append(Problem("AZURE_AUTHORITY_HOST", 0, str(error)))
        return None
    return EntraEntry(authority=authority, tenant=tenant, client_id=client, **found)
