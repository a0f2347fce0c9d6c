from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.source import MAX_DEPTH, MAX_FILE_BYTES, Document, Problem, load_yaml, read_text, read_yaml


def messages(document: Document) -> list[str]:
    return [str(problem) for problem in document.problems]


def test_every_node_has_its_line():
    document = load_yaml("a: 1\nb:\n  - x\n  - c: {d: 2,\n      e: 3}\n", "f.yaml")
    assert document.data == {"a": 1, "b": ["x", {"c": {"d": 2, "e": 3}}]}
    assert document.line(("a",)) == 1
    assert document.line(("b",)) == 2
    assert document.line(("b", 1)) == 4
    assert document.line(("b", 1, "c", "e")) == 5


def test_a_path_that_is_not_there_has_the_line_of_what_is_above_it():
    document = load_yaml("a: 1\nb:\n  c: 1\n", "f.yaml")
    assert document.line(("b", "c", "d", 3)) == 3
    assert document.line(("b", "missing")) == 2
    assert document.line(("missing",)) == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("NO", "NO"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("12", 12),
        ("-3", -3),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("9999999999999999999", "9999999999999999999"),
        ("1e999", "1e999"),
        (".inf", ".inf"),
        ("0x10", "0x10"),
        ("12:30:00", "12:30:00"),
        ("2026-01-01", "2026-01-01"),
        ("'12'", "12"),
        ('"true"', "true"),
    ],
)
def test_plain_words_mean_what_they_look_like(text: str, value: object):
    document = load_yaml(f"a: {text}", "f")
    assert document.data == {"a": value}
    assert type(document.data["a"]) is type(value)


def test_keys_stay_text():
    assert load_yaml("{on: 1, 429: 2, true: 3}", "f").data == {"on": 1, "429": 2, "true": 3}


def test_every_duplicate_key_is_named_and_the_first_value_stays():
    document = load_yaml("a: 1\nb: {c: 1, c: 2}\na: 3\n", "f.yaml")
    assert messages(document) == [
        "f.yaml:2: b.c: duplicate key, first on line 2",
        "f.yaml:3: a: duplicate key, first on line 1",
    ]
    assert document.data == {"a": 1, "b": {"c": 1}}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: !!python/object:os.system x", "f:1: tags (!…) are not allowed"),
        ("a: !!str 1", "f:1: tags (!…) are not allowed"),
        ("a: 1\n---\nb: 2", "f:2: a second document: one file is one document"),
        ("? [a, b]\n: 1", "f:1: a key must be plain text"),
        (
            "x: &x {a: 1}\ny:\n  <<: *x",
            "f:3: merge keys (<<) are not supported: write the keys out, or alias whole values",
        ),
        ("a: *gone", "f:1: an alias of nothing: the anchor it names is not above it"),
        ("a: &a [1, *a]", "f:1: an alias inside the value it names"),
        ("[" * 60, f"f:1: nested deeper than {MAX_DEPTH} levels"),
        ('a: "\\ud800"', "f:1: a lone surrogate is not text"),
        ('a: "\\UFFFFFFFF"', "f: not valid YAML: an escape or a number that stands for nothing"),
        ("a: 1\nb: \x00", "f:2: not valid YAML: a control character"),
        ("a: 1\n\tb: 2", "f:2: not valid YAML: found character '\\t' that cannot start any token"),
    ],
)
def test_what_is_refused_is_refused_with_its_line(text: str, problem: str):
    assert messages(load_yaml(text, "f")) == [problem]


def test_anchors_share_values():
    document = load_yaml("a: &t {connect: 5s}\nb: *t\nc: [*t]\n", "f")
    assert document.data == {"a": {"connect": "5s"}, "b": {"connect": "5s"}, "c": [{"connect": "5s"}]}
    assert document.problems == ()
    assert document.line(("b", "connect")) == 2


def test_a_bomb_of_aliases_goes_off_nowhere():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    document = load_yaml("\n".join(lines), "f")
    assert document.data is None
    assert "more than 100000 values, aliases expanded" in messages(document)[0]


def test_a_document_that_is_too_large_is_not_parsed():
    assert messages(load_yaml(" " * (MAX_FILE_BYTES + 1), "f")) == [f"f: larger than {MAX_FILE_BYTES} characters"]


def test_an_empty_file_is_no_problem():
    assert load_yaml("# nothing\n", "f") == Document("f", None)


def test_a_problem_shows_as_editors_read_it():
    assert str(Problem("w.yaml", 12, "models[0].hedge: not yet available")) == (
        "w.yaml:12: models[0].hedge: not yet available"
    )
    assert str(Problem("--listen", 0, "wrong")) == "--listen: wrong"


def test_problems_name_the_node():
    document = load_yaml("models:\n  - hedge: 1\n", "w.yaml")
    assert str(document.problem(("models", 0, "hedge"), "no")) == "w.yaml:2: models[0].hedge: no"
    assert str(document.problem((), "no")) == "w.yaml:1: no"


def test_origin_says_where_an_item_stood():
    document = load_yaml("a:\n  - 1\n  - {x: [1,\n 2]}\n", "f")
    cut = Document(
        "f", {"a": [{"x": [2]}]}, document.lines, (), {("a", 0): ("a", 1), ("a", 0, "x", 0): ("a", 1, "x", 1)}
    )
    assert cut.source_path(("a", 0, "x", 0)) == ("a", 1, "x", 1)
    assert str(cut.problem(("a", 0, "x", 0), "no")) == "f:4: a[1].x[1]: no"


def test_files_that_cannot_be_read_are_problems(tmp_path: Path):
    (tmp_path / "latin").write_bytes(b"a: 1\nb: \xe9\n")
    (tmp_path / "huge").write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    assert messages(read_yaml(tmp_path / "none", "none")) == ["none: cannot be read: No such file or directory"]
    assert messages(read_yaml(tmp_path, "folder")) == ["folder: cannot be read: Is a directory"]
    assert messages(read_yaml(tmp_path / "latin", "latin")) == ["latin:2: not UTF-8"]
    assert read_text(tmp_path / "huge", "huge") == ("", Problem("huge", 0, f"larger than {MAX_FILE_BYTES} bytes"))


def test_a_file_is_read(tmp_path: Path):
    (tmp_path / "f").write_text("a: é\n", encoding="utf-8")
    assert read_yaml(tmp_path / "f", "f").data == {"a": "é"}


YAMLISH = st.text(st.sampled_from("ab01 \n\t:-[]{},&*!|>'\"%#?\\u@`~<=.eEx\x00\ufeff\u2028é"), max_size=60)


@given(st.one_of(st.text(max_size=200), YAMLISH))
def test_no_text_raises(text: str):
    document = load_yaml(text, "f")
    assert document.problems or document.data is None or document.lines


PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**17), 10**17), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=20,
)


@given(st.dictionaries(st.text("abcxyz", min_size=1), PLAIN, max_size=4))
def test_what_the_library_writes_is_read_back(data: dict[str, object]):
    document = load_yaml(yaml.safe_dump(data), "f")
    assert document.problems == ()
    assert document.data == data
