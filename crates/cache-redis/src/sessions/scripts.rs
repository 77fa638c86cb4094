//! What is done on the server, each as one step.
//!
//! `session:<hash>` is a JSON object: a head that is ours, and, last, what the session carries, which is never read or written
//! anew here: Lua knows neither an empty list nor a whole number of 64 bits. An owner's id needs no escapes in JSON, so the
//! first `,"data":` is ours. `sessions-of:<owner>` is a sorted set of hashes by their end. A session whose hash is not in it has
//! ended: were the set lost, nobody could end its sessions.

use std::sync::LazyLock;

use redis::Script;

/// ARGV: now, lifetime, at most, and how many of an owner; times in microseconds.
///
/// `insist` does nothing, but is a write: a server that has become somebody's replica refuses it, and what it knows is not
/// believed. It comes before whatever is answered without another write. It does not come before one that may need more memory:
/// once a script has written, a server that is full lets it go on.
macro_rules! script {
    ($body:literal) => {
        LazyLock::new(|| {
            Script::new(concat!(
                r#"
local now, lifetime, at_most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local function insist() redis.call('DEL', 'session:') end
local function of(owner) return 'sessions-of:' .. owner end
local function remove(hash, owner)
  if owner then redis.call('ZREM', of(owner), hash) end
  return redis.call('DEL', 'session:' .. hash)
end
local function find(hash)
  local text = redis.call('GET', 'session:' .. hash)
  if not text then return nil end
  local at = string.find(text, ',"data":', 1, true)
  local head = cjson.decode(string.sub(text, 1, at - 1) .. '}')
  if head.owner == cjson.null then head.owner = nil end
  if head.expires_at <= now then return nil end
  if head.owner and not redis.call('ZSCORE', of(head.owner), hash) then
    remove(hash)
    return nil
  end
  return head, string.sub(text, at + 8, -2), text
end
local function put(hash, head, data)
  local text = '{"owner":' .. (head.owner and ('"' .. head.owner .. '"') or 'null')
    .. string.format(',"version":%.0f,"created_at":%.0f,"seen_at":%.0f,"expires_at":%.0f',
                     head.version, head.created_at, head.seen_at, head.expires_at)
    .. ',"data":' .. data .. '}'
  local left = math.max(1, math.ceil((head.expires_at - now) / 1000))
  redis.call('SET', 'session:' .. hash, text, 'PX', string.format('%.0f', left))
  if head.owner then
    local set = of(head.owner)
    redis.call('ZADD', set, string.format('%.0f', head.expires_at), hash)
    if redis.call('PTTL', set) < left + 1000 then
      redis.call('PEXPIRE', set, string.format('%.0f', left + 1000))
    end
  end
  return text
end
local function use(head)
  head.seen_at = math.max(head.seen_at, now)
  head.expires_at = math.min(now + lifetime, head.created_at + at_most)
end
local function trim(owner, hash)
  local set = of(owner)
  redis.call('ZREMRANGEBYSCORE', set, '-inf', ARGV[1])
  local excess = redis.call('ZCARD', set) - math.max(1, tonumber(ARGV[4]))
  if excess > 0 then
    for _, other in ipairs(redis.call('ZRANGE', set, 0, excess)) do
      if excess > 0 and other ~= hash then
        remove(other, owner)
        excess = excess - 1
      end
    end
  end
end
"#,
                $body
            ))
        })
    };
}

/// And hash, owner or nothing, data.
pub(super) static CREATE: LazyLock<Script> = script!(
    r#"
local owner = ARGV[6] ~= '' and ARGV[6] or nil
local head = {owner = owner, version = 1, created_at = now}
head.seen_at, head.expires_at = now, math.min(now + lifetime, now + at_most)
local text = put(ARGV[5], head, ARGV[7])
if owner then trim(owner, ARGV[5]) end
return text
"#
);

/// And hash.
pub(super) static READ: LazyLock<Script> = script!(
    r#"
insist()
local head, data, text = find(ARGV[5])
if not head then return false end
if head.seen_at <= now - math.floor(lifetime / 10) then
  use(head)
  text = put(ARGV[5], head, data)
end
return text
"#
);

/// And hash, data, the versions that are expected. Answers 1 when it was done, 0 in a conflict; and the session.
pub(super) static REPLACE: LazyLock<Script> = script!(
    r#"
local head, _, text = find(ARGV[5])
local wanted = head and #ARGV == 6
for i = 7, #ARGV do wanted = wanted or head and tonumber(ARGV[i]) == head.version end
if not wanted then
  insist()
  return head and {0, text}
end
use(head)
head.version = head.version + 1
return {1, put(ARGV[5], head, ARGV[6])}
"#
);

/// And hash.
pub(super) static DELETE: LazyLock<Script> = script!(
    r#"
insist()
local head = find(ARGV[5])
if not head then return 0 end
return remove(ARGV[5], head.owner)
"#
);

/// And the hash it had, the one it gets, owner.
pub(super) static ROTATE: LazyLock<Script> = script!(
    r#"
insist()
local head, data = find(ARGV[5])
if not head then return false end
remove(ARGV[5], head.owner)
head.owner, head.created_at, head.seen_at = ARGV[7], now, now
head.expires_at = math.min(now + lifetime, now + at_most)
local text = put(ARGV[6], head, data)
trim(ARGV[7], ARGV[6])
return text
"#
);

/// And owner. Answers hashes and sessions in turn.
pub(super) static LIST: LazyLock<Script> = script!(
    r#"
insist()
local found = {}
for _, hash in ipairs(redis.call('ZRANGEBYSCORE', of(ARGV[5]), '(' .. ARGV[1], '+inf')) do
  local head, _, text = find(hash)
  if head then
    found[#found + 1] = hash
    found[#found + 1] = text
  end
end
return found
"#
);

/// And owner, how the hash must begin or nothing, the one that stays or nothing. Answers how many were ended.
pub(super) static REVOKE: LazyLock<Script> = script!(
    r#"
insist()
local ended = 0
for _, hash in ipairs(redis.call('ZRANGE', of(ARGV[5]), 0, -1)) do
  if string.sub(hash, 1, #ARGV[6]) == ARGV[6] and hash ~= ARGV[7] then
    if find(hash) then ended = ended + 1 end
    remove(hash, ARGV[5])
  end
end
return ended
"#
);
