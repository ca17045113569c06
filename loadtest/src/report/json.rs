//! The result itself as JSON, one line per top-level field's group: readable by `jq` and by `launchday compare`.

use std::path::Path;

use crate::results::{FileProblem, Results, file};

/// The JSON text, ended by a newline.
///
/// # Errors
/// A number that JSON cannot hold, which no field of [`Results`] produces.
pub fn render(results: &Results) -> serde_json::Result<String> {
    let mut text = serde_json::to_string(results)?;
    text.push('\n');
    Ok(text)
}

/// Writes it, whole or not at all.
///
/// # Errors
/// See [`file::write`].
pub fn write(results: &Results, path: &Path) -> Result<(), FileProblem> {
    let text = render(results).map_err(|source| FileProblem::Shape {
        path: path.to_owned(),
        source,
    })?;
    file::write(path, text.as_bytes())
}
