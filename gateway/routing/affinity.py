"""The same key to the same deployment, as long as that has not much more than its share of the calls. Reads no clock.

Rendezvous hashing by weight: when a deployment comes or goes, no key moves but those that must. Bounded load: Mirrokni,
Thorup, Zadimoghaddam 2016 (https://arxiv.org/abs/1608.01350), by what was given lately too: where few calls are under
way at once, these alone say nothing of the shares.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from gateway.core.exchange import RoutePlan
from gateway.routing.health import Health
from gateway.routing.server_load import Fleet

# Affinity gives way where its deployment has so many times its share of the calls that are under way, and of those that
# were given lately: less of these, since it takes some until a share that grows is seen.
BOUND, BOUND_LATELY = 1.25, 1.2
# So few calls under way are no load, whatever the others have.
FEW = 4
# What "lately" is: calls for each deployment, after which all that came before counts half.
LATELY = 256
_WORD = 2**64 - 1
_UNIT = 2.0**-64


class Affinity:
    """Which deployment of an alias gets the calls with a key.

    Args:
        plan: The candidates.
        weights: Theirs.
        healths: What is known of them.
        fleet: What their servers say.
    """

    __slots__ = ("_all", "_fleet", "_given", "_healths", "_lately", "_powers", "_seeds", "_shares", "_until_older")

    def __init__(self, plan: RoutePlan, weights: list[int], healths: Sequence[Health], fleet: Fleet) -> None:
        self._healths, self._fleet = healths, fleet
        self._seeds = [_number(f"{each.provider}/{each.model}".encode()) for each in plan.candidates]
        self._shares = _around_one(weights)
        self._powers = [1.0 / each for each in self._shares]
        self._given = [float(LATELY)] * len(weights)
        self._until_older = LATELY * len(weights)
        # Of all places together: their shares, and the calls given lately. A call more is one more, whoever has it.
        self._all = sum(self._shares)
        self._lately = LATELY * self._all

    def pick(self, free: list[int], key: bytes, now_s: float) -> int:
        """Choose among two or more places that are free."""
        healths, fleet = self._healths, self._fleet
        if fleet.tells:
            told = fleet.told(now_s)
            if fleet.too_full:
                free = [each for each in free if each not in fleet.too_full] or free
            busy = [healths[each].in_flight + told[each].whole for each in free]
        else:
            busy = [healths[each].in_flight for each in free]
        shares = self._shares
        heavy = self._all if len(free) == len(shares) else sum([shares[each] for each in free])
        even = free
        if max(busy) >= FEW:
            most = BOUND * (1 + sum(busy)) / heavy
            # Never nobody; and who is spared for being slow does not lower what the others may have.
            even = [each for each, its in zip(free, busy, strict=True) if its < FEW or its + 1 <= most * shares[each]]
        return self._among(even, _number(key))

    def _among(self, even: list[int], number: int) -> int:
        """Choose who is the first of a key's order among those that have not had too much lately."""
        given, seeds, powers, shares = self._given, self._seeds, self._powers, self._shares
        lately, heavy = self._lately, self._all
        if len(even) < len(shares):
            lately = heavy = 0.0
            for each in even:
                lately += given[each] * shares[each]
                heavy += shares[each]
        most = BOUND_LATELY * lately / heavy
        chosen, highest = even[0], -1.0
        for each in even:
            if given[each] <= most:
                # The upper bits of a product depend on all bits of both, so that each key has an order of its own.
                its = ((number * seeds[each] & _WORD) * _UNIT) ** powers[each]
                if its > highest:
                    chosen, highest = each, its
        self._give(chosen)
        return chosen

    def _give(self, chosen: int) -> None:
        self._given[chosen] += self._powers[chosen]
        self._lately += 1.0
        self._until_older -= 1
        if not self._until_older:
            self._until_older = LATELY * len(self._given)
            self._given = [each / 2.0 for each in self._given]
            self._lately /= 2.0


def _around_one(weights: list[int]) -> list[float]:
    """Weights with one as their mean: all alike are none."""
    mean = sum(weights) / len(weights)
    return [each / mean for each in weights]


def _number(key: bytes) -> int:
    """An odd number of 64 bits, evenly spread and the same in every process."""
    return int.from_bytes(blake2b(key, digest_size=8).digest(), "big") | 1
