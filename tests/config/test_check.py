from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import check
from gateway.config.environment import Options
from tests.support.settings import good, load, wrong

PROVIDERS = """\
    version: 1
    providers:
      a: {kind: openai, api_key: "env:K"}
    models:
"""
CANNOT_COUNT = (
    "more than one worker cannot count limits together in memory://; set stores: {state: redis://host:6379/0}, "
    "or workers: 1, or remove limits"
)


def test_every_problem_comes_at_once(tmp_path: Path):
    (tmp_path / "prices.yaml").write_text("- {provider: openai, inptu: 1}\n")
    text = """\
    version: 1
    workers: 4
    listen: {tls: {cert: no.pem, key: no.key}}
    providers:
      openai: {kind: openai, api_key: "env:GONE"}
      claude: {kind: bedrok}
      self: {kind: openai, base_url: "http://127.0.0.1:8080/v1"}
      sim: {kind: openai}
    models:
      - {alias: a, candidates: [{provider: opnai}], hedge: {after: p95}}
      - {alias: b, candidates: [{provider: claude}]}
      - {alias: b, candidates: [{provider: sim}]}
    identity:
      mode: keys
      keys:
        - {id: k, key: "env:K"}
        - {id: k, key: "env:K"}
    limits:
      - {scope: provider, match: {provider: [opnai, "x-*"]}, concurrency: 1}
    policies: {bundle: [baseline.yaml, ours.yaml, a/../../x.yaml, baseline.yaml]}
    prices: {overrides: prices.yaml}
    """
    assert wrong(load(tmp_path, text, K="wb-1")) == [
        f"weighbridge.yaml:2: workers: {CANNOT_COUNT}",
        "weighbridge.yaml:3: listen.tls.cert: no such file",
        "weighbridge.yaml:3: listen.tls.key: no such file",
        "weighbridge.yaml:5: providers.openai.api_key: environment variable GONE is not set",
        (
            "weighbridge.yaml:6: providers.claude.kind: should be 'openai', 'anthropic', 'azure', 'gemini', 'vertex', "
            "'bedrock', 'triton' or 'sim'"
        ),
        "weighbridge.yaml:7: providers.self.base_url: is this gateway's own address",
        "weighbridge.yaml:8: providers.sim: the name sim belongs to the built-in provider",
        "weighbridge.yaml:10: models[0].candidates[0].provider: no provider is named 'opnai'; did you mean 'openai'?",
        "weighbridge.yaml:10: models[0].hedge: needs a second deployment: another candidate, or a fallback",
        "weighbridge.yaml:12: models[2].alias: 'b' is there already, on line 11",
        "weighbridge.yaml:17: identity.keys[1].id: 'k' is there already, on line 16",
        "weighbridge.yaml:17: identity.keys[1].key: the same secret as another key",
        "weighbridge.yaml:19: limits[0].match.provider: no provider is named 'opnai'; did you mean 'openai'?",
        "weighbridge.yaml:20: policies.bundle[3]: 'baseline.yaml' is there already, on line 20",
        "weighbridge.yaml:20: policies.bundle[1]: no such policy in policies and none shipped by that name",
        "weighbridge.yaml:20: policies.bundle[2]: leads out of policies.dir",
        "prices.yaml:1: [0].model: required",
        "prices.yaml:1: [0].inptu: unknown key; did you mean 'input'?",
    ]


def test_a_certificate_and_a_key_that_cannot_serve_are_found_before_anything_starts(tmp_path: Path):
    for name in ("c.pem", "k.pem"):
        (tmp_path / name).write_text("no such thing")
    said = wrong(load(tmp_path, "version: 1\nlisten: {tls: {cert: c.pem, key: k.pem}}"))
    assert [line.partition(" are ")[0] for line in said] == [
        "weighbridge.yaml:2: listen.tls: the certificate and the key"
    ]


@pytest.mark.parametrize(("budget", "state", "wrongs"), [(True, False, 1), (False, False, 0), (True, True, 0)])
def test_many_workers_count_budgets_of_keys_together_or_not_at_all(
    tmp_path: Path, budget: bool, state: bool, wrongs: int
):
    text = (
        "version: 1\nworkers: 2\nidentity: {mode: keys, keys: [{id: a, key: env:K"
        + (", budget: 5usd/month" if budget else "")
        + "}]}\n"
        + ("stores: {state: 'redis://127.0.0.1:1/0'}\n" if state else "")
    )
    loaded = load(tmp_path, text, K="wb-1")
    if wrongs:
        assert wrong(loaded) == [
            f"weighbridge.yaml:2: workers: {CANNOT_COUNT.replace('limits', 'the budgets of keys')}"
        ]
    else:
        assert good(loaded).workers == 2


def test_many_workers_may_share_a_memory_that_counts_nothing(tmp_path: Path):
    assert good(load(tmp_path, "version: 1\nworkers: 4")).workers == 4
    text = "version: 1\nlimits: [{scope: model, concurrency: 1}]"
    assert wrong(load(tmp_path, text, Options(workers="2"))) == [f"--workers: {CANNOT_COUNT}"]


def test_what_may_not_be_meant_is_a_notice(tmp_path: Path):
    (tmp_path / "prices.yaml").write_text("- {provider: opnai, model: m, input: 1}\n")
    text = """\
    version: 1
    listen: {address: "0.0.0.0:8080"}
    providers: {openai: {kind: openai, api_key: "env:KEY"}}
    limits: [{scope: key, concurrency: 1}]
    prices: {overrides: prices.yaml}
    """
    result = load(tmp_path, text, KEY="sk-1")
    good(result)
    assert result.notices == (
        "identity.mode is open and 0.0.0.0:8080 is no loopback address: whoever reaches it uses your provider keys",
        "identity.mode is open: every caller has the same empty key, team and tenant in limits",
        "prices for 'opnai', which is no configured provider",
    )


def test_a_server_that_is_spoken_to_by_grpc_needs_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    providers = ('trt: {kind: triton, base_url: "grpc://t:8001"}', 'web: {kind: triton, base_url: "http://t"}')
    text = "version: 1\nproviders:\n  " + "\n  ".join(providers)
    assert good(load(tmp_path, text)).providers["trt"].base_url == "grpc://t:8001"
    monkeypatch.setattr(check, "find_spec", lambda name: None)
    told = wrong(load(tmp_path, text))
    assert len(told) == 1
    assert told[0].startswith("weighbridge.yaml:3: providers.trt.base_url: gRPC needs packages that are not installed")
    assert "pip install 'weighbridge[triton]'" in told[0]


def test_a_front_for_grpc_needs_packages_and_is_plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    text = "version: 1\nlisten: {grpc: '127.0.0.1:8082'}\n"
    assert str(good(load(tmp_path, text)).listen.grpc) == "127.0.0.1:8082"
    assert good(load(tmp_path, "version: 1\n")).listen.grpc is None
    loop = text + "providers: {trt: {kind: triton, base_url: 'grpc://127.0.0.1:8082'}}\n"
    assert "is this gateway's own address" in wrong(load(tmp_path, loop))[0]
    (tmp_path / "a.pem").write_text("")
    told = wrong(load(tmp_path, "version: 1\nlisten: {grpc: '127.0.0.1:8082', tls: {cert: a.pem, key: a.pem}}\n"))
    assert any("not yet available with listen.tls" in each for each in told)
    monkeypatch.setattr(check, "find_spec", lambda name: None)
    told = wrong(load(tmp_path, text))
    assert [each.partition(" needs")[0] for each in told] == ["weighbridge.yaml:2: listen.grpc: gRPC"]


def test_what_could_never_come_to_anything_is_found(tmp_path: Path):
    text = """
    version: 1
    models:
      - {alias: a, candidates: [{provider: sim}], queue: {length: 8}}
      - {alias: b, candidates: [{provider: sim}, {provider: sim}], outlier: {most: 40%}}
      - {alias: c, candidates: [{provider: sim, concurrency: 1}], queue: {length: 8}, outlier: {most: 0%}}
      - {alias: d, candidates: [{provider: sim}], fallback: [c], queue: {wait: 1s}}
    """
    assert wrong(load(tmp_path, text)) == [
        "weighbridge.yaml:4: models[0].queue: no candidate has a concurrency, so that none is ever full",
        (
            "weighbridge.yaml:5: models[1].outlier: of so few candidates that share is none, so that none is ever left "
            "alone"
        ),
    ]


GLOB = """\
    version: 1
    providers:
      p: {{kind: openai, base_url: "http://p.example/v1"}}
      t: {{kind: triton, base_url: "http://t.example:8000", model: ensemble}}
    models:
      - {{alias: "llama-*", candidates: [{candidate}], probe: {{every: 30s}}}}
"""


@pytest.mark.parametrize("candidate", ["{provider: p, model: small}", "{provider: t}"])
def test_a_glob_whose_candidates_have_names_can_be_probed(tmp_path: Path, candidate: str):
    assert good(load(tmp_path, GLOB.format(candidate=candidate))).routes["llama-*"].probe is not None


@pytest.mark.parametrize("candidate", ["{provider: p}", '{provider: p, model: "x-{model}"}'])
def test_a_glob_whose_models_nobody_names_cannot_be_probed(tmp_path: Path, candidate: str):
    assert wrong(load(tmp_path, GLOB.format(candidate=candidate))) == [
        "weighbridge.yaml:6: models[0].probe: asks for models by name: give each candidate a model of its own"
    ]


def test_a_window_without_a_choice_is_told(tmp_path: Path):
    models = """\
      - {alias: one, candidates: [{provider: a, context_window: 8000}]}
      - {alias: two, candidates: [{provider: a, context_window: 8000}], fallback: ["a/y"]}
      - {alias: three, candidates: [{provider: a, context_window: 0}, {provider: a, model: x}]}
    """
    assert wrong(load(tmp_path, PROVIDERS + models, K="k")) == [
        (
            "weighbridge.yaml:5: models[0].candidates[0].context_window: nobody else could have what is "
            "too long for it: it needs another candidate, or a fallback"
        ),
        ("weighbridge.yaml:7: models[2].candidates[0].context_window: should be greater than or equal to 1"),
    ]


def test_placeholders_must_stand_for_something(tmp_path: Path):
    models = """\
      - {alias: plain, candidates: [{provider: a, model: "{star}"}]}
      - {alias: "g-*", candidates: [{provider: a, model: "{stra}"}], fallback: ["a/{star1}"]}
      - {alias: "*/*", candidates: [{provider: a, model: "{star2}-{star}"}]}
      - {alias: other, candidates: [{provider: a, model: x}], fallback: ["h-*"]}
      - {alias: "h-*", candidates: [{provider: a, model: "{star}{model}"}], fallback: ["a/{star}"], probe: {}}
    """
    assert wrong(load(tmp_path, PROVIDERS + models, K="k")) == [
        "weighbridge.yaml:5: models[0].candidates[0].model: '{star}' stands for nothing in 'plain'",
        (
            "weighbridge.yaml:6: models[1].candidates[0].model: '{stra}' stands for nothing in 'g-*'; "
            "did you mean '{star}'?"
        ),
        (
            "weighbridge.yaml:6: models[1].fallback[0]: '{star1}' of 'a/{star1}' stands for nothing in 'g-*'; "
            "did you mean '{star}'?"
        ),
        (
            "weighbridge.yaml:7: models[2].candidates[0].model: '{star}' stands for nothing in '*/*'; "
            "did you mean '{star2}'?"
        ),
        "weighbridge.yaml:8: models[3].fallback[0]: '{star}' of 'h-*' stands for nothing in 'other'",
        "weighbridge.yaml:9: models[4].probe: asks for models by name: give each candidate a model of its own",
    ]


def test_who_gets_copies_is_a_provider_that_there_is(tmp_path: Path):
    text = """\
    version: 1
    models:
      - {alias: a, candidates: [{provider: sim}], mirror: {to: sin/echo}}
      - {alias: "b-*", candidates: [{provider: sim}], mirror: {to: "sim/{models}"}}
      - {alias: "c-*", candidates: [{provider: sim}], mirror: {to: "sim/{model}"}}
    """
    assert wrong(load(tmp_path, text)) == [
        "weighbridge.yaml:3: models[0].mirror.to: no provider is named 'sin'; did you mean 'sim'?",
        "weighbridge.yaml:4: models[1].mirror.to: '{models}' stands for nothing in 'b-*'; did you mean '{model}'?",
    ]
