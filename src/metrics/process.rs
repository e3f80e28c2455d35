//! What the kernel knows of this process: proc(5). Nothing, where there is no such folder.

use std::fs;

/// `USER_HZ`: what the kernel counts processor time in for programs, on every architecture that we build for.
const TICKS_A_SECOND: f64 = 100.0;

#[derive(Clone, Copy, Debug, Default)]
pub struct Process {
    pub resident_bytes: Option<u64>,
    pub cpu_seconds: Option<f64>,
    pub open_files: Option<u64>,
}

impl Process {
    pub fn read() -> Self {
        Self {
            resident_bytes: fs::read_to_string("/proc/self/status").ok().and_then(|text| resident(&text)),
            cpu_seconds: fs::read_to_string("/proc/self/stat").ok().and_then(|text| cpu(&text)),
            open_files: fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as u64),
        }
    }
}

/// `VmRSS:      1234 kB`
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// The 14th and 15th field, user and system time. The second one is the program's name, which may hold anything.
fn cpu(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (u32, u32) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((f64::from(user) + f64::from(system)) / TICKS_A_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lines_are_understood() {
        assert_eq!(resident("Name:\thydrant\nVmRSS:\t   20480 kB\nThreads:\t3\n"), Some(20480 * 1024));
        assert_eq!(resident("Name:\tVmRSS\n"), None);
        let stat = "4711 (a) b (c) S 1 4711 4711 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 3 0 1 2 3";
        assert_eq!(cpu(stat), Some(3.0));
        assert_eq!(cpu("4711 (x) S 1"), None);
    }
}
