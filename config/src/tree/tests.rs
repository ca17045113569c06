//! What YAML users trip over before a key is even known.

use std::path::Path;

use super::*;
use proptest::prelude::*;

fn parsed(text: &str) -> Result<String, String> {
    let mut report = Report::new(Path::new("f"));
    let node = parse(text, &mut report);
    match report.finish(Some(()), Vec::new()) {
        Ok(_) => Ok(node.map(|node| shown(&node)).unwrap_or_default()),
        Err(problems) => Err(problems.to_string()),
    }
}

/// The tree on one line: `plain`, `"quoted"`, `[…]`, `{key: value}`.
fn shown(node: &Node<'_>) -> String {
    match &node.value {
        Value::Scalar { text, plain: true } => text.to_string(),
        Value::Scalar { text, plain: false } => format!("{text:?}"),
        Value::Sequence(items) => format!(
            "[{}]",
            items.iter().map(shown).collect::<Vec<_>>().join(", ")
        ),
        Value::Mapping(entries) => {
            let entries = entries
                .iter()
                .map(|(key, value)| format!("{}: {}", shown(key), shown(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::Broken => "?".to_owned(),
    }
}

#[test]
fn p21_scalars_stay_as_they_were_written() {
    let text = "a: 010010000000\nb: 0x1F\nc: 1_000\nd: 1.10\ne: no\nf: 2024-01-01\n";
    assert_eq!(
        parsed(text).unwrap(),
        "{a: 010010000000, b: 0x1F, c: 1_000, d: 1.10, e: no, f: 2024-01-01}"
    );
}

#[test]
fn quotes_and_the_str_tag_make_a_text() {
    assert_eq!(
        parsed("[a, 'b', \"c\", !!str d]").unwrap(),
        "[a, \"b\", \"c\", \"d\"]"
    );
}

#[test]
fn p22_crlf_and_a_missing_last_newline_are_fine() {
    assert_eq!(
        parsed("a: 1\r\nb:\r\n  - c\r\n  - d").unwrap(),
        "{a: 1, b: [c, d]}"
    );
}

#[test]
fn nodes_know_their_place() {
    let mut report = Report::new(Path::new("f"));
    let node = parse("a:\n  bä: cd\n", &mut report).unwrap();
    let Value::Mapping(outer) = &node.value else {
        panic!()
    };
    let Value::Mapping(inner) = &outer[0].1.value else {
        panic!()
    };
    assert_eq!(inner[0].0.place, Place { line: 2, column: 3 });
    assert_eq!(inner[0].1.place, Place { line: 2, column: 7 });
}

#[test]
fn p22_a_tab_in_the_indentation_is_called_a_tab() {
    for (text, expected) in [
        (
            "a:\n\tb: 1\n",
            "f:2:1: a tab in the indentation; indent with spaces",
        ),
        (
            "a:\n  \tb: 1\n",
            "f:2:3: a tab in the indentation; indent with spaces",
        ),
        (
            "a:\n  b: 1\n\tc: 2\n",
            "f:3:1: a tab in the indentation; indent with spaces",
        ),
        (
            "a:\n  b:\n\t  - c\n",
            "f:3:1: a tab in the indentation; indent with spaces",
        ),
        (
            "a:\n  -\tb: 1\n    c: 2\n",
            "f:2:4: a tab in the indentation; indent with spaces",
        ),
    ] {
        assert_eq!(parsed(text).unwrap_err(), expected, "{text:?}");
    }
}

#[test]
fn an_unquoted_star_is_explained() {
    assert_eq!(
        parsed("hosts: [*.example.org, b]").unwrap_err(),
        "f:1:9: `*.example.org` is a YAML alias without an anchor, because of its *; quote it: \"*.example.org\""
    );
}

#[test]
fn an_unquoted_ipv6_address_is_explained() {
    assert_eq!(
        parsed("- address: [::]:8080\n").unwrap_err(),
        "f:1:16: is not YAML: while parsing a block mapping, did not find expected key; quote IPv6 addresses: \"[::]:8080\""
    );
}

#[test]
fn nothing_is_not_a_config() {
    for text in ["", "\n\n", "# only a comment\n", "---\n"] {
        let problems = parsed(text);
        assert!(
            problems.is_err() || problems.as_deref() == Ok(""),
            "{text:?} {problems:?}"
        );
    }
    assert_eq!(
        parsed("# a\n").unwrap_err(),
        "f: is empty; a config starts with `version: 1`"
    );
}

#[test]
fn a_second_document_is_refused() {
    assert_eq!(
        parsed("a: 1\n---\nb: 2\n").unwrap_err(),
        "f:2:1: a second YAML document starts here; put everything into one document and remove the line `---`"
    );
}

#[test]
fn aliases_stand_for_what_they_name() {
    assert_eq!(
        parsed("a: &x {k: v}\nb: *x\n").unwrap(),
        "{a: {k: v}, b: {k: v}}"
    );
}

#[test]
fn an_alias_inside_of_itself_is_refused() {
    assert_eq!(
        parsed("a: &x [*x]\n").unwrap_err(),
        "f:1:8: a YAML alias inside of what it stands for; write the value out"
    );
}

#[test]
fn a_small_file_does_not_become_a_large_tree() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text.extend([format!("a{level}: &a{level} [{aliases}]\n")]);
    }
    let problems = parsed(&text).unwrap_err();
    assert!(
        problems.contains("more than 500000 values, aliases expanded"),
        "{problems}"
    );
}

#[test]
fn foreign_tags_are_refused() {
    assert_eq!(
        parsed("a: !!int 5\nb: !secret x\n").unwrap_err(),
        "f:1:10: the YAML tag `!!int` has no meaning here; remove it\nf:2:12: the YAML tag `!secret` has no meaning here; remove it"
    );
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "[ab:\\-\\[\\]{},*&!|>'\"#%@\\\\\t\n \\PC]{0,80}") {
        let _ = parsed(&text);
    }
}
