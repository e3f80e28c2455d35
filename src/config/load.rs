//! Reads a configuration: file, environment over it, all rules, and either the whole of it or every problem.

use std::fs;
use std::path::Path;

use super::problem::{Place, Problem, unreadable};
use super::setting::Check;
use super::source::Source;
use super::{Argon2Params, Config, document, rules};

/// What `--dev` without a file uses.
const DEV: &str = include_str!("../../config/dev.yml");
const DEV_NAME: &str = "config/dev.yml (built in)";

/// A configuration that holds.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    /// What works but deserves a word: keys without effect, settings that open something.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads `file`, and the environment over it. `dev` is `--dev`; without a file it means `config/dev.yml`.
    ///
    /// `env` answers for one name, `std::env::var(name).ok()` in a real process. Files that the configuration names
    /// (certificates, `<NAME>_FILE`) are read here, so that a start fails before anything is bound.
    ///
    /// # Errors
    /// Every problem, in the order of the file's lines, then of the environment's names, then what nobody set.
    pub fn load(file: Option<&Path>, env: &dyn Fn(&str) -> Option<String>, dev: bool) -> Result<Loaded, Vec<Problem>> {
        match file {
            None => Self::from_text(dev.then_some((DEV_NAME, DEV)), env, dev),
            Some(path) => {
                let name = path.display().to_string();
                let text = fs::read_to_string(path).map_err(|error| {
                    let what = format!("the configuration cannot be read ({})", unreadable(&error));
                    vec![Problem::new(Place::File(name.clone()), "", what, "check the path and its permissions")]
                })?;
                Self::from_text(Some((&name, &text)), env, dev)
            }
        }
    }

    /// The same with the file's name and text.
    pub(super) fn from_text(
        file: Option<(&str, &str)>,
        env: &dyn Fn(&str) -> Option<String>,
        dev: bool,
    ) -> Result<Loaded, Vec<Problem>> {
        let mut source = Source::new();
        if let Some((name, text)) = file {
            match document::parse(name, text) {
                Ok(root) => source.file(name, root),
                Err(problem) => return Err(vec![problem]),
            }
        }
        source.environment(env);
        let (raw, problems, ignored) = source.into_raw();

        let mut check = Check { dev, problems, warnings: Vec::new() };
        check.dev = check.read(&raw.dev) || dev;
        if !ignored.is_empty() {
            let names = ignored.into_iter().collect::<Vec<_>>().join(", ");
            check.warnings.push(format!("has no effect in Hydrant yet: {names}"));
        }
        let config = rules::build(&raw, &mut check);
        if check.problems.is_empty() {
            Ok(Loaded { config, warnings: check.warnings })
        } else {
            Err(in_order(check.problems))
        }
    }

    /// The development configuration for tests that start a server: any free ports, the cheapest argon2.
    ///
    /// # Panics
    /// Where `issuer` or `dsn` is not one.
    #[doc(hidden)]
    pub fn for_tests(issuer: &str, dsn: &str) -> Self {
        let env = |name: &str| match name {
            "URLS_SELF_ISSUER" => Some(issuer.to_owned()),
            "DSN" => Some(dsn.to_owned()),
            _ => None,
        };
        let mut config = match Self::load(None, &env, true) {
            Ok(loaded) => loaded.config,
            Err(problems) => panic!("the test's issuer or dsn: {problems:?}"),
        };
        config.serve.public.port = 0;
        config.serve.admin.port = 0;
        // A test says itself what may be called.
        config.clients.allowed_networks = Vec::new();
        // The least that RFC 9106 section 3.1 allows: 8 KiB a lane.
        config.accounts.argon2 = Argon2Params { memory_kib: 8, iterations: 1, parallelism: 1 };
        config
    }
}

/// By place; and what nobody set is left out where the attempt to set it is a problem already.
fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    let tried: Vec<String> =
        problems.iter().filter(|problem| problem.place != Place::Unset).map(|problem| problem.key.clone()).collect();
    problems.retain(|problem| problem.place != Place::Unset || !tried.contains(&problem.key));
    problems.sort();
    problems.dedup();
    problems
}

#[cfg(test)]
mod tests;
