from __future__ import annotations

from typing import Any

import pytest

from gateway.config.schema import FileSpec
from gateway.config.source import load_yaml
from gateway.config.validation import validated


def problems_of(text: str) -> list[str]:
    return [str(p) for p in validated(FileSpec, load_yaml(f"version: 1\n{text}", "w")).problems]


def spec_of(text: str) -> Any:
    checked = validated(FileSpec, load_yaml(f"version: 1\n{text}", "w"))
    assert checked.problems == ()
    return checked.value


def test_the_defaults_are_those_of_the_documentation():
    spec = spec_of("")
    assert (str(spec.listen.address), str(spec.operator.address)) == ("127.0.0.1:8080", "127.0.0.1:8081")
    assert (spec.listen.max_body_bytes, spec.listen.header_timeout_s, spec.listen.tls) == (32 << 20, 10.0, None)
    assert (spec.workers, spec.drain_delay_s, spec.drain_timeout_s) == (1, 0.0, 30.0)
    assert spec.stores.state == "memory://"
    assert (spec.stores.spool.max_bytes, spec.stores.spool.fsync_s) == (4 << 30, 1.0)
    assert (spec.capture.bodies, spec.capture.max_body_bytes, spec.capture.ttl_s) == ("redacted", 65536, 2592000.0)
    assert (spec.identity.asked, spec.limits, spec.policies.bundle) == ((), (), ("baseline.yaml",))
    assert (spec.policies.dir, spec.policies.reload_s, spec.prices.source) == ("policies", 2.0, "genai-prices")
    assert spec.telemetry.prometheus is True


def test_units_are_read():
    spec = spec_of("listen: {max_body_bytes: 1MiB, header_timeout: 500ms}\ncapture: {ttl: 2h}")
    assert (spec.listen.max_body_bytes, spec.listen.header_timeout_s, spec.capture.ttl_s) == (1 << 20, 0.5, 7200.0)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("stores: {state: 'file://x'}", "stores.state: should be memory:// or redis://host:port/0"),
        ("stores: {state: 'redis://us:hunter2@r'}", "stores.state: should be redis://host:port/0 or rediss://"),
        ("stores: {on_store_error: deny}", "stores: state_timeout and on_store_error are for a state: redis://"),
        ("stores: {state_timeout: 1s}", "stores: state_timeout and on_store_error are for a state: redis://"),
        (
            "stores: {state: 'redis://r', on_store_error: x}",
            "stores.on_store_error: should be 'local', 'allow' or 'deny'",
        ),
        ("stores: {state: 'redis://r', state_timeout: 0s}", "stores.state_timeout: should be greater than 0"),
        ("stores: {state: 'memory'}", "stores.state: should be memory://"),
        ("stores: {traces: 'sqlite://x'}", "stores.traces: should be chdb://PATH or clickhouse://user:env:VARIABLE@"),
        (
            "stores: {traces: 'clickhouse://u:pw@h/d'}",
            "stores.traces: the password is not written here but referred to",
        ),
        ("stores: {cluster: prod}", "stores: cluster and async_inserts are for traces: clickhouse://"),
        ("stores: {async_inserts: true}", "stores: cluster and async_inserts are for traces: clickhouse://"),
        ("stores: {traces: 'clickhouse://h/d', cluster: \"a'b\"}", "stores.cluster: should match"),
        (
            "providers: {p: {kind: openai, region: eu-west-1}}",
            "providers.p: region, profile, access_key_id, secret_access_key and session_token are for kind bedrock",
        ),
        (
            "providers: {p: {kind: bedrock, region: eu-west-1, access_key_id: 'env:A'}}",
            "providers.p: access_key_id and secret_access_key go together",
        ),
        (
            "providers: {p: {kind: bedrock, region: eu-west-1, api_key: 'env:A', profile: x}}",
            "providers.p: kind bedrock takes an api_key, or access_key_id and secret_access_key, or a profile",
        ),
        ("providers: {p: {kind: triton}}", "providers.p: kind triton takes a base_url, the server's own address"),
        (
            "providers: {p: {kind: openai, template: chatml}}",
            "providers.p: model, template and chat_template are for kind triton",
        ),
        (
            "providers: {p: {kind: openai, base_url: 'grpc://t:8001'}}",
            "providers.p: grpc:// is for kind triton",
        ),
        (
            "providers: {p: {kind: triton, base_url: 'http://t', template: chatml, chat_template: {text: x}}}",
            "providers.p: template names one that is built in, chat_template brings one; give one of them",
        ),
        (
            "providers: {p: {kind: triton, base_url: 'http://t', chat_template: {eos_token: x}}}",
            "providers.p.chat_template: takes text, the template itself, or file, where it is",
        ),
        (
            "providers: {p: {kind: opena}}",
            "providers.p.kind: should be 'openai', 'anthropic', 'azure', 'gemini', 'vertex', 'bedrock', 'triton' or",
        ),
        ("providers: {p: {kind: openai, api_key: sk-1}}", "providers.p.api_key: a secret is not written here but"),
        ("providers: {p: {kind: openai, headers: {a: b}}}", "providers.p.headers: unknown key"),
        ("providers: {p: {kind: openai, load: {kind: vllm}}}", "providers.p.load.url: required"),
        ("providers: {p: {kind: sim, base_url: 'http://h'}}", "providers.p: kind sim takes no base_url and no api_key"),
        ("providers: {p: {kind: vertex}}", "providers.p: kind vertex takes credentials, a service account's key file"),
        ("providers: {p: {kind: vertex, credentials: 'env:A', api_key: 'env:A'}}", "providers.p: kind vertex takes"),
        ("providers: {p: {kind: gemini, project: x}}", "providers.p: credentials, project and location are for kind"),
        ("providers: {p: {kind: vertex, credentials: 'env:A', project: 'a/b'}}", "providers.p.project: should match"),
        ("providers: {'a b': {kind: sim}}", "providers.a b: should match pattern"),
        ("models: [{alias: m, candidates: []}]", "models[0].candidates: names no provider; give one {provider, model}"),
        (
            "models: [{alias: m, candidates: [{provider: a}], hedge: {after: 95%}}]",
            "models[0].hedge.after: should be a duration from 10ms to 10m, or a share of calls from p50 to p99.9",
        ),
        ("models: [{alias: m, candidates: [{provider: a}], mirror: {to: x}}]", "models[0].mirror.to: should match"),
        ("models: [{alias: m, candidates: [{provider: a}], mirror: {}}]", "models[0].mirror.to: required"),
        ("identity: {keys: [{id: a, key: 'env:A'}]}", "identity: keys are given but mode is open; set mode: keys"),
        ("identity: {mode: keys, keys: [{id: a, key: wb-123}]}", "identity.keys[0].key: a secret is not written here"),
        ("cache: {exact: {ttl: 1}}", "cache.exact.ttl: should be a duration"),
        ("cache: {semantic: {enabled: true}, store: memory}", "cache: semantic answers need a store that finds"),
        ("cache: {semantic: {enabled: false, tresholt: 1}}", "cache.semantic.tresholt: unknown key"),
        ("telemetry: {otlp: {endpoint: 'http://o'}}", "telemetry.otlp: the endpoint of protocol grpc is host and port"),
        ("telemetry: {sample: 10%}", "telemetry: sample is the share of calls whose spans are sent: it needs otlp"),
        ("plugins: [a b]", "plugins[0]: should match pattern"),
        ("workers: 0", "workers: should be greater than or equal to 1"),
        ("policies: {bundle: ['/etc/passwd']}", "policies.bundle[0]: should match pattern"),
        ("policies: {models: {backend: triton}}", "policies.models: backend triton needs the url"),
        ("policies: {models: {url: 'http://t:8000'}}", "policies.models: url is for backend triton"),
        ("policies: {models: {threads: 0}}", "policies.models.threads: should be greater than or equal to 1"),
        ("prices: {source: mine}", "prices.source: should be 'genai-prices'"),
        ("capture: {bodies: all}", "capture.bodies: should be 'none', 'redacted' or 'full'"),
        ("listen: {address: 8080}", "listen.address: should be host:port"),
        ("drain_timeout: 30", "drain_timeout: should be a duration with its unit"),
        ("drain_timeout: 0s", "drain_timeout: should be greater than 0"),
    ],
)
def test_what_cannot_be_is_refused_by_name(text: str, problem: str):
    found = problems_of(text)
    assert [message for message in found if message.startswith(f"w:2: {problem}")], found


def test_the_version_is_required_and_known():
    checked = validated(FileSpec, load_yaml("workers: 1", "w"))
    assert [str(p) for p in checked.problems] == ["w:1: version: required"]
    checked = validated(FileSpec, load_yaml("version: 2", "w"))
    assert [str(p) for p in checked.problems] == ["w:1: version: should be 1"]


@pytest.mark.parametrize(
    "text",
    [
        "plugins: [weighbridge_webhook, acme.guards]",
        "cache: {exact: {enabled: false}, semantic: {enabled: false, threshold: 0.95, mode: enforce, ttl: 24h}}",
        "telemetry: {prometheus: true, sample: 100%}",
        "listen: {tls: null}",
        "stores: {traces: 'clickhouse://user:env:CH_PASSWORD@host:8123/weighbridge'}",
        "stores: {traces: 'chdb://.weighbridge/traces'}",
        "limits: [{scope: team, match: {team: support}, tokens: {max: 200000, per: minute}, concurrency: 50}]",
        "models: [{alias: '*', candidates: [{provider: openai, model: '{model}', weight: 9}]}]",
    ],
)
def test_what_works_is_taken(text: str):
    assert problems_of(text) == []
