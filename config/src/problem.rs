//! What is wrong with a config: every mistake at once, each with its place, its cause and what to write instead.
//!
//! A load never stops at the first mistake; whoever reads one reads them all. The list is capped, because a file that
//! is wrong in ten thousand places is usually wrong in one way.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Problems beyond this are counted, not kept.
pub const PROBLEMS_MAX: usize = 500;

/// One mistake, or (as a warning) one thing that an operator should know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, as the operator named it or as the config names it.
    pub file: PathBuf,
    /// From 1; 0: the file as a whole.
    pub line: u32,
    /// In characters, from 1; 0: the line as a whole.
    pub column: u32,
    /// The path of keys, as `pools.wohngeld.timeouts.connect`; empty outside of any key.
    pub at: String,
    /// What is wrong.
    pub wrong: String,
    /// What to write or do instead.
    pub remedy: String,
}

impl fmt::Display for Problem {
    /// `file:line:column: at: wrong; remedy`, without the parts that are unknown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if self.line > 0 {
            write!(f, "{}:", self.line)?;
            if self.column > 0 {
                write!(f, "{}:", self.column)?;
            }
        }
        if !self.at.is_empty() {
            write!(f, " {}:", self.at)?;
        }
        write!(f, " {}", self.wrong)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

/// Why a config was not loaded. Never empty; in order of file, line and column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
    left_off: usize,
    files: Vec<PathBuf>,
}

impl Problems {
    /// The problems that were kept, at most [`PROBLEMS_MAX`].
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.list.iter()
    }

    /// How many were found, including those that were not kept.
    pub fn count(&self) -> usize {
        self.list.len() + self.left_off
    }

    /// How many were found but not kept.
    pub fn left_off(&self) -> usize {
        self.left_off
    }

    /// Every file and directory that was read or looked for: a change of any of them may mend the config.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }
}

impl<'p> IntoIterator for &'p Problems {
    type Item = &'p Problem;
    type IntoIter = std::slice::Iter<'p, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    /// One problem per line, without a newline at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        if self.left_off > 0 {
            write!(f, "\nand {} more", self.left_off)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Line and column of something in a text, both from 1; 0 where unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
}

/// Collects what a load finds wrong.
#[derive(Debug)]
pub struct Report {
    file: PathBuf,
    problems: Vec<Problem>,
    left_off: usize,
    warnings: Vec<Problem>,
}

impl Report {
    /// For problems of `file` where no other file is named.
    pub fn new(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            problems: Vec::new(),
            left_off: 0,
            warnings: Vec::new(),
        }
    }

    /// Notes a problem of the config file itself.
    pub fn wrong(
        &mut self,
        place: Place,
        at: impl Into<String>,
        wrong: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let problem = self.problem(place, at, wrong, remedy);
        self.keep(problem);
    }

    /// Notes a problem of another file.
    pub(crate) fn wrong_in(
        &mut self,
        file: &Path,
        place: Place,
        wrong: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let problem = Problem {
            file: file.to_owned(),
            ..self.problem(place, "", wrong, remedy)
        };
        self.keep(problem);
    }

    /// Notes something in the config file that does not keep it from being loaded.
    pub(crate) fn warn(
        &mut self,
        place: Place,
        at: impl Into<String>,
        wrong: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let warning = self.problem(place, at, wrong, remedy);
        self.keep_warning(warning);
    }

    /// Notes something in another file that does not keep the config from being loaded.
    pub(crate) fn warn_in(
        &mut self,
        file: &Path,
        wrong: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let warning = Problem {
            file: file.to_owned(),
            ..self.problem(Place::default(), "", wrong, remedy)
        };
        self.keep_warning(warning);
    }

    /// How many problems there are so far; a check that must not build on broken ground compares before and after.
    pub fn count(&self) -> usize {
        self.problems.len() + self.left_off
    }

    /// The verdict: what was read with the warnings if nothing is wrong, all problems otherwise.
    /// # Errors
    ///
    /// All problems that were noted.
    pub fn finish<T>(
        mut self,
        read: Option<T>,
        files: Vec<PathBuf>,
    ) -> Result<(T, Vec<Problem>), Problems> {
        match read {
            Some(read) if self.problems.is_empty() => {
                self.warnings.sort();
                return Ok((read, self.warnings));
            }
            None if self.problems.is_empty() => {
                // Each check notes why it gives nothing, so this is never seen; a start must not go on all the same.
                self.wrong(
                    Place::default(),
                    "",
                    "cannot be loaded",
                    "report this as a fault of Schleuse",
                );
            }
            Some(_) | None => {}
        }
        self.problems.sort();
        Err(Problems {
            list: self.problems,
            left_off: self.left_off,
            files,
        })
    }

    fn problem(
        &self,
        place: Place,
        at: impl Into<String>,
        wrong: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Problem {
        Problem {
            file: self.file.clone(),
            line: place.line,
            column: place.column,
            at: at.into(),
            wrong: wrong.into(),
            remedy: remedy.into(),
        }
    }

    fn keep(&mut self, problem: Problem) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        } else {
            self.left_off += 1;
        }
    }

    fn keep_warning(&mut self, warning: Problem) {
        if self.warnings.len() < PROBLEMS_MAX {
            self.warnings.push(warning);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report_of(count: usize) -> Report {
        let mut report = Report::new(Path::new("schleuse.yaml"));
        for line in (1..=count).rev() {
            let place = Place {
                line: u32::try_from(line).unwrap(),
                column: 3,
            };
            report.wrong(place, "pools.a", "is wrong", "mend it");
        }
        report
    }

    #[test]
    fn problems_are_listed_in_the_order_of_the_file() {
        let problems = report_of(50).finish(Some(()), Vec::new()).unwrap_err();
        let lines: Vec<u32> = problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, (1..=50).collect::<Vec<u32>>());
    }

    #[test]
    fn more_problems_than_are_kept_are_counted() {
        let problems = report_of(PROBLEMS_MAX + 7)
            .finish(Some(()), Vec::new())
            .unwrap_err();
        assert_eq!(problems.iter().count(), PROBLEMS_MAX);
        assert_eq!(problems.count(), PROBLEMS_MAX + 7);
        assert!(problems.to_string().ends_with("\nand 7 more"));
    }

    #[test]
    fn a_problem_reads_as_place_key_cause_and_remedy() {
        let problems = report_of(1).finish(Some(()), Vec::new()).unwrap_err();
        assert_eq!(
            problems.to_string(),
            "schleuse.yaml:1:3: pools.a: is wrong; mend it"
        );
    }

    #[test]
    fn a_problem_of_a_whole_file_has_no_place() {
        let mut report = Report::new(Path::new("schleuse.yaml"));
        report.wrong(Place::default(), "", "is empty", "");
        let problems = report.finish(Some(()), Vec::new()).unwrap_err();
        assert_eq!(problems.to_string(), "schleuse.yaml: is empty");
    }

    #[test]
    fn warnings_alone_let_a_config_pass() {
        let mut report = Report::new(Path::new("schleuse.yaml"));
        report.warn(Place::default(), "", "is old", "");
        assert_eq!(report.finish(Some(()), Vec::new()).unwrap().1.len(), 1);
    }
}
