//! The end of the process in two signals: the first lets requests finish, the second does not.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Running,
    Draining,
    Ended,
}

/// Shared by both ports and the readiness probe. Clones are the same drain.
#[derive(Clone, Debug)]
pub struct Drain(Arc<watch::Sender<Stage>>);

impl Default for Drain {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Stage::Running)))
    }
}

impl Drain {
    /// What SIGTERM and SIGINT do: drain first, end at once the second time.
    pub fn signal(&self) {
        self.0.send_modify(|stage| {
            *stage = if *stage == Stage::Running { Stage::Draining } else { Stage::Ended };
        });
    }

    /// From the first signal on. The readiness probe says 503 then, and every answer closes its connection.
    pub fn is_draining(&self) -> bool {
        *self.0.borrow() >= Stage::Draining
    }

    /// Returns at the first signal.
    pub async fn draining(&self) {
        self.reached(Stage::Draining).await;
    }

    /// Returns at the second signal.
    pub async fn ended(&self) {
        self.reached(Stage::Ended).await;
    }

    async fn reached(&self, wanted: Stage) {
        // The sender lives in `self`, so waiting can not fail.
        let _ = self.0.subscribe().wait_for(|stage| *stage >= wanted).await;
    }

    /// Turns SIGTERM and SIGINT into `signal()`, for as long as the process lives.
    pub fn listen_to_signals(&self) -> io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let drain = self.clone();
        tokio::spawn(async move {
            loop {
                let name = tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                };
                tracing::info!(signal = name, again = drain.is_draining(), "ending");
                drain.signal();
            }
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_signal_drains_and_the_second_ends() {
        let drain = Drain::default();
        assert!(!drain.is_draining());
        drain.signal();
        assert!(drain.is_draining());
        drain.draining().await;
        let ended = tokio::time::timeout(std::time::Duration::from_millis(20), drain.ended()).await;
        assert!(ended.is_err(), "one signal is not the end");
        drain.clone().signal();
        drain.ended().await;
    }
}
