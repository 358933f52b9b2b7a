-- KEYS: facts. ARGV: the cursor that is expected (empty: none), the new one. What was stored before can't be trusted: an
-- epoch begins. Returns the partition's cursor; another one than the new: somebody else was first.
local known = redis.call('HGET', KEYS[1], 'cursor') or ''
if known ~= ARGV[1] then
  return known
end
local last = tonumber(redis.call('HGET', KEYS[1], 'epoch') or '0')
redis.call('HSET', KEYS[1], 'cursor', ARGV[2], 'epoch', text(math.max(now_ms(), last + 1)))
return ARGV[2]
