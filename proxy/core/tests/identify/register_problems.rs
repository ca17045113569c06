//! A register with mistakes is refused with all of them.

use schleuse_core::{
    KeyError, Register, RegisterProblem, Row,
    register::{AliasProblem, RowProblem},
};

fn row(ars: &str, name: &str) -> Row {
    Row {
        ars: ars.to_owned(),
        name: name.to_owned(),
        population: 1,
    }
}

fn problems(rows: Vec<Row>, aliases: &[(&str, &str)]) -> Vec<RegisterProblem> {
    let aliases: Vec<_> = aliases
        .iter()
        .map(|(old, new)| ((*old).to_owned(), (*new).to_owned()))
        .collect();
    Register::build(rows, &aliases).err().unwrap_or_default()
}

#[test]
fn every_bad_row_is_reported_with_its_index() {
    let rows = vec![
        row("064120000000", "Frankfurt am Main, Stadt"),
        row("64120000000", "lost its leading zero"),
        row("06412", "a Kreis"),
        row("110000000000", " "),
        row("064120000000", "Frankfurt again"),
        row("064125001000", "the same AGS in a Verband"),
    ];
    let wrong = [
        (1, RowProblem::Key(KeyError::Length(11))),
        (2, RowProblem::NoGemeinde { digits: 5 }),
        (3, RowProblem::NoName),
        (4, RowProblem::RepeatedArs { first_row: 0 }),
        (5, RowProblem::RepeatedAgs { first_row: 0 }),
    ];
    assert_eq!(
        problems(rows, &[]),
        wrong.map(|(row, wrong)| RegisterProblem::Row { row, wrong })
    );
}

#[test]
fn every_bad_alias_is_reported_with_its_index() {
    let rows = vec![
        row("064120000000", "Frankfurt am Main, Stadt"),
        row("064130000000", "Offenbach am Main, Stadt"),
    ];
    let aliases = [
        ("064140000000", "064120000000"),
        ("064140000000", "064130000000"),
        ("064120000000", "064130000000"),
        ("x", "064130000000"),
        ("064150000000", "0641"),
        ("06415", "064130000000"),
        ("07", "06"),
        ("064160000000", "064190000000"),
        ("064125001000", "064130000000"),
    ];
    let wrong = [
        (1, AliasProblem::Repeated { first_alias: 0 }),
        (2, AliasProblem::OldKeyLives),
        (3, AliasProblem::OldKey(KeyError::NotDigits)),
        (4, AliasProblem::NewKey(KeyError::Length(4))),
        (5, AliasProblem::Lengths),
        (6, AliasProblem::Lengths),
        (7, AliasProblem::NewKeyUnknown),
        (8, AliasProblem::OldAgsLives),
    ];
    assert_eq!(
        problems(rows, &aliases),
        wrong.map(|(alias, wrong)| RegisterProblem::Alias { alias, wrong })
    );
}

#[test]
fn aliases_are_followed_to_the_end_and_never_in_a_circle() {
    let rows = || vec![row("064120000000", "Frankfurt am Main, Stadt")];
    let chain = [
        ("064140000000", "064130000000"),
        ("064130000000", "064120000000"),
    ]
    .map(|(old, new)| (old.to_owned(), new.to_owned()));
    let register = Register::build(rows(), &chain).expect("a chain");
    assert_eq!(
        register.place_by_digits("064140000000"),
        register.place_by_digits("064120000000")
    );
    assert_eq!(
        register.place_by_digits("06414000"),
        register.place_by_digits("064120000000")
    );

    let circle = [
        ("064140000000", "064130000000"),
        ("064130000000", "064140000000"),
    ];
    let wrong = AliasProblem::NewKeyUnknown;
    assert_eq!(
        problems(rows(), &circle),
        [0, 1].map(|alias| RegisterProblem::Alias { alias, wrong })
    );
}

#[test]
fn a_place_that_changed_its_verband_keeps_its_ags() {
    let aliases = [("064125001001".to_owned(), "064125002001".to_owned())];
    let register = Register::build([row("064125002001", "Musterdorf")], &aliases).expect("good");
    let place = register.place_by_digits("064125002001");
    assert!(place.is_some());
    assert_eq!(register.place_by_digits("064125001001"), place);
    assert_eq!(register.place_by_digits("06412001"), place);
}
