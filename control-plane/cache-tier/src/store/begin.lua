-- KEYS: facts. ARGV: prefix, the cursor that is expected (empty: none), the new one. What was stored before can't be trusted:
-- an epoch begins, in which no purge has happened. Returns the partition's cursor; another one than the new: somebody else
-- was first.
local known = redis.call('HGET', KEYS[1], 'cursor') or ''
if known ~= ARGV[2] then
  return known
end
local last = tonumber(redis.call('HGET', KEYS[1], 'epoch') or '0')
redis.call('UNLINK', KEYS[1], ARGV[1] .. 'tags', ARGV[1] .. 'ages', ARGV[1] .. 'prefixes')
redis.call('HSET', KEYS[1], 'cursor', ARGV[3], 'epoch', text(math.max(now_ms(), last + 1)))
return ARGV[3]
