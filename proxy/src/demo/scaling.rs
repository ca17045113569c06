//! Steps of the tour that watch a pool grow and go to sleep.

use std::{io, thread};

use super::{
    client::{Answer, Client},
    step::{Burst, pool_of},
    tour::await_some,
};

/// Sends all requests at once. The answer's lines say how many were answered with 200, and by how many replicas at most.
///
/// # Errors
///
/// Those of the client.
pub(super) fn burst(client: &Client, burst: &Burst) -> io::Result<Answer> {
    thread::scope(|scope| {
        let asked: Vec<_> = (0..burst.count)
            .map(|_| scope.spawn(|| client.send(&burst.request)))
            .collect();
        let mut replicas = 0;
        while !asked.iter().all(thread::ScopedJoinHandle::is_finished) {
            replicas = replicas.max(serving(client, burst.pool)?);
        }
        let answered = asked.into_iter().map(|each| {
            each.join()
                .is_ok_and(|answer| answer.is_ok_and(|answer| answer.status == 200))
        });
        let answered = answered.filter(|answered| *answered).count();
        Ok(Answer {
            body: format!(
                "answered: {answered} of {}\nreplicas: {replicas}\n",
                burst.count
            ),
            ..Answer::default()
        })
    })
}

/// Returns when the pool has no endpoint left, with the pool as it is then.
///
/// # Errors
///
/// Those of the client; `TimedOut` when it stays awake.
pub(super) fn await_sleep(client: &Client, pool: &str) -> io::Result<Answer> {
    await_some("the pool does not go to sleep", || {
        let answer = client.send(&pool_of(pool))?;
        Ok(endpoints(&answer).is_empty().then_some(answer))
    })
}

/// Replicas that take requests now; one that is to go may still have some.
fn serving(client: &Client, pool: &str) -> io::Result<usize> {
    let endpoints = endpoints(&client.send(&pool_of(pool))?);
    let serving = endpoints
        .iter()
        .filter(|endpoint| endpoint["leaving"] == false && endpoint["seats"] != 0);
    Ok(serving.count())
}

fn endpoints(answer: &Answer) -> Vec<serde_json::Value> {
    let pool: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
    pool["endpoints"].as_array().cloned().unwrap_or_default()
}
