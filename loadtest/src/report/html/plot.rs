//! One inline SVG: axes with ticks, lines, bars and cells on it; named and described for those who cannot see it.
//!
//! Lines differ by dash and not by colour alone (WCAG 1.4.1), sizes are in the user's units of a fixed view box, and nothing
//! in it refers to anything outside.

use super::{
    markup::{Markup, escape},
    scale::Scale,
};

const WIDTH: f64 = 760.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 34.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 42.0;

/// An axis: its scale, its name, how a tick is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis<'a> {
    pub(super) scale: Scale,
    pub(super) name: &'a str,
    pub(super) label: fn(f64) -> String,
}

/// A plot under construction.
#[derive(Debug)]
pub(super) struct Plot<'a> {
    id: &'a str,
    height: f64,
    x: Axis<'a>,
    y: Axis<'a>,
    marks: Markup,
    legend: Vec<(&'a str, &'a str)>,
}

impl<'a> Plot<'a> {
    /// An empty plot; `id` must be unique on the page.
    pub(super) fn new(id: &'a str, height: f64, x: Axis<'a>, y: Axis<'a>) -> Self {
        Self {
            id,
            height,
            x,
            y,
            marks: Markup::default(),
            legend: Vec::new(),
        }
    }

    /// A line through the points, drawn as the style sheet's `class` says and listed in the legend as `name`; gaps where a
    /// point is not finite.
    pub(super) fn line(&mut self, name: &'a str, class: &'a str, points: &[(f64, f64)]) {
        self.legend.push((class, name));
        let mut path = Markup::default();
        let is_gap = |(x, y): &(f64, f64)| !x.is_finite() || !y.is_finite();
        for stretch in points.split(is_gap) {
            // A single point would be an invisible line.
            if let [(x, y)] = stretch {
                self.marks.put(format_args!(
                    "<circle class=\"{class}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"/>",
                    self.left(*x),
                    self.top(*y)
                ));
                continue;
            }
            for (index, (x, y)) in stretch.iter().enumerate() {
                let command = if index == 0 { 'M' } else { 'L' };
                path.put(format_args!(
                    "{command}{:.1} {:.1}",
                    self.left(*x),
                    self.top(*y)
                ));
            }
        }
        self.marks.put(format_args!(
            "<path class=\"{class}\" d=\"{}\"/>\n",
            path.into_text()
        ));
    }

    /// Rectangles between two corners in values, all of one `class`, as one path.
    pub(super) fn cells(&mut self, class: &str, cells: &[[f64; 4]]) {
        if cells.is_empty() {
            return;
        }
        let mut path = Markup::default();
        for [x0, y0, x1, y1] in cells {
            let (left, right) = (self.left(*x0), self.left(*x1));
            let (top, bottom) = (self.top(*y1), self.top(*y0));
            path.put(format_args!(
                "M{left:.1} {top:.1}h{:.1}v{:.1}h{:.1}z",
                right - left,
                bottom - top,
                left - right
            ));
        }
        self.marks.put(format_args!(
            "<path class=\"{class}\" d=\"{}\"/>\n",
            path.into_text()
        ));
    }

    /// An entry of the legend without a mark of its own.
    pub(super) fn explain(&mut self, class: &'a str, name: &'a str) {
        self.legend.push((class, name));
    }

    /// The figure: drawing, then legend. `description` says what a sighted reader would notice.
    pub(super) fn render(self, title: &str, description: &str) -> String {
        let id = self.id;
        let mut markup = Markup::default();
        markup.put(format_args!(
            "<figure>\n<svg role=\"img\" aria-labelledby=\"{id}-title {id}-desc\" viewBox=\"0 0 {WIDTH} {}\">\
             <title id=\"{id}-title\">{}</title><desc id=\"{id}-desc\">{}</desc>\n",
            self.height,
            escape(title),
            escape(description)
        ));
        self.axes(&mut markup);
        let (marks, legend) = (self.marks.into_text(), self.legend);
        markup.put(format_args!("{marks}</svg>\n<figcaption>{}", escape(title)));
        for (class, name) in legend {
            markup.put(format_args!(
                " <span class=key><svg aria-hidden=\"true\" viewBox=\"0 0 24 8\"><path class=\"{class}\" d=\"M1 4h22\"/></svg> {}</span>",
                escape(name)
            ));
        }
        markup.put(format_args!("</figcaption></figure>\n"));
        markup.into_text()
    }

    fn axes(&self, markup: &mut Markup) {
        let (bottom, right) = (self.height - BOTTOM, WIDTH - RIGHT);
        markup.put(format_args!("<g class=axis>"));
        for tick in self.y.scale.ticks() {
            let y = self.top(tick);
            markup.put(format_args!(
                "<path d=\"M{LEFT} {y:.1}H{right}\"/><text class=y x=\"{}\" y=\"{:.1}\">{}</text>",
                LEFT - 6.0,
                y + 4.0,
                escape(&(self.y.label)(tick))
            ));
        }
        for tick in self.x.scale.ticks() {
            let x = self.left(tick);
            markup.put(format_args!(
                "<path d=\"M{x:.1} {bottom}v5\"/><text class=x x=\"{x:.1}\" y=\"{}\">{}</text>",
                bottom + 18.0,
                escape(&(self.x.label)(tick))
            ));
        }
        markup.put(format_args!(
            "<path class=frame d=\"M{LEFT} {TOP}V{bottom}H{right}\"/>\
             <text class=x x=\"{}\" y=\"{}\">{}</text>\
             <text class=x transform=\"translate(13 {}) rotate(-90)\">{}</text></g>\n",
            f64::midpoint(LEFT, right),
            self.height - 5.0,
            escape(self.x.name),
            f64::midpoint(TOP, bottom),
            escape(self.y.name)
        ));
    }

    fn left(&self, x: f64) -> f64 {
        LEFT + self.x.scale.position(x) * (WIDTH - LEFT - RIGHT)
    }

    fn top(&self, y: f64) -> f64 {
        let bottom = self.height - BOTTOM;
        bottom - self.y.scale.position(y) * (bottom - TOP)
    }
}
