//! The shared layer of layered caches, on the same servers and under the same gate as the carts.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use cartwright_layered::{Expect, Head, Put, SharedError, SharedLayer, Was};
use redis::{
    ErrorKind, RedisError, RedisResult, Script, ScriptInvocation, Value, aio::MultiplexedConnection,
};

use crate::{
    RedisCartCache,
    carts::Inner,
    view::{LEASE, MARGIN, Opening},
};

/// Puts each value where what is expected stands: `-` nothing, `*` anything, else what begins like this. Answers for each
/// whether it was put, and what stood there: the head of it if it was replaced.
///
/// ARGV: expected, value and milliseconds of each key.
static PUT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local out = {} \
         for i, key in ipairs(KEYS) do \
           local found, want = redis.call('GET', key), ARGV[3 * i - 2] \
           local head = found and string.sub(found, 1, 17) \
           local put = want == '*' or (want == '-' and not found) or head == want \
           if put then redis.call('SET', key, ARGV[3 * i - 1], 'PX', ARGV[3 * i]) end \
           out[2 * i - 1] = put and 1 or 0 \
           out[2 * i] = (put and head) or found \
         end \
         return out",
    )
});

/// Removes each key, or leaves something in its place, unless another's mark stands there.
///
/// ARGV: one's own mark; what is left, or nothing; for how many milliseconds.
static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "for _, key in ipairs(KEYS) do \
           local head = redis.call('GETRANGE', key, 0, 16) \
           if string.sub(head, 1, 1) ~= 'M' or head == ARGV[1] then \
             if ARGV[2] == '' then redis.call('DEL', key) \
             else redis.call('SET', key, ARGV[2], 'PX', ARGV[3]) end \
           end \
         end",
    )
});
/// Keys in one call: Lua's stack has room for 8,000.
const TOGETHER: usize = 1000;

/// What layered caches share, on Redis.
///
/// Its namespace is the one of the gate's opening: with the gate closed it is out of use, and what was kept under an
/// earlier opening is never looked at.
#[derive(Clone)]
pub struct RedisShared {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for RedisShared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisShared").finish_non_exhaustive()
    }
}

impl RedisShared {
    /// On the servers, and over the connections, of this cache.
    pub fn beside(carts: &RedisCartCache) -> Self {
        Self { inner: Arc::clone(&carts.inner) }
    }

    /// Asks the primary of the opening with this namespace.
    async fn primary<T>(
        &self,
        namespace: &str,
        ask: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, SharedError> {
        let view = self.inner.views.current();
        let opening = view.usable().filter(|opening| &*opening.namespace == namespace);
        self.primary_of(opening.ok_or_else(closed)?, ask).await
    }

    async fn primary_of<T>(
        &self,
        opening: &Opening,
        ask: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, SharedError> {
        let endpoint = self.inner.primary(opening).ok_or_else(closed)?;
        match endpoint.near(&opening.gate.primary, ask).await {
            Ok(Some((answer, _))) => Ok(answer),
            Ok(None) => Err(closed()),
            Err(error) => {
                self.inner.failed(endpoint, &error);
                Err(failed(error))
            }
        }
    }

    /// From a replica, if it need not be the `latest`, or from the primary.
    async fn read_from(
        &self,
        opening: &Opening,
        keys: &[String],
        latest: bool,
    ) -> Result<Vec<Option<Bytes>>, SharedError> {
        let mut found = Vec::with_capacity(keys.len());
        for keys in keys.chunks(TOGETHER) {
            let names: Vec<String> = keys.iter().map(|name| key(&opening.namespace, name)).collect();
            let near = if latest { None } else { self.inner.read_replica(opening, &names).await };
            let values: Vec<Option<Vec<u8>>> = match near {
                Some(values) => values,
                None => {
                    let mut command = redis::cmd("MGET");
                    command.arg(&names);
                    self.primary_of(opening, async |link| command.query_async(link).await).await?
                }
            };
            found.extend(values.into_iter().map(|value| value.map(Bytes::from)));
        }
        Ok(found)
    }

    /// Calls a script on these keys, a thousand at a time.
    async fn call<T: redis::FromRedisValue>(
        &self,
        namespace: &str,
        script: &Script,
        describe: impl FnOnce(&mut ScriptInvocation<'_>),
    ) -> Result<T, SharedError> {
        let mut call = script.prepare_invoke();
        describe(&mut call);
        self.primary(namespace, async |link| call.invoke_async(link).await).await
    }
}

/// `data:<namespace>:<key>`.
fn key(namespace: &str, key: &str) -> String {
    format!("data:{namespace}:{key}")
}

fn failed(error: RedisError) -> SharedError {
    SharedError(Box::new(error))
}

fn closed() -> SharedError {
    failed(RedisError::from((ErrorKind::Io, "the gate has closed, or the primary is another one")))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}

#[async_trait]
impl SharedLayer for RedisShared {
    fn namespace(&self) -> Option<Arc<str>> {
        let view = self.inner.views.current();
        view.usable().map(|opening| Arc::clone(&opening.namespace))
    }

    async fn read(
        &self,
        namespace: &str,
        keys: &[String],
        latest: bool,
    ) -> Result<Vec<Option<Bytes>>, SharedError> {
        let view = self.inner.views.current();
        let opening = view.usable().filter(|opening| &*opening.namespace == namespace);
        self.read_from(opening.ok_or_else(closed)?, keys, latest).await
    }

    /// While the database does not say whether the opening still counts.
    async fn recall(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>, SharedError> {
        let view = self.inner.views.current();
        let Some(opening) = &view.open else { return Ok(vec![None; keys.len()]) };
        self.read_from(opening, keys, true).await
    }

    async fn put(&self, namespace: &str, puts: &[Put]) -> Result<Vec<Was>, SharedError> {
        let mut all = Vec::with_capacity(puts.len());
        for puts in puts.chunks(TOGETHER) {
            let answers: Vec<Value> = self
                .call(namespace, &PUT, |call| {
                    for put in puts {
                        call.key(key(namespace, &put.key));
                        match &put.expect {
                            Expect::Absent => call.arg("-"),
                            Expect::Anything => call.arg("*"),
                            Expect::Head(head) => call.arg(head.as_bytes()),
                        };
                        call.arg(put.value.as_ref()).arg(millis(put.ttl));
                    }
                })
                .await?;
            let mut answers = answers.into_iter();
            while let (Some(put), Some(before)) = (answers.next(), answers.next()) {
                let before = match before {
                    Value::BulkString(bytes) => Some(Bytes::from(bytes)),
                    _ => None,
                };
                all.push(Was { put: put == Value::Int(1), before });
            }
        }
        Ok(all)
    }

    async fn release(
        &self,
        namespace: &str,
        keys: &[String],
        mark: Head,
        leave: Option<(Head, Duration)>,
    ) -> Result<(), SharedError> {
        for keys in keys.chunks(TOGETHER) {
            self.call::<()>(namespace, &RELEASE, |call| {
                for name in keys {
                    call.key(key(namespace, name));
                }
                let left: &[u8] = leave.as_ref().map_or(&[], |(head, _)| head.as_bytes());
                call.arg(mark.as_bytes()).arg(left).arg(leave.map_or(0, |(_, ttl)| millis(ttl)));
            })
            .await?;
        }
        Ok(())
    }

    /// Its servers are those of the carts, which do.
    fn tells(&self) -> bool {
        true
    }

    fn quiet_in(&self) -> Duration {
        let view = self.inner.views.current();
        match &view.open {
            // Seen closed: until everybody has.
            None if view.epoch >= 0 => self.inner.views.closed_wait(view.epoch),
            // The database was not reached; whoever reaches it may go on for as long as he may believe it.
            _ => LEASE + MARGIN,
        }
    }
}
