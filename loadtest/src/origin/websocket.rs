//! A WebSocket that says everything again (RFC 6455): what proxies must carry once they forwarded an upgrade.
//!
//! Frames are copied as they come, without their mask, and never held: a frame of a gigabyte costs a few kilobytes.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{self, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::watch,
};

use super::body::{Account, AnswerBody};

/// RFC 6455 §1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// What `Sec-WebSocket-Accept` must say; none when this is no handshake of version 13.
pub(super) fn accept_key(method: &Method, fields: &HeaderMap) -> Option<String> {
    let is = |name: header::HeaderName, word: &str| {
        let value = fields.get(name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| {
            value
                .split(',')
                .any(|part| part.trim().eq_ignore_ascii_case(word))
        })
    };
    let sound = *method == Method::GET
        && is(header::UPGRADE, "websocket")
        && is(header::CONNECTION, "upgrade")
        && is(header::SEC_WEBSOCKET_VERSION, "13");
    let key = fields.get(header::SEC_WEBSOCKET_KEY)?.to_str().ok()?;
    sound.then(|| {
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{GUID}").as_bytes());
        base64(hash.as_ref())
    })
}

/// RFC 4648 §4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or_default());
        let group = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            let index = usize::try_from(group >> (18 - 6 * place) & 63).unwrap_or_default();
            let letter = LETTERS.get(index).copied().unwrap_or(b'=');
            text.push(char::from(if place <= chunk.len() { letter } else { b'=' }));
        }
    }
    text
}

/// 101.
pub(super) fn response(accept: &str, mut account: Account) -> Response<AnswerBody> {
    account.answers(StatusCode::SWITCHING_PROTOCOLS.as_u16());
    let mut response = Response::new(AnswerBody::sized(0, account));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let fields = response.headers_mut();
    fields.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    fields.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(accept) {
        fields.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

/// Echoes on the upgraded connection until it closes or the origin crashes.
pub(super) fn spawn(request: &mut Request<Incoming>, mut life: watch::Receiver<u64>) {
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else {
            return;
        };
        let (read, write) = io::split(TokioIo::new(upgraded));
        tokio::select! {
            // A connection that breaks off is the client's affair.
            _ = echo(io::BufReader::new(read), write) => {}
            _ = life.changed() => {}
        }
    });
}

/// Sends back every frame: pings as pongs, pongs not at all, a close as the last one.
async fn echo(
    mut read: impl AsyncRead + Unpin,
    mut write: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    loop {
        let mut head = [0; 2];
        read.read_exact(&mut head).await?;
        let [first, second] = head;
        let opcode = first & 0x0f;
        let length = match second & 0x7f {
            126 => u64::from(read.read_u16().await?),
            127 => read.read_u64().await?,
            length => u64::from(length),
        };
        if second & 0x80 == 0 {
            // RFC 6455 §5.1: a client's frames are masked, or the connection is closed.
            return Ok(());
        }
        let mut mask = [0; 4];
        read.read_exact(&mut mask).await?;
        let answered = opcode != PONG;
        if answered {
            let opcode = if opcode == PING { PONG } else { opcode };
            write_head(&mut write, first & 0xf0 | opcode, length).await?;
        }
        copy(&mut read, &mut write, length, mask, answered).await?;
        write.flush().await?;
        if opcode == CLOSE {
            return write.shutdown().await;
        }
    }
}

async fn write_head(
    write: &mut (impl AsyncWrite + Unpin),
    first: u8,
    length: u64,
) -> io::Result<()> {
    write.write_u8(first).await?;
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 126 => write.write_u8(short).await,
        (_, Ok(middle)) => {
            write.write_u8(126).await?;
            write.write_u16(middle).await
        }
        _ => {
            write.write_u8(127).await?;
            write.write_u64(length).await
        }
    }
}

async fn copy(
    read: &mut (impl AsyncRead + Unpin),
    write: &mut (impl AsyncWrite + Unpin),
    mut left: u64,
    mut mask: [u8; 4],
    answered: bool,
) -> io::Result<()> {
    let mut buffer = [0; 4096];
    while left > 0 {
        let wanted = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let part = buffer.get_mut(..wanted).unwrap_or_default();
        let length = read.read(part).await?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let part = part.get_mut(..length).unwrap_or_default();
        for (byte, key) in part.iter_mut().zip(mask.iter().cycle()) {
            *byte ^= key;
        }
        mask.rotate_left(length % 4);
        if answered {
            write.write_all(part).await?;
        }
        left -= length as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), text);
        }
    }

    #[test]
    fn the_accept_key_is_that_of_the_rfc_and_only_for_a_whole_handshake() {
        let mut fields = HeaderMap::new();
        let mut set = |name, value| fields.insert(name, HeaderValue::from_static(value));
        set(header::UPGRADE, "websocket");
        set(header::CONNECTION, "keep-alive, Upgrade");
        set(header::SEC_WEBSOCKET_VERSION, "13");
        set(header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==");
        let accept = accept_key(&Method::GET, &fields);
        assert_eq!(accept.as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert_eq!(accept_key(&Method::POST, &fields), None);
        fields.remove(header::SEC_WEBSOCKET_VERSION);
        assert_eq!(accept_key(&Method::GET, &fields), None);
    }

    fn echoed(frames: &[u8]) -> Vec<u8> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let mut out = Vec::new();
        // A connection that ends after the last frame.
        let _ = runtime.block_on(echo(frames, &mut out));
        out
    }

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let mut frame = vec![first];
        match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
            (Ok(length), _) if length < 126 => frame.push(0x80 | length),
            (_, Ok(length)) => {
                frame.push(0xfe);
                frame.extend(length.to_be_bytes());
            }
            _ => {
                frame.push(0xff);
                frame.extend((payload.len() as u64).to_be_bytes());
            }
        }
        frame.extend(mask);
        frame.extend(
            payload
                .iter()
                .zip(mask.iter().cycle())
                .map(|(byte, key)| byte ^ key),
        );
        frame
    }

    #[test]
    fn frames_come_back_unmasked_whatever_their_length() {
        for length in [0, 1, 125, 126, 5000, 65_535, 65_536, 100_001] {
            let payload: Vec<u8> = (0..=250).cycle().take(length).collect();
            let out = echoed(&masked(0x82, &payload));
            assert_eq!(out[0], 0x82);
            assert!(out.ends_with(&payload), "{length}");
            let head = match length {
                0..126 => 2,
                126..65_536 => 4,
                _ => 10,
            };
            assert_eq!(out.len(), head + payload.len(), "{length}");
        }
    }

    #[test]
    fn a_ping_is_answered_by_a_pong_a_pong_by_nothing_and_a_close_ends_it() {
        assert_eq!(echoed(&masked(0x89, b"hi")), [0x8a, 2, b'h', b'i']);
        assert_eq!(echoed(&masked(0x8a, b"hi")), b"");
        let mut frames = masked(0x88, &[3, 232]);
        frames.extend(masked(0x81, b"late"));
        assert_eq!(echoed(&frames), [0x88, 2, 3, 232]);
    }

    #[test]
    fn an_unmasked_frame_ends_the_connection() {
        assert_eq!(echoed(&[0x81, 2, b'h', b'i']), b"");
    }
}
