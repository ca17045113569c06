//! One request from its head to its answer.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::watch;

use super::{
    CITIZEN, SERVICE, STEP, Settings, TENANT,
    body::{Account, AnswerBody},
    seats::Seats,
    tally::Tally,
    timer::Timer,
    websocket,
    wish::Wish,
};
use crate::{
    distribution::Distribution,
    draw::{Purpose, Stream},
};

/// A request that is worked on sooner after its head did not wait.
const HANDLING_MAX: Duration = Duration::from_millis(1);

/// Longest name of a step that is made from a path.
const STEP_LETTERS_MAX: usize = 100;

/// Everything that requests share.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) tally: Arc<Tally>,
    pub(super) timer: Timer,
    /// Whether it is frozen.
    pub(super) frozen: watch::Sender<bool>,
    /// Changes when it crashes: whatever outlives its connection ends.
    pub(super) life: watch::Sender<u64>,
    service: Mutex<Distribution>,
    seats: Seats,
    seed: u64,
    size: u64,
    /// Numbers requests that name no citizen.
    sequence: AtomicU64,
}

impl Origin {
    pub(super) fn new(settings: &Settings) -> std::io::Result<Self> {
        Ok(Self {
            tally: Arc::new(Tally::new()?),
            timer: Timer::start()?,
            frozen: watch::Sender::new(false),
            life: watch::Sender::new(0),
            service: Mutex::new(settings.service),
            seats: Seats::new(
                settings.concurrency,
                settings.waiting_max,
                settings.collapse,
            ),
            seed: settings.seed,
            size: settings.size,
            sequence: AtomicU64::new(0),
        })
    }

    /// Takes this long from now on.
    pub(super) fn set_service(&self, service: Distribution) {
        *self.service.lock().unwrap_or_else(PoisonError::into_inner) = service;
    }

    /// Answers one request.
    pub(super) async fn answer(
        self: Arc<Self>,
        mut request: Request<Incoming>,
    ) -> Result<Response<AnswerBody>, Infallible> {
        let (tenant, step) = names(&request);
        let mut account = Account::open(Arc::clone(&self.tally), tenant, step);
        let wish = match Wish::read(request.uri().query().unwrap_or_default(), self.size) {
            Ok(wish) => wish,
            Err(fault) => return Ok(refuse(StatusCode::BAD_REQUEST, account, &fault.wrong)),
        };
        if let Some(accept) = websocket::accept_key(request.method(), request.headers()) {
            self.thawed().await;
            websocket::spawn(&mut request, self.life.subscribe());
            return Ok(websocket::response(&accept, account));
        }
        let draw = self.draw(request.headers(), wish.service);
        while let Some(frame) = request.body_mut().frame().await {
            let Ok(frame) = frame else {
                // Nobody is there to read an answer.
                return Ok(refuse(
                    StatusCode::BAD_REQUEST,
                    account,
                    "the body broke off",
                ));
            };
            account.received(frame.data_ref().map_or(0, |data| data.len() as u64));
        }
        self.thawed().await;
        let Some(seat) = self.seats.take().await else {
            return Ok(refuse(
                StatusCode::SERVICE_UNAVAILABLE,
                account,
                "too many wait",
            ));
        };
        self.tally.drawn(draw);
        self.work(draw, account.started()).await;
        self.thawed().await;
        drop(seat);
        Ok(respond(request.method(), wish, draw, account))
    }

    /// The service time of this request: by citizen and step when it names them, so that two runs draw alike.
    fn draw(&self, fields: &HeaderMap, own: Option<Distribution>) -> Duration {
        let number = |name: &str| text(fields, name)?.parse::<u64>().ok();
        let citizen =
            number(CITIZEN).unwrap_or_else(|| self.sequence.fetch_add(1, Ordering::Relaxed));
        let step = number(STEP).and_then(|step| u16::try_from(step).ok());
        let purpose = Purpose::Service(step.unwrap_or_default());
        let service = *self.service.lock().unwrap_or_else(PoisonError::into_inner);
        own.unwrap_or(service)
            .draw(&mut Stream::new(self.seed, citizen, purpose))
    }

    /// Occupies the seat. Without waiting, the time runs from the request's head, so that our own handling is part of it.
    async fn work(&self, draw: Duration, came: Instant) {
        let stretch = self.seats.stretch();
        let began = Instant::now();
        let stretched = if stretch > 1.0 {
            draw.mul_f64(stretch)
        } else {
            draw
        };
        let start = if began.saturating_duration_since(came) < HANDLING_MAX {
            came
        } else {
            began
        };
        if let Some(until) = start.checked_add(stretched) {
            self.timer.sleep_until(until).await;
        }
    }

    async fn thawed(&self) {
        // An error means that the origin has ended.
        let _ = self.frozen.subscribe().wait_for(|frozen| !frozen).await;
    }
}

fn respond(
    method: &Method,
    wish: Wish,
    draw: Duration,
    mut account: Account,
) -> Response<AnswerBody> {
    account.answers(wish.status.as_u16());
    // RFC 9110 §6.4.1: these have no content.
    let bare = *method == Method::HEAD
        || matches!(
            wish.status,
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        );
    let body = match wish.stream {
        _ if bare => AnswerBody::sized(0, account),
        Some((parts, every)) => AnswerBody::stream(wish.size, parts, every, account),
        None => AnswerBody::sized(wish.size, account),
    };
    let mut response = Response::new(body);
    *response.status_mut() = wish.status;
    let fields = response.headers_mut();
    for (name, value) in wish.fields {
        fields.append(name, value);
    }
    let nanoseconds = u64::try_from(draw.as_nanos()).unwrap_or(u64::MAX);
    fields.insert(SERVICE, HeaderValue::from(nanoseconds));
    response
}

/// An answer that says in its head why there is no other.
fn refuse(status: StatusCode, mut account: Account, why: &str) -> Response<AnswerBody> {
    account.answers(status.as_u16());
    let mut response = Response::new(AnswerBody::sized(0, account));
    *response.status_mut() = status;
    if let Ok(why) = HeaderValue::from_str(why) {
        response.headers_mut().insert(header::WARNING, why);
    }
    response
}

/// Tenant and step that a request belongs to: as it says, otherwise by its path.
fn names(request: &Request<Incoming>) -> (String, String) {
    let fields = request.headers();
    let named = text(fields, TENANT).or_else(|| text(fields, "schleuse-tenant"));
    let of_path = key_of(request.uri().path());
    let tenant = named.or(of_path).unwrap_or_default().to_owned();
    let step = text(fields, STEP).map_or_else(
        || step_of(request.method(), request.uri().path(), of_path),
        str::to_owned,
    );
    (tenant, step)
}

fn text<'f>(fields: &'f HeaderMap, name: &str) -> Option<&'f str> {
    fields.get(name)?.to_str().ok()
}

/// A first segment of 5 to 12 digits is a regional key.
fn key_of(path: &str) -> Option<&str> {
    let first = path.strip_prefix('/')?.split('/').next()?;
    let digits = first.bytes().all(|byte| byte.is_ascii_digit());
    (digits && (5..=12).contains(&first.len())).then_some(first)
}

/// `POST /*/antrag`.
fn step_of(method: &Method, path: &str, key: Option<&str>) -> String {
    let path = match key {
        Some(key) => path.replacen(key, "*", 1),
        None => path.to_owned(),
    };
    format!("{method} {path}")
        .chars()
        .take(STEP_LETTERS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_gives_tenant_and_step_where_no_field_does() {
        assert_eq!(key_of("/064120000000/antrag"), Some("064120000000"));
        assert_eq!(key_of("/06412000"), Some("06412000"));
        assert_eq!(
            (key_of("/123/a"), key_of("/"), key_of("*")),
            (None, None, None)
        );
        let key = key_of("/064120000000/antrag");
        assert_eq!(
            step_of(&Method::GET, "/064120000000/antrag", key),
            "GET /*/antrag"
        );
        assert_eq!(
            step_of(&Method::GET, &"/ä".repeat(200), None)
                .chars()
                .count(),
            STEP_LETTERS_MAX
        );
    }
}
