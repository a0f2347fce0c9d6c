"""Gathers what an image holds: the interpreter, Weighbridge with its packages, and the system's files that these need.

    python3 rootfs.py --venv /opt/weighbridge --into /rootfs --lock requirements/runtime.lock

Run in a build stage by the very interpreter that is to be shipped. Of the system come only shared libraries that
something is linked against, time zones, certificates, and what says whose work all of that is: no shell, no package
manager, no tests, no headers. What is installed is written down for scanners (``/var/lib/dpkg/status.d``, as other
images without a package manager have it) and as a bill of materials.
"""

from __future__ import annotations

import argparse
import compileall
import os
import py_compile
import re
import shutil
import struct
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

USER_ID = 10001
USER = "weighbridge"
HOME = "var/lib/weighbridge"
BILL = "usr/share/sbom/weighbridge.cdx.json"
# Of the standard library: what tests it, shows windows, installs, or compiles.
LEFT_OUT = re.compile(
    r"^(test|idlelib|tkinter|turtledemo|turtle\.py|lib2to3|ensurepip|pydoc_data|config-.*|site-packages|dist-packages"
    r"|sitecustomize\.py|EXTERNALLY-MANAGED|lib-dynload/(_test.*|xx.*|_xx.*|_tkinter.*|_ctypes_test.*))$"
)
# Of packages: sources of what is compiled, and what type checkers read.
NOT_RUN = {".pyi", ".pyx", ".pxd", ".c", ".h", ".cpp", ".hpp", ".a"}
LINKED = re.compile(r"^\s*(?:\S+ => )?(/\S+) \(0x[0-9a-f]+\)$", re.MULTILINE)
ELF = b"\x7fELF"
# A segment that is mapped, and what it is mapped by.
LOADED, PAGE = 1, 4096
# Loaded by name when they are needed, so that nothing is linked against them.
BY_NAME = ("libgcc_s.so.1",)
ETC = (
    "os-release",
    "debian_version",
    "ssl/certs/ca-certificates.crt",
    "ld.so.conf",
    "ld.so.conf.d",
    "protocols",
    "services",
)
NAMES = {
    "etc/passwd": "root:x:0:0:root:/:/none\n{user}:x:{id}:{id}::/{home}:/none\n",
    "etc/group": "root:x:0:\n{user}:x:{id}:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
}


class Root:
    """A folder that becomes the root of an image.

    Args:
        into: The folder; made here.
    """

    def __init__(self, into: Path) -> None:
        self.into = into
        into.mkdir(parents=True)
        self.taken: set[Path] = set()
        for top in ("bin", "lib", "lib64", "sbin"):
            # Debian keeps all of these in /usr; what is linked there names them by the old path.
            if (link := Path("/") / top).is_symlink():
                (into / top).symlink_to(link.readlink())

    def place(self, path: Path) -> Path:
        """Return where a path of this system belongs, below the folder it is really in; its own name stays."""
        return self.into / (Path(os.path.realpath(path.parent)) / path.name).relative_to("/")

    def take(self, path: Path) -> None:
        """Copy one file; what a link leads to, under the link's name."""
        target = self.place(path)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
            self.taken.add(path)

    def take_tree(self, folder: Path, left_out: re.Pattern[str] | None = None) -> None:
        """Copy a folder; links that lead into it stay links, those that lead out of it are left out."""
        for path in sorted(folder.rglob("*")):
            told = path.relative_to(folder)
            if "__pycache__" in told.parts or (left_out is not None and _matches(left_out, told)):
                continue
            target = self.place(folder) / told
            if path.is_symlink():
                if Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.symlink_to(path.readlink())
            elif path.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)
                self.taken.add(path)

    def link(self, path: Path, to: Path) -> None:
        """Make a link, unless the path is there."""
        target = self.place(path)
        if not target.exists() and not target.is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(to)

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        target = self.into / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def _matches(left_out: re.Pattern[str], told: Path) -> bool:
    return any(left_out.match(each.as_posix()) for each in (told, *told.parents))


# --- the parts


def interpreter(root: Root, venv: Path) -> None:
    """Take Python: the program and its standard library."""
    program = Path(os.path.realpath(sys.executable))
    root.take(program)
    library = Path(sysconfig.get_path("stdlib"))
    root.take_tree(library, LEFT_OUT)
    for name in ("python", "python3", f"python3.{sys.version_info.minor}"):
        link = root.place(venv) / "bin" / name
        link.unlink(missing_ok=True)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(program)


def packages(root: Root, venv: Path) -> None:
    """Take Weighbridge and what is installed beside it."""
    left_out = re.compile(rf"^(bin/(?!weighbridge$).*|include|lib64|.*({'|'.join(map(re.escape, sorted(NOT_RUN)))}))$")
    root.take_tree(venv, left_out)
    here = Path(__file__).parent
    shared = root.place(venv) / "share" / "weighbridge"
    shared.mkdir(parents=True, exist_ok=True)
    shutil.copy(here / "healthcheck.py", shared)


def libraries(root: Root) -> None:
    """Take what the programs and modules taken so far are linked against."""
    for path in list(elves(root.into)):
        for library in linked(path):
            if not library.is_relative_to(root.into):
                root.take(library)
    multiarch = Path("/usr/lib") / (sysconfig.get_config_var("MULTIARCH") or "")
    for name in BY_NAME:
        if (multiarch / name).exists():
            root.take(multiarch / name)


def elves(folder: Path) -> Iterator[Path]:
    """Yield the programs and shared objects in a folder."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if file.read(4) == ELF:
                    yield path


def linked(path: Path) -> list[Path]:
    """Return what a program or a shared object is linked against, the loader among it."""
    told = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
    return [Path(found) for found in LINKED.findall(told)]


def system(root: Root) -> None:
    """Take time zones and certificates; write down who there is, and where names are looked up."""
    for name in ETC:
        path = Path("/etc") / name
        if path.is_dir():
            root.take_tree(path)
        elif path.exists():
            root.take(path)
    root.take_tree(Path("/usr/share/zoneinfo"), re.compile(r"^(posix|right|.*\.tab|leap.*|tzdata\.zi)$"))
    # Where OpenSSL looks when nobody says where.
    root.link(Path("/usr/lib/ssl/cert.pem"), Path("/etc/ssl/certs/ca-certificates.crt"))
    root.link(Path("/usr/lib/ssl/certs"), Path("/etc/ssl/certs"))
    for name, text in NAMES.items():
        root.write(name, text.format(user=USER, id=USER_ID, home=HOME))
    (root.into / "tmp").mkdir()
    (root.into / "tmp").chmod(0o1777)
    for folder in ("proc", "dev", "sys", "run", "etc/weighbridge"):
        (root.into / folder).mkdir(parents=True, exist_ok=True)
    home = root.into / HOME
    home.mkdir(parents=True)
    home.chmod(0o700)
    os.chown(home, USER_ID, USER_ID)


def smaller(root: Root) -> None:
    """Drop symbols that only a debugger reads; what cannot be loaded afterwards stays as it was."""
    for path in elves(root.into):
        before = path.read_bytes()
        subprocess.run(["strip", "--strip-unneeded", path], check=False, stderr=subprocess.DEVNULL)
        if not loadable(path.read_bytes()):
            # A library whose header was moved when it was put into its wheel: strip moves segments of such a one.
            path.write_bytes(before)


def loadable(data: bytes) -> bool:
    """Whether the segments of a shared object lie as the loader wants them: in memory as in the file, page for page."""
    (start,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    for number in range(count):
        kind, _, offset, address = struct.unpack_from("<IIQQ", data, start + number * size)
        (align,) = struct.unpack_from("<Q", data, start + number * size + 48)
        if kind == LOADED and (align % PAGE or (address - offset) % align):
            return False
    return True


def compiled(root: Root) -> None:
    """Compile all of Python: nothing can be written at run time, and nothing is looked at again."""
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    done = compileall.compile_dir(
        root.into, maxlevels=30, stripdir=str(root.into), prependdir="/", quiet=2, invalidation_mode=mode, workers=1
    )
    if not done:
        print("some sources are not of this Python; they are shipped as they are", file=sys.stderr)


def whose(root: Root) -> None:
    """Say which of Debian's packages the files are of, for scanners, and under which terms."""
    # The list of authorities was made on this machine, out of a folder that is a package's.
    for name in sorted(owners({*root.taken, Path("/usr/share/ca-certificates")})):
        status = subprocess.run(["dpkg", "-s", name], capture_output=True, text=True, check=True).stdout
        short = name.partition(":")[0]
        root.write(f"var/lib/dpkg/status.d/{short}", status)
        terms = Path("/usr/share/doc") / short / "copyright"
        if terms.exists():
            root.take(terms)


def owners(paths: Iterable[Path]) -> set[str]:
    """Return the packages of Debian's that files are of."""
    asked = {str(spelling) for path in paths for spelling in (path, _without_usr(path), Path(os.path.realpath(path)))}
    told = subprocess.run(["dpkg", "-S", *sorted(asked)], capture_output=True, text=True, check=False).stdout
    lines = (line for line in told.splitlines() if not line.startswith("diversion "))
    return {name.strip() for line in lines for name in line.rpartition(": ")[0].split(",")}


def _without_usr(path: Path) -> Path:
    return Path("/") / path.relative_to("/usr") if path.is_relative_to("/usr") else path


def main() -> None:
    """Build the root."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venv", type=Path, required=True)
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--lock", type=Path, required=True)
    args = parser.parse_args()
    root = Root(args.into)
    packages(root, args.venv)
    interpreter(root, args.venv)
    libraries(root)
    system(root)
    smaller(root)
    compiled(root)
    subprocess.run(["ldconfig", "-r", root.into], check=True)
    whose(root)
    sbom = Path(__file__).with_name("sbom.py")
    wanted = [args.venv / "bin" / "python3", sbom, "--lock", args.lock, "--system", root.into / "var/lib/dpkg/status.d"]
    subprocess.run([*wanted, "--out", root.into / BILL], check=True)


if __name__ == "__main__":
    main()
