//! What processes and the disk have done so far, from `/proc`. Nothing where that has no answer.

use std::fs;
use std::os::linux::fs::MetadataExt as _;
use std::path::Path;
use std::str::FromStr as _;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::drive::count;

/// A process's memory in MiB.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    pub resident: f64,
    /// The most that it ever was.
    pub peak: f64,
}

impl Memory {
    pub fn of(pid: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let mib = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            Some(f64::from_str(line.trim().trim_end_matches("kB").trim()).ok()? / 1024.0)
        };
        Some(Self { resident: mib("VmRSS:")?, peak: mib("VmHWM:")? })
    }
}

/// Where the database is, for what it takes.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// PostgreSQL's first process; nothing for SQLite, which is in the server's own.
    pub postmaster: Option<u32>,
    /// `253:0`, the block device that the database lies on.
    device: Option<String>,
}

impl Host {
    pub fn new(postmaster: Option<u32>, data: Option<&Path>) -> Self {
        let device = data.and_then(|path| fs::metadata(path).ok()).map(|folder| {
            // As glibc's `major` and `minor` take them apart.
            let id = folder.st_dev();
            let major = ((id >> 8) & 0xfff) | ((id >> 32) & !0xfff);
            let minor = (id & 0xff) | ((id >> 12) & !0xff);
            format!("{major}:{minor}")
        });
        Self { postmaster, device }
    }
}

/// Counted since each of them began.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    server: Option<f64>,
    database: Option<f64>,
    generator: Option<f64>,
    writes: Option<f64>,
    flushes: Option<f64>,
}

impl Usage {
    pub fn now(host: &Host, server: u32) -> Self {
        let disk = host.device.as_deref().and_then(disk);
        Self {
            server: cpu_time(server),
            database: host.postmaster.and_then(cpu_time_of_family),
            generator: cpu_time(std::process::id()),
            writes: disk.map(|disk| disk.0),
            flushes: disk.map(|disk| disk.1),
        }
    }

    /// What one of so many answers has taken since `before`.
    pub fn each(&self, before: &Self, answers: usize) -> Each {
        let share = |now: Option<f64>, before: Option<f64>| Some((now? - before?) / count(answers.max(1)));
        Each {
            server: share(self.server, before.server),
            database: share(self.database, before.database),
            generator: share(self.generator, before.generator),
            wal: None,
            resident: None,
            writes: share(self.writes, before.writes),
            flushes: share(self.flushes, before.flushes),
        }
    }
}

/// What an answer takes: microseconds of CPU time, bytes of the write-ahead log, writes and flushes of the disk.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Each {
    pub server: Option<f64>,
    pub database: Option<f64>,
    pub generator: Option<f64>,
    pub wal: Option<f64>,
    pub writes: Option<f64>,
    pub flushes: Option<f64>,
    /// Not a share: the server's memory afterwards, in MiB.
    pub resident: Option<f64>,
}

/// CPU time that the whole machine has used, and that was taken from it by others on the same hardware, in microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Activity {
    used: f64,
    stolen: f64,
    ours: f64,
    at: Instant,
}

/// What was going on besides, in cores.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Besides {
    pub others: f64,
    pub stolen: f64,
}

impl Activity {
    /// With what processes of ours have used; children that were waited for count.
    pub fn now(host: &Host, servers: &[u32]) -> Option<Self> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let fields: Vec<f64> =
            stat.lines().next()?.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
        let [user, nice, system, _, _, _, _, stolen, ..] = fields[..] else { return None };
        let [own, ended] = cpu_times(std::process::id())?;
        let servers: f64 = servers.iter().filter_map(|pid| cpu_time(*pid)).sum();
        let database = host.postmaster.and_then(cpu_time_of_family).unwrap_or(0.0);
        let ours = own + ended + servers + database;
        Some(Self { used: (user + nice + system) * 10_000.0, stolen: stolen * 10_000.0, ours, at: Instant::now() })
    }

    pub fn besides(&self, before: &Self) -> Besides {
        let micros = (self.at - before.at).as_secs_f64() * 1_000_000.0;
        let others = (self.used - before.used) - (self.ours - before.ours);
        Besides { others: (others / micros).max(0.0), stolen: (self.stolen - before.stolen) / micros }
    }
}

/// CPU time that a process has used so far, in microseconds: user and system, all threads, the ended ones too. Linux
/// counts it in hundredths of a second.
fn cpu_time(pid: u32) -> Option<f64> {
    let [own, _] = cpu_times(pid)?;
    Some(own)
}

/// The same with all of its children, those that have ended too.
fn cpu_time_of_family(pid: u32) -> Option<f64> {
    let [own, ended] = cpu_times(pid)?;
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    let living = children.split_whitespace().filter_map(|child| cpu_time(child.parse().ok()?));
    Some(own + ended + living.sum::<f64>())
}

/// A process's own, and that of its children that have ended.
fn cpu_times(pid: u32) -> Option<[f64; 2]> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it is in brackets and may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next = || f64::from_str(fields.next()?).ok();
    let (user, system, children_user, children_system) = (next()?, next()?, next()?, next()?);
    Some([(user + system) * 10_000.0, (children_user + children_system) * 10_000.0])
}

/// Writes and flushes of a device that are done.
fn disk(device: &str) -> Option<(f64, f64)> {
    let (major, minor) = device.split_once(':')?;
    let all = fs::read_to_string("/proc/diskstats").ok()?;
    let fields: Vec<_> = all.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    let line = fields.iter().find(|line| line.len() > 18 && line[0] == major && line[1] == minor)?;
    Some((line[7].parse().ok()?, line[18].parse().ok()?))
}

/// The machine's memory.
pub fn memory_mib() -> Option<f64> {
    let all = fs::read_to_string("/proc/meminfo").ok()?;
    let line = all.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(f64::from_str(line.trim().trim_end_matches("kB").trim()).ok()? / 1024.0)
}

/// A file's size in MiB.
pub fn file_size(path: &Path) -> Result<f64> {
    let bytes = fs::metadata(path).with_context(|| path.display().to_string())?.len();
    Ok(f64::from(u32::try_from(bytes / 1024).unwrap_or(u32::MAX)) / 1024.0)
}
