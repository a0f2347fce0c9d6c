from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.addresses import Address
from gateway.config.environment import Found, Options, Outside, Override, providers_from, shown

HERE = Address("127.0.0.1", 8080)


def found(**environ: str) -> Found:
    return providers_from(environ, HERE)


def test_a_flag_goes_before_a_variable_and_an_empty_variable_counts_as_unset():
    outside = Outside(Options(listen="h:1"), {"WEIGHBRIDGE_LISTEN": "h:2", "WEIGHBRIDGE_WORKERS": ""}, Path("/x"))
    assert outside.get("listen") == Override("--listen", "h:1")
    assert outside.get("workers") is None
    outside = Outside(Options(), {"WEIGHBRIDGE_LISTEN": "h:2"}, Path("/x"))
    assert outside.get("listen") == Override("WEIGHBRIDGE_LISTEN", "h:2")


def test_the_home_is_in_the_working_directory_unless_said_otherwise():
    assert Outside(Options(), {}, Path("/x")).home == Path("/x/.weighbridge")
    assert Outside(Options(), {"WEIGHBRIDGE_HOME": "/var/wb"}, Path("/x")).home == Path("/var/wb")
    assert Outside(Options(), {"WEIGHBRIDGE_HOME": "wb"}, Path("/x")).home == Path("/x/wb")


def test_the_file_is_the_named_one_or_the_one_that_is_there(tmp_path: Path):
    assert Outside(Options(), {}, tmp_path).config_file() is None
    (tmp_path / "weighbridge.yaml").write_text("version: 1")
    assert Outside(Options(), {}, tmp_path).config_file() == tmp_path / "weighbridge.yaml"
    assert Outside(Options(), {"WEIGHBRIDGE_CONFIG": "b.yaml"}, tmp_path).config_file() == tmp_path / "b.yaml"
    assert Outside(Options(config="c.yaml"), {"WEIGHBRIDGE_CONFIG": "b.yaml"}, tmp_path).config_file() == (
        tmp_path / "c.yaml"
    )


def test_files_are_named_from_where_the_person_stands():
    assert shown(Path("/x/y/z.yaml"), Path("/x")) == "y/z.yaml"
    assert shown(Path("/y/z.yaml"), Path("/x")) == "/y/z.yaml"


def test_every_credential_that_speaks_openai_is_a_provider_in_a_fixed_order():
    result = found(GROQ_API_KEY="g", MISTRAL_API_KEY="m", OPENAI_API_KEY="o", XAI_API_KEY="", TOGETHER_API_KEY="t")
    assert [(entry.name, entry.kind, entry.base_url) for entry in result.providers] == [
        ("openai", "openai", "https://api.openai.com/v1"),
        ("mistral", "openai", "https://api.mistral.ai/v1"),
        ("groq", "openai", "https://api.groq.com/openai/v1"),
        ("together", "openai", "https://api.together.xyz/v1"),
    ]
    keys = [entry.api_key for entry in result.providers]
    assert next(key and (key.reveal(), key.reference) for key in keys) == ("o", "env:OPENAI_API_KEY")
    assert not any(entry.passes_credential for entry in result.providers)


def test_the_other_openai_compatible_ones_too():
    result = found(DEEPSEEK_API_KEY="d", XAI_API_KEY="x", OPENROUTER_API_KEY="r")
    assert [entry.base_url for entry in result.providers] == [
        "https://api.deepseek.com/v1",
        "https://api.x.ai/v1",
        "https://openrouter.ai/api/v1",
    ]


KEYS = {"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "s3cret"}


def test_bedrock_appears_where_amazons_tools_have_credentials():
    (entry,) = found(**KEYS, AWS_REGION="eu-west-1").providers
    assert (entry.name, entry.kind, entry.region) == ("bedrock", "bedrock", "eu-west-1")
    assert entry.base_url == "https://bedrock-runtime.eu-west-1.amazonaws.com"
    assert entry.account is not None
    assert (entry.account.reference, "AKIDENV" in entry.account.reveal()) == ("env:AWS_ACCESS_KEY_ID", True)
    (bearer,) = found(AWS_BEARER_TOKEN_BEDROCK="k", AWS_DEFAULT_REGION="us-east-1").providers
    assert (bearer.api_key and bearer.api_key.reveal(), bearer.account) == ("k", None)


@pytest.mark.parametrize(
    "environ", [KEYS, {**KEYS, "AWS_REGION": "nowhere"}, {"AWS_PROFILE": "gone", "AWS_REGION": "eu-west-1"}]
)
def test_credentials_of_amazons_may_be_there_for_other_tools(environ: dict[str, str]):
    result = found(**environ)
    assert (result.providers, result.problems) == ([], [])
    assert len(result.notices) == 1
    assert result.notices[0].startswith("no provider bedrock: ")


def test_azure_is_where_its_endpoint_is():
    result = found(AZURE_OPENAI_API_KEY="a", AZURE_OPENAI_ENDPOINT="https://r.openai.azure.com/")
    (entry,) = result.providers
    assert (entry.name, entry.kind, entry.base_url) == ("azure", "azure", "https://r.openai.azure.com/openai")
    assert entry.api_version == "2024-10-21"
    given = found(AZURE_OPENAI_API_KEY="a", AZURE_OPENAI_ENDPOINT="http://r", OPENAI_API_VERSION="2025-01-01-preview")
    assert given.providers[0].api_version == "2025-01-01-preview"
    alone = found(AZURE_OPENAI_API_KEY="a")
    assert (alone.providers, len(alone.notices)) == ([], 1)
    application = {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "s"}
    (by_token,) = found(AZURE_OPENAI_ENDPOINT="https://r.openai.azure.com", **application).providers
    assert by_token.api_key is None
    assert by_token.entra is not None
    assert by_token.entra.tenant == "t"
    assert found(AZURE_OPENAI_API_KEY="a", AZURE_OPENAI_ENDPOINT="http://r", **application).providers[0].entra is None
    # Other tools use these too, and an endpoint alone says nothing of who we are.
    assert found(**application).providers == found(AZURE_OPENAI_ENDPOINT="http://r").providers == []
    for bad in ({"AZURE_OPENAI_ENDPOINT": "r"}, {"AZURE_OPENAI_ENDPOINT": "http://r", "OPENAI_API_VERSION": "new"}):
        wrong = found(AZURE_OPENAI_API_KEY="a", **bad)
        assert (wrong.providers, len(wrong.problems)) == ([], 1)


def test_a_provider_with_a_dialect_of_its_own():
    result = found(OPENAI_API_KEY="o", ANTHROPIC_API_KEY="a")
    assert [(entry.name, entry.kind, entry.base_url) for entry in result.providers] == [
        ("openai", "openai", "https://api.openai.com/v1"),
        ("anthropic", "anthropic", "https://api.anthropic.com/v1"),
    ]
    elsewhere = found(ANTHROPIC_API_KEY="a", ANTHROPIC_BASE_URL="http://proxy:9/anthropic")
    assert elsewhere.providers[0].base_url == "http://proxy:9/anthropic/v1"
    ours = found(ANTHROPIC_API_KEY="a", ANTHROPIC_BASE_URL="http://localhost:8080")
    assert ours.providers[0].base_url == "https://api.anthropic.com/v1"
    assert ours.notices == [
        "ANTHROPIC_BASE_URL is this gateway's own address; provider anthropic is https://api.anthropic.com/v1"
    ]


@pytest.mark.parametrize("variable", ["GEMINI_API_KEY", "GOOGLE_API_KEY"])
def test_gemini_appears_behind_those_that_speak_openai(variable: str):
    result = found(**{variable: "g", "OPENAI_API_KEY": "o"})
    assert [(entry.name, entry.kind) for entry in result.providers] == [("openai", "openai"), ("gemini", "gemini")]
    entry = result.providers[1]
    assert entry.base_url == "https://generativelanguage.googleapis.com/v1beta"
    assert entry.api_key is not None
    assert (entry.api_key.reveal(), entry.api_key.reference) == ("g", f"env:{variable}")
    both = found(GEMINI_API_KEY="one", GOOGLE_API_KEY="two").providers
    assert [entry.api_key.reveal() for entry in both if entry.api_key] == ["one"]
    assert found(GEMINI_API_KEY="a\nb").problems[0].message == "the secret has characters that no HTTP header can carry"


def test_openai_may_be_somewhere_else():
    result = found(OPENAI_API_KEY="o", OPENAI_BASE_URL="http://vllm:8000/v1/")
    assert result.providers[0].base_url == "http://vllm:8000/v1"


def test_a_base_url_that_is_our_own_is_not_taken():
    result = found(OPENAI_API_KEY="o", OPENAI_BASE_URL="http://localhost:8080/v1")
    assert result.providers[0].base_url == "https://api.openai.com/v1"
    assert "own address" in result.notices[0]


def test_a_base_url_without_a_key_is_no_provider():
    assert found(OPENAI_BASE_URL="http://vllm:8000/v1").providers == []


def test_what_is_wrong_with_a_variable_is_said_under_its_name():
    result = found(OPENAI_API_KEY="o", OPENAI_BASE_URL="vllm", GROQ_API_KEY="a\nb")
    assert [str(problem) for problem in result.problems] == [
        "OPENAI_BASE_URL: should be a base URL such as https://api.example.com/v1",
        "GROQ_API_KEY: the secret has characters that no HTTP header can carry",
    ]
