from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.chat_template import ChatTemplateSpec, load_template
from gateway.core.chat_template import MAX_TEMPLATE_CHARS


def spec(**fields: object) -> ChatTemplateSpec:
    return ChatTemplateSpec.model_validate(fields)


def test_a_template_written_in_place() -> None:
    source, problem = load_template(spec(text="{{ messages }}", eos_token="</s>", stop=["END"]), Path())
    assert problem == ""
    assert (source.text, source.eos_token, source.stop) == ("{{ messages }}", "</s>", ("END",))


def test_a_template_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "t.jinja").write_text("{{ bos_token }}")
    source, problem = load_template(spec(file="t.jinja", bos_token="<s>"), tmp_path)
    assert (source.text, source.bos_token, problem) == ("{{ bos_token }}", "<s>", "")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read"),
        ("", "between 1 and"),
        ("x" * (MAX_TEMPLATE_CHARS + 1), "between 1 and"),
        ("a\n{% for %}", "cannot be compiled"),
    ],
)
def test_what_cannot_be_used(tmp_path: Path, content: str | None, why: str) -> None:
    if content is not None:
        (tmp_path / "t.jinja").write_text(content)
    _, problem = load_template(spec(file="t.jinja"), tmp_path)
    assert why in problem


@pytest.mark.parametrize("fields", [{}, {"text": "x", "file": "y"}])
def test_it_stands_in_one_place(fields: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="takes text, the template itself, or file"):
        spec(**fields)
