//! Placeholder with the signatures that `demo` is written against.

use std::net::SocketAddr;

use crate::app::App;
use crate::clock::Clock;
use crate::config::Config;

pub struct Running {
    pub public: SocketAddr,
    pub admin: SocketAddr,
    app: App,
}

#[expect(clippy::unused_async, reason = "a placeholder")]
pub async fn start(_config: Config, _clock: Clock) -> anyhow::Result<Running> {
    anyhow::bail!("not here")
}

#[expect(clippy::unused_async, reason = "a placeholder")]
impl Running {
    pub fn app(&self) -> &App {
        &self.app
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        anyhow::bail!("not here")
    }

    pub async fn wait(self) -> anyhow::Result<()> {
        anyhow::bail!("not here")
    }
}
