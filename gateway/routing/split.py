"""Shares callers out over the arms of a split: the same caller has the same arm, in every process and after a restart.

Arms lie side by side in the order in which they are written, so that a share which grows takes from its neighbours
alone: whoever had the canary at 5 % has it at 10 % as well.
"""

from __future__ import annotations

from hashlib import blake2b
from random import Random

from gateway.core.route_rules import Split


def arm_of(split: Split, who: str, random: Random) -> str:
    """Give a caller's arm.

    Args:
        split: The arms.
        who: Whose arm it is; empty where the call does not say.
        random: Gives nobody an arm, for this one call.
    """
    at = drawn(split.name, who) if who else random.random()
    for name, share in split.arms:
        at -= share
        if at < 0.0:
            return name
    # Shares that add up to one but for the last bit.
    return split.arms[-1][0]


def drawn(name: str, who: str) -> float:
    """Where a caller's lot lies between 0 and 1."""
    key = blake2b(name.encode("utf-8", "replace"), digest_size=16).digest()
    lot = blake2b(who.encode("utf-8", "replace"), key=key, digest_size=8).digest()
    # The upper 53 bits: all that a float holds, and never 1.
    return (int.from_bytes(lot, "big") >> 11) / 2**53
