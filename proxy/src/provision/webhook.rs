//! Orders to somebody else: a signed POST that is repeated until it is taken.
//!
//! Only the newest order counts: what was overtaken while another one was under way or a pause lasted is never sent. A
//! receiver that fails gets no more attempts by getting more orders, since orders do not shorten the pause. An attempt
//! that hangs is given up for a newer order: what it would be answered is of no interest any more, and a pool that has to
//! grow must not wait until it times out. That is done once: whoever does not answer the newer one at once either is not
//! lost on the way but slow, or down. The slow one would never get to answer a pool whose number changes each second, and
//! the one that is down would be asked without pauses; so it has the whole `timeout` until it was quick again.

use std::{sync::Arc, time::Duration};

use rustls::ClientConfig;
use schleuse_config::Webhook as Receiver;
use serde::Serialize;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep},
};

use super::{Event, Order, Provisioner};
use crate::{
    log::{self, Level},
    tasks::spawn,
    webhook::{AFTER_FAILURE, Caller},
};

/// The part of `timeout` after which an attempt to a receiver that has been quick hangs: a newer order does not wait longer.
const HANGS_AFTER: u32 = 5;

/// Tells a receiver how many replicas there should be. Dropping it ends that, as [`Provisioner::stop`] does.
#[derive(Debug)]
pub struct Webhook {
    wanted: watch::Sender<Option<Order>>,
    stopped: watch::Sender<bool>,
}

/// What a receiver is sent; `docs/operations.md` has it as JSON.
#[derive(Debug, Serialize)]
struct Body<'o> {
    pool: &'o str,
    desired: u32,
    current: u32,
    reasons: &'o [&'static str],
    attempt: u64,
}

impl Webhook {
    /// Sends nothing before the first order. Must be called within a runtime. `tls` is for `https` alone, see
    /// [`crate::webhook::system_authorities`].
    pub fn new(
        pool: Arc<str>,
        receiver: Arc<Receiver>,
        tls: Arc<ClientConfig>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        let (wanted, orders) = watch::channel(None);
        let (stopped, mut stop) = watch::channel(false);
        let sender = Sender {
            pool,
            caller: Caller::new(receiver, tls),
            events,
        };
        spawn(async move {
            tokio::select! {
                () = sender.run(orders) => {}
                _ = stop.wait_for(|stopped| *stopped) => {}
            }
        });
        Self { wanted, stopped }
    }
}

impl Provisioner for Webhook {
    fn scale(&self, order: Order) {
        self.wanted.send_replace(Some(order));
    }

    fn stop(&self) {
        self.stopped.send_replace(true);
    }
}

/// The task of a pool.
#[derive(Debug)]
struct Sender {
    pool: Arc<str>,
    caller: Caller,
    events: mpsc::Sender<Event>,
}

impl Sender {
    async fn run(self, mut orders: watch::Receiver<Option<Order>>) {
        let mut failures = 0_u32;
        let mut taken = None;
        let mut is_quick = true;
        loop {
            let order = orders.borrow_and_update().clone();
            let Some(order) = order.filter(|order| taken != Some(order.attempt)) else {
                if orders.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let attempt = order.attempt;
            let began = Instant::now();
            let sent = tokio::select! {
                sent = self.send(&order) => sent,
                () = self.overtaken(&mut orders), if is_quick => {
                    is_quick = false;
                    self.note_overtaken(&order);
                    continue;
                }
            };
            is_quick = sent.is_ok() && began.elapsed() < self.hangs_after();
            match sent {
                Ok(()) => {
                    self.note_taken(&order, failures);
                    failures = 0;
                    taken = Some(attempt);
                    let _ = self.events.send(Event::Acknowledged { attempt }).await;
                }
                Err(why) => {
                    failures = failures.saturating_add(1);
                    let pause = AFTER_FAILURE.pause(failures);
                    self.note_failed(&order, &why, failures, pause);
                    let _ = self.events.send(Event::Failed { attempt, why }).await;
                    sleep(pause).await;
                }
            }
        }
    }

    /// Ends when the attempt under way hangs and there is a newer order.
    async fn overtaken(&self, orders: &mut watch::Receiver<Option<Order>>) {
        sleep(self.hangs_after()).await;
        if orders.changed().await.is_err() {
            std::future::pending::<()>().await; // nobody is left who could order
        }
    }

    fn hangs_after(&self) -> Duration {
        self.caller.timeout() / HANGS_AFTER
    }

    async fn send(&self, order: &Order) -> Result<(), String> {
        let body = Body {
            pool: &self.pool,
            desired: order.desired,
            current: order.current,
            reasons: &order.reasons,
            attempt: order.attempt,
        };
        let body = serde_json::to_vec(&body).map_err(|error| error.to_string())?;
        self.caller.post(&order.idempotency_key, body).await
    }

    fn note_taken(&self, order: &Order, failures: u32) {
        let (desired, failures) = (order.desired.to_string(), failures.to_string());
        let fields = [
            ("pool", &*self.pool),
            ("desired", &*desired),
            ("failures_before", &*failures),
        ];
        log::event(Level::Info, "webhook_taken", &fields);
    }

    fn note_overtaken(&self, order: &Order) {
        let desired = order.desired.to_string();
        let fields = [("pool", &*self.pool), ("desired", &*desired)];
        log::event(Level::Warn, "webhook_overtaken", &fields);
    }

    fn note_failed(&self, order: &Order, why: &str, failures: u32, pause: Duration) {
        let (desired, failures) = (order.desired.to_string(), failures.to_string());
        let fields = [
            ("pool", &*self.pool),
            ("desired", &*desired),
            ("why", why),
            ("failures", &*failures),
            ("again_in_ms", &*pause.as_millis().to_string()),
        ];
        log::event(Level::Warn, "webhook_failed", &fields);
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
    };

    use super::*;
    use crate::webhook::system_authorities;

    fn order(attempt: u64) -> Order {
        Order {
            attempt,
            desired: 1,
            current: 0,
            reasons: vec!["floor"],
            idempotency_key: format!("key-{attempt}"),
        }
    }

    /// A receiver that is waited for as long, and who tells it.
    async fn webhook_within(timeout: Duration) -> (TcpListener, Webhook, mpsc::Receiver<Event>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Receiver {
            tls: false,
            host: "127.0.0.1".to_owned(),
            port: listener.local_addr().unwrap().port(),
            target: "/".to_owned(),
            secret: schleuse_config::WebhookSecret([7; 32].into()),
            timeout,
        };
        let (events, told) = mpsc::channel(8);
        let tls = system_authorities().await.unwrap();
        let webhook = Webhook::new("any".into(), Arc::new(receiver), tls, events);
        (listener, webhook, told)
    }

    /// The next order that comes, and its connection, unanswered.
    async fn received(listener: &TcpListener) -> (String, TcpStream) {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut text = Vec::new();
        // The body is the last thing and an object without objects in it.
        while text.last() != Some(&b'}') {
            assert_ne!(stream.read_buf(&mut text).await.unwrap(), 0);
        }
        (String::from_utf8(text).unwrap(), stream)
    }

    async fn answer(mut stream: TcpStream, status: &str) {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
    }

    #[tokio::test]
    async fn of_the_orders_that_came_meanwhile_only_the_newest_is_sent() {
        let (listener, webhook, mut told) = webhook_within(Duration::from_mins(1)).await;
        webhook.scale(order(1));
        let (first, stream) = received(&listener).await;
        assert!(first.contains("idempotency-key: key-1\r\n"), "{first}");
        (2..=5).for_each(|attempt| webhook.scale(order(attempt)));
        answer(stream, "503 Service Unavailable").await;
        let failed = told.recv().await;
        assert!(
            matches!(&failed, Some(Event::Failed { attempt: 1, why }) if why == "answered 503"),
            "{failed:?}"
        );
        let (next, stream) = received(&listener).await;
        assert!(next.contains("idempotency-key: key-5\r\n"), "{next}");
        answer(stream, "204 No Content").await;
        let taken = told.recv().await;
        assert!(
            matches!(taken, Some(Event::Acknowledged { attempt: 5 })),
            "{taken:?}"
        );
    }

    #[tokio::test]
    async fn an_attempt_under_way_ends_with_the_stop() {
        let (listener, webhook, mut told) = webhook_within(Duration::from_mins(1)).await;
        webhook.scale(order(1));
        let (_order, mut stream) = received(&listener).await;
        webhook.stop();
        assert_eq!(stream.read(&mut [0; 16]).await.unwrap(), 0);
        assert!(told.recv().await.is_none());
    }

    #[tokio::test]
    async fn an_attempt_that_hangs_is_given_up_for_a_newer_order_and_for_nothing_else() {
        let (listener, webhook, mut told) = webhook_within(Duration::from_secs(10)).await;
        webhook.scale(order(1));
        let (_first, mut hanging) = received(&listener).await;
        webhook.scale(order(2));
        let (next, stream) = received(&listener).await;
        assert!(next.contains("idempotency-key: key-2\r\n"), "{next}");
        assert_eq!(hanging.read(&mut [0; 16]).await.unwrap(), 0);
        answer(stream, "204 No Content").await;
        let taken = told.recv().await;
        assert!(
            matches!(taken, Some(Event::Acknowledged { attempt: 2 })),
            "{taken:?}"
        );
    }
    #[tokio::test]
    async fn a_slow_receiver_is_given_up_once_and_then_gets_to_answer_whatever_is_ordered_meanwhile()
     {
        let (listener, webhook, mut told) = webhook_within(Duration::from_secs(5)).await;
        webhook.scale(order(1));
        let (_first, _hanging) = received(&listener).await;
        webhook.scale(order(2));
        let (_second, slow) = received(&listener).await;
        webhook.scale(order(3));
        // Another one is given up meanwhile: so long has the second attempt been under way.
        let (measure, same, _told) = webhook_within(Duration::from_secs(5)).await;
        same.scale(order(1));
        let (_first, _hanging) = received(&measure).await;
        same.scale(order(2));
        received(&measure).await;
        answer(slow, "204 No Content").await;
        let taken = told.recv().await;
        assert!(
            matches!(taken, Some(Event::Acknowledged { attempt: 2 })),
            "{taken:?}"
        );
        let (third, _stream) = received(&listener).await;
        assert!(third.contains("idempotency-key: key-3\r\n"), "{third}");
    }

    #[tokio::test]
    async fn a_receiver_that_hangs_fails_however_often_the_number_changes() {
        let (listener, webhook, mut told) = webhook_within(Duration::from_secs(2)).await;
        webhook.scale(order(1));
        let mut hanging = Vec::new();
        // Each attempt is met with a newer order: what could be given up for it would be.
        let event = loop {
            tokio::select! {
                event = told.recv() => break event,
                next = received(&listener) => hanging.push(next),
            }
            assert!(hanging.len() < 3, "given up twice");
            webhook.scale(order(hanging.len() as u64 + 1));
        };
        assert!(matches!(event, Some(Event::Failed { .. })), "{event:?}");
    }
}
