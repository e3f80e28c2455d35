//! `hydrant key`: the keys that the server makes and rotates by itself, here by hand; and those that it is given.

mod import;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};

use super::output::{Format, print, print_json, table};
use super::{Global, open};
use crate::app::App;
use crate::keys::{ID_TOKEN_SET, Listed, Purpose, REQUEST_OBJECT_SET, Revoked, Rotated, SEAL_SET, SETS};

#[derive(Debug, Args)]
pub struct Keys {
    #[command(subcommand)]
    what: What,
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT", display_order = 902)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Lists all keys, newest first in their set; nothing of a private key.
    #[command(after_help = "\
States:
  published   everybody may have it; it takes over at ACTIVE FROM
  active      it signs, or seals
  verifying   it signs no more; what it has signed verifies until RETIRES
  opening     the same for a key that sealed
  decrypting  not published any more; it decrypts until RETIRES
  kept        one of a set of your own; the server does nothing with it
  retired     nothing that it has signed or sealed is alive; it leaves the list after 30 days
  revoked     whatever it has signed or sealed is refused")]
    List,
    /// Adds a successor before its time. It is published at once, and in use when every cache has had the time to see it
    /// (`keys.rotation.publish_ahead`); what the key before it has signed or sealed stays good.
    ///
    /// The server does this by itself every `keys.rotation.interval`. A successor that waits for its time already is left
    /// alone. For a key that somebody else may have, use `hydrant key revoke`.
    #[command(after_help = "\
Sets:
  hydra.openid.id-token      signs ID tokens and logout tokens
  hydra.jwt.access-token     signs access tokens that are JWTs
  hydrant.request-object     decrypts request objects
  hydrant.seal               seals opaque tokens, codes, challenges and cookies

Examples:
  hydrant key rotate                              what signs ID tokens, for each algorithm in use
  hydrant key rotate --alg ES256                  only the key for ES256
  hydrant key rotate --set hydrant.seal           what seals tokens, codes and challenges")]
    Rotate {
        /// Whose keys.
        #[arg(long, value_name = "SET", default_value = ID_TOKEN_SET, value_parser = SETS)]
        set: String,
        /// Only the key for this algorithm; every algorithm of the set unless given.
        #[arg(long, value_name = "ALG")]
        alg: Option<String>,
    },
    /// Takes in private keys that another server signed with, so that what they signed stays good here; or keys of a set of
    /// your own.
    ///
    /// In a set that the server signs with they follow the rules of a rotation: they are published at once, and the first
    /// for each algorithm signs when every cache has had the time to see it; at once where the set has no key for that
    /// algorithm yet. With --replace they take the place of the set's keys now.
    #[command(after_help = "\
Sets:
  hydra.openid.id-token      signs ID tokens and logout tokens
  hydra.jwt.access-token     signs access tokens that are JWTs
  any other name             your own; published if `webfinger.jwks.broadcast_keys` names it

Examples:
  curl http://hydra:4445/admin/keys/hydra.openid.id-token > keys.json
  hydrant key import --set hydra.openid.id-token --replace keys.json
  hydrant key import --set hydra.jwt.access-token --alg PS256 --kid main key.pem")]
    Import(import::Import),
    /// Ends a key that somebody else may have. It leaves the published keys at once; what it has signed or sealed is
    /// refused everywhere, and another key takes its place at once.
    ///
    /// Whoever holds tokens or cookies of a revoked key has to sign in again. To replace a key without that, use
    /// `hydrant key rotate`.
    #[command(after_help = "\
Examples:
  hydrant key list
  hydrant key revoke kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k
  hydrant key revoke -- -rK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4kP    one that begins with a dash")]
    Revoke {
        /// The key's id, as `hydrant key list` shows it.
        #[arg(value_name = "KID")]
        kid: String,
    },
}

pub async fn run(args: &Keys, global: &Global) -> Result<()> {
    match &args.what {
        What::List => show(&open::with_app(global, list).await?, args.format),
        // The keys are read first: a key must not be added under a secret that does not open the others.
        What::Rotate { set, alg } => {
            let rotated = open::with_keys(global, async |app| rotate(app, set, alg.as_deref()).await).await?;
            show_rotated(&rotated, args.format)
        }
        What::Import(import) => {
            let given = import::read(import)?;
            let imported = open::with_app(global, async |app| import::import(app, import, &given).await).await?;
            show(&imported, args.format)
        }
        What::Revoke { kid } => {
            let revoked =
                open::with_keys(global, async |app| Ok(app.keys.revoke(&app.store, kid, app.clock.now()).await?));
            match revoked.await? {
                Some(revoked) => show_revoked(&revoked, args.format),
                None => bail!("there is no key {kid} that could be revoked; see `hydrant key list`"),
            }
        }
    }
}

async fn list(app: &App) -> Result<Vec<Listed>> {
    Ok(app.keys.list(&app.store, app.clock.now()).await?)
}

async fn rotate(app: &App, set: &str, alg: Option<&str>) -> Result<Vec<Rotated>> {
    let mut purposes = app.keys.successions(&app.store, set).await?;
    if let Some(alg) = alg {
        purposes.retain(|purpose| purpose.alg() == alg);
    }
    if purposes.is_empty() {
        let Some(alg) = alg else { bail!("the set {set} has no keys yet; they are made when they are first needed") };
        if Purpose::read(set, alg).is_none() {
            bail!("--alg: {alg} is no algorithm of the set {set}");
        }
        bail!("the set {set} has no key for {alg} yet; one is made when it is first needed");
    }
    let mut rotated = Vec::new();
    for purpose in purposes {
        rotated.push(app.keys.rotate(&app.store, purpose, app.clock.now()).await?);
    }
    Ok(rotated)
}

/// What a key of the set does, and what has been done with it.
fn verbs(set: &str) -> (&'static str, &'static str) {
    match set {
        SEAL_SET => ("seals", "what it has sealed"),
        REQUEST_OBJECT_SET => ("decrypts", "what was encrypted to it"),
        _ => ("signs", "what it has signed"),
    }
}

fn show_rotated(rotated: &[Rotated], format: Format) -> Result<()> {
    if format == Format::Json {
        return print_json(&rotated);
    }
    rotated.iter().try_for_each(|rotated| {
        let (Rotated::Made(next) | Rotated::AlreadyThere(next)) = rotated;
        let (set, alg, kid, (verb, done)) = (next.set, next.alg, &next.kid, verbs(next.set));
        print(&match rotated {
            Rotated::Made(_) => format!(
                "{set} {alg}: made the key {kid}. It is there now and {verb} from {} on. \
                 The key before it goes on until then, and {done} stays good.\n",
                next.active_from
            ),
            Rotated::AlreadyThere(_) => format!(
                "{set} {alg}: made nothing: the key {kid} is there already and {verb} from {} on.\n",
                next.active_from
            ),
        })
    })
}

fn show_revoked(revoked: &Revoked, format: Format) -> Result<()> {
    if format == Format::Json {
        return print_json(revoked);
    }
    let (verb, done) = verbs(&revoked.set);
    let next = revoked.in_use.as_ref().map(|kid| format!(" The key {kid} {verb} from now on.")).unwrap_or_default();
    print(&format!(
        "{} {}: the key {} is revoked; {done} is refused.{next}\n\
         Servers that run on this database know within a moment.\n",
        revoked.set, revoked.alg, revoked.kid
    ))
}

fn show(keys: &[Listed], format: Format) -> Result<()> {
    if format == Format::Json {
        return print_json(&keys);
    }
    let rows: Vec<_> = keys
        .iter()
        .map(|key| {
            vec![
                key.set.clone(),
                key.kid.clone(),
                key.alg.clone(),
                key.state.to_owned(),
                key.active_from.clone(),
                key.retire_at.clone().unwrap_or_default(),
            ]
        })
        .collect();
    print(&table(&["SET", "KEY ID", "ALGORITHM", "STATE", "ACTIVE FROM", "RETIRES"], &rows))
}
