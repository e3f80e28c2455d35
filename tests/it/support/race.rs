//! Racers that start together: whatever may happen once must happen once.

use std::sync::Arc;

use tokio::sync::Barrier;

/// Runs `run` for each racer, all released at the same moment; what each of them got.
pub async fn race<F>(racers: usize, run: impl Fn(usize) -> F) -> Vec<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(racers));
    let tasks: Vec<_> = (0..racers)
        .map(|racer| {
            let (barrier, work) = (Arc::clone(&barrier), run(racer));
            tokio::spawn(async move {
                barrier.wait().await;
                work.await
            })
        })
        .collect();
    let mut outcomes = Vec::with_capacity(racers);
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    outcomes
}
