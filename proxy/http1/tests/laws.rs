//! Laws over generated input: the way back is the way there, the split of the
//! input changes nothing, and no octets make anything panic.

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use schleuse_http1::{
    BodyDecoder, BodyLength, HeadLimits, Piece, Reject, RequestHead, ResponseHead, ResponseTo,
    encode, take_request, take_response,
};

const LIMITS: HeadLimits = HeadLimits {
    bytes_max: 2048,
    fields_max: 40,
};

/// What a request head says, to compare two of them.
fn facts(head: &RequestHead) -> impl PartialEq + std::fmt::Debug + use<> {
    let fields: Vec<_> = head
        .fields()
        .map(|field| {
            (
                field.name.to_owned(),
                field.value.to_vec(),
                field.hop_by_hop,
            )
        })
        .collect();
    (
        (head.method().to_owned(), head.target().to_owned()),
        (head.path().to_owned(), head.query().map(str::to_owned)),
        (head.host().to_owned(), head.body(), head.version()),
        (head.keep_alive(), head.expect_continue(), head.websocket()),
        fields,
    )
}

fn response_facts(head: &ResponseHead) -> impl PartialEq + std::fmt::Debug + use<> {
    let fields: Vec<_> = head
        .fields()
        .map(|field| {
            (
                field.name.to_owned(),
                field.value.to_vec(),
                field.hop_by_hop,
            )
        })
        .collect();
    let status = (head.version(), head.status(), head.reason().to_vec());
    (
        status,
        head.body(),
        head.keep_alive(),
        head.interim(),
        fields,
    )
}

/// Feeds `input` in pieces that end at `cuts` until `take` decides.
fn feed<T>(
    input: &[u8],
    cuts: &[usize],
    mut take: impl FnMut(&mut BytesMut, &mut usize) -> Result<Option<T>, Reject>,
) -> (Result<Option<T>, Reject>, BytesMut) {
    let mut ends: Vec<_> = cuts.iter().map(|cut| cut % (input.len() + 1)).collect();
    ends.push(input.len());
    ends.sort_unstable();
    let (mut buf, mut scanned, mut start) = (BytesMut::new(), 0, 0);
    let mut outcome = Ok(None);
    for end in ends {
        buf.extend_from_slice(&input[start..end]);
        start = end;
        if matches!(outcome, Ok(None)) {
            outcome = take(&mut buf, &mut scanned);
        }
    }
    (outcome, buf)
}

fn request(buf: &mut BytesMut, scanned: &mut usize) -> Result<Option<RequestHead>, Reject> {
    take_request(buf, scanned, &LIMITS)
}

fn response(buf: &mut BytesMut, scanned: &mut usize) -> Result<Option<ResponseHead>, Reject> {
    take_response(buf, scanned, &LIMITS, ResponseTo::default())
}

/// Texts built of what heads are made of, so that many are almost right.
fn almost_head(first: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => Just(&b"\r\n"[..]),
        1 => Just(&b"\n"[..]),
        1 => Just(&b"\r"[..]),
        3 => Just(&b"Host: a\r\n"[..]),
        2 => Just(&b"Content-Length: 1\r\n"[..]),
        2 => Just(&b"Transfer-Encoding: chunked\r\n"[..]),
        2 => Just(&b"Connection: close, x\r\n"[..]),
        1 => Just(&b"X : y\r\n"[..]),
        1 => Just(&b" z\r\n"[..]),
        2 => Just(&b"X_Y: \xff\r\n"[..]),
        1 => Just(&b"\0"[..]),
    ];
    vec(piece, 0..8).prop_map(move |pieces| [first.as_bytes(), &pieces.concat()].concat())
}

/// Chunked bodies, many of them almost right.
fn almost_chunked() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(&b"3\r\nabc\r\n"[..]),
        2 => Just(&b"1 ;a=b\r\nx\r\n"[..]),
        2 => Just(&b"0\r\n"[..]),
        2 => Just(&b"\r\n"[..]),
        2 => Just(&b"Digest: x\r\n"[..]),
        1 => Just(&b"f"[..]),
        1 => Just(&b"\n"[..]),
    ];
    vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// Everything that a decoder says about an input in pieces.
fn decode_in_pieces(length: BodyLength, input: &[u8], cuts: &[usize]) -> Decoded {
    let mut decoder = BodyDecoder::with_limits(length, &LIMITS);
    let mut data = Vec::new();
    let (outcome, rest) = feed(input, cuts, |buf, _| {
        loop {
            match decoder.decode(buf)? {
                Piece::Data(piece) => data.extend_from_slice(&piece),
                Piece::More => return Ok(None),
                Piece::End => return Ok(Some(())),
            }
        }
    });
    // What follows a refused element is unspecified.
    let rest = if outcome.is_err() {
        Vec::new()
    } else {
        rest.to_vec()
    };
    let trailers = decoder.trailers().len();
    (outcome, data, rest, trailers, decoder.end_of_input())
}

type Decoded = (
    Result<Option<()>, Reject>,
    Vec<u8>,
    Vec<u8>,
    usize,
    Result<(), Reject>,
);

fn field() -> impl Strategy<Value = (String, String)> {
    let name = "[a-zA-Z][a-zA-Z0-9!#$%&'*+.^`|~-]{0,12}".prop_map(|name| format!("x-{name}"));
    (name, "([!-~]([ -~\t]{0,20}[!-~])?)?")
}

proptest! {
    #[test]
    fn a_request_read_back_is_the_same_request(
        method in "[A-Z]{3,8}",
        target in "/[!-\"$->@-~]{0,20}(\\?[!-\"$-~]{0,20})?",
        host in "[a-z0-9][a-z0-9-]{0,10}(:[1-9][0-9]{0,3})?",
        fields in vec(field(), 0..30),
    ) {
        prop_assume!(!matches!(&*method, "CONNECT" | "TRACE"));
        let fields = || fields.iter().map(|(name, value)| (&**name, value.as_bytes()));
        let head = RequestHead::from_parts(&method, &target, &host, fields()).unwrap();
        let mut out = BytesMut::new();
        encode::write_request_line(&mut out, head.method(), head.target());
        for field in head.fields() {
            encode::write_field(&mut out, field.name, field.value);
        }
        encode::write_head_end(&mut out);
        let again = take_request(&mut out, &mut 0, &HeadLimits::CEILING).unwrap().unwrap();
        prop_assert_eq!(facts(&again), facts(&head));
        prop_assert_eq!((head.method(), head.target(), head.host()), (&*method, &*target, &*host));
        let sent: Vec<_> = head.fields().skip(1).map(|field| (field.name, field.value)).collect();
        prop_assert_eq!(sent, fields().collect::<Vec<_>>());
    }

    #[test]
    fn fields_written_in_runs_are_those_written_one_by_one(
        lines in vec(("[A-Za-z][A-Za-z0-9-]{0,9}", "[ \t]{0,2}", "[!-~]{0,10}", "[ \t]{0,2}"), 0..30),
        kept in any::<u32>(),
    ) {
        let mut text = BytesMut::from("GET / HTTP/1.1\r\nHost: a.example\r\n");
        for (name, before, value, after) in &lines {
            text.extend_from_slice(format!("X{name}:{before}{value}{after}\r\n").as_bytes());
        }
        text.extend_from_slice(b"\r\n");
        let head = take_request(&mut text, &mut 0, &HeadLimits::CEILING).unwrap().unwrap();
        let mut number = 0;
        let mut keep = || { number += 1; kept >> (number % 32) & 1 == 1 };
        let (mut one_by_one, mut in_runs) = (BytesMut::new(), BytesMut::new());
        for field in head.fields().filter(|_| keep()) {
            encode::write_field(&mut one_by_one, field.name, field.value);
        }
        let mut number = 0;
        head.write_fields(&mut in_runs, |_, _| { number += 1; kept >> (number % 32) & 1 == 1 });
        prop_assert_eq!(in_runs, one_by_one);
    }

    #[test]
    fn a_chunked_body_read_back_is_the_same_body(chunks in vec(vec(any::<u8>(), 0..50), 0..8)) {
        let mut out = Vec::new();
        for chunk in &chunks {
            encode::write_chunk(&mut out, chunk);
        }
        let trailers = [("digest".into(), "x".into())];
        encode::write_last_chunk(&mut out, &trailers);
        let decoded = decode_in_pieces(BodyLength::Chunked, &out, &[]);
        prop_assert_eq!(decoded, (Ok(Some(())), chunks.concat(), Vec::new(), 1, Ok(())));
    }

    #[test]
    fn the_split_of_a_request_changes_nothing(
        input in almost_head("GET /a?b HTTP/1.1\r\n"),
        cuts in vec(any::<usize>(), 0..12),
    ) {
        let (whole, whole_rest) = feed(&input, &[], request);
        let (split, split_rest) = feed(&input, &cuts, request);
        prop_assert_eq!(
            whole.as_ref().map(|head| head.as_ref().map(facts)),
            split.as_ref().map(|head| head.as_ref().map(facts))
        );
        prop_assert!(whole.is_err() || whole_rest == split_rest);
    }

    #[test]
    fn the_split_of_a_response_changes_nothing(
        input in almost_head("HTTP/1.1 200 OK\r\n"),
        cuts in vec(any::<usize>(), 0..12),
    ) {
        let (whole, whole_rest) = feed(&input, &[], response);
        let (split, split_rest) = feed(&input, &cuts, response);
        prop_assert_eq!(
            whole.as_ref().map(|head| head.as_ref().map(response_facts)),
            split.as_ref().map(|head| head.as_ref().map(response_facts))
        );
        prop_assert!(whole.is_err() || whole_rest == split_rest);
    }

    #[test]
    fn the_split_of_a_body_changes_nothing(
        input in almost_chunked(),
        length in prop_oneof![
            4 => Just(BodyLength::Chunked),
            1 => (0..20_u64).prop_map(BodyLength::Length),
            1 => Just(BodyLength::UntilClose),
        ],
        cuts in vec(any::<usize>(), 0..12),
    ) {
        let whole = decode_in_pieces(length, &input, &[]);
        prop_assert_eq!(decode_in_pieces(length, &input, &cuts), whole);
    }

    #[test]
    fn no_octets_make_a_parser_panic(
        input in vec(prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b':'), Just(b' ')], 0..200),
    ) {
        let _ = feed(&input, &[], request);
        let _ = feed(&[b"GET ", &input[..]].concat(), &[], request);
        let _ = feed(&[b"GET / HTTP/1.1\r\n", &input[..], b"\r\n\r\n"].concat(), &[], request);
        let _ = feed(&[b"HTTP/1.1 200 OK\r\n", &input[..], b"\r\n\r\n"].concat(), &[], response);
        let _ = decode_in_pieces(BodyLength::Chunked, &input, &[]);
    }

    #[test]
    fn parts_never_become_more_fields_than_they_are(
        method in ".{0,8}",
        target in ".{0,16}",
        host in ".{0,8}",
        fields in vec(("(?s).{0,12}", vec(any::<u8>(), 0..12)), 0..4),
    ) {
        let parts = fields.iter().map(|(name, value)| (&**name, &value[..]));
        if let Ok(head) = RequestHead::from_parts(&method, &target, &host, parts) {
            prop_assert!(head.fields().count() <= fields.len() + 1);
            prop_assert_eq!(head.method(), method);
        }
    }
}
