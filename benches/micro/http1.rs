//! Reading the head of a typical browser's request and of an application's answer, strictly.
//!
//! The rival is `httparse` alone, on which ours stands: the difference is what the strict rules, the recognised names and
//! the framing cost.

use bytes::BytesMut;
use divan::{Bencher, counter::BytesCount};
use schleuse_http1::{HeadLimits, ResponseTo, take_request, take_response};

fn main() {
    divan::main();
}

/// As Firefox sends a form's page, 592 bytes.
const REQUEST: &[u8] = b"GET /064120000000/antrag/neu?schritt=2 HTTP/1.1\r\n\
Host: wohngeld.example\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
Accept-Language: de,en-US;q=0.7,en;q=0.3\r\n\
Accept-Encoding: gzip, deflate, br, zstd\r\n\
Referer: https://wohngeld.example/064120000000/antrag\r\n\
Connection: keep-alive\r\n\
Cookie: schleuse_tenant=064120000000; session=2f1d7c0a9be84a3e8d55\r\n\
Upgrade-Insecure-Requests: 1\r\n\
Sec-Fetch-Dest: document\r\n\
Sec-Fetch-Mode: navigate\r\n\
Sec-Fetch-Site: same-origin\r\n\
Priority: u=0, i\r\n\r\n";

/// As an application behind a framework answers.
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n\
Server: Apache\r\n\
Date: Mon, 02 Nov 2026 08:00:00 GMT\r\n\
Content-Type: text/html; charset=utf-8\r\n\
Content-Length: 18243\r\n\
Cache-Control: no-store\r\n\
Content-Security-Policy: default-src 'self'; frame-ancestors 'none'\r\n\
X-Content-Type-Options: nosniff\r\n\
Set-Cookie: session=2f1d7c0a9be84a3e8d55; Path=/; Secure; HttpOnly; SameSite=Lax\r\n\
Vary: Accept-Encoding\r\n\r\n";

fn buffer(bytes: &'static [u8]) -> impl Fn() -> BytesMut {
    move || BytesMut::from(bytes)
}

#[divan::bench]
fn request(bencher: Bencher<'_, '_>) {
    bencher
        .counter(BytesCount::of_slice(REQUEST))
        .with_inputs(buffer(REQUEST))
        .bench_local_values(|mut buffer| take_request(&mut buffer, &mut 0, &HeadLimits::default()));
}

#[divan::bench]
fn request_by_httparse_alone(bencher: Bencher<'_, '_>) {
    bencher
        .counter(BytesCount::of_slice(REQUEST))
        .with_inputs(buffer(REQUEST))
        .bench_local_refs(|buffer| {
            let mut fields = [httparse::EMPTY_HEADER; 100];
            let mut request = httparse::Request::new(&mut fields);
            request.parse(buffer).map(|status| status.is_complete())
        });
}

#[divan::bench]
fn response(bencher: Bencher<'_, '_>) {
    bencher
        .counter(BytesCount::of_slice(RESPONSE))
        .with_inputs(buffer(RESPONSE))
        .bench_local_values(|mut buffer| {
            take_response(
                &mut buffer,
                &mut 0,
                &HeadLimits::default(),
                ResponseTo::default(),
            )
        });
}

#[divan::bench]
fn response_by_httparse_alone(bencher: Bencher<'_, '_>) {
    bencher
        .counter(BytesCount::of_slice(RESPONSE))
        .with_inputs(buffer(RESPONSE))
        .bench_local_refs(|buffer| {
            let mut fields = [httparse::EMPTY_HEADER; 100];
            let mut response = httparse::Response::new(&mut fields);
            response.parse(buffer).map(|status| status.is_complete())
        });
}
