-- KEYS: the object. ARGV: lease, hit for miss in ms, channel.
local leased = string.match(ARGV[1], '^%d+%-%x+%-(%x+)$')
local held = string.match(redis.call('HGET', KEYS[1], 'lease:' .. leased) or '', '^(%S+) %d+$')
if held ~= ARGV[1] then
  return 0
end
redis.call('HDEL', KEYS[1], 'lease:' .. leased)
local pass = tonumber(ARGV[2])
if pass > 0 then
  redis.call('HSET', KEYS[1], 'pass:' .. leased, text(now_ms() + pass))
  expires_after(KEYS[1], pass)
end
redis.call('PUBLISH', ARGV[3], KEYS[1])
return 1
