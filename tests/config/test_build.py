from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.environment import Options
from gateway.config.settings import ChdbStore, ClickHouseStore, ModelEntry, ModelRunner
from gateway.core.exchange import Timeouts
from gateway.core.limits import LimitRule
from tests.support.google_account import key_file
from tests.support.settings import good, load, wrong


def test_there_may_be_no_operator_plane(tmp_path: Path):
    assert good(load(tmp_path, options=Options(no_operator=True))).operator is None


def test_an_operator_plane_for_everyone_needs_a_token(tmp_path: Path):
    text = "version: 1\noperator:\n  address: 0.0.0.0:8081\n"
    assert wrong(load(tmp_path, text)) == [
        (
            "weighbridge.yaml:3: operator.address: 0.0.0.0:8081 is no loopback address: "
            "set operator.token or WEIGHBRIDGE_OPERATOR_TOKEN"
        )
    ]
    settings = good(load(tmp_path, text, WEIGHBRIDGE_OPERATOR_TOKEN="t0p"))
    assert settings.operator
    assert settings.operator.token
    assert settings.operator.token.reveal() == "t0p"


def test_the_documented_token_line_means_a_token_if_there_is_one_on_loopback_only(tmp_path: Path):
    text = "version: 1\noperator: {address: '%s', token: 'env:WEIGHBRIDGE_OPERATOR_TOKEN'}\n"
    result = load(tmp_path, text % "127.0.0.1:8081")
    assert good(result).operator
    assert "asks for no token" in result.notices[0]
    assert wrong(load(tmp_path, text % "0.0.0.0:8081")) == [
        "weighbridge.yaml:2: operator.token: environment variable WEIGHBRIDGE_OPERATOR_TOKEN is not set"
    ]


def test_the_environments_token_goes_before_the_files(tmp_path: Path):
    text = "version: 1\noperator: {token: 'env:OTHER'}\n"
    settings = good(load(tmp_path, text, WEIGHBRIDGE_OPERATOR_TOKEN="mine", OTHER="theirs"))
    assert settings.operator
    assert settings.operator.token
    assert settings.operator.token.reveal() == "mine"
    assert "WEIGHBRIDGE_OPERATOR_TOKEN" in wrong(load(tmp_path, text, WEIGHBRIDGE_OPERATOR_TOKEN="a\nb"))[0]


def test_a_whole_file_becomes_settings(tmp_path: Path):
    (tmp_path / "prices.yaml").write_text("- {provider: openai, model: gpt-4o-mini, input: 0.15}\n")
    (tmp_path / "key").write_text("sk-file\n")
    result = load(
        tmp_path,
        """
        version: 1
        listen: {address: "[::1]:9000", max_body_bytes: 1MiB}
        stores:
          traces: clickhouse://wb:env:CH_PASSWORD@ch:8123/weighbridge
          spool: {dir: spool, max_bytes: 1GiB, fsync: 100ms}
          keep: {exchanges: 90d, drift: 1d, columns: {exchanges: {tags: 7d}, feedback: {comment: 2h}}}
        capture: {bodies: none}
        providers:
          openai: {kind: openai, api_key: "file:key"}
          vllm: {kind: openai, base_url: "http://vllm:8000/v1"}
        models:
          - {alias: gpt-4o-mini, candidates: [{provider: openai, model: gpt-4o-mini}], timeouts: {idle: 5s}}
          - {alias: "llama-*", candidates: [{provider: vllm}]}
        identity:
          mode: keys
          keys:
            - {id: ci, key: "env:CI_KEY", team: build, tenant: acme, name: CI, tags: {env: test}, models: ["llama-*"]}
        limits:
          - {scope: team, match: {team: build}, requests: {max: 10, per: minute}, concurrency: 2}
        policies: {bundle: [], models: {backend: triton, url: "http://triton:8000/", timeout: 300ms}}
        prices: {overrides: prices.yaml}
        telemetry: {prometheus: true}
        """,
        CH_PASSWORD="pw",
        CI_KEY="wb-1",
    )
    settings = good(result)
    assert isinstance(settings.traces, ClickHouseStore)
    assert settings.traces.password
    assert (str(settings.traces.address), settings.traces.password.reveal()) == ("ch:8123", "pw")
    assert (settings.spool.dir, settings.spool.fsync_s) == (tmp_path / "spool", 0.1)
    day_s = 86_400
    kept_s = {"exchanges": 90 * day_s, "drift": day_s, "exchanges.tags": 7 * day_s, "feedback.comment": 7200}
    assert settings.keep_s == kept_s
    openai = settings.providers["openai"]
    assert openai.api_key
    assert openai.api_key.reveal() == "sk-file"
    assert settings.providers["vllm"].api_key is None
    assert not settings.providers["vllm"].passes_credential
    assert settings.models[0] == ModelEntry(
        alias="gpt-4o-mini", provider="openai", model="gpt-4o-mini", timeouts=Timeouts(idle_s=5.0)
    )
    assert [entry.alias for entry in settings.models] == ["gpt-4o-mini", "llama-*", "sim/*"]
    key = settings.keys[0]
    assert (key.id, key.secret.reveal(), key.team, key.tags, key.models) == (
        "ci",
        "wb-1",
        "build",
        {"env": "test"},
        ("llama-*",),
    )
    assert settings.limits == (
        LimitRule(scope="team", match={"team": ("build",)}, requests=(10, 60.0), tokens=None, concurrency=2),
    )
    assert settings.prices.rows[0].input_usd_mtok == 0.15
    assert (settings.policies.files, settings.prometheus) == ((), True)
    assert settings.policies.models == ModelRunner(backend="triton", url="http://triton:8000", timeout_s=0.3)
    assert result.notices == ()


def test_a_file_elsewhere_is_the_base_of_its_own_paths(tmp_path: Path):
    folder = tmp_path / "etc"
    (folder / "policies").mkdir(parents=True)
    (folder / "policies/ours.yaml").write_text("")
    (folder / "w.yaml").write_text("version: 1\nstores: {traces: 'chdb://t'}\npolicies: {bundle: [ours.yaml]}\n")
    settings = good(load(tmp_path, options=Options(config="etc/w.yaml")))
    assert settings.traces == ChdbStore(path=folder / "t")
    assert settings.policies.files == (("etc/policies/ours.yaml", folder / "policies/ours.yaml"),)


def test_ones_own_baseline_goes_before_the_shipped_one(tmp_path: Path):
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/baseline.yaml").write_text("")
    assert good(load(tmp_path)).policies.files == (("policies/baseline.yaml", tmp_path / "policies/baseline.yaml"),)


def test_ones_own_sim_alias_stays_alone(tmp_path: Path):
    text = "version: 1\nmodels: [{alias: 'sim/*', candidates: [{provider: sim, model: sim/echo}]}]"
    assert [entry.model for entry in good(load(tmp_path, text)).models] == ["sim/echo"]


def test_providers_without_models_serve_every_name(tmp_path: Path):
    settings = good(load(tmp_path, "version: 1\nproviders: {a: {kind: openai}, b: {kind: openai}}", OPENAI_API_KEY="o"))
    assert list(settings.providers) == ["sim", "a", "b"]
    assert [(entry.alias, entry.provider) for entry in settings.models] == [("sim/*", "sim"), ("*", "a")]


def test_keys_cannot_go_with_an_upstream(tmp_path: Path):
    text = "version: 1\nidentity: {mode: keys, keys: [{id: a, key: 'env:A'}]}\n"
    assert wrong(load(tmp_path, text, Options(upstream="http://h/v1"), A="wb")) == [
        (
            "weighbridge.yaml:2: identity.mode: mode keys cannot go with --upstream: "
            "the client's credential is the provider's own"
        )
    ]


def test_an_upstream_that_is_the_gateway_itself_is_refused(tmp_path: Path):
    assert wrong(load(tmp_path, options=Options(upstream="http://localhost:8080/v1"))) == [
        "--upstream: is this gateway's own address"
    ]


def test_a_price_list_that_is_not_there_is_a_problem_of_the_file_that_names_it(tmp_path: Path):
    assert wrong(load(tmp_path, "version: 1\nprices: {overrides: gone.yaml}")) == [
        "weighbridge.yaml:2: prices.overrides: no such file"
    ]


def test_gemini_and_vertex_are_where_google_has_them(tmp_path: Path):
    (tmp_path / "sa.json").write_text(key_file("https://oauth2.googleapis.com/token"))
    text = """
        version: 1
        providers:
          g: {kind: gemini, api_key: "env:G"}
          v: {kind: vertex, credentials: "file:sa.json"}
          w: {kind: vertex, credentials: "file:sa.json", project: other, location: us-central1, base_url: "http://psc"}
    """
    providers = good(load(tmp_path, text, G="g-key")).providers
    assert providers["g"].base_url == "https://generativelanguage.googleapis.com/v1beta"
    assert providers["v"].base_url == (
        "https://aiplatform.googleapis.com/v1/projects/acme-prod/locations/global/publishers/google"
    )
    assert providers["w"].base_url == "http://psc/v1/projects/other/locations/us-central1/publishers/google"
    assert providers["v"].credentials is not None
    assert "PRIVATE" not in repr(providers["v"])


def test_a_key_file_that_is_none_is_a_problem(tmp_path: Path):
    text = "version: 1\nproviders: {v: {kind: vertex, credentials: 'env:SA'}}\n"
    (problem,) = wrong(load(tmp_path, text, SA="secret-thing"))
    assert problem.startswith("weighbridge.yaml:2: providers.v.credentials: is no service account's key file: JSON")
    assert "secret-thing" not in problem
    nameless = key_file("https://t.example").replace('acme-prod"', '"')
    assert wrong(load(tmp_path, text, SA=nameless)) == [
        "weighbridge.yaml:2: providers.v.credentials: name no project; give it beside them"
    ]
    assert "the secret is empty" in wrong(load(tmp_path, text, SA=""))[0]


def test_googles_models_go_to_google_when_both_keys_are_in_the_environment(tmp_path: Path):
    settings = good(load(tmp_path, OPENAI_API_KEY="o", GEMINI_API_KEY="g"))
    assert [(model.alias, model.provider) for model in settings.models] == [
        ("sim/*", "sim"),
        ("gemini-*", "gemini"),
        ("*", "openai"),
    ]


def test_azure_is_at_its_endpoint(tmp_path: Path):
    settings = good(
        load(
            tmp_path,
            """
        version: 1
        providers:
          a: {kind: azure, base_url: "https://r.openai.azure.com", api_key: "env:A"}
          b: {kind: azure, base_url: "https://r.openai.azure.com/openai/", api_version: 2025-01-01-preview}
        """,
            A="key",
        )
    )
    a, b = settings.providers["a"], settings.providers["b"]
    assert a.base_url == b.base_url == "https://r.openai.azure.com/openai"
    assert (a.api_version, b.api_version) == ("2024-10-21", "2025-01-01-preview")


@pytest.mark.parametrize(
    "provider",
    [
        "{kind: azure}",
        "{kind: azure, base_url: 'http://r', api_version: latest}",
        "{kind: openai, api_version: 2024-10-21}",
    ],
)
def test_azure_needs_an_endpoint_and_has_versions(tmp_path: Path, provider: str):
    assert load(tmp_path, f"version: 1\nproviders: {{a: {provider}}}\n").problems
