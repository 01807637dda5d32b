//! What a server and its PostgreSQL take of the machine, as `/proc` tells it.

use std::{collections::HashMap, fs, time::Duration};

/// The kernel counts in hundredths of a second for all programs, whatever its own clock does.
const TICKS_PER_SECOND: u64 = 100;

/// Looks at one process and what it started.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    process: Option<u32>,
}

/// What was taken so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time on a processor, of the server itself.
    pub server: Duration,
    /// The same of all that it started: its PostgreSQL.
    pub postgres: Duration,
    /// Resident memory of the server itself, in bytes.
    pub server_bytes: u64,
    /// Memory of its PostgreSQL, shared pages counted once.
    pub postgres_bytes: u64,
}

/// One process, as its `stat` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Process {
    parent: u32,
    own_ticks: u64,
    /// Of children that have ended.
    past_ticks: u64,
}

impl Watch {
    /// Looks at this process; at nothing where there is none, or no `/proc`.
    pub fn on(process: Option<u32>) -> Self {
        Self { process }
    }

    /// Whether there is a process to look at.
    pub fn is_on(&self) -> bool {
        self.process.is_some()
    }

    /// What it has taken so far; nothing where it cannot be told.
    pub fn look(&self) -> Option<Usage> {
        let server = self.process?;
        let all = processes();
        let own = all.get(&server)?;
        let started: Vec<_> = all.keys().copied().filter(|process| descends(&all, *process, server)).collect();
        let ticks: u64 = started.iter().map(|process| all[process].own_ticks + all[process].past_ticks).sum();
        Some(Usage {
            server: duration(own.own_ticks),
            postgres: duration(ticks + own.past_ticks),
            server_bytes: memory(server, "status", "VmRSS:"),
            postgres_bytes: started.iter().map(|process| memory(*process, "smaps_rollup", "Pss:")).sum(),
        })
    }
}

fn duration(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}

fn processes() -> HashMap<u32, Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers
        .filter_map(|number| Some((number, parse(&fs::read_to_string(format!("/proc/{number}/stat")).ok()?)?)))
        .collect()
}

/// Reads `4260 (postgres: checkpointer) S 4250 …`; the name may hold anything, parentheses too.
fn parse(stat: &str) -> Option<Process> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<u64> = rest.split_whitespace().skip(1).map(|field| field.parse().unwrap_or(0)).collect();
    let ticks = |at: usize| Some(fields.get(at)? + fields.get(at + 1)?);
    Some(Process { parent: *fields.first()? as u32, own_ticks: ticks(10)?, past_ticks: ticks(12)? })
}

fn descends(all: &HashMap<u32, Process>, process: u32, ancestor: u32) -> bool {
    let mut parents = std::iter::successors(all.get(&process), |process| all.get(&process.parent));
    parents.any(|process| process.parent == ancestor)
}

fn memory(process: u32, file: &str, field: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default();
    let kibibytes = text.lines().find_map(|line| line.strip_prefix(field)?.trim().strip_suffix(" kB")?.parse().ok());
    kibibytes.map_or(0, |kibibytes: u64| kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name_is() {
        let stat = "7 (postgres: a) b) S 3 7 7 0 -1 4194304 164 0 0 0 20 5 30 1 20 0 1 0 100 200 300";

        assert_eq!(parse(stat), Some(Process { parent: 3, own_ticks: 25, past_ticks: 31 }));
        assert_eq!(parse("7 (gone"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_takes_memory() {
        let usage = Watch::on(Some(std::process::id())).look().expect("there is /proc");

        assert!(usage.server_bytes > 1024, "{usage:?}");
        assert_eq!(Watch::on(None).look(), None);
    }
}
