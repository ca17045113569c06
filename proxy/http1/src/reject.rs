//! The one list of reasons for which bytes are refused, each with the label
//! that metrics and logs carry, the status a client is told, and a sentence.
//!
//! Renaming a variant is free, renaming a label breaks dashboards. A refused
//! request always ends its connection: what follows it cannot be trusted.

use std::fmt;

/// One line per reason: variant, status, label, sentence.
macro_rules! rejects {
    ($($variant:ident $status:literal $label:literal $sentence:literal)*) => {
        /// Why a head or a body was refused.
        ///
        /// From a backend's answer every reason means 502 to the client; `status` is for requests.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reject {
            $(#[doc = $sentence] $variant,)*
        }

        impl Reject {
            /// Every reason, to register metrics and to test against.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The reason in snake case, stable, for metrics and logs.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)*
                }
            }

            /// The status for a client whose request it was: 400, 405, 414, 417, 431, 501, 505;
            /// 502 for what only an answer can do wrong.
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$variant => $status,)*
                }
            }

            const fn sentence(self) -> &'static str {
                match self {
                    $(Self::$variant => $sentence,)*
                }
            }
        }
    };
}

rejects! {
    AuthorityMismatch 400 "authority_mismatch" "target and Host name different authorities"
    BadChunkEnd 400 "bad_chunk_end" "chunk data is not followed by CRLF"
    BadChunkExtension 400 "bad_chunk_extension" "chunk extension holds a control character"
    BadChunkSize 400 "bad_chunk_size" "chunk size is not hexadecimal"
    BadContentLength 400 "bad_content_length" "Content-Length is not a number"
    BadFieldName 400 "bad_field_name" "field name is not a token"
    BadFieldValue 400 "bad_field_value" "field value holds a control character"
    BadHost 400 "bad_host" "Host is not a host with an optional port"
    BadMethod 400 "bad_method" "method is not a token"
    BadRequestLine 400 "bad_request_line" "request line is not method, target and version"
    BadStatus 502 "bad_status" "status is not a number from 100 to 599"
    BadStatusLine 502 "bad_status_line" "answer does not start with a status line"
    BadTarget 400 "bad_target" "request target has no permitted form"
    BadTransferEncoding 400 "bad_transfer_encoding" "Transfer-Encoding is malformed"
    BadVersion 400 "bad_version" "request line does not end in an HTTP version"
    BareCr 400 "bare_cr" "CR without LF"
    BareLf 400 "bare_lf" "LF without CR"
    BodyCutShort 400 "body_cut_short" "connection ended before the body did"
    ChunkExtensionTooLong 400 "chunk_extension_too_long" "chunk extension is too long"
    ChunkSizeOverflow 400 "chunk_size_overflow" "chunk size is too large"
    ConnectMethod 405 "connect_method" "CONNECT is not allowed"
    ContentLengthOverflow 400 "content_length_overflow" "Content-Length is too large"
    EmptyLine 400 "empty_line" "more than one empty line before the request"
    FieldWithoutColon 400 "field_without_colon" "field line without a colon"
    FragmentInTarget 400 "fragment_in_target" "request target holds a fragment"
    HeadTooLarge 431 "head_too_large" "head is too large"
    LengthAndTransferEncoding 400 "length_and_transfer_encoding" "both Content-Length and Transfer-Encoding"
    Malformed 400 "malformed" "head is malformed"
    MissingHost 400 "missing_host" "Host is missing"
    ObsoleteFold 400 "obsolete_fold" "field value is folded over several lines"
    RepeatedContentLength 400 "repeated_content_length" "more than one Content-Length"
    RepeatedHost 400 "repeated_host" "more than one Host"
    RepeatedTransferEncoding 400 "repeated_transfer_encoding" "chunked is named more than once"
    TargetCharacter 400 "target_character" "request target holds a character that must be encoded"
    TargetTooLong 414 "target_too_long" "request target is too long"
    TooManyConnectionOptions 400 "too_many_connection_options" "Connection lists too many options"
    TooManyFields 431 "too_many_fields" "too many fields"
    TraceMethod 405 "trace_method" "TRACE is not allowed"
    TrailersTooLarge 431 "trailers_too_large" "trailer section is too large"
    TransferEncodingOnHttp10 400 "transfer_encoding_on_http10" "Transfer-Encoding on HTTP/1.0"
    UnexpectedUpgrade 502 "unexpected_upgrade" "the answer upgrades to what was not asked for"
    UnknownExpectation 417 "unknown_expectation" "Expect asks for more than 100-continue"
    UnknownTransferCoding 501 "unknown_transfer_coding" "transfer coding other than chunked"
    UnsupportedScheme 400 "unsupported_scheme" "scheme is neither http nor https"
    UnsupportedVersion 505 "unsupported_version" "HTTP version is neither 1.0 nor 1.1"
    WhitespaceBeforeColon 400 "whitespace_before_colon" "whitespace between field name and colon"
}

impl fmt::Display for Reject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.sentence())
    }
}

impl std::error::Error for Reject {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_unique_and_in_snake_case() {
        let labels: std::collections::HashSet<_> =
            Reject::ALL.iter().map(|reject| reject.label()).collect();
        assert_eq!(labels.len(), Reject::ALL.len());
        for label in labels {
            assert!(
                label
                    .bytes()
                    .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')),
                "{label}"
            );
        }
    }

    #[test]
    fn docs_request_md_lists_exactly_these_reasons() {
        let page = include_str!("../../../docs/request.md");
        let (_, section) = page
            .split_once("\n### The HTTP engine's reasons\n")
            .unwrap();
        let documented: Vec<_> = section
            .lines()
            .filter(|line| line.starts_with("| `"))
            .collect();
        let row = |reject: &Reject| {
            let (label, status) = (reject.label(), reject.status());
            format!("| `{label}` | {status} | {reject} |")
        };
        assert_eq!(documented, Reject::ALL.iter().map(row).collect::<Vec<_>>());
    }
}
