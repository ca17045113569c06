//! Lines on stdout: one JSON object each, valid UTF-8 always, never at the price of traffic.
//!
//! Workers append to a buffer of their own and hand it over in batches; a thread writes. When stdout is slower than the
//! lines come, whole batches are dropped and counted: an edge that stops answering because nobody reads its log is worse
//! than a gap in it. What may wait is bounded in bytes, not in batches: an event is handed over at once, and a thousand
//! pools that wake together write a thousand events. Where lines are missing the log says so once it is written again.

use std::{
    cell::RefCell,
    io::Write as _,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
        mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    },
    thread,
    time::Duration,
};

use crate::clock;

/// A worker's batch is handed over at this size, or at the next [`flush`]. Waking the thread that writes costs some
/// microseconds, which 400 lines share here.
const BATCH_BYTES: usize = 128 * 1024;
/// A smaller batch is copied, so that what waits takes no more memory than its lines.
const COPIED_BYTES: usize = BATCH_BYTES / 4;
/// What may wait for stdout: about 25,000 lines.
const WAITING_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Between two lines that say that others are missing, while stdout stays too slow.
const SAID_EVERY: Duration = Duration::from_secs(1);

enum Message {
    Lines(Vec<u8>),
    /// Answered when everything before it is written.
    Flush(SyncSender<()>),
}

static SINK: OnceLock<Sender<Message>> = OnceLock::new();
/// Bytes that were handed over and are not written yet.
static WAITING: AtomicUsize = AtomicUsize::new(0);
static DROPPED: AtomicU64 = AtomicU64::new(0);
/// Set when the process stops: no tick may come after the last line.
static UNBATCHED: AtomicBool = AtomicBool::new(false);

thread_local! {
    static BATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Starts the thread that writes. Later calls do nothing.
///
/// # Errors
///
/// When the thread cannot be started.
pub fn start() -> std::io::Result<()> {
    let (sender, receiver) = channel();
    if SINK.set(sender).is_ok() {
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_all(&receiver))?;
        let _ = ::log::set_logger(&Bridge);
        ::log::set_max_level(::log::LevelFilter::Warn);
    }
    Ok(())
}

fn write_all(receiver: &Receiver<Message>) {
    let mut stdout = std::io::stdout().lock();
    let mut write = |lines: &[u8]| stdout.write_all(lines).and_then(|()| stdout.flush());
    let (mut said, mut said_at) = (0, None);
    while let Ok(message) = receiver.recv() {
        let is_due = match message {
            Message::Lines(lines) => {
                let written = write(&lines);
                WAITING.fetch_sub(lines.len(), Relaxed);
                if written.is_err() {
                    count_dropped(&lines);
                    continue;
                }
                said_at.is_none_or(|at| clock::now() - at >= SAID_EVERY)
            }
            Message::Flush(done) => {
                let _ = done.send(());
                true
            }
        };
        let dropped = dropped_lines();
        if is_due && dropped > said {
            let line = missing(dropped - said);
            (said, said_at) = (dropped, Some(clock::now()));
            let _ = write(&line); // as good as dropped: the counter has them all
        }
    }
}

/// The line that stands for lines that are not there.
fn missing(lines: u64) -> Vec<u8> {
    let mut line = Vec::new();
    let fields = [("lines", &*lines.to_string())];
    push_event(&mut line, Level::Warn, "log_lines_dropped", &fields);
    line.extend_from_slice(b"}\n");
    line
}

fn count_dropped(lines: &[u8]) {
    DROPPED.fetch_add(memchr::memchr_iter(b'\n', lines).count() as u64, Relaxed);
}

/// Lines that were lost because stdout was too slow or closed.
pub fn dropped_lines() -> u64 {
    DROPPED.load(Relaxed)
}

/// Appends a line to this thread's batch.
pub fn append(write: impl FnOnce(&mut Vec<u8>)) {
    BATCH.with_borrow_mut(|batch| {
        write(batch);
        if batch.len() >= BATCH_BYTES || UNBATCHED.load(Relaxed) {
            hand_over(batch);
        }
    });
}

/// From now on each line is handed over at once. For the end of the process.
pub fn stop_batching() {
    UNBATCHED.store(true, Relaxed);
}

/// Hands this thread's batch over. Workers call it ten times a second.
pub fn flush() {
    BATCH.with_borrow_mut(hand_over);
}

fn hand_over(batch: &mut Vec<u8>) {
    if batch.is_empty() {
        return;
    }
    let Some(sink) = SINK.get() else {
        return batch.clear();
    };
    if WAITING.load(Relaxed) + batch.len() > WAITING_BYTES_MAX {
        count_dropped(batch);
        return batch.clear();
    }
    let lines = if batch.len() < COPIED_BYTES {
        let lines = batch.as_slice().to_vec();
        batch.clear();
        lines
    } else {
        std::mem::replace(batch, Vec::with_capacity(BATCH_BYTES + 1024))
    };
    WAITING.fetch_add(lines.len(), Relaxed);
    let _ = sink.send(Message::Lines(lines)); // who takes them lives as long as the process
}

/// Waits until all that was handed over is written, at most `patience`. For the end of the process.
pub fn drain(patience: Duration) {
    flush();
    let (done, wait) = sync_channel(1);
    if let Some(sink) = SINK.get()
        && sink.send(Message::Flush(done)).is_ok()
    {
        let _ = wait.recv_timeout(patience);
    }
}

/// How much an event matters to an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Normal life: started, config loaded, endpoint healthy.
    Info,
    /// Works, but somebody should look.
    Warn,
    /// Something that should work does not.
    Error,
}

/// Writes an event with its fields, at once.
pub fn event(level: Level, event: &str, fields: &[(&str, &str)]) {
    append(|line| {
        push_event(line, level, event, fields);
        line.extend_from_slice(b"}\n");
    });
    flush();
}

/// Writes an event with its fields and a value of more depth, with the next [`flush`]: who writes one for each of a
/// thousand pools would fill the queue of batches.
pub fn record(
    level: Level,
    name: &str,
    fields: &[(&str, &str)],
    (key, value): (&str, &impl serde::Serialize),
) {
    let Ok(value) = serde_json::to_vec(value) else {
        return event(level, name, fields); // it has a key that is no text
    };
    append(|line| {
        push_event(line, level, name, fields);
        line.push(b',');
        push_string(line, key.as_bytes());
        line.push(b':');
        line.extend_from_slice(&value);
        line.extend_from_slice(b"}\n");
    });
}

/// An event without its end.
fn push_event(line: &mut Vec<u8>, level: Level, event: &str, fields: &[(&str, &str)]) {
    line.extend_from_slice(b"{\"time\":\"");
    push_time(line, clock::unix());
    line.extend_from_slice(match level {
        Level::Info => b"\",\"level\":\"info\",\"event\":",
        Level::Warn => b"\",\"level\":\"warn\",\"event\":",
        Level::Error => b"\",\"level\":\"error\",\"event\":",
    });
    push_string(line, event.as_bytes());
    for (name, value) in fields {
        line.push(b',');
        push_string(line, name.as_bytes());
        line.push(b':');
        push_string(line, value.as_bytes());
    }
}

/// Appends a JSON string. Bytes that are not UTF-8 become U+FFFD, so a line is valid whatever a client sent.
pub fn push_string(line: &mut Vec<u8>, value: &[u8]) {
    line.push(b'"');
    if value
        .iter()
        .all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\'))
    {
        line.extend_from_slice(value);
    } else {
        for chunk in value.utf8_chunks() {
            chunk
                .valid()
                .chars()
                .for_each(|character| push_character(line, character));
            if !chunk.invalid().is_empty() {
                line.extend_from_slice("\u{fffd}".as_bytes());
            }
        }
    }
    line.push(b'"');
}

fn push_character(line: &mut Vec<u8>, character: char) {
    match character {
        '"' | '\\' => line.extend_from_slice(&[b'\\', character as u8]),
        // U+2028 and U+2029 end a line for some readers of JSON.
        '\0'..='\x1f' | '\x7f' | '\u{2028}' | '\u{2029}' => {
            line.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes());
        }
        _ => line.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// Appends a time as RFC 3339 in UTC with milliseconds.
pub fn push_time(line: &mut Vec<u8>, unix: Duration) {
    thread_local! {
        /// The last second and its text: formatting a date costs 100 ns, and thousands of lines share one.
        static SECOND: RefCell<(u64, [u8; 20])> = const { RefCell::new((u64::MAX, [0; 20])) };
    }
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != unix.as_secs() {
            *second = unix.as_secs();
            *text = date_and_time(*second);
        }
        line.extend_from_slice(text);
    });
    let millis = unix.subsec_millis();
    let digit = |value: u32| b'0' + u8::try_from(value % 10).unwrap_or(0);
    line.extend_from_slice(&[digit(millis / 100), digit(millis / 10), digit(millis), b'Z']);
}

/// `2026-11-25T01:02:03.` of a Unix time. Civil date from days: Howard Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms", `civil_from_days`.
fn date_and_time(second: u64) -> [u8; 20] {
    let (days, of_day) = (second / 86_400 + 719_468, second % 86_400);
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let mut text = *b"0000-00-00T00:00:00.";
    let mut put = |at: usize, digits: usize, mut value: u64| {
        for place in text[at..at + digits].iter_mut().rev() {
            *place = b'0' + u8::try_from(value % 10).unwrap_or(0);
            value /= 10;
        }
    };
    put(0, 4, year);
    put(5, 2, month);
    put(8, 2, day);
    put(11, 2, of_day / 3600);
    put(14, 2, of_day / 60 % 60);
    put(17, 2, of_day % 60);
    text
}

/// Warnings of libraries (pingora, rustls) as events of ours.
struct Bridge;

impl ::log::Log for Bridge {
    fn enabled(&self, metadata: &::log::Metadata<'_>) -> bool {
        metadata.level() <= ::log::Level::Warn
    }

    fn log(&self, record: &::log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let level = if record.level() == ::log::Level::Error {
                Level::Error
            } else {
                Level::Warn
            };
            event(
                level,
                "library",
                &[
                    ("target", record.target()),
                    ("message", &record.args().to_string()),
                ],
            );
        }
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: &[u8]) -> String {
        let mut line = Vec::new();
        push_string(&mut line, value);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn p39_whatever_a_client_sends_the_line_is_valid_json() {
        assert_eq!(json(b"plain /path"), r#""plain /path""#);
        assert_eq!(json(b"a\"b\\c\n\x7f"), r#""a\"b\\c\u000a\u007f""#);
        assert_eq!(json("Köln".as_bytes()), "\"Köln\"");
        assert_eq!(json(b"K\xf6ln"), "\"K\u{fffd}ln\"");
        for byte in 0..=255_u8 {
            let text = json(&[b'x', byte, b'y']);
            assert!(serde_json::from_str::<String>(&text).is_ok(), "{text}");
        }
    }

    #[test]
    fn the_line_for_missing_lines_says_how_many() {
        let line: serde_json::Value = serde_json::from_slice(&missing(17)).unwrap();
        assert_eq!(
            (&line["event"], &line["lines"]),
            (&"log_lines_dropped".into(), &"17".into())
        );
    }

    #[test]
    fn times_are_rfc_3339_in_utc() {
        let mut line = Vec::new();
        push_time(&mut line, Duration::from_millis(951_827_696_007));
        assert_eq!(line, b"2000-02-29T12:34:56.007Z");
    }
}
