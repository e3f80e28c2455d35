//! `hydrant check`, `hydrant schema` and `hydrant version`: nothing is opened.

use anyhow::Result;
use serde_json::json;

use super::output::{Format, print, print_json};
use super::{Global, open};
use crate::{config, openapi};

/// One line where the configuration holds, and the warnings; where it does not, every problem is the error.
pub fn check(global: &Global) -> Result<()> {
    let loaded = open::load(global.config.as_deref(), global.dev)?;
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    let name = match &global.config {
        Some(file) => file.display().to_string(),
        None if global.dev => "the development configuration".to_owned(),
        None => "the environment".to_owned(),
    };
    print(&format!("ok: {name} holds; the issuer is {}\n", loaded.config.urls.issuer))
}

/// Of the configuration, or of the API.
pub fn schema(of_the_api: bool) -> Result<()> {
    match of_the_api {
        true => print_json(&openapi::document("https://login.example.com")),
        false => print_json(&config::schema()),
    }
}

pub fn version(format: Format) -> Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    match format {
        Format::Table => print(&format!("hydrant {version}\n")),
        Format::Json => print_json(&json!({ "version": version })),
    }
}
