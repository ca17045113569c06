//! Bars beside names: errors by kind, groups of tenants.

use super::markup::{Markup, escape};

/// A bar.
#[derive(Debug)]
pub(super) struct Bar {
    /// Its name, at the left.
    pub(super) name: String,
    /// Its length relative to the others; not negative.
    pub(super) length: f64,
    /// Its value for reading, at the right of it.
    pub(super) text: String,
}

const WIDTH: f64 = 760.0;
const NAMES: f64 = 220.0;
const TEXTS: f64 = 130.0;
const ROW: f64 = 22.0;

/// The figure; empty without bars.
pub(super) fn bars(id: &str, title: &str, bars: &[Bar]) -> String {
    if bars.is_empty() {
        return String::new();
    }
    let largest = bars
        .iter()
        .map(|bar| bar.length)
        .fold(f64::MIN_POSITIVE, f64::max);
    let description: Vec<String> = bars
        .iter()
        .map(|bar| format!("{} {}", bar.name, bar.text))
        .collect();
    let mut markup = Markup::default();
    let mut y = 4.0;
    let mut rows = Markup::default();
    for bar in bars {
        let width = (WIDTH - NAMES - TEXTS) * bar.length / largest;
        rows.put(format_args!(
            "<text class=y x=\"{}\" y=\"{}\">{}</text><path class=bar d=\"M{NAMES} {}h{width:.1}v14h-{width:.1}z\"/>\
             <text x=\"{:.1}\" y=\"{}\">{}</text>\n",
            NAMES - 8.0,
            y + 14.0,
            escape(&bar.name),
            y + 2.0,
            NAMES + width + 6.0,
            y + 14.0,
            escape(&bar.text)
        ));
        y += ROW;
    }
    markup.put(format_args!(
        "<figure>\n<svg role=\"img\" aria-labelledby=\"{id}-title {id}-desc\" viewBox=\"0 0 {WIDTH} {}\">\
         <title id=\"{id}-title\">{}</title><desc id=\"{id}-desc\">{}</desc>\n{}</svg>\n<figcaption>{}</figcaption></figure>\n",
        y + 4.0,
        escape(title),
        escape(&description.join(", ")),
        rows.into_text(),
        escape(title)
    ));
    markup.into_text()
}
