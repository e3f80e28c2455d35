//! `hydrant admin-token`: tokens for `serve.admin.tokens`. Nothing is opened, and nothing kept.

use anyhow::Result;
use clap::Subcommand;
use serde_json::json;

use super::Misuse;
use super::output::{Format, card, print, print_json};
use crate::config::{AdminAccess, AdminToken};
use crate::secret::{Secret, sha256};

#[derive(Debug, clap::Args)]
pub struct Tokens {
    #[command(subcommand)]
    what: What,
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT", display_order = 902)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Makes a token for the admin API, and the lines that let it in; the token is shown this once.
    #[command(after_help = "\
Examples:
  hydrant admin-token create --name deploy
  hydrant admin-token create --name prometheus --read-only
  curl -H \"Authorization: Bearer $TOKEN\" https://admin.example.com/admin/clients")]
    Create {
        /// Whose it is, for the log.
        #[arg(long, value_name = "NAME", default_value = "admin")]
        name: String,
        /// It may read and introspect, and change nothing.
        #[arg(long)]
        read_only: bool,
    },
}

pub fn run(args: &Tokens) -> Result<()> {
    let What::Create { name, read_only } = &args.what;
    if !AdminToken::is_name(name) {
        return Err(Misuse("--name must be 1 to 64 letters, digits and any of . _ - @".to_owned()).into());
    }
    let access = if *read_only { AdminAccess::ReadOnly } else { AdminAccess::Full };
    let token = Secret::new(format!("hyt_{}", Secret::random().expose()));
    let hash = AdminToken::hash_text(&sha256(token.expose().as_bytes()));
    if args.format == Format::Json {
        return print_json(&json!({ "token": token, "name": name, "hash": hash, "access": access.as_str() }));
    }
    let card =
        card(&[("TOKEN", token.expose().to_owned()), ("NAME", name.clone()), ("ACCESS", access.as_str().to_owned())]);
    print(&format!("{card}\n{}", lines(name, &hash, access)))?;
    eprintln!(
        "The token is shown this once. Put the lines into the configuration of every process, and start them anew."
    );
    Ok(())
}

/// The item of the list, where it belongs.
fn lines(name: &str, hash: &str, access: AdminAccess) -> String {
    let access = access.as_str();
    format!(
        "serve:\n  admin:\n    tokens:\n      - name: \"{name}\"\n        hash: \"{hash}\"\n        access: {access}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_lines_are_a_configuration() {
        let hash = sha256(b"abc");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hydrant.yml");
        for (name, access) in [("0123", AdminAccess::Full), ("on", AdminAccess::ReadOnly), ("a@b", AdminAccess::Full)] {
            std::fs::write(&file, lines(name, &AdminToken::hash_text(&hash), access)).unwrap();
            let env = |name: &str| (name == "URLS_SELF_ISSUER").then(|| "http://127.0.0.1:4444".to_owned());
            let secret = |name: &str| (name == "SECRETS_SYSTEM").then(|| "q8Zt1mPw0xKc7RbV".to_owned());
            let loaded = Config::load(Some(&file), &|name| env(name).or_else(|| secret(name)), true).unwrap();
            let expected = AdminToken { name: name.to_owned(), hash, access };
            assert_eq!(loaded.config.serve.admin_tokens, [expected]);
        }
    }
}
