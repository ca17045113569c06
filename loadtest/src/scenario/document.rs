//! The table of keys as the reference part of `docs/launchday.md`.

use std::fmt::Write as _;

use super::keys::{KEYS, Kind};

/// Between these the page is written by the test at the end of this file.
const MARKS: [&str; 2] = [
    "<!-- keys: written by the test `docs_launchday_md_is_current` from the table that the checker reads -->",
    "<!-- end of keys -->",
];

/// Every key with what stands behind it, its meaning and an example, as a Markdown table.
pub fn document() -> String {
    let mut page = "| key | holds | meaning | example |\n|---|---|---|---|\n".to_owned();
    for key in KEYS {
        let path = if key.section.is_empty() {
            key.name.to_owned()
        } else {
            format!("{}.{}", key.section, key.name)
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            page,
            "| `{path}` | {} | {} | `{}` |",
            holds(key.kind),
            key.meaning,
            key.example
        );
    }
    page
}

/// `page` with the part between the marks written anew; none when it has no marks.
pub fn insert(page: &str) -> Option<String> {
    let [start, end] = MARKS;
    let (before, rest) = page.split_once(start)?;
    let (_, after) = rest.split_once(end)?;
    Some(format!("{before}{start}\n\n{}\n{end}{after}", document()))
}

const fn holds(kind: Kind) -> &'static str {
    match kind {
        Kind::Section(_) => "section",
        Kind::Sections(_) => "list of sections",
        Kind::TextOrSection(_) => "text or section",
        Kind::SectionOrSections(_) => "section or list of them",
        Kind::Pairs => "names with texts",
        Kind::Texts => "list of texts",
        Kind::Integers => "list of whole numbers",
        Kind::Text | Kind::Word(_) => "text",
        Kind::Flag => "`true` or `false`",
        Kind::Integer => "whole number",
        Kind::Number => "number",
    }
}

#[cfg(test)]
mod tests {
    use std::{env, fs, path::PathBuf};

    use super::*;

    #[test]
    fn docs_launchday_md_is_current() {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/launchday.md");
        let page = fs::read_to_string(&path).unwrap();
        let current = insert(&page).expect("the page has its marks");
        if env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&path, &current).unwrap();
        }
        assert_eq!(page, current, "run it again with UPDATE_DOCS=1");
    }
}
