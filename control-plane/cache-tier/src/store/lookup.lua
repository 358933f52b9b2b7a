-- KEYS: the object. ARGV: prefix, policy, vary, variant, nonce, lease in ms, refresh (0 or 1), the most fields.
local prefix, policy, vary, variant = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local lease, most = tonumber(ARGV[6]), tonumber(ARGV[8])
local now = now_ms()
local names = { 'vary', 'meta:' .. variant, 'lease:' .. variant, 'pass:' .. variant }
local known, meta, held, pass = unpack(redis.call('HMGET', KEYS[1], unpack(names)))
if (known or '') ~= vary then
  return { 'vary', known or '' }
end
local epoch = redis.call('HGET', prefix .. 'facts', 'epoch') or '0'
if meta then
  local revision, stored_in, over, tags, url = string.match(meta, '^(%d+) (%d+) (%d+) (%S*) (.*)$')
  local usable = tonumber(over) > now and stored_in == epoch
  local worst = usable and purged(prefix, policy, tonumber(revision), tags, url) or 2
  if worst == 2 then
    redis.call('HDEL', KEYS[1], 'meta:' .. variant, 'body:' .. variant)
  elseif ARGV[7] == '0' then
    return { 'hit', redis.call('HGET', KEYS[1], 'body:' .. variant), revision, text(over - now), worst }
  end
end
if pass and tonumber(pass) > now then
  return { 'pass' }
end
if held and tonumber(string.match(held, ' (%d+)$')) > now then
  return { 'busy' }
end
if redis.call('HLEN', KEYS[1]) >= most then
  sweep(KEYS[1], now)
  if redis.call('HLEN', KEYS[1]) >= most then
    return { 'pass' }
  end
end
local token = epoch .. '-' .. ARGV[5] .. '-' .. variant
redis.call('HSET', KEYS[1], 'lease:' .. variant, token .. ' ' .. text(now + lease))
expires_after(KEYS[1], lease)
return { 'lease', token }
