"""Runs a program under a filter of system calls as a container engine would: ``python -m … PROFILE PROGRAM ARGUMENTS``.

The profile is one of those that Docker, Podman and Kubernetes take; libseccomp makes the kernel's filter of it.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import sys
from pathlib import Path
from typing import Any

import orjson

_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_EQUAL, _MASKED_EQUAL = 4, 7
_SET_NO_NEW_PRIVS = 38
_COMPARE = {"SCMP_CMP_EQ": _EQUAL, "SCMP_CMP_MASKED_EQ": _MASKED_EQUAL}


class _Argument(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def library() -> Any:
    """The library; ``None`` where there is none."""
    try:
        found = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    except OSError:
        return None
    found.seccomp_init.restype = ctypes.c_void_p
    return found


def _action(entry: dict[str, Any], number: str, action: str) -> int:
    return _ALLOW if entry[action] == "SCMP_ACT_ALLOW" else _ERRNO | entry.get(number, 1)


def load(profile: dict[str, Any]) -> None:
    """Put this process under a profile, for good."""
    seccomp = library()
    filtering = ctypes.c_void_p(seccomp.seccomp_init(_action(profile, "defaultErrnoRet", "defaultAction")))
    for entry in profile["syscalls"]:
        action = _action(entry, "errnoRet", "action")
        arguments = [
            _Argument(each["index"], _COMPARE[each["op"]], each["value"], each.get("valueTwo", 0))
            for each in entry.get("args", ())
        ]
        compared = (_Argument * len(arguments))(*arguments)
        for name in entry["names"]:
            call = seccomp.seccomp_syscall_resolve_name(name.encode())
            # Names that this machine's kernel or library has no number for.
            if call < 0:
                continue
            done = seccomp.seccomp_rule_add_array(filtering, action, call, len(arguments), compared)
            assert done == 0, (name, done)
    ctypes.CDLL(None).prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    done = seccomp.seccomp_load(filtering)
    assert done == 0, done


if __name__ == "__main__":
    load(orjson.loads(Path(sys.argv[1]).read_bytes()))
    os.execvp(sys.argv[2], sys.argv[2:])
