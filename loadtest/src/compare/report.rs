//! A comparison in words and as a table.

use super::Comparison;

/// Heads of the table of [`super::Measured::cells`].
pub(crate) const HEADS: [&str; 7] = [
    "measure",
    "A",
    "B",
    "A against B",
    "95 % interval",
    "detectable",
    "claim",
];

/// Lines for a terminal or a log: the answer first.
pub fn lines(comparison: &Comparison) -> Vec<String> {
    let mut lines = vec![comparison.sentence(), basis(comparison)];
    lines.extend(
        comparison
            .doubts
            .iter()
            .map(|doubt| format!("doubt: {doubt}")),
    );
    let rows: Vec<[String; 7]> = std::iter::once(HEADS.map(str::to_owned))
        .chain(comparison.measured.iter().map(super::Measured::cells))
        .collect();
    let widths: Vec<usize> = (0..HEADS.len())
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    for row in &rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        lines.push(cells.join("  ").trim_end().to_owned());
    }
    lines
}

/// The same as Markdown, to be committed beside the command that made it.
pub fn markdown(comparison: &Comparison) -> String {
    let mut lines = vec![
        format!("**{}**", comparison.sentence()),
        String::new(),
        basis(comparison),
        String::new(),
    ];
    lines.extend(
        comparison
            .doubts
            .iter()
            .map(|doubt| format!("- Doubt: {doubt}")),
    );
    lines.push(String::new());
    lines.push(format!("| {} |", HEADS.join(" | ")));
    lines.push(format!("|{}", "---|".repeat(HEADS.len())));
    let rows = comparison.measured.iter().map(super::Measured::cells);
    lines.extend(rows.map(|cells| format!("| {} |", cells.join(" | "))));
    lines.push(String::new());
    lines.join("\n")
}

/// What the figures rest on.
pub(crate) fn basis(comparison: &Comparison) -> String {
    let Comparison { a, b, rounds, .. } = comparison;
    if comparison.is_of_saved {
        return format!(
            "A = {a}, B = {b}; {rounds} stretches of two saved runs. What differs from start to start is not in the interval: \
             let compare play rounds to be sure."
        );
    }
    let repeated = match comparison.repeated {
        0 => String::new(),
        count => format!("; rounds played again because the generator disturbed them: {count}"),
    };
    format!(
        "A = {a}, B = {b}; {rounds} rounds in ABBA order with equal seeds{repeated}. The first measure decides, the others stand \
         beside it."
    )
}
