//! Expected arrivals of a launch from their CSV file, problems by line.

use std::{path::Path, time::Duration};

use csv::{ReaderBuilder, StringRecord};

use crate::{
    files::{Sources, explain},
    problem::{Place, Report},
    reader::Placed,
    text::decode,
    units::quoted,
};

/// A row each minute over sixteen hours; each decision looks at all of them.
const ROWS_MAX: usize = 1_000;
const COLUMNS: [&str; 2] = ["seconds", "arrivals_per_second"];
/// As the key `arrivals_per_second` allows.
const RATE_MAX: f64 = 10_000_000.0;
/// As the key `duration` allows.
const SECONDS_MAX: f64 = 31.0 * 86_400.0;

/// Points in ascending time; none when anything is wrong, which was noted.
pub(super) fn read_arrivals(
    path: &Placed<String>,
    sources: &mut Sources,
    report: &mut Report,
) -> Option<Vec<(Duration, f64)>> {
    let file = sources.resolve(&path.value);
    let bytes = match sources.read(&file) {
        Ok(bytes) => bytes,
        Err(error) => {
            let (wrong, remedy) = explain(&error);
            let wrong = format!("{} {wrong}", file.display());
            report.wrong(path.place, path.at.clone(), wrong, remedy);
            return None;
        }
    };
    let before = report.count();
    let text = decode(&file, &bytes, report)?;
    let points = read_rows(&file, &text, report);
    if report.count() > before {
        return None;
    }
    let wrong = match points.len() {
        0 => "has no rows".to_owned(),
        rows if rows > ROWS_MAX => format!("has {rows} rows, at most {ROWS_MAX} are read"),
        _ => return Some(points),
    };
    let remedy = "write a row wherever the arrivals bend: what is between is linear";
    report.wrong_in(&file, Place::default(), wrong, remedy);
    None
}

fn read_rows(file: &Path, text: &str, report: &mut Report) -> Vec<(Duration, f64)> {
    let mut reader = ReaderBuilder::new().from_reader(text.as_bytes());
    let columns = reader.headers().ok().and_then(find_columns);
    let Some(columns) = columns else {
        let place = Place { line: 1, column: 0 };
        let remedy = format!("name the columns {} in the first line", COLUMNS.join(","));
        report.wrong_in(file, place, "does not name its columns", remedy);
        return Vec::new();
    };
    let mut points: Vec<(Duration, f64)> = Vec::new();
    for (index, record) in reader.into_records().enumerate() {
        let rows = u32::try_from(index).unwrap_or(u32::MAX);
        let (line, read) = match record {
            Ok(record) => (
                record.position().map(csv::Position::line),
                read_row(&record, columns),
            ),
            Err(error) => (
                error.position().map(csv::Position::line),
                Err((format!("is not CSV: {error}"), "mend the row")),
            ),
        };
        let line = line.and_then(|line| u32::try_from(line).ok());
        let place = Place {
            line: line.unwrap_or(rows.saturating_add(2)),
            column: 0,
        };
        match read {
            Ok(point) if points.last().is_some_and(|last| point.0 < last.0) => {
                let wrong = "is earlier than the row above";
                report.wrong_in(file, place, wrong, "sort the rows by `seconds`");
            }
            Ok(point) => points.push(point),
            Err((wrong, remedy)) => report.wrong_in(file, place, wrong, remedy),
        }
    }
    points
}

fn find_columns(headers: &StringRecord) -> Option<[usize; 2]> {
    let find = |wanted: &str| headers.iter().position(|name| name.trim() == wanted);
    let [seconds, rate] = COLUMNS.map(find);
    Some([seconds?, rate?])
}

fn read_row(
    record: &StringRecord,
    [seconds, rate]: [usize; 2],
) -> Result<(Duration, f64), (String, &'static str)> {
    let seconds = number(record, seconds, "seconds", SECONDS_MAX)?;
    let rate = number(record, rate, "arrivals_per_second", RATE_MAX)?;
    Ok((Duration::from_secs_f64(seconds), rate))
}

fn number(
    record: &StringRecord,
    column: usize,
    name: &str,
    max: f64,
) -> Result<f64, (String, &'static str)> {
    let text = record.get(column).unwrap_or_default().trim();
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number = text.parse().ok().filter(|_| plain);
    let number = number.ok_or_else(|| {
        (
            format!("{name} {} is not a number", quoted(text)),
            "write digits only, with a point before decimals",
        )
    })?;
    if number > max {
        let wrong = format!("{name} {} is too large", quoted(text));
        return Err((wrong, "check the unit"));
    }
    Ok(number)
}
