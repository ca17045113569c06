//! What the demo shows, step by step: the one list that the guide prints and the tour runs.

use super::{request::Request, site::Site};

/// Steps with a common theme.
#[derive(Debug)]
pub struct Chapter {
    /// Its heading.
    pub title: &'static str,
    /// In the order in which they build on each other.
    pub steps: Vec<Step>,
}

/// One thing to try.
#[derive(Debug)]
pub struct Step {
    /// What it shows.
    pub title: &'static str,
    /// What is done.
    pub action: Action,
    /// What must come of it.
    pub expected: Vec<Expectation>,
}

/// What a step does.
#[derive(Debug)]
pub enum Action {
    /// Sends a request.
    Ask(Request),
    /// Sends a request and says how long the answer took.
    Time(Request),
    /// Sends many requests at once and watches how many replicas their pool gets.
    Burst(Burst),
    /// Waits until a pool has no replica left.
    Sleep(&'static str),
    /// Looks up the reference of the last error page in the log.
    FindInLog,
    /// Sets the mode of the endpoint that the form is on.
    SetMode(&'static str),
    /// Changes the config and waits until the proxy has judged it.
    Edit(Edit),
    /// Brings the launch near, to so many seconds from now, and waits until that is in force.
    Announce(u64),
    /// Prints the timetable of the launch.
    Plan,
    /// Waits for a line of the log that says this of a pool.
    AwaitEvent(&'static str),
    /// Waits until the launch begins; the pool as it is then.
    AwaitBegin(&'static str),
    /// SIGTERM to the proxy while a slow request is in flight.
    Stop(Request),
}

/// Many requests at once.
#[derive(Debug, Clone)]
pub struct Burst {
    /// How many.
    pub count: usize,
    /// What each of them asks.
    pub request: Request,
    /// Their pool.
    pub pool: &'static str,
}

/// A change of the config: every `from` becomes `to`.
#[derive(Debug, Clone, Copy)]
pub struct Edit {
    /// Text of one line, without characters that `sed` or a shell take for their own.
    pub from: &'static str,
    /// What stands there then.
    pub to: &'static str,
    /// How the proxy must judge it.
    pub outcome: Outcome,
}

/// How a changed config is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// In force, as a new generation.
    Loaded,
    /// Refused; the old one stays.
    Refused,
    /// The same as what is in force, after one that was refused.
    Mended,
}

/// What must be true of an answer.
#[derive(Debug, Clone)]
pub enum Expectation {
    /// The status code.
    Status(u16),
    /// A line `NAME: VALUE` of the body.
    Line(&'static str, &'static str),
    /// A line of the body holds this text.
    Says(String),
    /// No line of it does.
    SaysNot(&'static str),
    /// A field (name in lower case) holds this text.
    Field(&'static str, &'static str),
    /// The server's certificate is the one in `tls/NAME.crt`.
    Certificate(&'static str),
    /// The proxy has ended, with exit code 0.
    ProxyExits,
    /// The endpoint that the form is on answered, or another one.
    SessionEndpoint(bool),
}

impl Action {
    /// The command to type in the demo's directory. `endpoint` is the one that modes are set for, `proxy` the proxy's
    /// process id.
    pub fn command(&self, site: &Site, endpoint: &str, reference: &str, proxy: u32) -> String {
        match self {
            Self::Ask(request) | Self::Time(request) => request.curl(site.ports),
            Self::Burst(burst) => {
                let ask = burst
                    .request
                    .curl(site.ports)
                    .replacen("curl", "curl -s", 1);
                format!("for i in $(seq {}); do {ask} & done; wait", burst.count)
            }
            Self::Sleep(pool) => pool_of(pool).curl(site.ports),
            Self::Announce(seconds) => format!(
                "sed -i \"s/at: 2.*Z/at: $(date -u -d '{seconds} seconds' +%FT%TZ)/\" schleuse.yaml"
            ),
            Self::Plan => "schleuse plan --config schleuse.yaml".to_owned(),
            Self::AwaitEvent(event) => {
                format!("until grep {event} log/proxy.jsonl; do sleep 1; done")
            }
            Self::AwaitBegin(pool) => {
                format!("sleep 60; {}", pool_of(pool).curl(site.ports))
            }
            Self::FindInLog => format!("grep {reference} log/proxy.jsonl"),
            Self::SetMode(mode) => set_mode(endpoint, mode).curl(site.ports),
            Self::Edit(edit) => format!("sed -i 's/{}/{}/' schleuse.yaml", edit.from, edit.to),
            Self::Stop(request) => {
                format!("{} & sleep 1; kill {proxy}", request.curl(site.ports))
            }
        }
    }
}

/// The admin request that shows a pool.
pub fn pool_of(name: &str) -> Request {
    Request::admin(&format!("/api/v1/pools/{name}"))
}

/// The admin request that sets the mode of an endpoint of the form's pool.
pub fn set_mode(endpoint: &str, mode: &str) -> Request {
    Request::admin(&format!(
        "/api/v1/pools/wohngeld/endpoints/{endpoint}/{mode}"
    ))
    .post("")
}
