//! A private Redis Cluster, held by a pipe as a [single Redis](super::redis) is.

use std::process::Command;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::shell::Shell;

/// Starts three masters, each with a replica, on ports that nobody else has, says where, and waits until the pipe closes.
const CLUSTER: &str = r#"
directory=$(mktemp -d "${TMPDIR:-/tmp}/colloquy-redis.XXXXXX")
pids=() addresses=()
while [ ${#pids[@]} -lt 6 ]; do
    port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
    mkdir -p "$directory/$port"
    redis-server --port $port --save "" --appendonly no --dir "$directory/$port" --cluster-enabled yes \
        --cluster-node-timeout 1000 --repl-diskless-sync-delay 0 >"$directory/$port/log" &
    until redis-cli -p $port ping >/dev/null 2>&1; do
        kill -0 $! 2>/dev/null || continue 2
        sleep 0.02
    done
    pids+=($!) addresses+=(127.0.0.1:$port)
done
redis-cli --cluster create "${addresses[@]}" --cluster-replicas 1 --cluster-yes >"$directory/log" 2>&1 || cat "$directory/log" >&2
for address in "${addresses[@]}"; do
    until redis-cli -p ${address#*:} cluster info | grep -q cluster_state:ok; do sleep 0.05; done
done
url=$(printf ',redis://%s' "${addresses[@]}")
echo "${url#,} ${pids[*]}"
cat >/dev/null
kill -9 "${pids[@]}" 2>/dev/null
rm -rf "$directory"
"#;

/// Moves the slot of a key ($1) from the master that has it to another, with what is in it; the rest are all ports.
const MOVE_SLOT: &str = r#"
set -e
slot=$(redis-cli -p $2 cluster keyslot "$1")
shift
masters=() ids=()
for port; do
    node=$(redis-cli -p $port cluster nodes | grep myself)
    case $node in *master*) ;; *) continue ;; esac
    id=${node%% *}
    if redis-cli -p $port cluster getkeysinslot $slot 1 >/dev/null && is_mine=
        for range in $(echo "$node" | cut -d' ' -f9-); do
            [ $slot -ge ${range%-*} ] && [ $slot -le ${range#*-} ] && is_mine=yes
        done; [ -n "$is_mine" ]
    then from=$port from_id=$id; else to=$port to_id=$id; fi
    masters+=($port)
done
redis-cli -p $to cluster setslot $slot importing $from_id
redis-cli -p $from cluster setslot $slot migrating $to_id
keys=$(redis-cli -p $from cluster getkeysinslot $slot 1000)
[ -z "$keys" ] || redis-cli -p $from migrate 127.0.0.1 $to "" 0 5000 keys $keys
for port in $to $from "${masters[@]}"; do redis-cli -p $port cluster setslot $slot node $to_id; done
"#;

/// A running cluster, which goes away with this.
pub struct RedisCluster {
    url: String,
    pids: Vec<Pid>,
    _shell: Shell,
}

impl RedisCluster {
    /// Starts one.
    pub fn start() -> Self {
        let mut shell = Shell::run(CLUSTER);
        let says = shell.answer();
        let mut words = says.split_whitespace();
        let url = words.next().expect("the cluster starts; see above").to_owned();
        let pids = words.map(|pid| Pid::from_raw(pid.parse().expect("it is a number"))).collect();
        Self { url, pids, _shell: shell }
    }

    /// How to connect to it: by any of its servers.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends one of its servers as a crash would; the first three were made masters.
    pub fn kill(&self, place: usize) {
        kill(self.pids[place], Signal::SIGKILL).expect("it is there");
    }

    /// Moves the slot of a key to another server.
    pub fn move_slot_of(&self, key: &str) {
        let ports = self.url.split(',').filter_map(|url| url.rsplit_once(':')).map(|(_, port)| port);
        let mut moving = Command::new("bash");
        let moved = moving.args(["-c", MOVE_SLOT, "move", key]).args(ports).output().expect("bash is installed");
        assert!(moved.status.success(), "{}", String::from_utf8_lossy(&moved.stderr));
    }
}
