//! The spellings that people use, and what each is answered with.

use super::*;
use proptest::prelude::*;

fn remedy_of<T: std::fmt::Debug>(result: Result<T, Fault>) -> String {
    let fault = result.unwrap_err();
    format!("{}; {}", fault.wrong, fault.remedy)
}

#[test]
fn durations_have_four_units() {
    assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
    assert_eq!(parse_duration("30s"), Ok(Duration::from_secs(30)));
    assert_eq!(parse_duration("5m"), Ok(Duration::from_mins(5)));
    assert_eq!(parse_duration("4h"), Ok(Duration::from_hours(4)));
}

#[test]
fn p23_a_bare_number_is_no_duration() {
    assert_eq!(
        remedy_of(parse_duration("30")),
        "`30` has no unit; write 30s, or 30ms for milliseconds"
    );
}

#[test]
fn p23_a_bare_number_is_no_size_and_no_rate() {
    assert_eq!(
        remedy_of(parse_size("100")),
        "`100` has no unit; write 100MiB, or 100KiB, or 100B"
    );
    assert_eq!(
        remedy_of(parse_byte_rate("1")),
        "`1` has no unit; write 1KiB/s, or 1MiB/s, or 1B/s"
    );
    assert_eq!(
        remedy_of(parse_percent("20")),
        "`20` is not a share; write whole percent, as 20%"
    );
}

#[test]
fn other_spellings_of_a_duration_are_answered_with_ours() {
    for (written, expected) in [
        ("30 s", "`30 s` is not a duration; write 30s"),
        ("30sec", "`30sec` is not a duration; write 30s"),
        ("5 minutes", "`5 minutes` is not a duration; write 5m"),
        ("30S", "`30S` is not a duration; write 30s"),
        (
            "2d",
            "`2d` is not a duration: days are not always 24 hours; write 48h",
        ),
        (
            "500us",
            "`500us` is finer than the clock used here; write at least 1ms",
        ),
        ("1h30m", "`1h30m` has two units; write 90m"),
        ("1.5s", "`1.5s` is not a whole number; write 1500ms"),
        ("1,5s", "`1,5s` is not a whole number; write 1500ms"),
        (
            "-5s",
            "`-5s` is not a duration; write a whole number and ms, s, m or h, as 30s",
        ),
        (
            "soon",
            "`soon` is not a duration; write a whole number and ms, s, m or h, as 30s",
        ),
        (
            "010s",
            "`010` has a leading zero, which some YAML tools read as octal; write 10",
        ),
        (
            "99999999999999999999s",
            "`99999999999999999999` is too large; write a smaller number",
        ),
        (
            "9999999999999999h",
            "`9999999999999999h` is too large; write a smaller number",
        ),
    ] {
        assert_eq!(remedy_of(parse_duration(written)), expected);
    }
}

#[test]
fn sizes_are_binary_and_say_so() {
    assert_eq!(parse_size("1B"), Ok(1));
    assert_eq!(parse_size("64KiB"), Ok(65_536));
    assert_eq!(parse_size("100MiB"), Ok(104_857_600));
    assert_eq!(parse_size("2GiB"), Ok(2_147_483_648));
    for (written, expected) in [
        (
            "100MB",
            "`100MB` is not a size; write 100MiB (1 MiB is 1,048,576 bytes)",
        ),
        (
            "64kB",
            "`64kB` is not a size; write 64KiB (1 KiB is 1,024 bytes)",
        ),
        (
            "64k",
            "`64k` is not a size; write 64KiB (1 KiB is 1,024 bytes)",
        ),
        (
            "2Gi",
            "`2Gi` is not a size; write 2GiB (1 GiB is 1,073,741,824 bytes)",
        ),
        (
            "1.5MiB",
            "`1.5MiB` is not a size; write a whole number and B, KiB, MiB or GiB, as 64KiB",
        ),
        (
            "10s",
            "`10s` is not a size; write a whole number and B, KiB, MiB or GiB, as 64KiB",
        ),
    ] {
        assert_eq!(remedy_of(parse_size(written)), expected);
    }
}

#[test]
fn a_rate_is_a_size_per_second() {
    assert_eq!(parse_byte_rate("1KiB/s"), Ok(1_024));
    assert_eq!(parse_byte_rate("0B/s"), Ok(0));
    assert_eq!(
        remedy_of(parse_byte_rate("1KiB")),
        "`1KiB` is not a rate; write 1KiB/s (1 KiB is 1,024 bytes)"
    );
    assert_eq!(
        remedy_of(parse_byte_rate("1kB/s")),
        "`1kB/s` is not a rate; write 1KiB/s (1 KiB is 1,024 bytes)"
    );
    assert_eq!(
        remedy_of(parse_byte_rate("8kbps")),
        "`8kbps` is not a rate; write 8KiB/s (1 KiB is 1,024 bytes)"
    );
}

#[test]
fn a_share_is_written_in_percent() {
    assert_eq!(parse_percent("20%"), Ok(20));
    assert_eq!(
        remedy_of(parse_percent("0.2")),
        "`0.2` is not a share; write whole percent, as 20%"
    );
}

#[test]
fn a_whole_number_is_digits_only() {
    assert_eq!(parse_integer("20"), Ok(20));
    assert_eq!(parse_integer("0"), Ok(0));
    for (written, expected) in [
        (
            "1_000",
            "`1_000` is not a whole number; write digits only, as 1000",
        ),
        (
            "1.000",
            "`1.000` is not a whole number; write digits only, as 1000",
        ),
        (
            "0x10",
            "`0x10` is not a whole number; write digits only, as 20",
        ),
        ("-5", "`-5` is below 0; write digits only, as 20"),
        (
            "1.5",
            "`1.5` is not a whole number; write digits only, as 2",
        ),
        (
            "1,25",
            "`1,25` is not a whole number; write digits only, as 2",
        ),
        (
            "1.000.5",
            "`1.000.5` is not a whole number; write digits only, as 20",
        ),
        (
            "1e3",
            "`1e3` is not a whole number; write digits only, as 20",
        ),
        (
            "010",
            "`010` has a leading zero, which some YAML tools read as octal; write 10",
        ),
        (
            "00",
            "`00` has a leading zero, which some YAML tools read as octal; write 0",
        ),
    ] {
        assert_eq!(remedy_of(parse_integer(written)), expected);
    }
}

#[test]
fn invisible_characters_are_made_visible() {
    assert_eq!(quoted("a\u{200b}b\n"), "`a\\u{200b}b\\n`");
    assert_eq!(quoted(&"x".repeat(61)), format!("`{}…`", "x".repeat(60)));
}

proptest! {
    #[test]
    fn a_spelled_duration_reads_back_as_itself(millis in 0_u64..1 << 50) {
        let duration = Duration::from_millis(millis);
        prop_assert_eq!(parse_duration(&spell_duration(duration)), Ok(duration));
    }

    #[test]
    fn a_spelled_size_reads_back_as_itself(bytes in any::<u64>()) {
        prop_assert_eq!(parse_size(&spell_size(bytes)), Ok(bytes));
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in "\\PC{0,24}|[0-9.,_+-]{0,8}[a-zA-Z/% µ]{0,8}") {
        let _ = parse_duration(&text);
        let _ = parse_size(&text);
        let _ = parse_byte_rate(&text);
        let _ = parse_percent(&text);
        let _ = parse_integer(&text);
    }
}
