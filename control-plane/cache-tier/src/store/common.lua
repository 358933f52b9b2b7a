-- What the scripts share. A partition's keys have one hash tag, so they lie in one slot of a cluster:
--   <prefix>facts     hash: cursor, epoch, and `all:<scope>` records
--   <prefix>tags      hash: `<scope>:<hash>` records
--   <prefix>ages      sorted set: the fields of tags by revision
--   <prefix>prefixes  sorted set: `<scope> hard|soft <prefix>` by revision
-- A scope is a policy or `*`; a record is `<hard revision> <soft revision>` of the newest purges.
-- An object's key is a hash: vary, and for each variant meta, body, lease, pass.

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function text(number)
  return string.format('%.0f', number)
end

local function expires_after(key, ms)
  if redis.call('PTTL', key) < ms then
    redis.call('PEXPIRE', key, text(ms))
  end
end

-- 2: purged, 1: stale by a soft purge, 0: neither.
local function by_record(record, revision)
  if not record then
    return 0
  end
  local hard, soft = string.match(record, '^(%d+) (%d+)$')
  if tonumber(hard) > revision then
    return 2
  end
  return tonumber(soft) > revision and 1 or 0
end

local function by_prefixes(prefix, policy, revision, url)
  local worst = 0
  local newer = redis.call('ZRANGEBYSCORE', prefix .. 'prefixes', '(' .. text(revision), '+inf')
  for _, member in ipairs(newer) do
    local scope, kind, start = string.match(member, '^(%S+) (%S+) (.*)$')
    if (scope == '*' or scope == policy) and string.sub(url, 1, #start) == start then
      worst = math.max(worst, kind == 'hard' and 2 or 1)
    end
  end
  return worst
end

-- How an object of this revision stands to all purges, as by_record.
local function purged(prefix, policy, revision, tags, url)
  local fields = {}
  for tag in string.gmatch(tags, '%x+') do
    fields[#fields + 1] = '*:' .. tag
    fields[#fields + 1] = policy .. ':' .. tag
  end
  local worst = by_prefixes(prefix, policy, revision, url)
  for _, record in ipairs(redis.call('HMGET', prefix .. 'tags', unpack(fields))) do
    worst = math.max(worst, by_record(record, revision))
  end
  for _, record in ipairs(redis.call('HMGET', prefix .. 'facts', 'all:*', 'all:' .. policy)) do
    worst = math.max(worst, by_record(record, revision))
  end
  return worst
end

-- The end of what stands in a field, by the field's name.
local function ends(name, value)
  if string.find(name, '^meta:') then
    return tonumber(string.match(value, '^%d+ %d+ (%d+) '))
  elseif string.find(name, '^lease:') then
    return tonumber(string.match(value, ' (%d+)$'))
  end
  return tonumber(value)
end

-- Removes what is over. Returns the variant whose object ends first.
local function sweep(key, now)
  local first, variant
  for _, name in ipairs(redis.call('HKEYS', key)) do
    local kind, id = string.match(name, '^(%l+):(%x+)$')
    if kind and kind ~= 'body' then
      local over = ends(name, redis.call('HGET', key, name))
      if over <= now then
        redis.call('HDEL', key, name)
        if kind == 'meta' then
          redis.call('HDEL', key, 'body:' .. id)
        end
      elseif kind == 'meta' and (not first or over < first) then
        first, variant = over, id
      end
    end
  end
  return variant
end
