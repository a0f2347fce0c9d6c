from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from gateway.config.references import References, Secret, SecretReference, secret_fault
from gateway.config.source import load_yaml

DOCUMENT = load_yaml("a: 1\nkey: x\n", "w.yaml")


def resolve(
    reference: str | None, base: Path, environ: dict[str, str] | None = None
) -> tuple[Secret | None, list[str]]:
    references = References(environ or {}, base)
    secret = references.resolve(reference, DOCUMENT, ("key",))
    return secret, [str(problem) for problem in references.problems]


def test_a_secret_never_shows_itself():
    secret = Secret("hunter22", "env:X")
    assert f"{secret} {secret!r} {[secret]}" == "*** *** [***]"
    assert secret.reveal() == "hunter22"
    assert secret.reference == "env:X"


def test_secrets_are_equal_by_value():
    assert Secret("a", "env:X") == Secret("a", "env:Y")
    assert len({Secret("a", "env:X"), Secret("a", "env:Y")}) == 1
    assert Secret("a", "env:X") != Secret("b", "env:X")
    assert Secret("a", "env:X") != "a"


def test_an_environment_variable_is_looked_up(tmp_path: Path):
    secret, problems = resolve("env:KEY", tmp_path, {"KEY": "sk-1"})
    assert secret is not None
    assert (secret.reveal(), problems) == ("sk-1", [])


def test_a_file_is_read_without_its_last_newline(tmp_path: Path):
    (tmp_path / "key").write_text("sk-1\r\n")
    for reference in (f"file:{tmp_path}/key", "file:key"):
        secret, problems = resolve(reference, tmp_path)
        assert secret is not None
        assert (secret.reveal(), problems) == ("sk-1", [])


def test_no_reference_is_no_secret_and_no_problem(tmp_path: Path):
    assert resolve(None, tmp_path) == (None, [])


def test_a_missing_variable_or_file_is_a_problem_with_its_line(tmp_path: Path):
    assert resolve("env:GONE", tmp_path) == (None, ["w.yaml:2: key: environment variable GONE is not set"])
    secret, problems = resolve("file:gone", tmp_path)
    assert (secret, problems) == (None, ["w.yaml:2: key: secret file gone: cannot be read: No such file or directory"])


@pytest.mark.parametrize(
    ("value", "fault"),
    [("", "is empty"), ("a\nb: c", "no HTTP header"), ("schlüssel", "no HTTP header"), ("x" * 65537, "too long")],
)
def test_a_secret_that_no_header_can_carry_is_refused_without_being_shown(tmp_path: Path, value: str, fault: str):
    assert fault in secret_fault(value)
    secret, problems = resolve("env:KEY", tmp_path, {"KEY": value})
    assert secret is None
    assert fault in problems[0]
    assert not value or value not in problems[0]


def test_a_literal_secret_is_refused_with_the_way_to_refer_to_one():
    adapter = TypeAdapter(SecretReference)
    assert adapter.validate_python("env:OPENAI_API_KEY") == "env:OPENAI_API_KEY"
    for literal in ("sk-proj-hunter22", "env:", "file:", 5, "ENV:X"):
        with pytest.raises(ValidationError, match="not written here but referred to: env:NAME or file:/path"):
            adapter.validate_python(literal)
