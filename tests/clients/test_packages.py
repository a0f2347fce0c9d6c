from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import msgspec
import pytest

from gateway.clients.packages import Package, member, obtain
from gateway.core.errors import Misconfigured

FILE = "weighed-1.0-py3-none-any.whl"


def wheel(folder: Path, **files: bytes) -> Package:
    folder.mkdir(exist_ok=True)
    path = folder / FILE
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(f"weighed/{name}.txt", data)
        archive.writestr("weighed-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: weighed\nVersion: 1.0\n")
        archive.writestr(
            "weighed-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("weighed-1.0.dist-info/RECORD", "")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    words = dict.fromkeys(("work", "author", "source", "licence", "changes", "builds"), "x")
    return Package(name="weighed", version="1.0", file=FILE, sha256=digest, **words)


@pytest.fixture
def offline(tmp_path: Path, monkeypatch):
    """pip with a folder for an index, and nothing else."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    into = tmp_path / "into"
    into.mkdir()
    return into


def test_a_wheel_in_the_folder_is_used_where_it_lies(tmp_path: Path) -> None:
    package = wheel(tmp_path / "here", a=b"1")
    assert obtain(package, tmp_path / "here", tmp_path) == tmp_path / "here" / FILE


def test_a_wheel_with_other_bytes_is_refused(tmp_path: Path) -> None:
    package = wheel(tmp_path / "here", a=b"1")
    wheel(tmp_path / "here", a=b"2")
    with pytest.raises(Misconfigured, match="sha256"):
        obtain(package, tmp_path / "here", tmp_path)


def test_pip_fetches_it_from_wherever_its_user_says(tmp_path: Path, offline: Path) -> None:
    package = wheel(tmp_path / "index", a=b"1")
    assert obtain(package, None, offline) == offline / FILE


def test_pip_takes_no_other_bytes_either(tmp_path: Path, offline: Path) -> None:
    package = wheel(tmp_path / "index", a=b"1")
    other = msgspec.structs.replace(package, sha256="0" * 64)
    with pytest.raises(Misconfigured, match=r"weighed 1\.0 could not be downloaded"):
        obtain(other, None, offline)


def test_without_an_index_it_says_what_to_do(tmp_path: Path, offline: Path) -> None:
    package = wheel(tmp_path / "elsewhere", a=b"1")
    with pytest.raises(Misconfigured, match="--wheels"):
        obtain(package, None, offline)


def test_a_file_is_found_by_the_end_of_its_path(tmp_path: Path) -> None:
    wheel(tmp_path, a=b"1", b=b"2")
    assert member(tmp_path / FILE, "/a.txt") == b"1"
    for ending in ("/c.txt", ".txt"):
        with pytest.raises(Misconfigured):
            member(tmp_path / FILE, ending)
