from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from gateway.app.build import Shared, build_pipeline, renewed
from gateway.app.policies import load_guards
from gateway.clients.clock import SystemClock
from gateway.clients.http import HttpClient
from gateway.clients.tokenizers import Tokenizers
from gateway.core.errors import AuthenticationFailed, ModelNotFound, RateLimited, StoreUnavailable
from gateway.core.exchange import Principal
from gateway.core.ids import IdSource
from gateway.pipeline import Pipeline
from gateway.recording.metrics import Metrics
from gateway.recording.recorder import Recorder
from gateway.recording.spool import SpoolWriter
from gateway.upstream.sim import SimProvider
from tests.support.google_account import key_file
from tests.support.settings import good, load

KEYS = """
    version: 1
    identity:
      mode: keys
      keys: [{id: k1, key: env:KEY_ONE, team: red, models: [sim/echo]}]
    providers: {real: {kind: openai, base_url: "http://127.0.0.1:9/v1", api_key: env:REAL_KEY}}
    models:
      - alias: fast
        candidates: [{provider: real, model: quick-1}]
        timeouts: {idle: 7s}
    limits: [{scope: team, requests: {max: 5, per: minute}}]
"""
SECRETS = {"KEY_ONE": "wb-" + "k" * 40, "REAL_KEY": "real-secret"}


@asynccontextmanager
async def shared(folder: Path):
    clock = SystemClock()
    spool = SpoolWriter(folder / "spool", name="w", clock=clock, max_bytes=1 << 20)
    whole = Shared(
        clock=clock,
        http=HttpClient(),
        sim=SimProvider(),
        recorder=Recorder(spool, msgspec.json.Encoder()),
        metrics=Metrics(0, clock.unix_ms),
        ids=IdSource(os.urandom),
        tokenizers=Tokenizers(),
        endings=set(),
        names_key=b"k" * 32,
    )
    try:
        yield whole
    finally:
        await whole.rpc.close()
        await whole.http.close()
        await whole.sim.close()
        whole.tokenizers.close()
        spool.close()


def built(folder: Path, check, text: str = "version: 1\n", **environ: str) -> None:
    """Build a pipeline from a configuration and look at it."""

    async def run() -> None:
        settings = good(load(folder, text, None, **environ))
        async with shared(folder) as whole:
            check(build_pipeline(settings, load_guards(settings.policies.files), whole))

    asyncio.run(run())


def test_a_model_goes_to_its_provider_with_our_credential(tmp_path: Path) -> None:
    def check(pipeline: Pipeline) -> None:
        (deployment,) = pipeline.courses.router.plan("fast").candidates
        assert (deployment.provider, deployment.model) == ("real", "quick-1")
        assert deployment.credential == b"authorization: Bearer real-secret\r\n"
        assert deployment.timeouts.idle_s == 7

    built(tmp_path, check, KEYS, **SECRETS)


def test_a_provider_with_a_dialect_of_its_own_serves_its_models_and_is_told_who_we_are(tmp_path: Path) -> None:
    def check(pipeline: Pipeline) -> None:
        (deployment,) = pipeline.courses.router.plan("claude-haiku-4-5").candidates
        assert (deployment.provider, deployment.kind, deployment.base_url) == ("b", "anthropic", "http://b.example/v1")
        assert deployment.credential == b"x-api-key: real-secret\r\n"
        assert pipeline.courses.router.plan("gpt-x").candidates[0].provider == "a"

    text = """version: 1
providers:
  a: {kind: openai, base_url: "http://a.example/v1"}
  b: {kind: anthropic, base_url: "http://b.example", api_key: env:REAL_KEY}
  c: {kind: anthropic}
"""
    built(tmp_path, check, text, **SECRETS)


def test_a_triton_server_serves_the_model_it_has_and_is_spoken_to_by_a_template(tmp_path: Path) -> None:
    def check(pipeline: Pipeline) -> None:
        (one,) = pipeline.courses.router.plan("chat").candidates
        assert (one.kind, one.base_url, one.model, one.template) == ("triton", "http://t:8000", "ensemble", "llama-3")
        (other,) = pipeline.courses.router.plan("other").candidates
        assert other.model == "bls"
        (named,) = pipeline.courses.router.plan("trt/third").candidates
        assert named.model == "third"

    text = """version: 1
providers:
  trt: {kind: triton, base_url: "http://t:8000", model: ensemble, template: llama-3}
models:
  - {alias: chat, candidates: [{provider: trt}]}
  - {alias: other, candidates: [{provider: trt, model: bls}]}
"""
    built(tmp_path, check, text)


def test_keys_are_asked_for_where_the_configuration_says_so(tmp_path: Path) -> None:
    def check(pipeline: Pipeline) -> None:
        bearer = b"Bearer " + SECRETS["KEY_ONE"].encode()
        assert pipeline.courses.identity.identify({b"authorization": bearer}).team == "red"
        # Until the store has been read, nobody can say that a key is unknown.
        with pytest.raises(StoreUnavailable):
            pipeline.courses.identity.identify({b"authorization": b"Bearer wb-other"})

    built(tmp_path, check, KEYS, **SECRETS)


def test_a_pipeline_is_renewed_with_another_identity_and_all_else_the_same(tmp_path: Path) -> None:
    async def test() -> None:
        settings = good(load(tmp_path, KEYS, None, **SECRETS))
        async with shared(tmp_path) as whole:
            before = build_pipeline(settings, load_guards(settings.policies.files), whole)
            await whole.keyring.load()
            after = renewed(before, settings, whole)
            assert after.courses.identity is not before.courses.identity
            assert after.courses.known is before.courses.known
            assert after.ledger is before.ledger
            with pytest.raises(AuthenticationFailed):
                after.courses.identity.identify({b"authorization": b"Bearer wb-other"})

    asyncio.run(test())


def test_without_any_configuration_sim_answers_and_lists_its_models(tmp_path: Path) -> None:
    def check(pipeline: Pipeline) -> None:
        assert pipeline.courses.identity.identify({}).key_id == ""
        assert pipeline.courses.router.plan("sim/echo").candidates[0].kind == "sim"
        assert list(pipeline.courses.provider_of) == ["openai_models", "gemini_models"]
        with pytest.raises(ModelNotFound):
            pipeline.courses.router.plan("gpt-nobody")

    built(tmp_path, check)


def test_transparent_mode_passes_everything_with_the_callers_credential(tmp_path: Path) -> None:
    def check(pipeline: Pipeline) -> None:
        (deployment,) = pipeline.courses.router.plan("anything").candidates
        assert (deployment.base_url, deployment.credential) == ("http://models.example/v1", None)
        assert pipeline.courses.provider_of == {}

    built(tmp_path, check, "", WEIGHBRIDGE_UPSTREAM="http://models.example/v1")


def test_what_callers_have_taken_outlives_a_reload_and_a_change_of_the_limits(tmp_path: Path) -> None:
    async def run() -> None:
        settings = good(load(tmp_path, KEYS, None, **SECRETS))
        other = good(load(tmp_path, KEYS.replace("max: 5", "max: 6"), None, **SECRETS))
        who, names = Principal(key_id="a", team="t"), ("m", "p")
        async with shared(tmp_path) as whole:
            first = whole.limits_for(settings)
            assert whole.limits_for(good(load(tmp_path, KEYS, None, **SECRETS))) is first
            for limits, times in ((first, 5), (whole.limits_for(other), 1)):
                for _ in range(times):
                    limits.take(limits.falling(who, names), (1, 1))
                with pytest.raises(RateLimited):
                    limits.take(limits.falling(who, names), (1, 1))
            prices = whole.prices_for(())
            assert whole.prices_for(()) is prices

    asyncio.run(run())


def test_google_is_told_who_we_are_in_its_own_header_and_its_cloud_by_a_token(tmp_path: Path):
    text = """
        version: 1
        providers: {g: {kind: gemini, api_key: env:G}, v: {kind: vertex, credentials: "file:sa.json"}}
        models: [{alias: flash, candidates: [{provider: g, model: gemini-2.5-flash}]}]
    """
    (tmp_path / "sa.json").write_text(key_file("https://t.example/token"))

    async def main() -> None:
        async with shared(tmp_path) as parts:
            settings = good(load(tmp_path, text, G="g-key"))
            router = build_pipeline(settings, load_guards(settings.policies.files), parts).courses.router
            assert router.plan("flash").candidates[0].credential == b"x-goog-api-key: g-key\r\n"
            # Nothing of the caller's goes on; the token is added when the call goes out.
            assert router.plan("v/gemini-2.5-pro").candidates[0].credential == b""
            account = settings.providers["v"].credentials
            assert account is not None
            assert parts.tokens_for(account) is parts.tokens_for(account)
            await parts.close_tokens()

    asyncio.run(main())
