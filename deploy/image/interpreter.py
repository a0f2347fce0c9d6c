"""Says what the interpreter of an image was built with, and refuses one that was not built for speed.

    python3 interpreter.py required|any

The official images of Python are built with profile-guided and link-time optimisation, and say so. Builds of
distributions may be as well without saying it.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Mapping


def flags(configured: Mapping[str, object]) -> set[str]:
    """Return which optimisations a build says that it has, as ``pgo`` and ``lto``."""
    said = f"{configured.get('CONFIG_ARGS') or ''} {configured.get('PY_CORE_LDFLAGS') or ''}"
    found = {"pgo"} if "--enable-optimizations" in said or configured.get("PGO_PROF_USE_FLAG") else set[str]()
    return found | ({"lto"} if "--with-lto" in said or "-flto" in said else set[str]())


def main(wanted: str) -> int:
    """Tell, and return 1 when what is required is not there."""
    found = flags(sysconfig.get_config_vars())
    print(
        f"Python {sys.version.split()[0]} at {sys.executable}: says {', '.join(sorted(found)) or 'neither pgo nor lto'}"
    )
    if wanted == "required" and "pgo" not in found:
        print("Not built with --enable-optimizations. To take it as it is: --build-arg PGO=any", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
