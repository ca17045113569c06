//! A saved result, judged again: what the file says about its verdict is a copy for readers, and counts for nothing.
//!
//! Only the texts of its thresholds are taken from there, and its figures.

use std::path::Path;

use super::{print::remark, words};
use crate::{
    results::{Results, file},
    scenario,
    verdict::{self, Criterion},
};

/// Reads a result and judges it by its own figures; tells when the file says something else.
pub(super) fn read(path: &Path) -> Result<Results, String> {
    let mut results = file::read(path).map_err(|problem| problem.to_string())?;
    let criteria: Result<Vec<_>, _> = results
        .thresholds
        .iter()
        // Judging adds it again where it is due.
        .filter(|judged| judged.threshold != Criterion::implied().text)
        .map(|judged| scenario::threshold(&judged.threshold))
        .collect();
    let criteria = criteria.map_err(|fault| {
        let problem = words(fault);
        format!("{}: a threshold in it is none: {problem}", path.display())
    })?;
    let written = results.verdict.take().map(|verdict| verdict.outcome);
    verdict::judge(&mut results, &criteria);
    let found = results.verdict.as_ref().map(|verdict| verdict.outcome);
    if let (Some(written), Some(found)) = (written, found)
        && written != found
    {
        remark(format_args!(
            "launchday: {} calls itself {}; by its figures it is {}",
            path.display(),
            written.label(),
            found.label()
        ));
    }
    Ok(results)
}
