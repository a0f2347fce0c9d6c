"""Where models are served: the hosts of the configured providers, and those that everybody knows."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from gateway.config.settings import ProviderEntry
from gateway.core.model_hosts import ModelHost, Mount

_V1 = (Mount("/v1", "openai"),)
# By the name that records have; addresses as the makers document them.
PUBLIC: tuple[ModelHost, ...] = (
    ModelHost(name="openai", host="api.openai.com", mounts=_V1),
    ModelHost(name="openai", host="eu.api.openai.com", mounts=_V1),
    ModelHost(name="openai", host="us.api.openai.com", mounts=_V1),
    ModelHost(name="anthropic", host="api.anthropic.com", mounts=(Mount("/v1", "anthropic"),)),
    ModelHost(
        name="gemini",
        host="generativelanguage.googleapis.com",
        mounts=(Mount("/v1beta/openai", "openai"), Mount("/v1beta", "gemini")),
    ),
    ModelHost(name="azure", host="*.openai.azure.com", mounts=(Mount("/openai", "azure"),)),
    ModelHost(name="azure", host="*.cognitiveservices.azure.com", mounts=(Mount("/openai", "azure"),)),
    ModelHost(name="azure", host="*.services.ai.azure.com", mounts=(Mount("/openai", "azure"),)),
    ModelHost(name="mistral", host="api.mistral.ai", mounts=_V1),
    ModelHost(name="groq", host="api.groq.com", mounts=(Mount("/openai/v1", "openai"),)),
    ModelHost(name="deepseek", host="api.deepseek.com", mounts=_V1),
    ModelHost(name="xai", host="api.x.ai", mounts=_V1),
    ModelHost(name="together", host="api.together.xyz", mounts=_V1),
    ModelHost(name="together", host="api.together.ai", mounts=_V1),
    ModelHost(name="openrouter", host="openrouter.ai", mounts=(Mount("/api/v1", "openai"),)),
    ModelHost(name="fireworks", host="api.fireworks.ai", mounts=(Mount("/inference/v1", "openai"),)),
    ModelHost(name="cerebras", host="api.cerebras.ai", mounts=_V1),
    ModelHost(name="perplexity", host="api.perplexity.ai", mounts=(Mount("", "openai"),)),
    ModelHost(name="cohere", host="api.cohere.com", mounts=(Mount("/compatibility/v1", "openai"),)),
    ModelHost(name="cohere", host="api.cohere.ai", mounts=(Mount("/compatibility/v1", "openai"),)),
    ModelHost(name="nvidia", host="integrate.api.nvidia.com", mounts=_V1),
    ModelHost(name="huggingface", host="router.huggingface.co", mounts=_V1),
)
_BEDROCK = "bedrock-runtime."
_BELOW = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")


def configured_hosts(providers: Mapping[str, ProviderEntry]) -> tuple[ModelHost, ...]:
    """Give the hosts of providers that have an address; of several at one host, the first counts."""
    found: dict[tuple[str, int], ModelHost] = {}
    for entry in providers.values():
        parts = urlsplit(entry.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            continue
        tls = parts.scheme == "https"
        port = parts.port or (443 if tls else 80)
        host = ModelHost(
            name=entry.name,
            host=parts.hostname.lower(),
            port=port,
            tls=tls,
            mounts=(Mount(parts.path.rstrip("/"), entry.kind),),
            configured=True,
        )
        found.setdefault((host.host, port), host)
    return tuple(found.values())


def public_host(host: str, port: int) -> ModelHost | None:
    """Find a host that everybody knows; its name in lower case."""
    if port != 443:
        return None
    if host.startswith(_BEDROCK) and host.endswith(_BELOW):
        return ModelHost(name="bedrock", host=host, mounts=(Mount("", "bedrock"),))
    return next((each for each in PUBLIC if each.fits(host, port)), None)
