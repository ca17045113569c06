//! The register of municipalities from its CSV file, problems by line.
//!
//! Ten thousand rows are read at each reload, so a row allocates its two texts and nothing else.

use std::{path::Path, sync::Arc};

use csv::{ByteRecord, ReaderBuilder};
use schleuse_core::{Register, RegisterProblem, Row, register::RowProblem};

use crate::{
    files::{Hash, Sources, explain, hash_of},
    problem::{Place, Problems, Report},
    reader::Placed,
    spelling::closest,
    text::decode,
    units::quoted,
};

const COLUMNS: [&str; 3] = ["ars", "name", "bevoelkerung"];

/// Reads a register alone, for a tool that needs no config.
///
/// # Errors
///
/// Everything that is wrong with the file.
pub fn load_register(path: &Path) -> Result<Arc<Register>, Problems> {
    let mut sources = Sources::new(path);
    let mut report = Report::new(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let place = Placed {
        value: name.into_owned(),
        place: Place::default(),
        at: String::new(),
    };
    let read = read_register(&place, &[], &mut sources, &mut report);
    let (files, _) = sources.finish();
    report
        .finish(read, files)
        .map(|((register, _), _)| register)
}

/// The official register that this repository holds, for a program that carries it. © Statistisches Bundesamt (Destatis),
/// Gemeindeverzeichnis GV-ISys; state and licence are in `config/register/README.md`.
pub const OFFICIAL_REGISTER: &str = include_str!("../register/gemeinden.csv");

/// Reads a register from its text; `name` stands for it in problems.
///
/// # Errors
///
/// Everything that is wrong with it.
pub fn parse_register(name: &Path, text: &str) -> Result<Arc<Register>, Problems> {
    let mut report = Report::new(name);
    let read = build(name, text, &[], &[], &mut report);
    report
        .finish(read, Vec::new())
        .map(|(register, _)| register)
}

/// An old key and the key it became.
pub(crate) type Alias = Placed<(String, String)>;

/// Reads the register that `path` names, with the hash of what it was built from; none when anything is wrong with it,
/// which was noted.
pub(crate) fn read_register(
    path: &Placed<String>,
    aliases: &[Alias],
    sources: &mut Sources,
    report: &mut Report,
) -> Option<(Arc<Register>, Hash)> {
    let file = sources.resolve(&path.value);
    let bytes = match sources.read(&file) {
        Ok(bytes) => bytes,
        Err(error) => {
            let (wrong, remedy) = explain(&error);
            report.wrong(
                path.place,
                path.at.clone(),
                format!("{} {wrong}", file.display()),
                remedy,
            );
            return None;
        }
    };
    let pairs: Vec<(String, String)> = aliases.iter().map(|alias| alias.value.clone()).collect();
    let keys = pairs
        .iter()
        .flat_map(|(old, new)| [old.as_bytes(), new.as_bytes()]);
    let source = hash_of(std::iter::once(&*bytes).chain(keys));
    if let Some(register) = sources.known_register(&source) {
        return Some((register, source));
    }
    let text = decode(&file, &bytes, report)?;
    build(&file, &text, &pairs, aliases, report).map(|register| (register, source))
}

/// The register of this text; none when anything is wrong with it, which was noted. `pairs` are the values of `aliases`.
fn build(
    file: &Path,
    text: &str,
    pairs: &[(String, String)],
    aliases: &[Alias],
    report: &mut Report,
) -> Option<Arc<Register>> {
    let before = report.count();
    let (rows, lines) = read_rows(file, text, report);
    if rows.is_empty() && report.count() == before {
        report.wrong_in(
            file,
            Place::default(),
            "lists no municipality",
            "use the official register, or at least one row",
        );
    }
    match Register::build(rows, pairs) {
        Ok(register) => (report.count() == before).then(|| Arc::new(register)),
        Err(problems) => {
            // A row that is missing because it is unreadable must not make its alias look wrong as well.
            let rows_are_fine = report.count() == before;
            for problem in problems {
                note(&problem, file, &lines, aliases, rows_are_fine, report);
            }
            None
        }
    }
}

/// The rows that could be read, and the line of each.
fn read_rows(file: &Path, text: &str, report: &mut Report) -> (Vec<Row>, Vec<u32>) {
    let mut reader = ReaderBuilder::new().from_reader(text.as_bytes());
    let Some(columns) = reader
        .byte_headers()
        .ok()
        .cloned()
        .and_then(|headers| find_columns(file, text, &headers, report))
    else {
        return (Vec::new(), Vec::new());
    };
    let rough_count = text.len() / 100;
    let mut rows = Vec::with_capacity(rough_count);
    let mut lines = Vec::with_capacity(rough_count);
    let mut record = ByteRecord::new();
    loop {
        match reader.read_byte_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {
                let line = record
                    .position()
                    .map_or(0, |position| line_of(position.line()));
                match read_row(&record, columns) {
                    Ok(row) => {
                        rows.push(row);
                        lines.push(line);
                    }
                    Err((wrong, remedy)) => {
                        report.wrong_in(file, Place { line, column: 0 }, wrong, remedy);
                    }
                }
            }
            Err(error) => {
                note_csv(file, &error, report);
                if error.is_io_error() {
                    break;
                }
            }
        }
    }
    (rows, lines)
}

/// Where the three columns are.
fn find_columns(
    file: &Path,
    text: &str,
    headers: &ByteRecord,
    report: &mut Report,
) -> Option<[usize; 3]> {
    let names: Vec<&str> = headers
        .iter()
        .filter_map(|name| std::str::from_utf8(name).ok())
        .map(str::trim)
        .collect();
    let mut columns = [0; 3];
    let mut complete = true;
    for (column, wanted) in columns.iter_mut().zip(COLUMNS) {
        if let Some(index) = names.iter().position(|name| *name == wanted) {
            *column = index;
            continue;
        }
        complete = false;
        let semicolons =
            names.len() == 1 && text.lines().next().is_some_and(|line| line.contains(';'));
        let remedy = match closest(wanted, names.iter().copied()) {
            _ if semicolons => "separate columns by commas, not by semicolons".to_owned(),
            Some(near) => format!("rename `{near}`"),
            None => format!("name the columns {} in the first line", COLUMNS.join(", ")),
        };
        report.wrong_in(
            file,
            Place { line: 1, column: 0 },
            format!("there is no column `{wanted}`"),
            remedy,
        );
    }
    complete.then_some(columns)
}

fn read_row(
    record: &ByteRecord,
    [ars, name, population]: [usize; 3],
) -> Result<Row, (String, String)> {
    let field = |column: usize| {
        let bytes = record.get(column).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default().trim()
    };
    let number = field(population);
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let Some(population) = number.parse().ok().filter(|_| digits) else {
        let remedy = "write digits only, without separators";
        return Err((
            format!("bevoelkerung {} is not a whole number", quoted(number)),
            remedy.to_owned(),
        ));
    };
    Ok(Row {
        ars: field(ars).to_owned(),
        name: field(name).to_owned(),
        population,
    })
}

fn note_csv(file: &Path, error: &csv::Error, report: &mut Report) {
    let line = error
        .position()
        .map_or(0, |position| line_of(position.line()));
    let wrong = match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => {
            format!("has {len} columns where the first line has {expected_len}")
        }
        _ => format!("is not CSV: {error}"),
    };
    report.wrong_in(
        file,
        Place { line, column: 0 },
        wrong,
        "put a text that contains commas into double quotes",
    );
}

fn note(
    problem: &RegisterProblem,
    file: &Path,
    lines: &[u32],
    aliases: &[Alias],
    rows_are_fine: bool,
    report: &mut Report,
) {
    match problem {
        RegisterProblem::Row { row, wrong } => {
            let line_at = |row: usize| lines.get(row).copied().unwrap_or_default();
            let (text, remedy) = match wrong {
                RowProblem::RepeatedArs { first_row } => (
                    format!("the ARS stands in line {} as well", line_at(*first_row)),
                    "remove one of the two",
                ),
                RowProblem::RepeatedAgs { first_row } => (
                    format!(
                        "the AGS (the ARS without digits 6 to 9) belongs to line {} as well",
                        line_at(*first_row)
                    ),
                    "remove one of the two",
                ),
                RowProblem::NoName => (wrong.to_string(), "write the official name"),
                RowProblem::Key(_) | RowProblem::NoGemeinde { .. } => (
                    format!("ars: {wrong}"),
                    "write the 12 digits of the official key; spreadsheets cut leading zeros off",
                ),
            };
            let place = Place {
                line: line_at(*row),
                column: 0,
            };
            report.wrong_in(file, place, text, remedy);
        }
        RegisterProblem::Alias { alias, wrong } => {
            if let Some(alias) = aliases.get(*alias).filter(|_| rows_are_fine) {
                report.wrong(
                    alias.place,
                    alias.at.clone(),
                    wrong.to_string(),
                    "write `\"old key\": \"new key\"`, or remove it",
                );
            }
        }
    }
}

fn line_of(line: u64) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}
