//! One decision on a request's way, as a value that every renderer shows in its own way.

use serde_json::{Map, Value};

/// What was decided, why, and the numbers behind it.
#[derive(Debug)]
pub(super) struct Step {
    /// One word, stable: programs look for it.
    pub(super) name: &'static str,
    /// The outcome.
    pub(super) decision: String,
    /// Why, in whole phrases; empty where the decision says it all.
    pub(super) reason: String,
    /// The same for programs, and details that people may want to see.
    pub(super) facts: Map<String, Value>,
}

impl Step {
    pub(super) fn new(
        name: &'static str,
        decision: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            name,
            decision: decision.into(),
            reason: reason.into(),
            facts: Map::new(),
        }
    }

    pub(super) fn fact(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }
}

/// All of them, in the order in which they are taken.
#[derive(Debug, Default)]
pub(super) struct Steps(pub(super) Vec<Step>);

impl Steps {
    pub(super) fn push(&mut self, step: Step) {
        self.0.push(step);
    }
}

/// `3685265` as people read it: `3,685,265`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(928), "928");
        assert_eq!(grouped(3_685_265), "3,685,265");
    }
}
