"""Writes a bill of materials: everything that is installed, in CycloneDX's form, version 1.6.

    python3 sbom.py --lock requirements/runtime.lock --out weighbridge.cdx.json [--system /var/lib/dpkg/status.d]

Run by the Python whose environment was installed from the lock. The lock says which packages and by which digests they
were checked; the environment says under which licences they are and what needs what. What is in one and not in the
other is an error, not a gap. The same packages give the same document, byte for byte.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import re
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

OURS = "weighbridge"
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)(?: *; *([^\\]*))?", re.MULTILINE)
DIGEST = re.compile(r"--hash=sha256:([0-9a-f]{64})")
NEEDED = re.compile(r"^[A-Za-z0-9._-]+")
# Said by every line of a lock for one system.
ANY_LINUX = "sys_platform == 'linux'"
# A random number of ours that all documents are named under.
NAMESPACE = uuid.UUID("6f1d0a52-6f0b-4c2e-9d67-0a5b7c3f2e11")


class Missing(Exception):
    """The environment is not what the lock says."""


class Pin(NamedTuple):
    """One line of a lock."""

    name: str
    version: str
    marker: str
    digests: tuple[str, ...]


def canonical(name: str) -> str:
    """Return a name as an index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lock: str) -> Iterator[Pin]:
    """Yield what a lock pins."""
    starts = [*PINNED.finditer(lock)]
    for found, end in zip(starts, [*(each.start() for each in starts[1:]), len(lock)], strict=True):
        name, version, marker = found.groups()
        digests = tuple(DIGEST.findall(lock[found.start() : end]))
        yield Pin(canonical(name), version, (marker or "").strip(), digests)


def components(lock: str) -> list[dict[str, Any]]:
    """Return what is installed of a lock.

    Raises:
        Missing: A package is not there, or in another version.
    """
    found: list[dict[str, Any]] = []
    for pin in pins(lock):
        try:
            package = importlib.metadata.distribution(pin.name)
        except importlib.metadata.PackageNotFoundError:
            if pin.marker not in {"", ANY_LINUX}:
                # Of another Python, or another machine.
                continue
            raise Missing(f"{pin.name} {pin.version} is not installed") from None
        if package.version != pin.version:
            raise Missing(f"{pin.name} is installed in version {package.version}, not {pin.version}")
        found.append(_component(package, pin))
    return sorted(found, key=lambda each: each["bom-ref"])


def _component(package: importlib.metadata.Distribution, pin: Pin) -> dict[str, Any]:
    purl = f"pkg:pypi/{pin.name}@{pin.version}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": pin.name,
        "version": pin.version,
        "purl": purl,
        "licenses": licences(package),
        # One of these was the digest of what was installed.
        "properties": [{"name": "weighbridge:lock:sha256", "value": digest} for digest in pin.digests],
    }


def licences(package: importlib.metadata.Distribution) -> list[dict[str, Any]]:
    """Return what a package says of its licence: an expression, a short name, or what it is classified as."""
    told = package.metadata.json
    if expression := told.get("license_expression"):
        return [{"expression": expression}]
    said = str(told.get("license") or "").strip()
    classified = [each.rpartition(" :: ")[2] for each in told.get("classifier") or () if each.startswith("License ::")]
    # Some put the whole text there, which begins with its name.
    names = [said] if said and "\n" not in said else classified or said.splitlines()[:1]
    return [{"license": {"name": name}} for name in names]


def needs(listed: list[dict[str, Any]], others: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what needs what, among what is installed."""
    by_name = {each["name"]: each["bom-ref"] for each in listed}
    edges = [{"ref": ref, "dependsOn": sorted(_needed(name, by_name) - {ref})} for name, ref in sorted(by_name.items())]
    ours = sorted({*by_name.values()} & _needed(OURS, by_name)) if by_name else []
    return [{"ref": OURS, "dependsOn": [*ours, *(each["bom-ref"] for each in others)]}, *edges]


def _needed(name: str, by_name: dict[str, str]) -> set[str]:
    asked = importlib.metadata.distribution(name).requires or []
    names = {canonical(found[0]) for line in asked if (found := NEEDED.match(line))}
    return {by_name[each] for each in names & by_name.keys()}


def of_debian(folder: Path) -> list[dict[str, Any]]:
    """Return Debian's packages that files were taken of."""
    found: list[dict[str, Any]] = []
    for file in sorted(folder.iterdir()):
        told = dict(re.findall(r"^(Package|Version|Architecture): (.*)$", file.read_text(), re.MULTILINE))
        purl = f"pkg:deb/debian/{told['Package']}@{told['Version'].replace(':', '%3A')}?arch={told['Architecture']}"
        component = {"type": "library", "bom-ref": purl, "name": told["Package"], "version": told["Version"]}
        found.append({**component, "purl": purl})
    return found


def interpreter() -> dict[str, Any]:
    """Return Python itself."""
    version = platform.python_version()
    purl = f"pkg:generic/cpython@{version}"
    component = {"type": "platform", "bom-ref": purl, "name": "cpython", "version": version, "purl": purl}
    return {**component, "licenses": [{"license": {"id": "PSF-2.0"}}]}


def bill(lock: str, system: Path | None = None) -> dict[str, Any]:
    """Return the document.

    Raises:
        Missing: The environment is not what the lock says.
    """
    listed = components(lock)
    others = [interpreter(), *(of_debian(system) if system else [])]
    version = importlib.metadata.version(OURS)
    ours = {"type": "application", "bom-ref": OURS, "name": OURS, "version": version}
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {**ours, "purl": f"pkg:pypi/{OURS}@{version}", "licenses": [{"license": {"id": "Apache-2.0"}}]}
        },
        "components": [*listed, *others],
        "dependencies": needs(listed, others),
    }
    named = uuid.uuid5(NAMESPACE, json.dumps(document, sort_keys=True))
    return {**document, "serialNumber": f"urn:uuid:{named}"}


def main() -> int:
    """Write the document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lock", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--system", type=Path)
    args = parser.parse_args()
    try:
        document = bill(args.lock.read_text(), args.system)
    except Missing as problem:
        print(problem, file=sys.stderr)
        return 1
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(document, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
