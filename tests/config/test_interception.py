from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.environment import Options
from gateway.config.interception import authority_files
from gateway.config.load import LoadResult, load_settings


def loaded(folder: Path, text: str = "version: 1\n", *, flags: Options | None = None, **environ: str) -> LoadResult:
    (folder / "weighbridge.yaml").write_text(text)
    return load_settings(flags or Options(), environ, folder)


def with_authority(folder: Path) -> None:
    certificate, key = authority_files(folder / ".weighbridge")
    certificate.parent.mkdir(parents=True)
    certificate.write_text("c")
    key.write_text("k")


def test_nobody_is_stood_in_for_unless_it_is_asked(tmp_path: Path) -> None:
    with_authority(tmp_path)
    for said in ("false", ""):
        settings = loaded(tmp_path, WEIGHBRIDGE_INTERCEPT=said).settings
        assert settings is not None
        assert settings.intercept is None


@pytest.mark.parametrize("only", [False, True])
@pytest.mark.parametrize("by_flag", [False, True])
def test_flags_and_variables_ask_for_it(tmp_path: Path, by_flag: bool, only: bool) -> None:
    with_authority(tmp_path)
    environ = {} if by_flag else {"WEIGHBRIDGE_INTERCEPT": "true", "WEIGHBRIDGE_ONLY_MODELS": str(only)}
    settings = loaded(tmp_path, flags=Options(intercept=by_flag, only_models=by_flag and only), **environ).settings
    assert settings is not None
    assert settings.intercept is not None
    assert settings.intercept.only_models is only
    assert settings.intercept.certificate == tmp_path / ".weighbridge" / "ca" / "ca.pem"


@pytest.mark.parametrize(
    ("text", "flags", "environ", "said"),
    [
        ("version: 1\n", Options(only_models=True), {}, "--only-models: is for --intercept only"),
        ("version: 1\n", Options(intercept=True, upstream="https://a.example/v1"), {}, "cannot go with --upstream"),
        ("version: 1\nlisten: {tls: {cert: c, key: k}}\n", Options(intercept=True), {}, "cannot go with listen.tls"),
        ("version: 1\n", Options(), {"WEIGHBRIDGE_INTERCEPT": "perhaps"}, "should be true or false"),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, text: str, flags: Options, environ: dict[str, str], said: str) -> None:
    with_authority(tmp_path)
    (tmp_path / "c").write_text("c")
    (tmp_path / "k").write_text("k")
    assert said in "\n".join(map(str, loaded(tmp_path, text, flags=flags, **environ).problems))


def test_without_an_authority_it_says_how_to_make_one(tmp_path: Path) -> None:
    (problem,) = loaded(tmp_path, flags=Options(intercept=True)).problems
    assert "see 'weighbridge ca init'" in str(problem)
