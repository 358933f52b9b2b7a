-- KEYS: the object. ARGV: channel.
redis.call('PUBLISH', ARGV[1], KEYS[1])
return redis.call('DEL', KEYS[1])
