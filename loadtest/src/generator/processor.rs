//! How busy this thread is, and how long it had to wait for a core: the kernel's own figures.

//!
//! Not every kernel tells both: built without `CONFIG_SCHED_INFO` it says "0 0 0" for every thread, and some sandboxes have
//! no such file. Zero would be the best that a generator can show, so what is not told is not known. Time on the processor
//! has a clock of its own everywhere (POSIX.1-2024, `CLOCK_THREAD_CPUTIME_ID`).

use std::{fs::File, os::unix::fs::FileExt, time::Duration};

use nix::time::{ClockId, clock_gettime};

use crate::{clock::nanoseconds, record::ProcessorTime};

/// The figures of one thread, from `/proc/…/schedstat` (proc(5)). Read without allocating.
#[derive(Debug)]
pub(crate) struct Processor {
    file: Option<File>,
    first: ProcessorTime,
    last: ProcessorTime,
}

impl Processor {
    /// Of the thread that asks, which is the only one that may use it.
    pub(crate) fn of_this_thread() -> Self {
        Self::reading(File::open("/proc/thread-self/schedstat").ok())
    }

    fn reading(file: Option<File>) -> Self {
        Self {
            file,
            first: ProcessorTime::default(),
            last: ProcessorTime::default(),
        }
    }

    /// Counts from now on.
    pub(crate) fn begin(&mut self) {
        self.first = self.read();
        self.last = self.first;
    }

    /// Since the last call.
    pub(crate) fn since_last(&mut self) -> ProcessorTime {
        let now = self.read();
        let before = std::mem::replace(&mut self.last, now);
        difference(now, before)
    }

    /// From the beginning to the last call; may be asked for by any thread.
    pub(crate) fn total(&self) -> ProcessorTime {
        difference(self.last, self.first)
    }

    fn read(&self) -> ProcessorTime {
        let mut text = [0; 96];
        let read = self
            .file
            .as_ref()
            .and_then(|file| file.read_at(&mut text, 0).ok());
        let text = text.get(..read.unwrap_or(0)).unwrap_or_default();
        told(text).unwrap_or_else(|| ProcessorTime {
            busy: processor_time(),
            run_delay: None,
        })
    }
}

/// What the kernel wrote: time on the processor, time runnable, number of turns. A thread that reads has had a turn, so all
/// zeros are no answer.
fn told(text: &[u8]) -> Option<ProcessorTime> {
    let mut numbers = str::from_utf8(text)
        .ok()?
        .split_ascii_whitespace()
        .map(str::parse);
    let mut next = || numbers.next()?.ok();
    let (busy, run_delay, turns): (u64, u64, u64) = (next()?, next()?, next()?);
    (busy > 0 || turns > 0).then_some(ProcessorTime {
        busy,
        run_delay: Some(run_delay),
    })
}

fn processor_time() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
    time.map_or(0, |time| nanoseconds(Duration::from(time)))
}

fn difference(after: ProcessorTime, before: ProcessorTime) -> ProcessorTime {
    let both = after.run_delay.zip(before.run_delay);
    ProcessorTime {
        busy: after.busy.saturating_sub(before.busy),
        run_delay: both.map(|(after, before)| after.saturating_sub(before)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work_until_it_shows(mut processor: Processor) -> ProcessorTime {
        processor.begin();
        let mut sum = 0_u64;
        while processor.since_last().busy == 0 {
            sum = (0..100_000).fold(sum, |sum, number| std::hint::black_box(sum ^ number));
        }
        processor.total()
    }

    #[test]
    fn work_shows_as_busy() {
        assert!(work_until_it_shows(Processor::of_this_thread()).busy > 0);
    }

    #[test]
    fn where_the_kernel_tells_nothing_work_still_shows_and_waiting_for_a_core_is_not_known() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("schedstat");
        std::fs::write(&path, "0 0 0\n").unwrap();
        for file in [None, Some(File::open(&path).unwrap())] {
            let load = work_until_it_shows(Processor::reading(file));
            assert!(load.busy > 0);
            assert_eq!(load.run_delay, None, "no data is not the best there is");
        }
    }

    #[test]
    fn what_the_kernel_writes_is_read_and_anything_else_is_no_answer() {
        let load = |busy, run_delay| ProcessorTime { busy, run_delay };
        assert_eq!(told(b"900 0 7\n"), Some(load(900, Some(0))));
        assert_eq!(told(b"900 50 7\n"), Some(load(900, Some(50))));
        for text in [&b""[..], b"0 0 0\n", b"900 50", b"no 1 2", b"\xff 1 2"] {
            assert_eq!(told(text), None, "{text:?}");
        }
    }
}
