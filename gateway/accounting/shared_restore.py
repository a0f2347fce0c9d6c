"""Counts in Redis again what was counted there before it lost everything: one worker for all, each counter once.

Whoever does it holds a lease in the store itself, which is lost with everything else: so a store without one is new, or
was emptied. A counter is restored in one step, and the store remembers which it has: whoever takes over from a worker
that died in between begins from the start and counts nothing twice.
"""

from __future__ import annotations

import msgspec

from gateway.accounting.shared_script import CALENDAR, SERVER_TIME, SLIDING
from gateway.accounting.shared_state import counter_of
from gateway.clients.clock import Clock
from gateway.clients.redis_line import command
from gateway.clients.redis_link import PREFIX
from gateway.core.limit_state import Charge

# Without a word for so long, another worker takes over.
LEASE_MS = 15_000
_LEASE, _RESTORED = PREFIX + b"rebuilt", PREFIX + b"restored"
# What the lease's script answers.
OTHERS, OURS, DONE = 0, 1, 2

# KEYS: the lease. ARGV: our name, how long it lasts, whether all is done.
_HOLD = b"""
local holder = redis.call('GET', KEYS[1])
if holder == 'done' then return 2 end
if holder and holder ~= ARGV[1] then return 0 end
if ARGV[3] == '1' then
  if not holder then return 0 end
  redis.call('SET', KEYS[1], 'done')
  return 2
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

# KEYS: the lease, the counters that are restored, one of them. ARGV: our name, kind, length or end, what was used: when
# and how much, again and again. A counter is written as in the script for calls.
_RESTORE = (
    SERVER_TIME
    + """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if redis.call('SADD', KEYS[2], KEYS[3]) == 0 then return 1 end
redis.call('PEXPIRE', KEYS[2], 3600000)
local length, used = tonumber(ARGV[3]), cmsgpack.unpack(ARGV[4])
local packed = redis.call('GET', KEYS[3])
if ARGV[2] == '1' then
  local sum = tonumber(packed or 0)
  for i = 2, #used, 2 do sum = sum + used[i] end
  local ttl = math.ceil((length - now) / 1000)
  if ttl > 0 then redis.call('SET', KEYS[3], string.format('%.0f', sum), 'PX', ttl + 3600000) end
  return 1
end
local slots, size = packed and cmsgpack.unpack(packed) or {}, math.ceil(length / 20)
for i = 1, #used, 2 do
  local at, slot, place = used[i], math.floor(used[i] / size), #slots + 1
  for k = #slots - 2, 1, -3 do
    if slots[k] >= slot then place = k end
  end
  if slots[place] == slot then
    slots[place + 1], slots[place + 2] = slots[place + 1] + used[i + 1], math.max(slots[place + 2], at)
  else
    table.insert(slots, place, at)
    table.insert(slots, place, used[i + 1])
    table.insert(slots, place, slot)
  end
end
redis.call('SET', KEYS[3], cmsgpack.pack(slots), 'PX', math.max(math.ceil(length * 1.1 / 1000), 60000))
return 1
"""
).encode()


def hold(name: bytes, *, done: bool = False) -> bytes:
    """The command that takes the lease, keeps it, or says that all is restored."""
    return command(b"EVAL", _HOLD, b"1", _LEASE, name, b"%d" % LEASE_MS, b"%d" % done)


class Collected:
    """What was used, by counter, until it is sent.

    Args:
        clock: Says which calendar's period it is.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._used: dict[bytes, tuple[int, int, list[int]]] = {}

    def __len__(self) -> int:
        return len(self._used)

    def restore(self, charge: Charge, amount: int, age_s: float) -> None:
        """As :meth:`gateway.core.limit_state.LimitState.restore`."""
        now_us = self._clock.unix_us()
        key, (kind, _, length), since_us = counter_of(charge, now_us * 1000, 0)
        at_us = now_us - int(age_s * 1e6)
        if (kind == CALENDAR and at_us >= since_us) or (kind == SLIDING and at_us + length > now_us):
            self._used.setdefault(key, (kind, length, []))[2].extend((at_us, amount))

    def commands(self, name: bytes) -> list[bytes]:
        """Give the commands that restore them."""
        return [
            command(
                b"EVAL", _RESTORE, b"3", _LEASE, _RESTORED, key,
                name, b"%d" % kind, b"%d" % length, msgspec.msgpack.encode(used),
            )
            for key, (kind, length, used) in self._used.items()
        ]  # fmt: skip
