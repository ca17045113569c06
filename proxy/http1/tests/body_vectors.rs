//! Bodies: chunked ones by name, from `vectors/bodies_chunked.txt`, and what the
//! other framings do at their ends.

mod support;

use bytes::BytesMut;
use schleuse_http1::{BodyDecoder, BodyLength, HeadLimits, Piece, Reject};
use support::{octets, rows};

/// Outcome, data, and what is left in the buffer.
fn decode(decoder: &mut BodyDecoder, buf: &mut BytesMut) -> (&'static str, Vec<u8>) {
    let mut data = Vec::new();
    loop {
        match decoder.decode(buf) {
            Ok(Piece::Data(piece)) => data.extend_from_slice(&piece),
            Ok(Piece::More) => return ("more", data),
            Ok(Piece::End) => return ("end", data),
            Err(reject) => return (reject.label(), data),
        }
    }
}

#[test]
fn each_chunked_body_has_its_outcome() {
    for [outcome, data, left, name, stream] in rows(include_str!("vectors/bodies_chunked.txt")) {
        let mut decoder = BodyDecoder::new(BodyLength::Chunked);
        let mut buf = BytesMut::from(&octets(stream)[..]);
        let got = decode(&mut decoder, &mut buf);
        let expected = if data == "-" {
            Vec::new()
        } else {
            octets(data)
        };
        assert_eq!(got, (outcome, expected), "{name}");
        match left {
            "?" => {}
            "-" => assert_eq!(&buf[..], b"", "{name}"),
            left => assert_eq!(&buf[..], octets(left), "{name}"),
        }
    }
}

#[test]
fn p02_the_end_of_input_inside_a_chunked_body_is_an_error_in_every_state() {
    let whole = octets("5;a=b~hello~3 ;c~abc~0;d~Digest: x~~");
    for length in 0..whole.len() {
        let mut decoder = BodyDecoder::new(BodyLength::Chunked);
        let mut buf = BytesMut::from(&whole[..length]);
        assert_eq!(decode(&mut decoder, &mut buf).0, "more", "{length}");
        assert_eq!(
            decoder.end_of_input(),
            Err(Reject::BodyCutShort),
            "{length}"
        );
        let after = decoder.decode(&mut buf);
        assert_eq!(after, Err(Reject::BodyCutShort), "{length}");
        assert!(!decoder.ended());
    }
}

#[test]
fn the_end_of_input_after_a_chunked_body_is_its_end() {
    let mut decoder = BodyDecoder::new(BodyLength::Chunked);
    let mut buf = BytesMut::from(&octets("1~a~0~Digest: x~~")[..]);
    assert_eq!(decode(&mut decoder, &mut buf), ("end", b"a".to_vec()));
    assert_eq!(decoder.end_of_input(), Ok(()));
    assert_eq!(decoder.trailers().len(), 1);
}

#[test]
fn a_known_length_ends_with_its_last_byte_and_leaves_the_rest() {
    let mut decoder = BodyDecoder::new(BodyLength::Length(5));
    let mut buf = BytesMut::from(&b"hel"[..]);
    assert_eq!(decode(&mut decoder, &mut buf), ("more", b"hel".to_vec()));
    assert!(!decoder.ended());
    buf.extend_from_slice(b"loGET");
    assert_eq!(decoder.decode(&mut buf), Ok(Piece::Data("lo".into())));
    assert!(decoder.ended());
    assert_eq!(decoder.decode(&mut buf), Ok(Piece::End));
    assert_eq!(&buf[..], b"GET");
}

#[test]
fn a_body_shorter_than_its_length_is_cut_short() {
    let mut decoder = BodyDecoder::new(BodyLength::Length(5));
    let mut buf = BytesMut::from(&b"hell"[..]);
    assert_eq!(decode(&mut decoder, &mut buf).0, "more");
    assert_eq!(decoder.end_of_input(), Err(Reject::BodyCutShort));
}

#[test]
fn a_body_until_close_ends_with_the_input_only() {
    let mut decoder = BodyDecoder::new(BodyLength::UntilClose);
    let mut buf = BytesMut::from(&b"hello"[..]);
    assert_eq!(decode(&mut decoder, &mut buf), ("more", b"hello".to_vec()));
    assert!(!decoder.ended());
    assert_eq!(decoder.end_of_input(), Ok(()));
    assert!(decoder.ended());
    assert_eq!(decoder.decode(&mut buf), Ok(Piece::End));
}

#[test]
fn no_body_takes_nothing() {
    for length in [BodyLength::Empty, BodyLength::Length(0)] {
        let mut decoder = BodyDecoder::new(length);
        let mut buf = BytesMut::from(&b"GET"[..]);
        assert!(decoder.ended());
        assert_eq!(decoder.decode(&mut buf), Ok(Piece::End));
        assert_eq!(decoder.end_of_input(), Ok(()));
        assert_eq!(&buf[..], b"GET");
    }
}

#[test]
fn an_error_stays() {
    let mut decoder = BodyDecoder::new(BodyLength::Chunked);
    let mut bad = BytesMut::from(&b"x"[..]);
    assert_eq!(decoder.decode(&mut bad), Err(Reject::BadChunkSize));
    let mut good = BytesMut::from(&b"0\r\n\r\n"[..]);
    assert_eq!(decoder.decode(&mut good), Err(Reject::BadChunkSize));
    assert_eq!(decoder.end_of_input(), Err(Reject::BadChunkSize));
}

#[test]
fn an_extension_of_256_bytes_is_read_and_one_more_is_refused() {
    for (length, outcome) in [(256, "end"), (257, "chunk_extension_too_long")] {
        let extension = "a".repeat(length - 1);
        let mut decoder = BodyDecoder::new(BodyLength::Chunked);
        let stream = format!("1;{extension}\r\nx\r\n0\r\n\r\n");
        let mut buf = BytesMut::from(stream.as_bytes());
        assert_eq!(decode(&mut decoder, &mut buf).0, outcome, "{length}");
    }
}

#[test]
fn the_largest_size_is_taken() {
    let mut decoder = BodyDecoder::new(BodyLength::Chunked);
    let mut buf = BytesMut::from(&b"ffffffffffffffff\r\nx"[..]);
    assert_eq!(decode(&mut decoder, &mut buf), ("more", b"x".to_vec()));
}

#[test]
fn trailers_that_would_change_the_message_are_dropped() {
    let mut decoder = BodyDecoder::new(BodyLength::Chunked);
    let section =
        "Content-Length: 9~Digest:  x ~Schleuse-Tenant: 1~A_B: c~Host: b~grpc-status: 0~~";
    let mut buf = BytesMut::from(&octets(&format!("0~{section}"))[..]);
    assert_eq!(decode(&mut decoder, &mut buf).0, "end");
    let trailers: Vec<_> = decoder.trailers().iter().collect();
    let expected = [
        ("Digest".into(), "x".into()),
        ("grpc-status".into(), "0".into()),
    ];
    assert_eq!(trailers, expected.iter().collect::<Vec<_>>());
}

#[test]
fn a_trailer_section_keeps_to_its_limits() {
    let limits = HeadLimits {
        bytes_max: 64,
        fields_max: 2,
    };
    for (section, outcome) in [
        ("a: 1\r\nb: 2\r\n\r\n".to_owned(), "end"),
        (
            "a: 1\r\nb: 2\r\nc: 3\r\n\r\n".to_owned(),
            "trailers_too_large",
        ),
        (format!("a: {}", "x".repeat(64)), "trailers_too_large"),
    ] {
        let mut decoder = BodyDecoder::with_limits(BodyLength::Chunked, &limits);
        let mut buf = BytesMut::from(format!("0\r\n{section}").as_bytes());
        assert_eq!(decode(&mut decoder, &mut buf).0, outcome, "{section}");
    }
}
