//! Reads the Prometheus text format as its documentation defines it, strictly.

use std::collections::BTreeMap;

/// What `/metrics` said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metrics {
    /// Type by family.
    pub families: BTreeMap<String, String>,
    /// Help by family.
    pub help: BTreeMap<String, String>,
    /// Value by series, labels as written.
    pub series: BTreeMap<String, f64>,
}

impl Metrics {
    /// Parses an answer.
    ///
    /// # Panics
    ///
    /// On a line that the format does not know, a series without family, and one that comes twice.
    pub fn parse(text: &str) -> Self {
        let mut metrics = Self::default();
        assert!(text.ends_with('\n'), "the last line ends");
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type");
                metrics.families.insert(name.to_owned(), kind.to_owned());
            } else if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a help");
                metrics.help.insert(name.to_owned(), help.to_owned());
            } else {
                metrics.add(line);
            }
        }
        metrics
    }

    fn add(&mut self, line: &str) {
        let (series, value) = line.rsplit_once(' ').expect("a series and its value");
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("a value: {line}"));
        let name = series.split('{').next().unwrap_or_default();
        let family = ["", "_bucket", "_sum", "_count"]
            .iter()
            .filter_map(|ending| name.strip_suffix(ending))
            .any(|family| self.families.contains_key(family));
        assert!(family, "a series without a family: {line}");
        let before = self.series.insert(series.to_owned(), value);
        assert!(before.is_none(), "a series twice: {line}");
    }

    /// A series' value; 0 when it is not there yet.
    pub fn value(&self, series: &str) -> f64 {
        self.series.get(series).copied().unwrap_or(0.0)
    }

    /// The sum of all series of a family.
    pub fn sum(&self, family: &str) -> f64 {
        let of_family = |series: &str| series.split('{').next() == Some(family);
        let matching = self.series.iter().filter(|(series, _)| of_family(series));
        matching.map(|(_, value)| value).sum()
    }
}
