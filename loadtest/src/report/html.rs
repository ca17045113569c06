//! One self-contained file for whoever decides: verdict and reason first, then plots, each with its table.
//!
//! No script, no font, no picture from elsewhere: a content security policy inside the file forbids all but its own style,
//! so it may be mailed, archived and printed. Bounded: lines are reduced to what a screen can show and tables to what a
//! person reads, so an hour stays below 2 MB; everything else is in the JSON.

mod bars;
mod checklist;
mod errors;
mod fairness;
mod heat;
mod markup;
mod percentiles;
mod plot;
mod reduce;
mod scale;
mod search;
mod steps;
mod timeline;
mod top;

use crate::results::Results;

use markup::escape;

pub use search::{render_capacity, render_comparison};

/// A run as a page.
pub fn render(results: &Results) -> String {
    let sections = [
        top::verdict(results),
        percentiles::render(results),
        timeline::offered(results),
        heat::render(results),
        timeline::latency(results),
        timeline::replicas(results),
        errors::render(results),
        fairness::render(results),
        steps::render(results),
        checklist::render(results),
        top::origin(results),
    ]
    .concat();
    let word = results
        .verdict
        .as_ref()
        .map_or("not judged", |verdict| verdict.outcome.label());
    page(&format!("{word}: {}", results.scenario.name), &sections)
}

/// A whole page around `body`; `title` is not yet escaped.
fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>{}</style></head>\n<body><main>\n{body}</main></body></html>\n",
        escape(title),
        include_str!("html/style.css"),
    )
}

#[cfg(test)]
mod browser;
#[cfg(test)]
mod tests;
