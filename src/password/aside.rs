//! Work that takes a whole core for a while, beside requests that take microseconds.
//!
//! The threads that serve are no more than there are cores, and so are those that hash: with equal rights a flood of
//! sign-ins would take half of every core from them, and let each request wait for a time slice. So these give way.

use std::io;
use std::thread;

use tokio::sync::oneshot;

/// What is added to the nice value of the process: Linux gives such a thread about a tenth of a core that somebody else
/// wants too, and all of one that nobody wants.
const GIVES_WAY: i32 = 10;

/// Runs `work` on a thread of its own; what it gives, or an error where it panicked. Beside a hash of 15 ms the thread
/// costs nothing. It is no thread of tokio's: those do other work afterwards, and who gave way can not take it back.
pub fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<oneshot::Receiver<T>> {
    let (reply, answer) = oneshot::channel();
    thread::Builder::new().name("password".to_owned()).spawn(move || {
        give_way();
        // Nobody may wait any more.
        let _ = reply.send(work());
    })?;
    Ok(answer)
}

/// On Linux a nice value is a thread's own; elsewhere it would be the whole server's. Where it is not allowed the work is
/// done all the same.
fn give_way() {
    if cfg!(target_os = "linux") {
        let _ = rustix::process::nice(GIVES_WAY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_thread_gives_way_and_nobody_else_does() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let before = nice();
        let aside = run(nice).unwrap().await.unwrap();
        assert_eq!((aside, nice()), ((before + GIVES_WAY).min(19), before));
    }

    #[tokio::test]
    async fn a_panic_is_an_error() {
        assert!(run(|| -> () { panic!("as it should") }).unwrap().await.is_err());
    }
}
