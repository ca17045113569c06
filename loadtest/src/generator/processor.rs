//! How busy this thread is, and how long it had to wait for a core: the kernel's own figures.

use std::{fs::File, os::unix::fs::FileExt};

/// The figures of one thread, from `/proc/…/schedstat` (proc(5)): nanoseconds on the processor, nanoseconds runnable
/// without one. Read without allocating; both are 0 where the file does not exist.
#[derive(Debug)]
pub(crate) struct Processor {
    file: Option<File>,
    first: (u64, u64),
    last: (u64, u64),
}

impl Processor {
    /// Of the thread that asks; to be used in that thread or elsewhere.
    pub(crate) fn of_this_thread() -> Self {
        Self {
            file: File::open("/proc/thread-self/schedstat").ok(),
            first: (0, 0),
            last: (0, 0),
        }
    }

    /// Counts from now on.
    pub(crate) fn begin(&mut self) {
        self.first = self.read();
        self.last = self.first;
    }

    /// Busy and delayed since the last call.
    pub(crate) fn since_last(&mut self) -> (u64, u64) {
        let now = self.read();
        let before = std::mem::replace(&mut self.last, now);
        difference(now, before)
    }

    /// Busy and delayed from the beginning to the last call.
    pub(crate) const fn total(&self) -> (u64, u64) {
        difference(self.last, self.first)
    }

    fn read(&self) -> (u64, u64) {
        let mut text = [0; 96];
        let read = self
            .file
            .as_ref()
            .and_then(|file| file.read_at(&mut text, 0).ok());
        let text = text.get(..read.unwrap_or(0)).unwrap_or_default();
        let mut numbers = str::from_utf8(text)
            .unwrap_or_default()
            .split_ascii_whitespace()
            .map(|number| number.parse().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    }
}

const fn difference(after: (u64, u64), before: (u64, u64)) -> (u64, u64) {
    (
        after.0.saturating_sub(before.0),
        after.1.saturating_sub(before.1),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows_as_busy() {
        let mut processor = Processor::of_this_thread();
        processor.begin();
        let mut sum = 0_u64;
        while processor.since_last().0 == 0 {
            sum = (0..100_000).fold(sum, |sum, number| std::hint::black_box(sum ^ number));
        }
        assert!(processor.total().0 > 0, "{sum}");
    }
}
