//! How the embedded PostgreSQL is set: durable first, then fitted to this machine.

use std::{fs, path::Path};

const MIB: u64 = 1024 * 1024;

/// The settings that the server is started with; they stand above those in its files.
pub fn settings(sockets: &Path, connections: u32) -> Vec<String> {
    let memory = memory_bytes().unwrap_or(1024 * MIB);
    let shared_buffers = (memory / 8 / MIB).clamp(128, 2_048);
    let cache = (memory / 2 / MIB).max(256);
    // Quoted, because it is a list, and names may have commas.
    let sockets = sockets.display().to_string().replace('"', "\"\"");
    let mut settings: Vec<String> = [
        // An acknowledged message survives whatever happens to the machine.
        "fsync=on",
        "synchronous_commit=on",
        "full_page_writes=on",
        "listen_addresses=",
        "unix_socket_permissions=0700",
        "cluster_name=colloquy",
        "random_page_cost=1.1",
        "wal_compression=on",
        "max_wal_size=2GB",
        "checkpoint_timeout=15min",
        "timezone=UTC",
        "log_timezone=UTC",
        // Our log reads its lines, and must not see what people wrote.
        "logging_collector=off",
        "log_destination=stderr",
        "log_line_prefix=",
        "log_min_messages=log",
        "log_min_error_statement=panic",
        "log_error_verbosity=terse",
        "log_checkpoints=off",
        "lc_messages=C",
    ]
    .map(str::to_owned)
    .into();
    settings.extend([
        format!("unix_socket_directories=\"{sockets}\""),
        format!("max_connections={}", connections + 50),
        format!("shared_buffers={shared_buffers}MB"),
        format!("effective_cache_size={cache}MB"),
    ]);
    settings
}

/// What this machine, or the container that we are in, may use.
fn memory_bytes() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_memory(&text))?;
    let container = fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    Some(container.map_or(machine, |limit: u64| limit.min(machine)))
}

fn total_memory(meminfo: &str) -> Option<u64> {
    let kibibytes: u64 =
        meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_machine_is_read_from_the_kernel() {
        assert_eq!(total_memory("MemTotal:       24682880 kB\nMemFree: 1 kB\n"), Some(24_682_880 * 1024));
        assert_eq!(total_memory("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn sockets_may_be_in_a_directory_of_any_name() {
        let settings = settings(Path::new("/Users/ada/Application Support/a,\"b\""), 20);

        assert!(settings.contains(&r#"unix_socket_directories="/Users/ada/Application Support/a,""b""""#.to_owned()));
    }
}
