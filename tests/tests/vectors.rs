//! Smuggling, parsing and tenant confusion: raw bytes to the listener, from `vectors/*.txt`, each with its outcome and
//! its source.
//!
//! One worker and sequential requests, so that all go over the same upstream connection while that is clean. After each
//! vector another tenant asks over a connection of its own and must get its own answer: nothing was left behind.

use schleuse_tests::{Client, Edge, Origin, Request, Response, RunningEdge};

use crate::{
    one_service::fair_chunk,
    vector_file::{octets, rows},
};

const HEADS: &str = include_str!("vectors/refused_heads.txt");
const BODIES: &str = include_str!("vectors/refused_bodies.txt");
const TENANTS: &str = include_str!("vectors/refused_tenants.txt");
const FORWARDED: &str = include_str!("vectors/forwarded.txt");

/// What a vector did wrong, in words.
type Verdict = Result<(), String>;

/// A proxy with two services before one backend that answers with the target it was asked for.
struct Range {
    edge: RunningEdge,
    origin: Origin,
    /// Requests of the backend that were judged.
    judged: usize,
}

impl Range {
    fn new() -> Self {
        let origin = Origin::serve(|request, conversation| {
            let Request { target, .. } = request;
            let length = target.len();
            conversation.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{target}"
            ));
        });
        let edge = Edge::new()
            .environment("SCHLEUSE_WORKERS", "1")
            .top("trusted_proxies: [192.0.2.0/24]")
            .tenants("overrides: { \"110000000000\": { hosts: [antrag.berlin.example], service: antrag } }")
            .service(
                "antrag",
                "hosts: [a.example, \"*.a.example\"]\npool: one\n\
                 tenant_from: [host, path, query, cookie, header]\ntenant_header: X-Ars",
            )
            .service("pass", "hosts: [b.example]\npool: one\nresponsible: bund")
            .pool("one", &[origin.address()], "")
            .start();
        Self {
            edge,
            origin,
            judged: 0,
        }
    }

    /// Runs all vectors, then tells everything that went wrong at once.
    fn judge<const N: usize>(
        &mut self,
        vectors: &[[&str; N]],
        judge: impl Fn(&mut Self, &[&str; N]) -> Verdict,
    ) {
        let mut wrong = Vec::new();
        for vector in vectors {
            let verdict = judge(self, vector).and_then(|()| self.probe());
            if let Err(why) = verdict {
                wrong.push(format!("{}: {why}", vector[..N - 1].join(" | ")));
            }
            self.judged = self.origin.request_count();
        }
        assert!(
            wrong.is_empty(),
            "{} wrong:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
    }

    /// Another tenant's request over a connection of its own: it gets its own answer, and the backend saw nothing but it.
    fn probe(&mut self) -> Verdict {
        let target = format!("/06412000/probe/{}", self.origin.request_count());
        let answer = self.edge.get("a.example", &target);
        let got = (answer.status, answer.text());
        ensure(got == (200, &target), || {
            format!("the next client got {got:?}")
        })?;
        let requests = self.unjudged();
        let [probe] = &requests[..] else {
            return Err(format!("the backend saw besides {requests:?}"));
        };
        let tenant = probe.field("Schleuse-Tenant");
        ensure(
            probe.target == target && tenant == Some("064120000000"),
            || format!("the next client was taken for {probe:?}"),
        )
    }

    fn unjudged(&self) -> Vec<Request> {
        self.origin.requests().split_off(self.judged)
    }

    /// Sends octets and expects a refusal.
    fn refused(&self, status_and_label: &str, octets: &[u8]) -> Result<(Client, Response), String> {
        let mut client = self.edge.connect();
        // A refusal may come, and the connection end, before the last byte is out.
        let _ = client.try_send(octets);
        let answer = match client.try_response_to("GET") {
            Ok(Some(answer)) => answer,
            other => return Err(format!("instead of an answer: {other:?}")),
        };
        let label = serde_json::from_slice::<serde_json::Value>(&answer.body)
            .map(|problem| problem["reason"].as_str().unwrap_or_default().to_owned())
            .unwrap_or_default();
        let got = format!("{} {label}", answer.status);
        ensure(got == status_and_label, || format!("got {got}"))?;
        Ok((client, answer))
    }
}

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(why()) }
}

#[test]
fn a_head_that_can_be_read_in_two_ways_is_refused_and_ends_its_connection() {
    Range::new().judge(&rows(HEADS), |range, [outcome, _, _, text]| {
        let (mut client, answer) = range.refused(outcome, &octets(text))?;
        let told = answer.field("Connection");
        ensure(told == Some("close"), || format!("Connection: {told:?}"))?;
        let more = client.read_to_end();
        ensure(more.is_empty(), || {
            format!("behind it: {}", String::from_utf8_lossy(&more))
        })
    });
}

#[test]
fn a_chunked_body_that_can_be_read_in_two_ways_never_ends_at_a_backend() {
    Range::new().judge(&rows(BODIES), |range, [label, _, _, text]| {
        let head = "POST /11000000/ HTTP/1.1~Host: a.example~Transfer-Encoding: chunked~~";
        let octets = [octets(head), octets(text)].concat();
        let (mut client, _) = range.refused(&format!("400 {label}"), &octets)?;
        let more = client.read_to_end();
        ensure(more.is_empty(), || {
            format!("behind it: {}", String::from_utf8_lossy(&more))
        })
    });
}

#[test]
fn the_same_chunked_body_is_refused_when_the_backend_has_its_head_already() {
    Range::new().judge(&rows(BODIES), |range, [_, _, _, text]| {
        let mut client = range.edge.connect();
        client.send(
            "POST /11000000/ HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
        client.send(fair_chunk());
        schleuse_tests::eventually("the backend got the fair part", || {
            let latest = range.origin.connection_count().max(1) - 1;
            range.origin.received(latest).ends_with(b"fair\r\n")
        });
        let _ = client.try_send(octets(text));
        let status = match client.try_response_to("GET") {
            Ok(Some(answer)) => answer.status,
            other => return Err(format!("instead of an answer: {other:?}")),
        };
        ensure(status == 400, || format!("got {status}"))
    });
}

#[test]
fn a_request_that_could_belong_to_two_tenants_reaches_neither() {
    Range::new().judge(&rows(TENANTS), |range, [outcome, _, _, text]| {
        let (mut client, answer) = range.refused(outcome, &octets(text))?;
        if answer.field("Connection") == Some("close") {
            let more = client.read_to_end();
            return ensure(more.is_empty(), || format!("behind it: {more:?}"));
        }
        // A refusal does not cost a healthy connection.
        let answer = client.get("a.example", "/11000000/after");
        let requests = range.unjudged();
        range.judged = range.origin.request_count();
        ensure(
            answer.status == 200 && requests.len() == 1 && requests[0].target == "/11000000/after",
            || format!("after it: {answer:?}, {requests:?}"),
        )
    });
}

#[test]
fn what_is_forwarded_means_what_it_meant() {
    Range::new().judge(&rows(FORWARDED), |range, [expected, _, _, text]| {
        let expected: Vec<Vec<&str>> = expected
            .split(" & then ")
            .map(|request| request.split(" & ").collect())
            .collect();
        let mut client = range.edge.connect();
        client.send(octets(text));
        for request in &expected {
            let target = request[0].split_once(' ').expect("a target").1;
            match client.try_response_to("GET") {
                Ok(Some(answer)) if (answer.status, answer.text()) == (200, target) => {}
                other => return Err(format!("instead of {target}: {other:?}")),
            }
        }
        let requests = range.unjudged();
        range.judged = range.origin.request_count();
        ensure(requests.len() == expected.len(), || {
            format!("the backend saw {requests:?}")
        })?;
        for (request, expected) in requests.iter().zip(&expected) {
            for expectation in expected {
                meets(request, expectation)
                    .map_err(|why| format!("{expectation}: {why} in {request:?}"))?;
            }
        }
        Ok(())
    });
}

/// Whether a request that the backend got is as expected; the syntax is in the vector file.
fn meets(request: &Request, expectation: &str) -> Verdict {
    let all = || request.fields.iter().chain(&request.trailers);
    let named = |name: &str| -> Vec<&[u8]> {
        let fields = all().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        fields.map(|(_, value)| value.as_slice()).collect()
    };
    if let Some(name) = expectation.strip_prefix('!') {
        return ensure(named(name).is_empty(), || "is there".to_owned());
    }
    if let Some(body) = expectation.strip_prefix("body ") {
        return ensure(request.body == octets(body), || "another body".to_owned());
    }
    if let Some((name, value)) = expectation.split_once(": ") {
        let (got, value) = (named(name), octets(value));
        return ensure(got == [value], || format!("it is {got:?}"));
    }
    let line = format!("{} {}", request.method, request.target);
    ensure(line == expectation, || format!("it is {line}"))
}

#[test]
fn there_are_enough_vectors_and_each_has_its_own_name_and_a_source() {
    let mut names = std::collections::HashSet::new();
    let columns = [HEADS, BODIES, TENANTS, FORWARDED].map(rows::<4>).concat();
    for [expected, source, name, octets] in &columns {
        assert!(source.len() >= 3, "{name} has no source");
        assert!(
            names.insert((expected, source, name, octets)),
            "{name} is there twice"
        );
    }
    assert!(columns.len() >= 120, "{} vectors", columns.len());
}
