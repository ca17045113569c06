//! The register's CSV: what spreadsheets do to it, by line.

use crate::support::{BODY, HEAD, REGISTER, Site};

fn problems(csv: impl AsRef<[u8]>) -> String {
    let site = Site::new(format!("{HEAD}{BODY}"));
    site.write("gemeinden.csv", csv);
    site.problems()
}

#[test]
fn p22_byte_order_mark_crlf_and_a_missing_last_newline_are_fine() {
    let site = Site::new(format!("{HEAD}{BODY}"));
    site.write(
        "gemeinden.csv",
        format!("\u{feff}{}", REGISTER.trim_end().replace('\n', "\r\n")),
    );
    assert_eq!(site.loaded().snapshot.register.tenant_count(), 4);
}

#[test]
fn columns_are_found_by_name_and_others_ignored() {
    let site = Site::new(format!("{HEAD}{BODY}"));
    site.write(
        "gemeinden.csv",
        "bevoelkerung,x,name,ars\n7,?,Gröde,010545459039\n",
    );
    assert_eq!(site.loaded().snapshot.register.tenant_count(), 1);
}

#[test]
fn p21_a_leading_zero_that_a_spreadsheet_cut_off_is_named_by_line() {
    assert_eq!(
        problems(REGISTER.replace(",010545459039,", ",10545459039,")),
        "gemeinden.csv:4: ars: an ARS has 2, 3, 5, 9 or 12 digits, an AGS has 8; this has 11; write the 12 digits of the official key; spreadsheets cut leading zeros off"
    );
}

#[test]
fn all_rows_are_checked_at_once() {
    let csv = "ars,name,bevoelkerung\n110000000000,Berlin,3.685.265\n170000000000,Nirgendwo,1\n010545459039,,7\n110000000000,Berlin,1\n110000000000,Berlin,1\n064120000000,Frankfurt,am Main,1\n";
    assert_eq!(
        problems(csv),
        "\
gemeinden.csv:2: bevoelkerung `3.685.265` is not a whole number; write digits only, without separators
gemeinden.csv:3: ars: the first two digits name a Land, 01 to 16; write the 12 digits of the official key; spreadsheets cut leading zeros off
gemeinden.csv:4: the name is empty; write the official name
gemeinden.csv:6: the ARS stands in line 5 as well; remove one of the two
gemeinden.csv:7: has 4 columns where the first line has 3; put a text that contains commas into double quotes"
    );
}

#[test]
fn missing_columns_are_named() {
    assert_eq!(
        problems("ars;name;bevoelkerung\n1;2;3\n")
            .lines()
            .next()
            .unwrap(),
        "gemeinden.csv:1: there is no column `ars`; separate columns by commas, not by semicolons"
    );
    assert_eq!(
        problems("ars,name,bevolkerung\n"),
        "gemeinden.csv:1: there is no column `bevoelkerung`; rename `bevolkerung`"
    );
}

#[test]
fn an_empty_register_and_bad_utf8_are_named() {
    assert_eq!(
        problems("ars,name,bevoelkerung\n"),
        "gemeinden.csv: lists no municipality; use the official register, or at least one row"
    );
    assert_eq!(
        problems(b"ars,name,bevoelkerung\n110000000000,K\xf6ln,1\n"),
        "gemeinden.csv:2:15: is not UTF-8 at byte 36; save the file as UTF-8"
    );
}

#[test]
fn a_register_that_is_not_there_is_named_where_it_is_written() {
    let site = Site::new(format!("{HEAD}{BODY}"));
    std::fs::remove_file(site.path("gemeinden.csv")).unwrap();
    assert_eq!(
        site.problems(),
        "schleuse.yaml:3:22: tenants.register: gemeinden.csv does not exist; check the path; relative ones start at the config's directory"
    );
}

#[test]
fn an_unchanged_register_is_taken_over_and_a_changed_row_or_alias_is_not() {
    let site = Site::new(format!("{HEAD}{BODY}"));
    let first = site.loaded().snapshot;
    let again = |before| {
        let loaded = schleuse_config::reload(&site.path("schleuse.yaml"), before);
        loaded.unwrap().snapshot.register
    };
    assert!(std::sync::Arc::ptr_eq(&again(&first), &first.register));

    site.write("gemeinden.csv", REGISTER.replace("Gröde", "Grøde"));
    assert!(!std::sync::Arc::ptr_eq(&again(&first), &first.register));

    site.write("gemeinden.csv", REGISTER);
    let aliased = HEAD.replace(
        "register: gemeinden.csv",
        "register: gemeinden.csv, aliases: { \"160560000000\": \"110000000000\" }",
    );
    assert_ne!(aliased, HEAD);
    site.write("schleuse.yaml", format!("{aliased}{BODY}"));
    assert!(!std::sync::Arc::ptr_eq(&again(&first), &first.register));
}
