//! The chunked coding once more, written from RFC 9112 §7.1 over a whole buffer
//! and as plainly as possible, to compare the incremental decoder with.

/// A complete chunked body at the front of `input`: its data, and what follows it.
pub struct Whole<'i> {
    /// The chunks' data.
    pub data: Vec<u8>,
    /// What follows the body.
    pub rest: &'i [u8],
}

/// Reads a complete and correct body; `None` for any other input.
pub fn chunked(input: &[u8]) -> Option<Whole<'_>> {
    let mut data = Vec::new();
    let mut rest = input;
    loop {
        let (line, after) = line(rest)?;
        let size = usize::try_from(size(line)?).ok()?;
        rest = after;
        if size == 0 {
            break;
        }
        data.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
    let (mut bytes, mut fields) = (0, 0);
    loop {
        let (line, after) = line(rest)?;
        bytes += line.len() + 2;
        rest = after;
        if bytes > 32 * 1024 || fields > 100 {
            return None;
        }
        if line.is_empty() {
            return Some(Whole { data, rest });
        }
        fields += 1;
        trailer(line)?;
    }
}

/// Up to the first CRLF; no lone CR or LF in front of it.
fn line(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = input
        .iter()
        .position(|byte| matches!(byte, b'\r' | b'\n'))?;
    let (line, rest) = input.split_at(end);
    Some((line, rest.strip_prefix(b"\r\n")?))
}

fn size(line: &[u8]) -> Option<u64> {
    let digits = line
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    let (size, extension) = line.split_at(digits);
    if digits == 0 || digits > 16 || extension.len() > 256 {
        return None;
    }
    let blanks = extension
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    if !extension.is_empty() && extension.get(blanks) != Some(&b';') {
        return None;
    }
    if extension
        .iter()
        .any(|&byte| byte != b'\t' && byte.is_ascii_control())
    {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()
}

fn trailer(line: &[u8]) -> Option<()> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let (name, value) = line.split_at(colon);
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let control = |&byte: &u8| byte != b'\t' && byte.is_ascii_control();
    (!name.is_empty() && name.iter().all(token) && !value.iter().any(control)).then_some(())
}
