//! `secrets.*`: long enough, not one that is printed in somebody's documentation.

use std::collections::BTreeSet;

use crate::config::Secrets;
use crate::config::raw;
use crate::config::setting::Check;

/// Parts of the secrets of examples (Hydra's, and `config/dev.yml`), in lower case.
const SAMPLES: &[&str] = &[
    "hydrant-development",
    "youreallyneedtochangethis",
    "this-is-the-primary-secret",
    "this-is-an-old-secret",
    "this-is-a-secret",
    "change-me",
    "change_me",
    "changeme",
    "replace-me",
    "replace_me",
    "replaceme",
];

pub fn build(raw: &raw::Secrets, check: &mut Check) -> Secrets {
    const FIX: &str = "make one with `openssl rand -base64 32` and give it as SECRETS_SYSTEM or SECRETS_SYSTEM_FILE";
    let system = check.read(&raw.system);
    check.rule(!system.is_empty(), &raw.system, "is required: at least one secret", FIX);
    let long = system.iter().all(|secret| secret.expose().chars().count() >= 16);
    check.rule(long, &raw.system, "must be 16 characters or more each", FIX);
    let sample = system.iter().any(|secret| {
        let lower = secret.expose().to_lowercase();
        SAMPLES.iter().any(|sample| lower.contains(sample))
    });
    check.rule(check.dev || !sample, &raw.system, "holds a sample secret that everybody knows", FIX);
    let varied = system.iter().all(|secret| secret.expose().chars().collect::<BTreeSet<_>>().len() >= 5);
    check.rule(check.dev || varied || !long, &raw.system, "holds a secret that repeats a few characters", FIX);
    Secrets { system }
}
