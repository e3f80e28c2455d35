//! `hydrant demo`: the whole login in one command.

use anyhow::{Result, bail};

use super::Demo;

#[expect(clippy::unused_async, reason = "written on another branch, which replaces this file")]
pub async fn run(_args: &Demo) -> Result<()> {
    bail!("`hydrant demo` is not in this build")
}
