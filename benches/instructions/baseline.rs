//! The committed counts, and what is said of those that differ.

use std::fmt::{self, Write as _};
use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions/baseline.txt");

const TITLE: &str = "# Instructions a request, as scripts/instructions --update has counted them.";
const MADE_WITH: &str = "# made with ";

/// How far from its baseline a count may be, in percent. Counts of one build differ by up to 2 % from run to run: the seeds
/// of hash maps are random, and so is whose turn it is, the runtime's thread or SQLite's.
const MARGIN: f64 = 4.0;

/// The same where the baseline was made with other tools: a part of each count is their doing (SQLite is the C compiler's).
const MARGIN_OF_OTHER_TOOLS: f64 = 10.0;

/// A handler and its instructions a request.
pub type Counts = Vec<(String, u32)>;

/// What the counts depend on besides the source.
pub struct Tools {
    pub rustc: String,
    pub cc: String,
    pub valgrind: String,
}

pub struct Baseline {
    made_with: String,
    counts: Counts,
}

/// What became of each handler.
pub struct Verdict {
    text: String,
    failed: bool,
}

impl Tools {
    pub fn here() -> Result<Self> {
        Ok(Self { rustc: named("rustc")?, cc: named("cc")?, valgrind: named("valgrind")? })
    }
}

/// As it names itself, such as `rustc 1.95.0 (59807616e 2026-04-14)`.
fn named(tool: &str) -> Result<String> {
    let cannot = || format!("{tool} can not be run, and nothing is guarded without it: scripts/install rust valgrind");
    let output = Command::new(tool).arg("--version").output().with_context(cannot)?;
    ensure!(output.status.success(), "{}", cannot());
    Ok(String::from_utf8(output.stdout)?.lines().next().unwrap_or_default().trim().to_owned())
}

impl fmt::Display for Tools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, {}, {}", std::env::consts::ARCH, self.rustc, self.cc, self.valgrind)
    }
}

impl Baseline {
    pub fn read() -> Result<Self> {
        let text =
            fs::read_to_string(FILE).with_context(|| format!("{FILE}: scripts/instructions --update makes it"))?;
        let (mut made_with, mut counts) = (None, Counts::new());
        for line in text.lines() {
            if let Some(tools) = line.strip_prefix(MADE_WITH) {
                made_with = Some(tools.to_owned());
            } else if !line.starts_with('#') {
                let words: Vec<_> = line.split_whitespace().collect();
                let [handler, count] = words[..] else { bail!("{FILE}: not a handler and a count: {line}") };
                counts.push((handler.to_owned(), count.parse().with_context(|| format!("{FILE}: {line}"))?));
            }
        }
        let made_with = made_with.with_context(|| format!("{FILE} does not say what it was made with"))?;
        let here = std::env::consts::ARCH;
        ensure!(
            made_with.split(',').next() == Some(here),
            "{FILE} is not of this architecture, {here}: it was made with {made_with}"
        );
        Ok(Self { made_with, counts })
    }

    pub fn write(tools: &Tools, counts: &Counts) -> Result<()> {
        let mut text = format!("{TITLE}\n{MADE_WITH}{tools}\n");
        for (handler, count) in counts {
            let _ = writeln!(text, "{handler:<30} {count:>10}");
        }
        fs::write(FILE, &text).context(FILE)?;
        print!("{text}");
        Ok(())
    }

    pub fn compare(&self, tools: &Tools, counts: &Counts) -> Verdict {
        let mut verdict = Verdict { text: String::new(), failed: false };
        verdict.say(format_args!("{:<30} {:>10} {:>10} {:>8}", "instructions a request", "baseline", "now", "change"));
        let here = tools.to_string();
        let margin = if here == self.made_with { MARGIN } else { MARGIN_OF_OTHER_TOOLS };
        let mut better = false;
        for (handler, now) in counts {
            let Some((_, before)) = self.counts.iter().find(|(known, _)| known == handler) else {
                verdict.fail(format_args!("{handler:<30} {:>10} {now:>10} {:>8}  FAILED: not in the baseline", "", ""));
                continue;
            };
            let change = (f64::from(*now) / f64::from(*before) - 1.0) * 100.0;
            let line = format!("{handler:<30} {before:>10} {now:>10} {change:>+7.1}%");
            if change > margin {
                verdict.fail(format_args!("{line}  FAILED: more than {margin} % over the baseline"));
            } else if change < -margin {
                better = true;
                verdict.say(format_args!("{line}  better"));
            } else {
                verdict.say(format_args!("{line}"));
            }
        }
        for (handler, before) in &self.counts {
            if !counts.iter().any(|(known, _)| known == handler) {
                verdict.fail(format_args!("{handler:<30} {before:>10} {:>10} {:>8}  FAILED: not measured", "", ""));
            }
        }
        if better {
            verdict.say(format_args!("Better: keep it so with scripts/instructions --update."));
        }
        if verdict.failed {
            verdict.say(format_args!("What to do: scripts/instructions --help."));
        }
        if here != self.made_with {
            verdict.say(format_args!(
                "The margin is {margin} % and not {MARGIN} %: the baseline was made with {}; this is {here}.",
                self.made_with
            ));
        }
        verdict
    }
}

impl Verdict {
    pub fn holds(&self) -> bool {
        !self.failed
    }

    fn say(&mut self, line: fmt::Arguments<'_>) {
        let _ = writeln!(self.text, "{line}");
    }

    fn fail(&mut self, line: fmt::Arguments<'_>) {
        self.failed = true;
        self.say(line);
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
