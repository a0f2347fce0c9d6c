"""The scripts that count in Redis: what one call may take of every allowance, all or nothing, in one round trip.

A window is the same as in :mod:`gateway.accounting.windows`: amounts by slots of a twentieth of its length, and a slot
leaves when the last that was counted in it is a window old. It is kept as one string, slot after slot: number, amount,
when something was counted last. A calendar period is one number, whose key names the period. Seats are a sorted set,
by when each comes free. The time is Redis's own, in microseconds; amounts are integers below 2^53, exact in Lua.

Every worker has a record: a hash with the epoch of its connection, the number of the last settlement that was applied,
and what each of its calls holds, by ticket. A command of an earlier epoch, left over in a connection that was given
up, changes nothing; neither does a settlement that was applied, nor a ticket that was taken. So whatever is sent again
counts once.
"""

from __future__ import annotations

# Microseconds since 1970, as whoever runs the script knows them; tests put another one here.
SERVER_TIME = "local clock = redis.call('TIME')\nlocal now = clock[1] * 1000000 + clock[2]\n"

# Kinds of allowances.
SLIDING, CALENDAR, SEATS = 0, 1, 2
# What a command is to do.
TAKE, EXTEND, SETTLE = "t", "e", "s"
# What it answers with first.
DONE, FULL, STALE = 1, 0, -1

# KEYS: the worker's record, then one for each allowance.
# ARGV: plan, question, epoch. The plan has three numbers for each allowance: kind, limit, and its length, its period's
# end, or how long a seat is held. The question: what to do, ticket, number (of a settlement, or of a call's extension),
# then an amount for each allowance.
CALL = """
local plan, amounts = cmsgpack.unpack(ARGV[1]), cmsgpack.unpack(ARGV[2])
local what, ticket, number = unpack(amounts, 1, 3)
local known = redis.call('HMGET', KEYS[1], 'epoch', 'settled', ticket)
if known[1] ~= ARGV[3] then return '\\145\\255' end
amounts = {unpack(amounts, 4)}
local count = #KEYS - 1
-- All counters at once; of seats, and in calls of seats alone, there is nothing to get.
local counters, stored = {}, {}
for i = 1, count do
  if plan[i * 3 - 2] < 2 then counters[#counters + 1] = KEYS[i + 1] end
end
if #counters > 0 then
  local got, at = redis.call('MGET', unpack(counters)), 0
  for i = 1, count do
    if plan[i * 3 - 2] < 2 then
      at = at + 1
      stored[i] = got[at]
    end
  end
end

local function slot_of(at, length)
  return math.floor(at / math.ceil(length / 20))
end

-- A window's slots without those that have left, and the sum of the rest.
local function window(packed, length)
  if not packed then return {}, 0 end
  local all, kept, sum = cmsgpack.unpack(packed), {}, 0
  length = math.ceil(length / 20) * 20
  for i = 1, #all, 3 do
    if all[i + 2] + length > now then
      kept[#kept + 1], kept[#kept + 2], kept[#kept + 3] = all[i], all[i + 1], all[i + 2]
      sum = sum + all[i + 1]
    end
  end
  return kept, sum
end

local function save(key, slots, length)
  redis.call('SET', key, cmsgpack.pack(slots), 'PX', math.max(math.ceil(length * 1.1 / 1000), 60000))
end

-- A period's sum outlives it: calls that began in it end later.
local function save_sum(key, sum, ends)
  redis.call('SET', key, string.format('%.0f', sum), 'PX', math.max(math.ceil((ends - now) / 1000), 1) + 3600000)
end

-- Count an amount at some moment; what had left by then and is more than was taken counts now.
local function count_at(slots, at, length, amount)
  local slot, size = slot_of(at, length), #slots
  for i = size - 2, 1, -3 do
    if slots[i] == slot then
      slots[i + 1] = slots[i + 1] + amount
      if at == now then slots[i + 2] = math.max(slots[i + 2], now) end
      return
    end
  end
  if at ~= now then
    if amount > 0 then count_at(slots, now, length, amount) end
    return
  end
  -- Should the clock have been set back, what follows is counted with the newest.
  if size > 0 and slots[size - 2] > slot then
    slots[size - 1] = slots[size - 1] + amount
    return
  end
  slots[size + 1], slots[size + 2], slots[size + 3] = slot, amount, now
end

local function wait_for(slots, excess, length)
  length = math.ceil(length / 20) * 20
  for i = 1, #slots, 3 do
    excess = excess - slots[i + 1]
    if excess <= 0 then return slots[i + 2] + length - now end
  end
  return length
end

-- Whether every allowance has room; how long until it has; what is left then, and when all of it is there again.
local function look(held)
  local states, told, full, longest = {}, {}, nil, 0
  for i = 1, count do
    local kind, limit, length = plan[i * 3 - 2], plan[i * 3 - 1], plan[i * 3]
    local key, amount, slots, sum, wait, reset = KEYS[i + 1], amounts[i], nil, 0, 0, 0
    if held then amount = 0 end
    if kind == 0 then
      slots, sum = window(stored[i], length)
      if amount > limit - sum then wait = wait_for(slots, amount - (limit - sum), length) end
      if #slots > 0 then reset = slots[#slots] + math.ceil(length / 20) * 20 - now end
    elseif kind == 1 then
      sum, reset = tonumber(stored[i] or 0), math.max(length - now, 0)
      if amount > limit - sum then wait = math.max(reset, 1) end
    else
      redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
      sum = redis.call('ZCARD', key)
      if amount > limit - sum then wait = 1000000 end
    end
    if wait > longest and amount >= 0 and not held then full, longest = i, wait end
    states[i] = slots or sum
    told[#told + 1], told[#told + 2] = limit - sum, reset
  end
  return states, told, full, longest
end

local function write(states)
  for i = 1, count do
    local kind, length, amount, key = plan[i * 3 - 2], plan[i * 3], amounts[i], KEYS[i + 1]
    if amount > 0 or (kind == 0 and amount < 0) then
      if kind == 0 then
        count_at(states[i], now, length, amount)
        save(key, states[i], length)
      elseif kind == 1 then
        save_sum(key, states[i] + amount, length)
      else
        redis.call('ZADD', key, now + length, ticket)
        redis.call('PEXPIRE', key, math.ceil(length / 1000))
      end
    end
  end
end

if what == 't' or what == 'e' then
  local lease = known[3] and cmsgpack.unpack(known[3])
  local held = lease and lease[#lease][1] >= number
  local states, told, full, longest = look(held)
  if full or (what == 'e' and not lease) then
    return cmsgpack.pack({0, (full or 1) - 1, longest, unpack(told)})
  end
  if held then return cmsgpack.pack({1, now, unpack(told)}) end
  write(states)
  for i = 1, count do
    told[i * 2 - 1] = told[i * 2 - 1] - amounts[i]
    if plan[i * 3 - 2] == 0 and amounts[i] > 0 then told[i * 2] = math.ceil(plan[i * 3] / 20) * 20 end
  end
  if not lease then
    local seats = {}
    for i = 1, count do
      if plan[i * 3 - 2] == 2 then seats[#seats + 1] = KEYS[i + 1] end
    end
    lease = {seats}
  end
  lease[#lease + 1] = {number, now, unpack(amounts)}
  redis.call('HSET', KEYS[1], ticket, cmsgpack.pack(lease))
  return cmsgpack.pack({1, now, unpack(told)})
end

if number <= tonumber(known[2] or 0) then return '\\145\\001' end
redis.call('HSET', KEYS[1], 'settled', string.format('%.0f', number))
local lease = known[3] and cmsgpack.unpack(known[3]) or {{}}
if known[3] then redis.call('HDEL', KEYS[1], ticket) end
for i = 1, count do
  local kind, length, key = plan[i * 3 - 2], plan[i * 3], KEYS[i + 1]
  if kind == 2 then
    redis.call('ZREM', key, ticket)
  else
    local more = amounts[i]
    for k = 2, #lease do more = more - lease[k][i + 2] end
    if more ~= 0 and kind == 1 then
      local sum = tonumber(stored[i] or 0) + more
      save_sum(key, math.max(sum, 0), length)
    elseif more ~= 0 then
      local slots = window(stored[i], length)
      -- What is given back was taken last first; each share leaves from where it was counted.
      for k = #lease, 2, -1 do
        local part = lease[k][i + 2]
        if more < 0 and part > 0 then
          part = math.min(part, -more)
          count_at(slots, lease[k][2], length, -part)
          more = more + part
        end
      end
      if more > 0 then count_at(slots, #lease > 1 and lease[#lease][2] or now, length, more) end
      save(key, slots, length)
    end
  end
end
return '\\145\\001'
"""

# KEYS: the worker's record, all workers, the state's mark. ARGV: epoch, the worker's name, how long its record is kept
# without it, after how long it counts as dead (both in milliseconds), a mark for a state that has none, the records'
# prefix. Answers with whether the epoch holds, how many workers there are, and the mark with the time at which it was
# made: a new one means that all was lost.
WORKER = """
local epoch = tonumber(redis.call('HGET', KEYS[1], 'epoch') or 0)
if epoch > tonumber(ARGV[1]) then return cmsgpack.pack({-1}) end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('ZADD', KEYS[2], now + ARGV[4] * 1000, ARGV[2])
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 4)) do
  -- Its seats are free again. Its record stays for a while: it may only have been held up.
  redis.call('ZREM', KEYS[2], dead)
  local record = redis.call('HGETALL', ARGV[6] .. dead)
  for i = 1, #record, 2 do
    if record[i] ~= 'epoch' and record[i] ~= 'settled' then
      for _, seats in ipairs(cmsgpack.unpack(record[i + 1])[1]) do redis.call('ZREM', seats, record[i]) end
    end
  end
end
redis.call('SET', KEYS[3], ARGV[5] .. '-' .. string.format('%.0f', now), 'NX')
return cmsgpack.pack({1, redis.call('ZCARD', KEYS[2]), redis.call('GET', KEYS[3])})
"""

# KEYS: the worker's record, all workers. ARGV: its name. A worker that leaves, and holds nothing any more.
LEAVE = """
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[1])
return 1
"""


def with_time(script: str, source: str = SERVER_TIME) -> bytes:
    """Put a script together with where it has the time from."""
    return (source + script).encode()
