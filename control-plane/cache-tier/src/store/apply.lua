-- KEYS: facts. ARGV: prefix, from, to, the most tags, the most prefixes, then of each purge kind, scope, soft (0 or 1),
-- revision, value. Returns the partition's cursor, or an empty text where none is known: then nothing was applied.
local prefix, from, to = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local known = redis.call('HGET', KEYS[1], 'cursor')
if not known or tonumber(known) < from or tonumber(known) >= to then
  return known or ''
end

local function raised(record, revision, soft)
  local hard, stale = string.match(record or '0 0', '^(%d+) (%d+)$')
  hard, stale = tonumber(hard), tonumber(stale)
  if soft then
    stale = math.max(stale, revision)
  else
    hard = math.max(hard, revision)
  end
  return text(hard) .. ' ' .. text(stale)
end

local function raise(key, field, revision, soft)
  redis.call('HSET', key, field, raised(redis.call('HGET', key, field), revision, soft))
end

local add = {
  all = function(scope, soft, revision)
    raise(KEYS[1], 'all:' .. scope, revision, soft)
  end,
  tag = function(scope, soft, revision, value)
    raise(prefix .. 'tags', scope .. ':' .. value, revision, soft)
    redis.call('ZADD', prefix .. 'ages', 'GT', text(revision), scope .. ':' .. value)
  end,
  prefix = function(scope, soft, revision, value)
    local member = scope .. (soft and ' soft ' or ' hard ') .. value
    redis.call('ZADD', prefix .. 'prefixes', 'GT', text(revision), member)
  end,
}

-- The oldest give way: what they could have been for is purged as a whole.
local function bound(key, most)
  local surplus = redis.call('ZCARD', key) - most
  if surplus <= 0 then
    return {}
  end
  local popped = redis.call('ZPOPMIN', key, surplus)
  raise(KEYS[1], 'all:*', tonumber(popped[#popped]), false)
  return popped
end

for at = 6, #ARGV, 5 do
  add[ARGV[at]](ARGV[at + 1], ARGV[at + 2] == '1', tonumber(ARGV[at + 3]), ARGV[at + 4])
end
bound(prefix .. 'prefixes', tonumber(ARGV[5]))
local gone = bound(prefix .. 'ages', tonumber(ARGV[4]))
for at = 1, #gone, 2 do
  redis.call('HDEL', prefix .. 'tags', gone[at])
end
redis.call('HSET', KEYS[1], 'cursor', text(to))
return text(to)
