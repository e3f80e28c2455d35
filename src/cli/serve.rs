//! `hydrant serve`: the server on both ports.

use anyhow::{Result, bail};

use super::Serve;

#[expect(clippy::unused_async, reason = "written on another branch, which replaces this file")]
pub async fn run(_args: &Serve) -> Result<()> {
    bail!("`hydrant serve` is not in this build")
}
