"""What is asked of Redis for kept answers, each as one script: all of it happens, or nothing does.

An entry is a hash. Beside it lie lists of all entries: by value, by expiry, how large each is, and how often it was
given. All names share one hash tag, so that scripts may touch them on a cluster too.
"""

from __future__ import annotations

_TAG = "{weighbridge:cache}"
# With another layout another number, so that gateways of two versions do not meet.
LAYOUT = 1
ROOT = f"{_TAG}:{LAYOUT}:"
ENTRY, LEAD, STATE = f"{ROOT}e:", f"{ROOT}lead:", f"{ROOT}state:"
VALUE, EXPIRY, SIZES, HITS, SUMS = (f"{ROOT}{name}" for name in ("value", "expiry", "sizes", "hits", "sums"))
LISTS = (VALUE, EXPIRY, SIZES, HITS, SUMS)
# Fields of an entry: what is kept, its family, its vector, what it is worth a byte, and what people ask by.
ANSWER, FAMILY, VECTOR, WORTH, TENANT, ALIAS, MODEL, STORED, COST = "a", "n", "v", "w", "t", "l", "m", "s", "c"

# KEYS: the lists. ENTRY is the first argument.
_FORGET = """
local entry = ARGV[1]
local function forget(name)
  local size = redis.call('HGET', KEYS[3], name)
  if size then redis.call('HINCRBY', KEYS[5], 'bytes', -size) end
  redis.call('HDEL', KEYS[3], name)
  redis.call('HDEL', KEYS[4], name)
  redis.call('ZREM', KEYS[1], name)
  redis.call('ZREM', KEYS[2], name)
  return redis.call('DEL', entry .. name)
end
local function clear(now)
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 64)) do forget(name) end
end
"""
# ENTRY, now, name, expires, size, worth a byte, most entries, most bytes, fields and values.
PUT = (
    _FORGET
    + """
-- A server without memory refuses this first, and so all of it; after another change it would let the rest pass.
redis.call('HINCRBY', KEYS[5], 'evictions', 0)
clear(ARGV[2])
local name, size = ARGV[3], tonumber(ARGV[5])
forget(name)
local evicted = 0
while redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[7])
    or tonumber(redis.call('HGET', KEYS[5], 'bytes') or '0') + size > tonumber(ARGV[8]) do
  local least = redis.call('ZPOPMIN', KEYS[1])
  if not least[1] then
    redis.call('HSET', KEYS[5], 'bytes', 0)
    break
  end
  if redis.call('HEXISTS', KEYS[3], least[1]) == 1 then evicted = evicted + 1 end
  redis.call('HSET', KEYS[5], 'level', least[2])
  forget(least[1])
end
local level = tonumber(redis.call('HGET', KEYS[5], 'level') or '0')
redis.call('HSET', entry .. name, unpack(ARGV, 9))
redis.call('EXPIREAT', entry .. name, ARGV[4])
redis.call('ZADD', KEYS[1], level + tonumber(ARGV[6]), name)
redis.call('ZADD', KEYS[2], ARGV[4], name)
redis.call('HSET', KEYS[3], name, size)
redis.call('HINCRBY', KEYS[5], 'bytes', size)
redis.call('HINCRBY', KEYS[5], 'evictions', evicted)
return evicted
"""
)
# ENTRY, name, whether it counts as given. An entry whose lists are gone, or that the server has let go, still counts.
GET = """
local found = redis.call('HMGET', ARGV[1] .. ARGV[2], 'a', 'w')
if not found[1] then return false end
if ARGV[3] == '1' and found[2] and redis.call('ZSCORE', KEYS[1], ARGV[2]) then
  local hits = redis.call('HINCRBY', KEYS[4], ARGV[2], 1)
  local level = tonumber(redis.call('HGET', KEYS[5], 'level') or '0')
  redis.call('ZADD', KEYS[1], 'XX', level + tonumber(found[2]) * (hits + 1), ARGV[2])
end
return found[1]
"""
# ENTRY, names.
REMOVE = (
    _FORGET
    + """
local count = 0
for at = 2, #ARGV do count = count + forget(ARGV[at]) end
return count
"""
)
# The lease, its token, for how many milliseconds.
RENEW = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
"""
# The lease, its token.
RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
