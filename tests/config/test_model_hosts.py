from __future__ import annotations

from gateway.config.model_hosts import PUBLIC, configured_hosts, public_host
from gateway.config.settings import ProviderEntry
from gateway.core.model_hosts import Mount


def entry(name: str, url: str) -> ProviderEntry:
    return ProviderEntry(name=name, kind="openai", base_url=url)


def test_configured_providers_are_found_where_they_are() -> None:
    entries = [
        entry("a", "https://API.example.com/v1"),
        entry("b", "http://vllm:8000/v1"),
        entry("c", "https://[::1]:8443/openai/v1"),
        entry("d", "https://api.example.com/v1"),
        entry("e", "grpc://triton:8001"),
        ProviderEntry(name="sim", kind="sim", base_url=""),
    ]
    found = {each.name: each for each in configured_hosts({each.name: each for each in entries})}
    # Of two at one host the first counts; who is not asked by HTTP is nobody's proxy.
    assert list(found) == ["a", "b", "c"]
    assert (found["a"].host, found["a"].port, found["a"].tls) == ("api.example.com", 443, True)
    assert (found["b"].port, found["b"].tls, found["b"].mounts) == (8000, False, (Mount("/v1", "openai"),))
    assert (found["c"].host, found["c"].mounts[0].base) == ("::1", "/openai/v1")
    assert all(each.configured for each in found.values())


def test_everybodys_hosts_are_found_by_name_on_their_port_alone() -> None:
    for host, name in [
        ("api.openai.com", "openai"),
        ("api.anthropic.com", "anthropic"),
        ("generativelanguage.googleapis.com", "gemini"),
        ("mine.openai.azure.com", "azure"),
        ("bedrock-runtime.eu-west-1.amazonaws.com", "bedrock"),
        ("openrouter.ai", "openrouter"),
    ]:
        found = public_host(host, 443)
        assert found is not None
        assert (found.name, found.configured) == (name, False)
        assert public_host(host, 8443) is None
    for other in ("example.com", "openai.com", "api.openai.com.evil.example", "s3.eu-west-1.amazonaws.com", ""):
        assert public_host(other, 443) is None


def test_no_host_is_on_the_list_twice() -> None:
    names = [each.host for each in PUBLIC]
    assert len(names) == len(set(names))
    assert all(name == name.lower() for name in names)
