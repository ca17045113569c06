//! llhttp, the parser of Node.js, behind the shim: a list of the messages that it
//! finds in a buffer. It shares no code with `httparse`.

use std::ffi::{CStr, c_char, c_int, c_void};

use crate::message::NamedValue;

/// What llhttp found of one message.
#[derive(Debug, Default)]
pub struct Message {
    /// Requests: the method.
    pub method: Vec<u8>,
    /// Requests: the target.
    pub target: Vec<u8>,
    /// Answers: the status.
    pub status: usize,
    /// In order.
    pub fields: Vec<NamedValue>,
    /// The decoded body.
    pub body: Vec<u8>,
    /// Whether another protocol follows.
    pub upgrade: bool,
    /// Whether its end was reached.
    pub ended: bool,
    name: Vec<u8>,
    value: Vec<u8>,
    in_trailers: bool,
}

unsafe extern "C" {
    fn second_parser_run(
        is_response: c_int,
        data: *const c_char,
        length: usize,
        sink: *mut c_void,
        report: extern "C" fn(*mut c_void, c_int, *const c_char, usize),
    ) -> *const c_char;
}

/// The messages in `input`, and the name of the error that ended the reading, `HPE_OK` for none.
pub fn read(input: &[u8], is_response: bool) -> (Vec<Message>, &'static str) {
    let mut messages: Vec<Message> = Vec::new();
    let sink = std::ptr::from_mut(&mut messages).cast();
    // SAFETY: the shim reads `length` bytes, and calls `report` with `sink` only before it
    // returns; the error names are static strings.
    let error = unsafe {
        let data = input.as_ptr().cast();
        CStr::from_ptr(second_parser_run(
            is_response.into(),
            data,
            input.len(),
            sink,
            report,
        ))
    };
    (messages, error.to_str().unwrap_or_default())
}

extern "C" fn report(sink: *mut c_void, event: c_int, at: *const c_char, length: usize) {
    // SAFETY: `sink` is the vector of `read`, which nothing else uses meanwhile.
    let messages = unsafe { &mut *sink.cast::<Vec<Message>>() };
    if event == 0 {
        messages.push(Message::default());
    }
    let Some(message) = messages.last_mut() else {
        return;
    };
    if event == 7 {
        message.status = length;
        return;
    }
    // SAFETY: for every other event the shim passes `length` readable bytes.
    let bytes = unsafe { std::slice::from_raw_parts(at.cast::<u8>(), length) };
    message.note(event, bytes);
}

impl Message {
    /// The events of the shim, by its numbers.
    fn note(&mut self, event: c_int, bytes: &[u8]) {
        match event {
            1 => self.target.extend_from_slice(bytes),
            2 => self.name.extend_from_slice(bytes),
            4 => self.value.extend_from_slice(bytes),
            5 => {
                let field = (
                    std::mem::take(&mut self.name),
                    std::mem::take(&mut self.value),
                );
                if !self.in_trailers {
                    self.fields.push(field);
                }
            }
            6 => {
                self.method = bytes.to_vec();
                self.in_trailers = true;
            }
            8 => self.upgrade = true,
            9 => self.body.extend_from_slice(bytes),
            10 => self.ended = true,
            _ => {}
        }
    }
}
