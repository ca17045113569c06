//! The operator's text in, checked values and one [`Snapshot`] out.
//!
//! All or nothing: [`load`] reads the file and everything it names, notes every problem on the way with its place and
//! its remedy, and gives a snapshot only when there is none. Nothing here keeps state, so a reload is another `load`.
//!
//! The way of a config: `text` (bytes to text), `tree` (YAML with places), `reader` (typed access by the table of keys
//! in `reference`), `check` (sections to values, values to routes), [`snapshot`].

mod certificates;
mod check;
mod endpoint_list;
mod files;
mod headers;
mod hosts;
mod moment;
mod networks;
mod problem;
mod reader;
mod reference;
mod register;
pub mod snapshot;
mod spelling;
mod text;
mod tree;
mod units;
pub mod yaml;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use files::{Sources, explain};
use problem::{Place, Report};

pub use endpoint_list::load_endpoints;
pub use moment::spell_moment;
pub use networks::{Network, NetworkError, Networks};
pub use problem::{PROBLEMS_MAX, Problem, Problems};
pub use reference::{DefaultValue, KeyDoc, Kind, document, reference};
pub use register::{OFFICIAL_REGISTER, load_register, parse_register};
pub use snapshot::{
    AccessLog, Admin, AdminToken, Affinity, AffinityKey, Burst, Certificate, CertificateSet,
    ClientAddress, ClientLimit, ClientPolicy, Cost, Discovery, Dns, DnsQuestion, FallbackPage,
    HeaderPart, HeaderValue, Health, Isolation, Listener, Over, Overload, PagePart, Pool, PoolPlan,
    PoolTimeouts, ProcessTemplate, RATE_PER_SECOND_MAX, Scale, ScaleWay, Scaler, ScalerTls,
    Service, ServiceLimits, Snapshot, TenantLimit, Webhook, WebhookSecret, Weights,
};
pub use units::{read_duration, spell_duration, spell_rate, spell_size};

/// Where a config is looked for when none is named, in this order.
pub const DEFAULT_PATHS: [&str; 2] = ["schleuse.yaml", "/etc/schleuse/schleuse.yaml"];

/// A config that passed.
#[derive(Debug)]
pub struct Loaded {
    /// What the config means.
    pub snapshot: Snapshot,
    /// Every file and directory that was read or looked for, to watch.
    pub files: Vec<PathBuf>,
    /// What an operator should know, as a certificate that has expired.
    pub warnings: Vec<Problem>,
}

/// Reads the config at `path` and all files it names; relative paths in it start at its directory.
///
/// # Errors
///
/// [`Problems`]: every mistake at once, with the files to watch for its mending.
pub fn load(path: &Path) -> Result<Loaded, Problems> {
    load_from(path, Sources::new(path))
}

/// As [`load`], for a config that is to follow `before`: a register that has not changed is taken over instead of built
/// again, so that a reload neither parses 10,000 rows nor holds them twice.
///
/// # Errors
///
/// As [`load`].
pub fn reload(path: &Path, before: &Snapshot) -> Result<Loaded, Problems> {
    let known = (before.register_source, Arc::clone(&before.register));
    load_from(path, Sources::following(path, known))
}

fn load_from(path: &Path, mut sources: Sources) -> Result<Loaded, Problems> {
    let mut report = Report::new(path);
    let snapshot = read(path, &mut sources, &mut report);
    let (files, hash) = sources.finish();
    let (snapshot, warnings) = report.finish(snapshot, files.clone())?;
    Ok(Loaded {
        snapshot: Snapshot { hash, ..snapshot },
        files,
        warnings,
    })
}

fn read(path: &Path, sources: &mut Sources, report: &mut Report) -> Option<Snapshot> {
    let bytes = match sources.read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            let (wrong, remedy) = explain(&error);
            report.wrong(Place::default(), "", wrong, remedy);
            return None;
        }
    };
    let text = text::decode(path, &bytes, report)?;
    let root = tree::parse(&text, report)?;
    check::check(&root, sources, report)
}
