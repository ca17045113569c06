//! `schleuse explain METHOD URL`: what would happen to a request and why, step by step, without sending it.
//!
//! It asks the same functions as the gateway, in the same order, with the config on disk. A step is a value (name,
//! decision, reason, facts), so that text, JSON and whatever comes later show the same; a new step is one more `push`.

mod asked;
mod balance;
mod limits;
mod live;
mod outgoing;
mod remedy;
mod render;
mod route;
mod seats;
mod step;

use std::{net::IpAddr, path::Path, process::ExitCode};

use schleuse_config::Snapshot;
use schleuse_core::Refusal;

use asked::Asked;
use route::Route;
use step::Steps;

/// What `schleuse explain` may be told.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// GET, POST and so on.
    method: String,
    /// As a browser would ask, `https://wohngeld.example/064120000000/antrag`.
    url: String,
    /// A field of the request, `Name: value`. May be repeated.
    #[arg(long, short = 'H', value_name = "FIELD")]
    header: Vec<String>,
    /// Address that the connection would come from; without it, rules about networks are shown and not judged.
    #[arg(long, value_name = "ADDRESS")]
    from: Option<IpAddr>,
    /// Ask the running proxy what its counters say now. By default at `admin.address` of the config; the token comes
    /// from `SCHLEUSE_ADMIN_TOKEN`.
    #[arg(long, value_name = "ADMIN-URL", num_args = 0..=1, require_equals = true)]
    #[expect(
        clippy::option_option,
        reason = "absent, present, present with a value: clap's own form"
    )]
    live: Option<Option<String>>,
}

/// How an explanation is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs: one object.
    Json,
}

/// What would become of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// It goes to the pool of this name, at once or when its turn comes.
    Forwarded { pool: String },
    /// It is answered with 308 and this location.
    Redirected { location: String },
    /// It is answered with an error.
    Refused { refusal: Refusal, why: String },
}

/// Everything that was found out.
#[derive(Debug)]
struct Explanation {
    method: String,
    url: String,
    steps: Steps,
    verdict: Verdict,
}

/// What came of it: the text to print, what to say on stderr, and the exit code (0 fine, 1 refused, 2 wrong usage).
#[derive(Debug)]
pub struct Explained {
    /// For stdout; empty when there is nothing to explain.
    pub text: String,
    /// For stderr.
    pub complaint: Option<String>,
    /// 0, 1 or 2.
    pub code: u8,
}

impl Explained {
    fn usage(complaint: String) -> Self {
        Self {
            text: String::new(),
            complaint: Some(complaint),
            code: 2,
        }
    }

    /// As the process ends with it.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

/// Explains a request under this config, which was read from `path`.
pub fn explain(options: &Options, format: Format, path: &Path, snapshot: &Snapshot) -> Explained {
    let asked = match Asked::new(options) {
        Ok(asked) => asked,
        Err(wrong) => return Explained::usage(format!("schleuse explain: {wrong}")),
    };
    let mut steps = Steps::default();
    steps.push(
        step::Step::new(
            "config",
            path.display().to_string(),
            "the file on disk; the running proxy may have another one in force (--live compares)",
        )
        .fact("path", path.display().to_string()),
    );
    let traced = trace(&asked, snapshot, &mut steps);
    let mut complaint = None;
    if let Some(admin) = &options.live {
        let route = traced.as_ref().ok();
        let asked = live::ask(admin.as_deref(), snapshot, route, &mut steps);
        complaint = asked.err().map(|why| format!("schleuse explain: {why}"));
    }
    let verdict = match traced {
        Ok(route) => Verdict::Forwarded {
            pool: route.pool_name(),
        },
        Err(verdict) => verdict,
    };
    let code = match (&complaint, &verdict) {
        (Some(_), _) => 2,
        (None, Verdict::Refused { .. }) => 1,
        (None, Verdict::Forwarded { .. } | Verdict::Redirected { .. }) => 0,
    };
    let explanation = Explanation {
        method: asked.method.clone(),
        url: asked.url.clone(),
        steps,
        verdict,
    };
    let text = match format {
        Format::Text => render::text(&explanation),
        Format::Json => render::json(&explanation),
    };
    Explained {
        text,
        complaint,
        code,
    }
}

/// The steps of `docs/request.md` up to the backend; the first that ends the request gives the verdict.
fn trace<'s>(
    asked: &Asked,
    snapshot: &'s Snapshot,
    steps: &mut Steps,
) -> Result<Route<'s>, Verdict> {
    let head = asked.head()?;
    let route = route::trace(asked, &head, snapshot, steps)?;
    limits::trace(&head, snapshot, &route, steps);
    balance::trace(&head, snapshot, &route, steps);
    outgoing::trace(asked, &head, snapshot, &route, steps);
    Ok(route)
}

fn refused(refusal: Refusal, why: impl Into<String>) -> Verdict {
    Verdict::Refused {
        refusal,
        why: why.into(),
    }
}

#[cfg(test)]
mod tests;
