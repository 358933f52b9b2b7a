-- KEYS: the object. ARGV: prefix, policy, lease, revision, ttl in ms, tags, url, vary, variant, body, channel, the most variants.
local prefix, policy, token, tags, url = ARGV[1], ARGV[2], ARGV[3], ARGV[6], ARGV[7]
local vary, variant, ttl = ARGV[8], ARGV[9], tonumber(ARGV[5])
local now = now_ms()
local leased_in, leased = string.match(token, '^(%d+)%-%x+%-(%x+)$')
local held, over = string.match(redis.call('HGET', KEYS[1], 'lease:' .. leased) or '', '^(%S+) (%d+)$')
if held ~= token or tonumber(over) <= now then
  return 'lease'
end
redis.call('HDEL', KEYS[1], 'lease:' .. leased)
redis.call('PUBLISH', ARGV[11], KEYS[1])
local epoch = redis.call('HGET', prefix .. 'facts', 'epoch') or '0'
local cursor = redis.call('HGET', prefix .. 'facts', 'cursor')
local revision = math.min(tonumber(ARGV[4]), tonumber(cursor or ARGV[4]))
if leased_in ~= epoch or purged(prefix, policy, revision, tags, url) > 0 then
  return 'purged'
end
if (redis.call('HGET', KEYS[1], 'vary') or '') ~= vary then
  for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
    if not string.find(name, '^lease:') then
      redis.call('HDEL', KEYS[1], name)
    end
  end
  redis.call('HSET', KEYS[1], 'vary', vary)
end
local meta = table.concat({ text(revision), epoch, text(now + ttl), tags, url }, ' ')
redis.call('HSET', KEYS[1], 'meta:' .. variant, meta, 'body:' .. variant, ARGV[10])
redis.call('HDEL', KEYS[1], 'pass:' .. variant)
expires_after(KEYS[1], ttl)
if redis.call('HLEN', KEYS[1]) > 2 * tonumber(ARGV[12]) + 1 then
  local first = sweep(KEYS[1], now)
  if redis.call('HLEN', KEYS[1]) > 2 * tonumber(ARGV[12]) + 1 then
    redis.call('HDEL', KEYS[1], 'meta:' .. first, 'body:' .. first)
  end
end
return 'stored'
