//! `hydrant key import`: private keys from a file, as another server or `openssl` wrote them.

use std::fs::File;
use std::io::{self, Read};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::admin;
use crate::app::App;
use crate::cli::Misuse;
use crate::jose::{Algorithm, GivenJwk, GivenKey, strict_json};
use crate::keys::{self, Listed};

/// In bytes.
const LONGEST: u64 = 1024 * 1024;

#[derive(Debug, Args)]
pub struct Import {
    /// Whose keys they become.
    #[arg(long, value_name = "SET")]
    set: String,
    /// The file, or `-` for standard input: a JWK, a JWK set, or PEM (PKCS#8, PKCS#1, SEC 1).
    #[arg(value_name = "FILE")]
    file: String,
    /// What a key in PEM is for, where that is not RS256 or the algorithm of its curve.
    #[arg(long, value_name = "ALG")]
    alg: Option<Algorithm>,
    /// What the key is called from now on; its own `kid`, or its thumbprint, unless given.
    #[arg(long, value_name = "KID")]
    kid: Option<String>,
    /// Puts the keys in the place of all that the set has, at once: those that are not in the file are revoked.
    #[arg(long)]
    replace: bool,
}

/// Reads the file before anything is opened.
pub fn read(args: &Import) -> Result<Vec<GivenKey>> {
    let text = text(&args.file)?;
    let mut keys = match text.trim_ascii_start().first() {
        Some(b'{') if args.alg.is_some() => {
            return Err(Misuse("--alg: a JSON Web Key says itself what it is for".to_owned()).into());
        }
        Some(b'{') => of_json(&text)?,
        _ => of_pem(&text, args.alg)?,
    };
    if let Some(kid) = &args.kid {
        let [key] = keys.as_mut_slice() else {
            return Err(Misuse(format!("--kid: the file has {} keys, not one", keys.len())).into());
        };
        key.set_kid(kid);
    }
    Ok(keys)
}

/// The keys as they are listed from now on.
pub async fn import(app: &App, args: &Import, given: &[GivenKey]) -> Result<Vec<Listed>> {
    if args.replace {
        admin::keys::replace(app, &args.set, given).await?;
    } else {
        admin::keys::import(app, &args.set, given).await?;
    }
    let listed = app.keys.list(&app.store, app.clock.now()).await?;
    Ok(listed.into_iter().filter(|key| given.iter().any(|given| given.kid() == key.kid)).collect())
}

fn text(file: &str) -> Result<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::new(Vec::new());
    let read = match file {
        "-" => io::stdin().take(LONGEST + 1).read_to_end(&mut text),
        file => File::open(file).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut text)),
    };
    let length = read.with_context(|| format!("{file} can not be read"))?;
    if length as u64 > LONGEST {
        bail!("{file} is longer than 1 MiB");
    }
    Ok(text)
}

fn of_json(text: &[u8]) -> Result<Vec<GivenKey>> {
    let value = strict_json(text).context("the file begins like JSON and is none, or has a member twice")?;
    let given = match value.get("keys") {
        Some(Value::Array(_)) => value["keys"].clone(),
        _ => Value::Array(vec![value]),
    };
    let given: Vec<GivenJwk> = serde_json::from_value(given).context("the file holds something else than keys")?;
    if given.is_empty() {
        bail!("the set in the file has no keys");
    }
    let read = |(at, jwk)| GivenKey::read(jwk).map_err(|why| keys::Error::RefusedAt { number: at + 1, why });
    Ok(given.iter().enumerate().map(read).collect::<Result<_, _>>()?)
}

fn of_pem(text: &[u8], alg: Option<Algorithm>) -> Result<Vec<GivenKey>> {
    let mut keys = Vec::new();
    for found in PrivateKeyDer::pem_slice_iter(text) {
        let number = keys.len() + 1;
        let der = found.with_context(|| format!("key {number} of the file is not PEM"))?;
        let key = GivenKey::of_der(der.secret_der(), alg).map_err(|why| keys::Error::RefusedAt { number, why })?;
        keys.push(key);
    }
    if keys.is_empty() {
        bail!(
            "the file holds no private key in JSON or PEM (an encrypted one has to be decrypted first: `openssl pkey`)"
        );
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jose::SigningKey;

    fn pem(label: &str, der: &[u8]) -> String {
        use base64::Engine as _;
        let body = base64::engine::general_purpose::STANDARD.encode(der);
        let lines: Vec<_> = body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
    }

    fn given(text: &str, changes: impl FnOnce(&mut Import)) -> Result<Vec<GivenKey>> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, text).unwrap();
        let file = file.display().to_string();
        let mut args = Import { set: "mine".to_owned(), file, alg: None, kid: None, replace: false };
        changes(&mut args);
        read(&args)
    }

    #[test]
    fn pem_is_read_in_each_form_and_several_at_once() {
        let (rsa, rsa_pkcs8) = SigningKey::generate(Algorithm::Rs256).unwrap();
        let (ec, ec_pkcs8) = SigningKey::generate(Algorithm::Es256).unwrap();
        let both = format!("a comment\n{}{}", pem("PRIVATE KEY", &rsa_pkcs8), pem("PRIVATE KEY", &ec_pkcs8));
        let keys = given(&both, |_| {}).unwrap();
        let kids: Vec<_> = keys.iter().map(GivenKey::kid).collect();
        assert_eq!(kids, [rsa.kid(), ec.kid()]);
        let one = pem("PRIVATE KEY", &rsa_pkcs8);
        let ps512 = given(&one, |args| args.alg = Some(Algorithm::Ps512)).unwrap();
        assert_eq!(ps512[0].alg(), Algorithm::Ps512);
        let named = given(&one, |args| args.kid = Some("mine".to_owned())).unwrap();
        assert_eq!(named[0].public_jwk().kid.as_deref(), Some("mine"));
        assert!(given(&both, |args| args.kid = Some("mine".to_owned())).unwrap_err().is::<Misuse>());
        assert!(given(&one, |args| args.alg = Some(Algorithm::Es256)).is_err());
        for text in [pem("ENCRYPTED PRIVATE KEY", &rsa_pkcs8), pem("CERTIFICATE", &rsa_pkcs8), String::new()] {
            let refused = given(&text, |_| {}).unwrap_err().to_string();
            assert!(refused.contains("no private key"), "{refused}");
        }
        let broken = given(&pem("PRIVATE KEY", &rsa_pkcs8[1..]), |_| {}).unwrap_err().to_string();
        assert!(broken.starts_with("key 1 "), "{broken}");
    }

    #[test]
    fn json_is_one_key_or_a_set() {
        let ed25519 = |more: &str| {
            format!(
                r#"{{"kty": "OKP", "crv": "Ed25519", "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
                     "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"{more}}}"#
            )
        };
        let one = given(&ed25519(""), |_| {}).unwrap();
        assert_eq!((one.len(), one[0].alg(), one[0].pkcs8().is_some()), (1, Algorithm::EdDsa, true));
        let set = format!(r#"{{"keys": [{}, {}]}}"#, ed25519(r#", "kid": "a""#), ed25519(r#", "kid": "b""#));
        assert_eq!(given(&set, |_| {}).unwrap()[1].kid(), "b");
        assert!(given(&ed25519(""), |args| args.alg = Some(Algorithm::EdDsa)).unwrap_err().is::<Misuse>());
        for text in ["{", r#"{"keys": []}"#, &json!({ "keys": [1] }).to_string(), &ed25519(r#", "d": "AA""#)] {
            assert!(given(text, |_| {}).is_err(), "{text}");
        }
        let refused = given(&ed25519(r#", "use": "enc""#), |_| {}).unwrap_err().to_string();
        assert!(refused.contains("use"), "{refused}");
    }
}
