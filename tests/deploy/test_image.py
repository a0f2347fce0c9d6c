"""The image: what is put into it, what is written down of it, and how it is asked whether it is well."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from deploy.image import healthcheck, interpreter, rootfs, sbom
from tests.architecture.sources import ROOT, text
from tests.support.certificates import certify
from tests.support.gateway_run import Gateway, running

DOCKERFILE = text(ROOT / "Dockerfile")
PROGRAM = ROOT / "deploy" / "image" / "healthcheck.py"
HADOLINT = shutil.which("hadolint") or shutil.which("hadolint", path=str(Path(sys.executable).parent))
STAGES = dict(re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.MULTILINE))


# --- the Dockerfile


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is not there: make deploy-tools")
def test_hadolint_finds_nothing() -> None:
    done = subprocess.run([HADOLINT or "", "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def stage(target: str) -> str:
    return DOCKERFILE.partition(f" AS {target}\n")[2].partition("\nFROM ")[0]


@pytest.mark.parametrize("target", ["sidecar", "full"])
def test_what_runs_has_no_base_and_needs_no_shell(target: str) -> None:
    assert re.search(rf"^FROM runtime AS {target}$", DOCKERFILE, re.MULTILINE)
    assert re.search(r"^FROM scratch AS runtime$", DOCKERFILE, re.MULTILINE)
    lines = f"{stage('runtime')}\n{stage(target)}"
    assert "RUN" not in lines
    assert "\nUSER 10001:10001\n" in lines
    assert "\nSTOPSIGNAL SIGTERM\n" in lines
    for instruction in ("CMD", "ENTRYPOINT"):
        for words in re.findall(rf"{instruction} (.*)$", lines, re.MULTILINE):
            assert orjson.loads(words)[0]
    assert str(rootfs.USER_ID) in lines
    assert f"/{rootfs.HOME}" in lines


def test_the_sidecar_is_what_is_built_when_nothing_is_named() -> None:
    assert re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.MULTILINE)[-1] == "sidecar"
    assert '"--no-operator", "--no-supervisor"]' in stage("sidecar")
    assert "--no-operator" not in stage("full")
    # Its store writes where temporary files go.
    assert f"TMPDIR=/{rootfs.HOME}" in stage("full")


def test_nothing_is_installed_whose_digest_was_not_checked() -> None:
    commands = re.findall(r"-m pip .*", DOCKERFILE)
    assert len(commands) == 5
    for command in commands:
        assert "--require-hashes" in command or "--no-index" in command, command
        assert "--no-deps" in command, command


def test_what_is_copied_is_let_through() -> None:
    allowed = {line[1:] for line in text(ROOT / ".dockerignore").splitlines() if line.startswith("!")}
    copied = {
        word
        for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
        for word in line.split()[:-1]
    }  # fmt: skip
    assert copied
    for word in copied:
        assert (ROOT / word).exists(), word
        assert any(word == each or word.startswith(f"{each}/") for each in allowed), word
    assert {each for each in allowed if not any(word == each or word.startswith(each) for word in copied)} == set()


# --- the interpreter


@pytest.mark.parametrize(
    ("configured", "said"),
    [
        ({"CONFIG_ARGS": "'--enable-optimizations' '--with-lto' '--enable-shared'"}, {"pgo", "lto"}),
        ({"CONFIG_ARGS": "'--prefix=/usr'", "PGO_PROF_USE_FLAG": "", "PY_CORE_LDFLAGS": "-g -O2"}, set()),
        ({"CONFIG_ARGS": "", "PY_CORE_LDFLAGS": "-flto=auto", "PGO_PROF_USE_FLAG": "-fprofile-use"}, {"pgo", "lto"}),
        ({"CONFIG_ARGS": None}, set()),
    ],
)
def test_an_interpreter_says_what_it_was_built_with(configured: dict[str, object], said: set[str]) -> None:
    assert interpreter.flags(configured) == said


def test_one_that_was_not_built_for_speed_is_taken_only_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(interpreter.sysconfig, "get_config_vars", lambda: {"CONFIG_ARGS": "'--prefix=/usr'"})
    assert interpreter.main("any") == 0
    assert interpreter.main("required") == 1
    assert "--build-arg PGO=any" in capsys.readouterr().err


# --- what is gathered


def test_a_program_is_taken_with_all_that_it_is_linked_against(tmp_path: Path) -> None:
    program = Path(os.path.realpath(sys.executable))
    needed = rootfs.linked(program)
    assert any(path.name.startswith("libc.so") for path in needed)
    assert any(path.name.startswith("ld-linux") for path in needed)
    root = rootfs.Root(tmp_path / "root")
    root.take(program)
    rootfs.libraries(root)
    for path in needed:
        # Under the name that it is looked for by, and as a file.
        assert root.place(path).is_file()
        assert not root.place(path).is_symlink()
    there = [path.name for path in rootfs.elves(root.into)]
    assert program.name in there
    assert len(there) >= len(needed) + 1


def test_what_the_loader_would_refuse_is_told_from_what_it_takes() -> None:
    data = bytearray(Path(os.path.realpath(sys.executable)).read_bytes())
    assert rootfs.loadable(bytes(data))
    (start,) = struct.unpack_from("<Q", data, 32)
    (size,) = struct.unpack_from("<H", data, 54)
    while struct.unpack_from("<I", data, start)[0] != rootfs.LOADED:
        start += size
    (offset,) = struct.unpack_from("<Q", data, start + 8)
    struct.pack_into("<Q", data, start + 8, offset + 8)
    assert not rootfs.loadable(bytes(data))


def test_a_tree_is_taken_without_what_never_runs(tmp_path: Path) -> None:
    library = tmp_path / "lib"
    for name in ("os.py", "test/test_os.py", "json/__init__.py", "json/__pycache__/x.pyc", "lib-dynload/_testcapi.so"):
        file = library / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
    (library / "sitecustomize.py").symlink_to("/etc/sitecustomize.py")
    (library / "within.py").symlink_to("os.py")
    (library / "outside.py").symlink_to("/etc/passwd")
    root = rootfs.Root(tmp_path / "root")
    root.take_tree(library, rootfs.LEFT_OUT)
    taken = root.place(library)
    there = sorted(str(path.relative_to(taken)) for path in taken.rglob("*") if not path.is_dir())
    assert there == ["json/__init__.py", "os.py", "within.py"]
    assert (taken / "within.py").readlink() == Path("os.py")


def test_what_packages_run_is_told_from_what_compilers_read(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    site = "lib/python3.11/site-packages"
    kept = {"pyvenv.cfg", "bin/weighbridge", f"{site}/a/a.py", f"{site}/a/b.so", f"{site}/a/data.json"}
    dropped = {"bin/pip", "bin/activate", "include/x.h", f"{site}/a/a.pyi", f"{site}/a/a.pyx", f"{site}/a/a.c"}
    for name in kept | dropped:
        (venv / name).parent.mkdir(parents=True, exist_ok=True)
        (venv / name).write_text("x")
    root = rootfs.Root(tmp_path / "root")
    rootfs.packages(root, venv)
    taken = root.place(venv)
    there = {str(path.relative_to(taken)) for path in taken.rglob("*") if path.is_file()}
    assert there == kept | {"share/weighbridge/healthcheck.py"}


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="not a Debian")
def test_debian_says_whose_a_library_is() -> None:
    libc = next(path for path in rootfs.linked(Path("/bin/cat")) if path.name.startswith("libc.so"))
    assert {name.partition(":")[0] for name in rootfs.owners([libc])} == {"libc6"}


# --- the bill of materials


def document(lock: str) -> dict[str, Any]:
    return sbom.bill(text(ROOT / "requirements" / f"{lock}.lock"))


def test_a_bill_names_what_the_lock_pins_and_what_needs_what() -> None:
    told = document("runtime")
    pinned = re.findall(r"^([a-z0-9-]+)==([^ ]+)", text(ROOT / "requirements" / "runtime.lock"), re.MULTILINE)
    listed = {(each["name"], each["version"]): each for each in told["components"]}
    # Those of other Pythons are not installed.
    assert set(pinned) - listed.keys() <= {("async-timeout", "5.0.1")}
    one = listed["aiohttp", dict(pinned)["aiohttp"]]
    assert one["purl"] == f"pkg:pypi/aiohttp@{one['version']}"
    assert all(re.fullmatch("[0-9a-f]{64}", each["value"]) for each in one["properties"])
    assert all(each["licenses"] for each in told["components"])
    needs = {each["ref"]: each["dependsOn"] for each in told["dependencies"]}
    assert one["purl"] in needs["weighbridge"]
    assert any("/yarl@" in each for each in needs[one["purl"]])
    assert needs.keys() == {"weighbridge", *(each["bom-ref"] for each in told["components"] if "pypi" in each["purl"])}
    assert document("runtime") == told
    assert document("embedded")["serialNumber"] != told["serialNumber"]


def test_a_package_in_another_version_is_no_gap_in_a_bill(tmp_path: Path) -> None:
    lock = tmp_path / "wrong.lock"
    for line, said in (("aiohttp==1.0.0 \\\n", "not 1.0.0"), ("nobody-has-this==1 \\\n", "not installed")):
        lock.write_text(line + "    --hash=sha256:" + "0" * 64 + "\n")
        with pytest.raises(sbom.Missing, match=said):
            sbom.bill(lock.read_text())
    lock.write_text("nobody-has-this==1 ; python_version < '3' \\\n    --hash=sha256:" + "0" * 64 + "\n")
    assert sbom.components(lock.read_text()) == []


def test_packages_of_the_system_are_told_from_their_own_words(tmp_path: Path) -> None:
    (tmp_path / "libc6").write_text("Package: libc6\nStatus: install ok\nArchitecture: amd64\nVersion: 2:2.36-9\n")
    (told,) = sbom.of_debian(tmp_path)
    assert told["purl"] == "pkg:deb/debian/libc6@2%3A2.36-9?arch=amd64"


@pytest.mark.skipif(importlib.util.find_spec("cyclonedx") is None, reason="cyclonedx is not there: make deploy-tools")
def test_a_bill_is_what_others_can_read() -> None:
    validation = pytest.importorskip("cyclonedx.validation.json")
    schema = pytest.importorskip("cyclonedx.schema")
    validator = validation.JsonStrictValidator(schema.SchemaVersion.V1_6)
    for lock in ("runtime", "embedded"):
        assert validator.validate_str(orjson.dumps(document(lock)).decode()) is None


# --- the health check


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("image")) as gateway:
        yield gateway


def checked(listen: str, *path: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-IS", PROGRAM, *path],
        env={"WEIGHBRIDGE_LISTEN": listen}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.integration
def test_a_gateway_that_lives_is_healthy(gateway: Gateway) -> None:
    for path in ((), ("/readyz",)):
        done = checked(f"0.0.0.0:{gateway.port}", *path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert checked(f"127.0.0.1:{gateway.port}", "/nothing").returncode == 1


@pytest.mark.integration
@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl")
def test_so_is_one_that_is_asked_by_tls(tmp_path: Path) -> None:
    certify(tmp_path)
    with running(tmp_path, config="version: 1\nlisten: {tls: {cert: tls.pem, key: tls.key}}\n") as tls:
        done = checked(f"127.0.0.1:{tls.port}")
        assert (done.returncode, done.stderr) == (0, "")
        assert checked(f"127.0.0.1:{tls.port}", "/nothing").returncode == 1


def test_what_does_not_listen_is_not_healthy() -> None:
    done = checked("127.0.0.1:1")
    assert done.returncode == 1
    assert "no answer" in done.stderr


@pytest.mark.parametrize(
    ("listen", "asked"),
    [
        ("0.0.0.0:8080", ("127.0.0.1", 8080)),
        ("[::]:8080", ("::1", 8080)),
        ("[::1]:81", ("::1", 81)),
        ("10.1.2.3:8080", ("10.1.2.3", 8080)),
        (":8080", ("127.0.0.1", 8080)),
    ],
)
def test_it_is_asked_where_it_listens(listen: str, asked: tuple[str, int]) -> None:
    assert healthcheck.address(listen) == asked
