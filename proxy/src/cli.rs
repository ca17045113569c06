//! The command line: `run`, `check`, `explain`, `plan`, `demo`. Exit code 0: fine, 1: problems found, 2: wrong usage.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand, ValueEnum};
use schleuse_config::{DEFAULT_PATHS, Loaded, Problem, Problems};

use crate::{app, clock, demo, explain, plan, provision::guard, reload::describe};

/// Multi-tenant edge ingress for German e-government.
#[derive(Debug, Parser)]
#[command(name = "schleuse", version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve.
    Run {
        /// The config; by default `schleuse.yaml` here, then in `/etc/schleuse`.
        #[arg(long, short)]
        config: Option<PathBuf>,
    },
    /// Check a config: every problem with its place and what to write instead.
    Check {
        /// The config; by default `schleuse.yaml` here, then in `/etc/schleuse`.
        #[arg(long, short)]
        config: Option<PathBuf>,
        /// How problems are printed.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Explain what would happen to a request, step by step, without sending it. Exit code 1: it would be refused.
    Explain {
        #[command(flatten)]
        request: explain::Options,
        /// The config; by default `schleuse.yaml` here, then in `/etc/schleuse`.
        #[arg(long, short)]
        config: Option<PathBuf>,
        /// How it is printed.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Print the timetable of the announced launches: what is ordered when, and whether it will hold.
    Plan {
        #[command(flatten)]
        plan: plan::Options,
        /// The config; by default `schleuse.yaml` here, then in `/etc/schleuse`.
        #[arg(long, short)]
        config: Option<PathBuf>,
        /// How it is printed.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Try it here: all municipalities, a few services with backends, and what to type.
    Demo(demo::Options),
    #[command(hide = true)]
    DemoBackend(demo::backend::Options),
    #[command(hide = true)]
    DemoProxy(demo::process::ProxyOptions),
    #[command(hide = true)]
    ReplicaGuard(guard::Options),
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// Runs the command line.
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run { config } => run(config),
        Command::Check { config, format } => check(config, format),
        Command::Explain {
            request,
            config,
            format,
        } => explain(&request, config, format),
        Command::Plan {
            plan,
            config,
            format,
        } => print_plan(&plan, config, format),
        Command::Demo(options) => match demo::run(&options) {
            Ok(code) => code,
            Err(error) => fail(1, &format!("schleuse demo: {error}")),
        },
        Command::DemoBackend(options) => match demo::backend::run(&options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(1, &format!("schleuse demo-backend: {error}")),
        },
        Command::DemoProxy(options) => {
            let error = demo::process::become_proxy(&options);
            fail(1, &format!("schleuse demo-proxy: {error}"))
        }
        Command::ReplicaGuard(options) => guard::run(&options),
    }
}

fn run(config: Option<PathBuf>) -> ExitCode {
    let path = match config_path(config) {
        Ok(path) => path,
        Err(message) => return fail(2, &message),
    };
    let loaded = match schleuse_config::load(&path) {
        Ok(loaded) => loaded,
        Err(problems) => return fail(1, &text(&problems)),
    };
    match app::run(&path, loaded) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &format!("schleuse: {error}")),
    }
}

fn check(config: Option<PathBuf>, format: Format) -> ExitCode {
    let path = match config_path(config) {
        Ok(path) => path,
        Err(message) => return fail(2, &message),
    };
    match (schleuse_config::load(&path), format) {
        (Ok(loaded), Format::Text) => print(&summary(&path, &loaded)),
        (Ok(loaded), Format::Json) => print(&json(loaded.warnings.iter(), "warning")),
        (Err(problems), Format::Text) => return fail(1, &text(&problems)),
        (Err(problems), Format::Json) => {
            print(&json(problems.iter(), "error"));
            return ExitCode::from(1);
        }
    }
    ExitCode::SUCCESS
}

fn explain(request: &explain::Options, config: Option<PathBuf>, format: Format) -> ExitCode {
    let path = match config_path(config) {
        Ok(path) => path,
        Err(message) => return fail(2, &message),
    };
    let loaded = match schleuse_config::load(&path) {
        Ok(loaded) => loaded,
        Err(problems) => return fail(2, &text(&problems)),
    };
    let format = match format {
        Format::Text => explain::Format::Text,
        Format::Json => explain::Format::Json,
    };
    let explained = explain::explain(request, format, &path, &loaded.snapshot);
    if !explained.text.is_empty() {
        print(&explained.text);
    }
    match &explained.complaint {
        Some(complaint) => fail(explained.code, complaint),
        None => ExitCode::from(explained.code),
    }
}

fn print_plan(options: &plan::Options, config: Option<PathBuf>, format: Format) -> ExitCode {
    let path = match config_path(config) {
        Ok(path) => path,
        Err(message) => return fail(2, &message),
    };
    let loaded = match schleuse_config::load(&path) {
        Ok(loaded) => loaded,
        Err(problems) => return fail(2, &text(&problems)),
    };
    let planned = plan::Planned::of(&loaded.snapshot, clock::wall());
    print(&match format {
        Format::Text => planned.text(),
        Format::Json => planned.json(),
    });
    match planned.complaint() {
        Some(complaint) => fail(options.code(&planned), &complaint),
        None => ExitCode::from(options.code(&planned)),
    }
}

fn config_path(given: Option<PathBuf>) -> Result<PathBuf, String> {
    given
        .or_else(|| {
            DEFAULT_PATHS
                .iter()
                .map(PathBuf::from)
                .find(|path| path.exists())
        })
        .ok_or_else(|| {
            format!(
                "schleuse: no config: neither {} exists; name one with --config PATH",
                DEFAULT_PATHS.join(" nor ")
            )
        })
}

fn text(problems: &Problems) -> String {
    let lines = describe(problems);
    let count = problems.count();
    let noun = if count == 1 { "problem" } else { "problems" };
    format!("{}\nschleuse: {count} {noun}", lines.join("\n"))
}

fn summary(path: &Path, loaded: &Loaded) -> String {
    let snapshot = &loaded.snapshot;
    let mut lines: Vec<_> = loaded
        .warnings
        .iter()
        .map(|warning| format!("warning: {warning}"))
        .collect();
    lines.push(format!(
        "{}: fine: {} tenants, {} services, {} pools, {} listeners",
        path.display(),
        snapshot.register.tenant_count(),
        snapshot.services.len(),
        snapshot.pools.len(),
        snapshot.listeners.len(),
    ));
    lines.join("\n")
}

fn json<'p>(problems: impl Iterator<Item = &'p Problem>, severity: &str) -> String {
    let values: Vec<_> = problems
        .map(|problem| {
            serde_json::json!({
                "severity": severity,
                "file": problem.file.display().to_string(),
                "line": problem.line,
                "column": problem.column,
                "at": problem.at,
                "wrong": problem.wrong,
                "remedy": problem.remedy,
            })
        })
        .collect();
    serde_json::Value::Array(values).to_string()
}

#[expect(clippy::print_stdout, reason = "what the command was asked for")]
fn print(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "why the command did not do it")]
fn fail(code: u8, message: &str) -> ExitCode {
    eprintln!("{message}");
    ExitCode::from(code)
}
