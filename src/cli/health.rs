//! `hydrant health`: asks a running server, because the image has no other HTTP client.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use reqwest::redirect;
use url::Url;

use super::output::print;
use super::{Global, Misuse, open};
use crate::config::{Host, Listener};

/// A container's health check waits 3 seconds.
const PATIENCE: Duration = Duration::from_millis(2500);

#[derive(Debug, Args)]
pub struct Health {
    /// Asks this server: its address, or the whole URL of a check.
    #[arg(long, value_name = "URL")]
    url: Option<Url>,
    /// Asks whether the process answers, not whether it can serve requests.
    #[arg(long)]
    alive: bool,
}

pub async fn run(args: &Health, global: &Global) -> Result<()> {
    let path = if args.alive { "/health/alive" } else { "/health/ready" };
    let (url, own, socket) = match &args.url {
        Some(url) => (check_of(url.clone(), path)?, false, None),
        None => {
            let Own { origin, socket } = address(global)?;
            (Url::parse(&format!("{origin}{path}"))?, true, socket)
        }
    };
    // The first provider that is installed stays; there is only one here.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = reqwest::Client::builder();
    let client = match &socket {
        Some(path) => client.unix_socket(path.as_path()),
        None => client,
    };
    let client = client
        .redirect(redirect::Policy::none())
        .no_proxy()
        .timeout(PATIENCE)
        // Our own port over loopback: the certificate is for the name that the world knows.
        .tls_danger_accept_invalid_certs(own)
        .build()
        .context("the HTTP client")?;
    let asked = match &socket {
        Some(file) => format!("unix:{} {}", file.display(), url.path()),
        None => url.to_string(),
    };
    let answer = client.get(url).send().await.map_err(|error| {
        let why = if error.is_timeout() { "does not answer in time" } else { "can not be reached" };
        anyhow!(error.without_url()).context(format!("{asked} {why}"))
    })?;
    if answer.status() != reqwest::StatusCode::OK {
        bail!("{asked} answers {}", answer.status());
    }
    print("ok\n")
}

/// Where the configured server listens, seen from this machine. A container's check may know neither file nor secrets:
/// then it is Hydra's port, or what the environment says.
fn address(global: &Global) -> Result<Own> {
    match open::load(global.config.as_deref(), global.dev) {
        Ok(loaded) => Ok(origin(&loaded.config.serve.public)),
        Err(error) if global.config.is_some() => Err(anyhow!("{error}")),
        Err(_) => {
            let host = std::env::var("SERVE_PUBLIC_HOST").unwrap_or_default();
            if let Some(path) = host.strip_prefix("unix:") {
                return Ok(Own { origin: "http://localhost".to_owned(), socket: Some(path.into()) });
            }
            let port = std::env::var("SERVE_PUBLIC_PORT").ok();
            let port: u16 = port.as_deref().unwrap_or("4444").parse().context("SERVE_PUBLIC_PORT is not a port")?;
            Ok(Own { origin: format!("http://127.0.0.1:{port}"), socket: None })
        }
    }
}

/// Our own port; through a unix socket the origin's host is nobody's.
#[derive(Debug, PartialEq, Eq)]
struct Own {
    origin: String,
    socket: Option<PathBuf>,
}

fn origin(listener: &Listener) -> Own {
    let scheme = if listener.tls.is_some() { "https" } else { "http" };
    let host = match &listener.host {
        Host::Socket(file) => {
            return Own { origin: format!("{scheme}://localhost"), socket: Some(file.path.clone()) };
        }
        Host::Ip(IpAddr::V4(host)) if host.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        Host::Ip(IpAddr::V6(host)) if host.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        Host::Ip(host) => *host,
    };
    Own { origin: format!("{scheme}://{}", SocketAddr::new(host, listener.port)), socket: None }
}

fn check_of(mut url: Url, path: &str) -> Result<Url> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Misuse("--url must be an http or https address".into()).into());
    }
    if url.path() == "/" {
        url.set_path(path);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, SocketFile};

    #[test]
    fn an_address_for_everybody_is_asked_over_loopback() {
        let mut listener = Config::for_tests("http://127.0.0.1:4444", "memory").serve.public;
        listener.port = 4444;
        for (host, expected) in
            [("0.0.0.0", "http://127.0.0.1:4444"), ("::", "http://[::1]:4444"), ("10.0.0.7", "http://10.0.0.7:4444")]
        {
            listener.host = Host::Ip(host.parse().unwrap());
            assert_eq!(origin(&listener), Own { origin: expected.to_owned(), socket: None });
        }
        let file = SocketFile { path: "/run/h.sock".into(), owner: None, group: None, mode: 0o755 };
        listener.host = Host::Socket(file);
        let own = Own { origin: "http://localhost".to_owned(), socket: Some("/run/h.sock".into()) };
        assert_eq!(origin(&listener), own);
    }

    #[test]
    fn an_address_without_a_path_is_given_the_checks() {
        let check = |url: &str| check_of(Url::parse(url).unwrap(), "/health/ready").map(String::from);
        assert_eq!(check("https://id.example.com").unwrap(), "https://id.example.com/health/ready");
        assert_eq!(check("http://x:1/health/alive").unwrap(), "http://x:1/health/alive");
        assert!(check("file:///etc/passwd").unwrap_err().is::<Misuse>());
    }
}
