//! Lua scripts, which Redis keeps by their hash.

use std::sync::LazyLock;

use redis::{Cmd, ErrorKind, RedisResult, Script, ServerErrorKind, ToRedisArgs, Value};

use super::link::Link;

/// A script and its name in metrics.
pub(crate) struct Named {
    name: &'static str,
    text: &'static str,
    hash: String,
}

type Lazy = LazyLock<Named>;

macro_rules! scripts {
    ($($name:ident: $label:literal, $($part:expr),+;)+) => {
        $(pub(crate) static $name: Lazy = LazyLock::new(|| Named::new($label, concat!($($part),+)));)+
    };
}

scripts! {
    LOOKUP: "lookup", include_str!("common.lua"), include_str!("lookup.lua");
    PUT: "put", include_str!("common.lua"), include_str!("put.lua");
    RELEASE: "release", include_str!("common.lua"), include_str!("release.lua");
    DELETE: "delete", include_str!("delete.lua");
    CURSOR: "cursor", "return redis.call('HGET', KEYS[1], 'cursor') or ''";
    BEGIN: "begin", include_str!("common.lua"), include_str!("begin.lua");
    APPLY: "apply", include_str!("common.lua"), include_str!("apply.lua");
}

impl Named {
    fn new(name: &'static str, text: &'static str) -> Self {
        let hash = Script::new(text).get_hash().to_owned();
        Self { name, text, hash }
    }
}

/// A call of a script.
pub(crate) struct Call {
    script: &'static Named,
    key: String,
    args: Vec<Vec<u8>>,
}

impl Call {
    pub(crate) fn new(script: &'static Lazy, key: &str) -> Self {
        Self {
            script,
            key: key.to_owned(),
            args: Vec::new(),
        }
    }

    pub(crate) fn arg(mut self, value: impl ToRedisArgs) -> Self {
        value.write_redis_args(&mut self.args);
        self
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.script.name
    }

    /// Sends the script's hash, or the script to a server that does not know it.
    pub(crate) async fn send(self, mut link: Link) -> RedisResult<Value> {
        let by_hash = self.command("EVALSHA", &self.script.hash);
        match by_hash.query_async(&mut link).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                let whole = self.command("EVAL", self.script.text);
                whole.query_async(&mut link).await
            }
            answer => answer,
        }
    }

    fn command(&self, verb: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(verb);
        command.arg(script).arg(1).arg(&self.key);
        for arg in &self.args {
            command.arg(&arg[..]);
        }
        command
    }
}
