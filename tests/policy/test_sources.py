from __future__ import annotations

from pathlib import Path

import pytest

from gateway.policy.load import LoadedBundle, load_bundle

HEAD = "apiVersion: weighbridge/v1\nkind: Policy\nmetadata: {name: n}\n"


def load(folder: Path, *names: str) -> LoadedBundle:
    return load_bundle([(name, folder / name) for name in names])


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEAD + text if name.endswith(".yaml") else text)
    return path


def said(loaded: LoadedBundle) -> list[str]:
    return [str(problem) for problem in loaded.problems]


def test_a_shipped_pack_is_extended_by_name(tmp_path: Path):
    write(tmp_path, "ours.yaml", "extends: [baseline]\nrules: [{id: r, when: keys, do: annotate, mode: audit}]\n")
    loaded = load(tmp_path, "ours.yaml")
    assert said(loaded) == []
    assert [rule.id for rule in loaded.compiled.bundle.rules][-1] == "r"
    assert [file.shipped for file in loaded.files] == [True, False]
    assert [path.name for path in loaded.paths] == ["ours.yaml", "baseline.yaml"]


def test_what_several_extend_is_there_once(tmp_path: Path):
    write(tmp_path, "base.yaml", "detectors: {w: {use: pattern, patterns: [x]}}")
    for name in ("a", "b"):
        write(
            tmp_path, f"{name}.yaml", f"extends: [base.yaml]\nrules: [{{id: {name}, when: w, do: block, mode: audit}}]"
        )
    loaded = load(tmp_path, "a.yaml", "base.yaml", "b.yaml")
    assert said(loaded) == []
    assert len(loaded.files) == 3
    assert [rule.id for rule in loaded.compiled.bundle.rules] == ["a", "b"]


def test_what_is_extended_by_what_is_extended_may_be_named_too(tmp_path: Path):
    write(tmp_path, "sub/one.yaml", "detectors: {w: {use: pattern, patterns: [x]}}")
    write(tmp_path, "two.yaml", "extends: [sub/one.yaml]")
    write(tmp_path, "three.yaml", "extends: [two.yaml]\nrules: [{id: r, when: w, do: block, mode: audit}]")
    assert said(load(tmp_path, "three.yaml")) == []


def test_a_circle_is_refused(tmp_path: Path):
    write(tmp_path, "a.yaml", "extends: [b.yaml]")
    write(tmp_path, "b.yaml", "extends: [c.yaml]")
    write(tmp_path, "c.yaml", "extends: [a.yaml]")
    assert said(load(tmp_path, "a.yaml")) == [
        "c.yaml:4: extends[0]: a circle: this file is extended by what it extends"
    ]
    write(tmp_path, "self.yaml", "extends: [self.yaml]")
    assert len(said(load(tmp_path, "self.yaml"))) == 1


@pytest.mark.parametrize(
    ("extends", "message"),
    [
        ("baselin", "no such policy; did you mean 'baseline'?"),
        ("gone.yaml", "no such policy"),
        ("../up.yaml", "no such policy"),
        ("/etc/policy.yaml", "no such policy"),
        ("notes.txt", "no such policy"),
    ],
)
def test_what_cannot_be_extended_is_told(tmp_path: Path, extends: str, message: str):
    write(tmp_path, "a.yaml", f"extends:\n  - {extends}")
    assert said(load(tmp_path, "a.yaml")) == [f"a.yaml:5: extends[0]: {message}"]


def test_problems_of_an_extended_file_are_told_where_they_are(tmp_path: Path):
    write(tmp_path, "base.yaml", "rules: 5")
    write(tmp_path, "a.yaml", "extends: [base.yaml]")
    assert said(load(tmp_path, "a.yaml")) == ["base.yaml:4: rules: should be a list"]


def test_a_list_may_be_in_a_file(tmp_path: Path):
    write(tmp_path, "lists/egress.txt", "# ours\nDocs.Example\n*.acme.example\n")
    text = "lists: {e: {type: host, file: lists/egress.txt}}\ndetectors: {l: {use: url_egress, allow: e}}\n"
    path = write(tmp_path, "a.yaml", text)
    loaded = load(tmp_path, "a.yaml")
    assert said(loaded) == []
    assert loaded.compiled.bundle.detectors[0].options == {
        "allow": {"type": "host", "values": ["docs.example", "*.acme.example"]}
    }
    assert loaded.paths == (path, tmp_path / "lists" / "egress.txt")


def test_a_changed_attachment_is_another_revision(tmp_path: Path):
    write(tmp_path, "l.txt", "a.example")
    write(tmp_path, "a.yaml", "lists: {e: {type: host, file: l.txt}}")
    before = load(tmp_path, "a.yaml").compiled.bundle.revision
    write(tmp_path, "l.txt", "b.example")
    assert load(tmp_path, "a.yaml").compiled.bundle.revision != before


def test_what_is_wrong_with_an_attachment_is_told(tmp_path: Path):
    write(tmp_path, "l.txt", "fine.example\nhttp://x\n")
    write(tmp_path, "s.json", "[1]")
    write(
        tmp_path,
        "a.yaml",
        "lists:\n  e: {type: host, file: l.txt}\n  g: {type: host, file: gone.txt}\n  u: {type: host, file: ../l.txt}\n"
        "detectors:\n  s: {use: json_schema, schema: s.json}\n",
    )
    assert said(load(tmp_path, "a.yaml")) == [
        "a.yaml:5: lists.e.file: l.txt:2: should be a host such as example.com or *.example.com",
        "a.yaml:6: lists.g.file: cannot be read: No such file or directory",
        "a.yaml:7: lists.u.file: leads out of the policy's folder",
        "a.yaml:9: detectors.s.schema: s.json holds no JSON object",
    ]


def test_a_file_that_is_gone_is_still_one_to_watch(tmp_path: Path):
    loaded = load(tmp_path, "gone.yaml")
    assert loaded.bundle is None
    assert loaded.paths == (tmp_path / "gone.yaml",)
