//! Running the replay under valgrind, and reading what it has counted.
//!
//! callgrind writes a profile when the program enters `replay::counted` and another when it leaves it; what is in the
//! second one has happened between the two, on every thread: SQLite's and the log's as well. `--toggle-collect`, which
//! looks as if it did the same, follows only the thread that called.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use crate::baseline::Counts;
use crate::plan::{COUNTED, Plan};
use crate::profile;

const COUNTED_FUNCTION: &str = "instructions::replay::counted";

/// Instructions a request of every handler in the plan.
pub fn count(folder: &Path, keep: Option<&Path>) -> Result<Counts> {
    run(folder)?;
    let handlers: Vec<_> = Plan::read(folder)?.0.into_iter().map(|work| work.handler).collect();
    let profiles = profiles(folder)?;
    ensure!(
        profiles.len() == handlers.len(),
        "valgrind has left {COUNTED_FUNCTION} {} times for {} handlers: is it still called so, and a function of its own?",
        profiles.len(),
        handlers.len(),
    );
    if let Some(keep) = keep {
        fs::create_dir_all(keep).with_context(|| keep.display().to_string())?;
    }
    let requests = u64::try_from(COUNTED)?;
    let mut counts = Counts::new();
    for (handler, (path, total)) in handlers.into_iter().zip(profiles) {
        if let Some(keep) = keep {
            let functions = profile::by_function(&fs::read_to_string(path)?, requests);
            fs::write(keep.join(format!("{handler}.txt")), functions).context("keeping a profile")?;
        }
        let each = total / requests;
        counts.push((handler, u32::try_from(each).context("more instructions than a request can take")?));
    }
    Ok(counts)
}

fn run(folder: &Path) -> Result<()> {
    let (said, logged) = (folder.join("valgrind.log"), folder.join("replay.log"));
    let status = Command::new("valgrind")
        // Nothing of the caller's environment is counted or obeyed.
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .args(["--tool=callgrind", "--fair-sched=yes"])
        .arg(format!("--dump-before={COUNTED_FUNCTION}"))
        .arg(format!("--dump-after={COUNTED_FUNCTION}"))
        .arg(format!("--callgrind-out-file={}", folder.join("profile").display()))
        .arg(format!("--log-file={}", said.display()))
        .arg(std::env::current_exe()?)
        .arg("replay")
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(&logged)?)
        .status()
        .context("valgrind")?;
    if !status.success() {
        bail!("the replay under valgrind ended with {status}\n{}\n{}", end_of(&said), end_of(&logged));
    }
    Ok(())
}

/// Without the lines of the server's log, which are JSON.
fn end_of(file: &Path) -> String {
    let text = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('{')).collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// The profiles that were written when the function was left, in their order, and the instructions in each.
fn profiles(folder: &Path) -> Result<Vec<(PathBuf, u64)>> {
    let mut found = Vec::new();
    for number in 1.. {
        let path = folder.join(format!("profile.{number}"));
        let Ok(text) = fs::read_to_string(&path) else { break };
        let line = |start: &str| text.lines().find_map(|line| line.strip_prefix(start)).map(str::trim);
        if line("desc: Trigger: --dump-after=").is_none() {
            continue;
        }
        ensure!(line("events:") == Some("Ir"), "{} does not count instructions", path.display());
        let total = line("totals:").with_context(|| format!("no totals in {}", path.display()))?;
        found.push((path, total.parse().context("totals")?));
    }
    Ok(found)
}
