//! Every setting, with its flag, its variable and its default.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{
    ArgAction, Args, FromArgMatches,
    builder::{BoolishValueParser, RangedU64ValueParser, Resettable},
    value_parser,
};
use ipnet::IpNet;

use super::{parse, secret::Secret};
use crate::domain::limits::{self, Limit};

/// Connections that each thread has at least.
const FEWEST_CONNECTIONS: u32 = 4;

/// How a server is set up.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Settings")]
pub struct Settings {
    /// The PostgreSQL database to use, version 15 or later; without it the server runs its own in the data directory.
    #[arg(long, env = "DATABASE_URL", value_name = "URL", global = true, hide_env_values = true)]
    pub database_url: Option<Secret>,

    /// The Redis through which several nodes work as one, or some nodes of a Redis Cluster with commas between them; without it
    /// this node is alone.
    #[arg(long, env = "REDIS_URL", value_name = "URL", global = true, hide_env_values = true)]
    pub redis_url: Option<Secret>,

    /// Where to listen for HTTP and WebSockets.
    #[arg(long, env = "COLLOQUY_LISTEN", value_name = "ADDRESS", global = true, default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// How clients reach the server, for the URLs that it makes; without it they are relative.
    #[arg(long, env = "COLLOQUY_PUBLIC_URL", value_name = "URL", global = true, value_parser = parse::web_address)]
    pub public_url: Option<String>,

    /// Where the server keeps its files, its own PostgreSQL's among them.
    #[arg(long, env = "COLLOQUY_DATA_DIR", value_name = "DIRECTORY", global = true,
          value_parser = parse::absolute_path, default_value_os_t = parse::default_data_directory())]
    pub data_dir: PathBuf,

    /// What is logged: a level, or a list such as info,colloquy=debug.
    #[arg(long, env = "COLLOQUY_LOG", value_name = "FILTER", global = true, default_value = "info,sqlx=warn")]
    pub log: String,

    /// The secret (HS256) that signs access tokens; without it one is made at first start and kept in the database.
    #[arg(long, env = "COLLOQUY_JWT_SECRET", value_name = "SECRET", global = true, hide_env_values = true)]
    pub jwt_secret: Option<Secret>,

    /// Where the host application publishes the keys of its own tokens.
    #[arg(long, env = "COLLOQUY_JWKS_URL", value_name = "URL", global = true, value_parser = parse::web_address)]
    pub jwks_url: Option<String>,

    /// The audience that the host application's tokens must name; without it any is accepted.
    #[arg(long, env = "COLLOQUY_TOKEN_AUDIENCE", value_name = "NAME", global = true)]
    pub token_audience: Option<String>,

    /// For how long an access token is good.
    #[arg(long, env = "COLLOQUY_ACCESS_TOKEN_SECONDS", value_name = "SECONDS", global = true,
          default_value_t = 900, value_parser = value_parser!(u64).range(1..))]
    pub access_token_seconds: u64,

    /// Web sites that may use the server, comma-separated; by default the server's own and localhost.
    #[arg(long, env = "COLLOQUY_ALLOWED_ORIGINS", value_name = "ORIGINS", global = true,
          value_delimiter = ',', value_parser = parse::origin)]
    pub allowed_origins: Vec<String>,

    /// Proxies whose word on the client's address is taken, comma-separated; by default none.
    #[arg(long, env = "COLLOQUY_TRUSTED_PROXIES", value_name = "NETWORKS", global = true,
          value_delimiter = ',', value_parser = parse::network)]
    pub trusted_proxies: Vec<IpNet>,

    /// The bearer token for /metrics; without it only loopback may read them.
    #[arg(long, env = "COLLOQUY_METRICS_TOKEN", value_name = "TOKEN", global = true, hide_env_values = true)]
    pub metrics_token: Option<Secret>,

    /// The communication rules, as TOML; without it everybody may talk to everybody. Read again on SIGHUP.
    #[arg(long, env = "COLLOQUY_POLICY_FILE", value_name = "FILE", global = true, value_parser = parse::absolute_path)]
    pub policy_file: Option<PathBuf>,

    /// The URL of the store for files (file, s3, gs or az; its query may say more, such as an endpoint); by default they are
    /// in the data directory.
    #[arg(long, env = "COLLOQUY_STORAGE_URL", value_name = "URL", global = true, hide_env_values = true)]
    pub storage_url: Option<Secret>,

    /// How many bytes a file may have.
    #[arg(long, env = "COLLOQUY_ATTACHMENT_BYTES", value_name = "BYTES", global = true,
          default_value_t = 10 * 1024 * 1024, value_parser = value_parser!(u64).range(1..=limits::FILE_BYTES))]
    pub attachment_bytes: u64,

    /// How many bytes of files each person may have on the server.
    #[arg(long, env = "COLLOQUY_STORAGE_QUOTA_BYTES", value_name = "BYTES", global = true,
          default_value_t = 5 * 1024 * 1024 * 1024, value_parser = value_parser!(i64).range(1..))]
    pub storage_quota_bytes: i64,

    /// Whether the server looks at the pages that messages link to, and shows what they are about.
    #[arg(long, env = "COLLOQUY_LINK_PREVIEWS", value_name = "BOOL", global = true,
          default_value_t = false, action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    pub link_previews: bool,

    /// Networks of one's own whose pages may be looked at too, at any port, comma-separated; by default only what is public is,
    /// at the usual ports.
    #[arg(long, env = "COLLOQUY_LINK_PREVIEW_NETWORKS", value_name = "NETWORKS", global = true,
          value_delimiter = ',', value_parser = parse::network)]
    pub link_preview_networks: Vec<IpNet>,

    /// How many messages a person may send in a minute; 0 for any number.
    #[arg(long, env = "COLLOQUY_MESSAGES_PER_MINUTE", value_name = "NUMBER", global = true, default_value_t = 30)]
    pub messages_per_minute: u32,

    /// How many messages a person may edit in a minute; 0 for any number.
    #[arg(long, env = "COLLOQUY_EDITS_PER_MINUTE", value_name = "NUMBER", global = true, default_value_t = 600)]
    pub edits_per_minute: u32,

    /// How many reactions a person may give in a minute; 0 for any number.
    #[arg(long, env = "COLLOQUY_REACTIONS_PER_MINUTE", value_name = "NUMBER", global = true, default_value_t = 1200)]
    pub reactions_per_minute: u32,

    /// How many changes of settings (one's own too), members, pins and blocks a person may make in a minute; 0 for any number.
    #[arg(long, env = "COLLOQUY_CHANGES_PER_MINUTE", value_name = "NUMBER", global = true, default_value_t = 1200)]
    pub changes_per_minute: u32,

    /// How many conversations a person may make in an hour; 0 for any number.
    #[arg(long, env = "COLLOQUY_CONVERSATIONS_PER_HOUR", value_name = "NUMBER", global = true, default_value_t = 10)]
    pub conversations_per_hour: u32,

    /// How many searches a person may make in a minute; 0 for any number.
    #[arg(long, env = "COLLOQUY_SEARCHES_PER_MINUTE", value_name = "NUMBER", global = true, default_value_t = 1200)]
    pub searches_per_minute: u32,

    /// How many attachments a person may upload in an hour; 0 for any number.
    #[arg(long, env = "COLLOQUY_UPLOADS_PER_HOUR", value_name = "NUMBER", global = true, default_value_t = 1000)]
    pub uploads_per_hour: u32,

    /// How many attempts to sign in a minute each account and each address has; 0 for any number.
    #[arg(long, env = "COLLOQUY_LOGINS_PER_MINUTE", value_name = "NUMBER", global = true, default_value_t = 10)]
    pub logins_per_minute: u32,

    /// How many accounts may be made from each address in a minute; 0 for any number.
    #[arg(
        long,
        env = "COLLOQUY_REGISTRATIONS_PER_MINUTE",
        value_name = "NUMBER",
        global = true,
        default_value_t = 3000
    )]
    pub registrations_per_minute: u32,

    /// How often sockets are pinged; a peer that is silent for two is let go.
    #[arg(long, env = "COLLOQUY_HEARTBEAT_SECONDS", value_name = "SECONDS", global = true,
          default_value_t = 25, value_parser = value_parser!(u64).range(1..))]
    pub heartbeat_seconds: u64,

    /// How much may wait for a slow socket before it is closed; more than any one event takes.
    #[arg(long, env = "COLLOQUY_MAILBOX_BYTES", value_name = "BYTES", global = true,
          default_value_t = 1024 * 1024, value_parser = RangedU64ValueParser::<usize>::new().range(524_288..))]
    pub mailbox_bytes: usize,

    /// How many connections to PostgreSQL the server may share out to its threads; each has at least four.
    #[arg(long, env = "COLLOQUY_DATABASE_CONNECTIONS", value_name = "NUMBER", global = true,
          default_value_t = 20, value_parser = value_parser!(u32).range(1..=1_000))]
    pub database_connections: u32,

    /// How many threads serve clients; by default one for each processor.
    #[arg(long, env = "COLLOQUY_WORKERS", value_name = "NUMBER", global = true,
          default_value_t = parse::default_workers(), value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_024))]
    pub workers: usize,

    /// How long a stopping server waits for what it has begun.
    #[arg(long, env = "COLLOQUY_SHUTDOWN_SECONDS", value_name = "SECONDS", global = true, default_value_t = 20)]
    pub shutdown_seconds: u64,

    /// The program that is started once more for what could bring down a server: this one.
    #[arg(skip = parse::this_program())]
    pub program: PathBuf,
}

impl Settings {
    /// The settings of a server that is told nothing, whatever the environment says.
    pub fn defaults() -> Self {
        let deaf = Self::augment_args(clap::Command::new("colloquy")).mut_args(|arg| arg.env(Resettable::Reset));
        deaf.try_get_matches_from(["colloquy"])
            .and_then(|matches| Self::from_arg_matches(&matches))
            .expect("every default is a valid value")
    }

    /// A command that takes a variable that is set to nothing for one that is not set, as compose files write it.
    pub fn ignore_empty_variables(command: clap::Command) -> clap::Command {
        command.mut_args(|arg| match arg.get_env().and_then(std::env::var_os) {
            Some(value) if value.is_empty() => arg.env(Resettable::Reset),
            _ => arg,
        })
    }

    /// How many connections each thread has that serves clients, and all others together: enough that a question that takes
    /// long does not keep others waiting.
    fn connections_of_a_thread(&self) -> u32 {
        self.database_connections.div_ceil(self.workers as u32 + 1).max(FEWEST_CONNECTIONS)
    }

    /// How many of these are for short questions alone.
    pub fn reads_of_a_thread(&self) -> u32 {
        self.connections_of_a_thread() / 2
    }

    /// How many of these are for everything else.
    pub fn pool_of_a_thread(&self) -> u32 {
        self.connections_of_a_thread() - self.reads_of_a_thread()
    }

    /// How many that makes.
    pub fn connections_of_all_threads(&self) -> u32 {
        self.connections_of_a_thread() * (self.workers as u32 + 1)
    }

    /// How often something may be done by those of whom the rules say nothing else; 0 is no limit.
    pub fn quota(&self, limit: Limit) -> u32 {
        match limit {
            Limit::Messages => self.messages_per_minute,
            Limit::Edits => self.edits_per_minute,
            Limit::Reactions => self.reactions_per_minute,
            Limit::Changes => self.changes_per_minute,
            Limit::Conversations => self.conversations_per_hour,
            Limit::Searches => self.searches_per_minute,
            Limit::Uploads => self.uploads_per_hour,
            Limit::Logins => self.logins_per_minute,
            Limit::Registrations => self.registrations_per_minute,
        }
    }

    /// For how long a stopping server waits for what it has begun.
    pub fn shutdown_patience(&self) -> Duration {
        Duration::from_secs(self.shutdown_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_the_contract() {
        let settings = Settings::defaults();

        assert_eq!(settings.database_url, None);
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(settings.allowed_origins, Vec::<String>::new());
        assert_eq!(
            (settings.messages_per_minute, settings.conversations_per_hour, settings.logins_per_minute),
            (30, 10, 10)
        );
        // A whole school may register from one address.
        assert!(settings.registrations_per_minute >= 300);
    }

    #[test]
    fn secrets_never_show() {
        let secret = "postgres://colloquy:correct-horse@db/chat".parse().ok();

        let shown = format!("{:?}", Settings { database_url: secret, ..Settings::defaults() });

        assert!(!shown.contains("correct-horse"), "{shown}");
    }
}
