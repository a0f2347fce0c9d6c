"""Which hosts a worker stands in for, what it puts on record of others, and an authority that is none."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import orjson
import pytest

from gateway.app.build import build_pipeline
from gateway.app.guests import Guest
from gateway.app.intercepting import Interception, load_authority
from gateway.app.policies import load_guards
from gateway.clients.certificates import make_authority
from gateway.config.settings import Intercept, Settings
from gateway.core.errors import Misconfigured, PermissionDenied
from gateway.listener.gatehouse import MAX_GUESTS, Told
from tests.app.test_build import shared
from tests.support.settings import good, load

CONFIG = """
version: 1
providers:
  house: {kind: openai, base_url: "https://llm.example:8443/v1", api_key: env:KEY}
  mistral: {kind: openai, base_url: "http://vllm:8000/v1"}
"""


def authority(folder: Path) -> Intercept:
    pair = make_authority("Test", datetime.now(UTC))
    certificate, key = folder / "ca.pem", folder / "ca.key"
    certificate.write_bytes(pair.certificate)
    key.write_bytes(pair.key)
    return Intercept(certificate=certificate, key=key)


def test_hosts_are_found_by_what_is_in_force(tmp_path: Path) -> None:
    async def test() -> None:
        settings = good(load(tmp_path, CONFIG, KEY="k"))
        (settings.home / "run").mkdir(parents=True)
        now: list[Settings] = [settings]
        async with shared(tmp_path) as whole:
            pipeline = build_pipeline(settings, load_guards(settings.policies.files), whole)
            hosts = Interception(authority(tmp_path), lambda: (now[0], pipeline), whole)
            assert hosts.find("llm.example", 8443, tls=True) == "https://llm.example:8443"
            assert hosts.find("vllm", 8000, tls=False) == "http://vllm:8000"
            for other in [("llm.example", 443, True), ("llm.example", 8443, False), ("api.openai.com", 443, False)]:
                assert hosts.find(other[0], other[1], tls=other[2]) == ""
            # A name of our list that a provider of the configuration has is the provider's alone.
            for host, name in [("api.openai.com", "openai"), ("api.mistral.ai", "api.mistral.ai")]:
                found = hosts.guest(hosts.find(host, 443, tls=True))
                assert isinstance(found, Guest)
                assert (found.at.name, found.at.configured) == (name, False)
            # What a reload takes from the list is not found any more; who is there already goes on.
            before = hosts.guest("http://vllm:8000")
            now[0] = msgspec.structs.replace(settings, providers={"house": settings.providers["house"]})
            assert hosts.find("vllm", 8000, tls=False) == ""
            assert hosts.guest("http://vllm:8000") is before
            assert hosts.guest(hosts.find("api.mistral.ai", 443, tls=True)) is not before
            for number in range(MAX_GUESTS + 3):
                hosts.find(f"r{number}.openai.azure.com", 443, tls=True)
            assert len(hosts._guests) == MAX_GUESTS
            # One whose guest has gone meanwhile is served by the gateway itself.
            assert hosts.guest("http://vllm:8000") is pipeline
            context = await hosts.context("api.openai.com")
            assert await hosts.context("api.openai.com") is context

    asyncio.run(test())


def test_connections_are_put_on_record_and_counted(tmp_path: Path) -> None:
    async def test() -> None:
        settings = good(load(tmp_path, CONFIG, KEY="k"))
        async with shared(tmp_path) as whole:
            pipeline = build_pipeline(settings, load_guards(settings.policies.files), whole)
            hosts = Interception(authority(tmp_path), lambda: (settings, pipeline), whole)
            began_ns = whole.clock.monotonic_ns()
            hosts.tell(Told(host="a.example:443", peer="p", received_ns=began_ns, bytes_in=3, bytes_out=4))
            fault = PermissionDenied("No.")
            hosts.tell(Told(host="b.example:443", peer="p", received_ns=began_ns, fault=fault))
            (segment,) = (tmp_path / "spool").glob("*.ndjson")
            first, second = map(orjson.loads, segment.read_bytes().splitlines())
            assert (first["route"], first["status"], first["bytes_in"]) == ("CONNECT a.example:443", 200, 3)
            assert (second["status"], second["error_code"]) == (403, "permission_denied")
            assert sorted(key[3] for key, _ in whole.metrics.cells() if key[0] == "tunnel") == [200, 403]

    asyncio.run(test())


def test_an_authority_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    good_one = authority(tmp_path)
    assert load_authority(good_one).until > datetime.now(UTC)
    good_one.key.write_text("no key")
    with pytest.raises(Misconfigured):
        load_authority(good_one)
    good_one.key.unlink()
    with pytest.raises(Misconfigured, match="cannot be read"):
        load_authority(good_one)
