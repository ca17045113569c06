//! What a request wants for an answer, from its query: `/antrag?status=503&retry_after=2&size=10KiB`.

use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode, header};
use schleuse_config::yaml::{Fault, parse_duration, parse_integer, parse_size, quoted};

use crate::distribution::Distribution;

/// Largest answer.
const SIZE_MAX: u64 = 1 << 40;

/// What a request wants.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wish {
    pub(super) status: StatusCode,
    /// Bytes of the body, or of each part of a stream.
    pub(super) size: u64,
    /// Parts of a stream, and the time between them.
    pub(super) stream: Option<(u64, Duration)>,
    /// In place of the origin's own distribution.
    pub(super) service: Option<Distribution>,
    pub(super) fields: Vec<(HeaderName, HeaderValue)>,
}

impl Wish {
    /// From the query; `size`: what holds when none is wished for. Keys that it does not know are the application's.
    pub(super) fn read(query: &str, size: u64) -> Result<Self, Fault> {
        let mut wish = Self {
            status: StatusCode::OK,
            size,
            stream: None,
            service: None,
            fields: Vec::new(),
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            wish.take(key, value)?;
        }
        if !wish
            .fields
            .iter()
            .any(|(name, _)| *name == header::CONTENT_TYPE)
        {
            let usual = HeaderValue::from_static("text/plain; charset=utf-8");
            wish.fields.push((header::CONTENT_TYPE, usual));
        }
        Ok(wish)
    }

    fn take(&mut self, key: &str, value: &str) -> Result<(), Fault> {
        match key {
            "status" => self.status = parse_status(value)?,
            "size" => self.size = parse_size(value)?.min(SIZE_MAX),
            "type" => self.field(header::CONTENT_TYPE, value)?,
            "location" => self.field(header::LOCATION, value)?,
            "cookie" => self.field(header::SET_COOKIE, value)?,
            "retry_after" => {
                let seconds = parse_integer(value)?.to_string();
                self.field(header::RETRY_AFTER, &seconds)?;
            }
            "parts" => {
                let every = self
                    .stream
                    .map_or(Duration::from_millis(100), |(_, every)| every);
                self.stream = Some((parse_integer(value)?, every));
            }
            "every" => {
                let parts = self.stream.map_or(1, |(parts, _)| parts);
                self.stream = Some((parts, parse_duration(value)?));
            }
            "service" => {
                // `+` is a space in a query.
                let text = value.replace('+', " ");
                self.service = Some(crate::scenario::distribution(&text)?);
            }
            _ => {}
        }
        Ok(())
    }

    fn field(&mut self, name: HeaderName, value: &str) -> Result<(), Fault> {
        let text = value
            .replace("%2F", "/")
            .replace("%3B", ";")
            .replace("%3D", "=");
        let value = HeaderValue::from_str(&text).map_err(|_| {
            let wrong = format!("{} is no field value", quoted(&text));
            Fault::new(wrong, "write printable letters")
        })?;
        self.fields.push((name, value));
        Ok(())
    }
}

/// 1xx are no answers.
fn parse_status(text: &str) -> Result<StatusCode, Fault> {
    let status = text
        .parse()
        .ok()
        .filter(|status| (200..1000).contains(status));
    status
        .and_then(|status| StatusCode::from_u16(status).ok())
        .ok_or_else(|| {
            let wrong = format!("{} is no final status", quoted(text));
            Fault::new(wrong, "write 200 to 599")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_wished_for_by_the_query() {
        let query =
            "ars=011&status=503&retry_after=2&size=10KiB&cookie=s%3D1&service=bimodal+5ms+9ms+0%";
        let wish = Wish::read(query, 7).unwrap();
        assert_eq!((wish.status.as_u16(), wish.size), (503, 10_240));
        assert_eq!(
            wish.service,
            Some(Distribution::Bimodal(
                Duration::from_millis(5),
                Duration::from_millis(9),
                0.0
            ))
        );
        let field = |name: HeaderName| {
            let found = wish.fields.iter().find(|(own, _)| *own == name);
            found.unwrap().1.to_str().unwrap().to_owned()
        };
        assert_eq!(field(header::RETRY_AFTER), "2");
        assert_eq!(field(header::SET_COOKIE), "s=1");
        assert_eq!(field(header::CONTENT_TYPE), "text/plain; charset=utf-8");
        let stream = Wish::read("parts=3&every=1s&type=text/event-stream", 7).unwrap();
        assert_eq!(
            (stream.stream, stream.size),
            (Some((3, Duration::from_secs(1))), 7)
        );
    }

    #[test]
    fn a_wish_that_cannot_be_met_is_told() {
        for query in [
            "status=99",
            "status=100",
            "size=5",
            "service=never",
            "every=1",
            "type=%0a\n",
        ] {
            assert!(Wish::read(query, 0).is_err(), "{query}");
        }
        assert!(Wish::read("ars=061&&x", 0).is_ok());
    }
}
