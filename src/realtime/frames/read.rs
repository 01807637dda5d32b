//! Frames from the peer, read from whatever pieces the network delivers.
//!
//! Invariant: a frame is judged by what its header declares before any of its payload is kept, nothing is reserved on the
//! peer's word, and between two messages nothing is held.

use std::mem;

use bytes::{Buf, Bytes};
use bytestring::ByteString;

use super::CONTROL_BYTES;
use crate::{domain::limits::FRAME_BYTES, realtime::close::Violation};

/// More than an honest client needs for 64 KiB, and a bound for one that sends nothing but headers.
const FRAGMENTS: u16 = 256;

/// What a peer said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A whole message.
    Text(ByteString),
    /// Are you there?
    Ping(Bytes),
    /// I am here.
    Pong,
    /// Goodbye, with the code if there was one; nothing comes after it.
    Close(Option<u16>),
}

/// Where reading stands between two pieces.
#[derive(Debug, Default)]
pub struct Reader {
    header: Header,
    /// Whose payload comes next.
    frame: Option<Frame>,
    control: Vec<u8>,
    text: Vec<u8>,
    /// How much of an unfinished text is known to be UTF-8.
    checked: usize,
    /// How many frames the unfinished text has had.
    fragments: u16,
}

#[derive(Debug)]
struct Frame {
    opcode: Opcode,
    is_final: bool,
    /// Turned so that it begins with the byte for what comes next.
    mask: [u8; 4],
    remaining: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opcode {
    Continuation,
    Text,
    Close,
    Ping,
    Pong,
}

impl Reader {
    /// Takes bytes off the front of `input` until something is said, or until none are left.
    pub fn read(&mut self, input: &mut Bytes) -> Result<Option<Incoming>, Violation> {
        loop {
            let in_progress = match self.frame.take() {
                None => self.read_header(input)?,
                some => some,
            };
            let Some(mut frame) = in_progress else { return Ok(None) };
            self.read_payload(&mut frame, input);
            if frame.remaining > 0 {
                self.frame = Some(frame);
                self.check_text_so_far()?;
                return Ok(None);
            }
            if let Some(incoming) = self.finish(&frame)? {
                return Ok(Some(incoming));
            }
        }
    }

    fn read_header(&mut self, input: &mut Bytes) -> Result<Option<Frame>, Violation> {
        let Some(&[first, second]) = self.header.gather(2, input) else { return Ok(None) };
        let is_final = first & super::FINAL != 0;
        let opcode = Opcode::judge(first, second)?;
        self.judge_order(opcode)?;

        let length_ends = match second & 0x7F {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        let Some(header) = self.header.gather(length_ends, input) else { return Ok(None) };
        let declared = match header {
            &[_, short] => u64::from(short & 0x7F),
            [_, _, long @ ..] => long.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
            _ => unreachable!("a header has two bytes or more"),
        };
        let remaining = self.judge_length(opcode, declared)?;

        let Some(&[.., a, b, c, d]) = self.header.gather(length_ends + 4, input) else { return Ok(None) };
        self.header = Header::default();
        if !opcode.is_control() {
            self.fragments += 1;
        }
        Ok(Some(Frame { opcode, is_final, mask: [a, b, c, d], remaining }))
    }

    /// Continuations continue something, and nothing but control frames comes in between.
    fn judge_order(&self, opcode: Opcode) -> Result<(), Violation> {
        match (opcode, self.fragments) {
            (Opcode::Text, 1..) => Err(Violation::Interleaved),
            (Opcode::Continuation, 0) => Err(Violation::NothingToContinue),
            (Opcode::Continuation, FRAGMENTS..) => Err(Violation::TooManyFragments),
            _ => Ok(()),
        }
    }

    fn judge_length(&self, opcode: Opcode, declared: u64) -> Result<usize, Violation> {
        if declared > i64::MAX as u64 {
            return Err(Violation::BadLength);
        }
        if !opcode.is_control() && declared > (FRAME_BYTES - self.text.len()) as u64 {
            return Err(Violation::TooBig);
        }
        Ok(declared as usize)
    }

    fn read_payload(&mut self, frame: &mut Frame, input: &mut Bytes) {
        let payload = if frame.opcode.is_control() { &mut self.control } else { &mut self.text };
        let taken = frame.remaining.min(input.len());
        if payload.is_empty() && taken == frame.remaining {
            payload.reserve_exact(taken);
        }
        let start = payload.len();
        payload.extend_from_slice(&input[..taken]);
        unmask(&mut payload[start..], frame.mask);
        frame.mask.rotate_left(taken % 4);
        frame.remaining -= taken;
        input.advance(taken);
    }

    fn finish(&mut self, frame: &Frame) -> Result<Option<Incoming>, Violation> {
        match frame.opcode {
            Opcode::Ping => Ok(Some(Incoming::Ping(mem::take(&mut self.control).into()))),
            Opcode::Pong => {
                self.control = Vec::new();
                Ok(Some(Incoming::Pong))
            }
            Opcode::Close => close_code(&mem::take(&mut self.control)).map(Incoming::Close).map(Some),
            Opcode::Text | Opcode::Continuation if frame.is_final => {
                (self.fragments, self.checked) = (0, 0);
                let text = ByteString::try_from(mem::take(&mut self.text)).map_err(|_| Violation::NotUtf8)?;
                Ok(Some(Incoming::Text(text)))
            }
            Opcode::Text | Opcode::Continuation => self.check_text_so_far().map(|()| None),
        }
    }

    /// Bad bytes are refused when they come, not when the message ends; a character may still be cut in two.
    fn check_text_so_far(&mut self) -> Result<(), Violation> {
        match str::from_utf8(&self.text[self.checked..]) {
            Ok(_) => self.checked = self.text.len(),
            Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
            Err(_) => return Err(Violation::NotUtf8),
        }
        Ok(())
    }
}

impl Opcode {
    /// Judges all that the first two bytes of a frame tell.
    fn judge(first: u8, second: u8) -> Result<Self, Violation> {
        if first & 0x70 != 0 {
            return Err(Violation::ReservedBits);
        }
        let is_masked = second & 0x80 != 0;
        if !is_masked {
            return Err(Violation::Unmasked);
        }
        let opcode = match first & 0x0F {
            0x0 => Self::Continuation,
            super::TEXT => Self::Text,
            0x2 => return Err(Violation::Binary),
            super::CLOSE => Self::Close,
            0x9 => Self::Ping,
            super::PONG => Self::Pong,
            _ => return Err(Violation::UnknownOpcode),
        };
        let is_final = first & super::FINAL != 0;
        if opcode.is_control() && (!is_final || usize::from(second & 0x7F) > CONTROL_BYTES) {
            return Err(Violation::BadControlFrame);
        }
        Ok(opcode)
    }

    fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// What has come of a frame's header, which may arrive byte by byte.
#[derive(Debug, Default)]
struct Header {
    bytes: [u8; 14],
    length: u8,
}

impl Header {
    /// The first `wanted` bytes, once they have come.
    fn gather(&mut self, wanted: usize, input: &mut Bytes) -> Option<&[u8]> {
        let have = usize::from(self.length);
        let taken = wanted.saturating_sub(have).min(input.len());
        input.copy_to_slice(&mut self.bytes[have..have + taken]);
        self.length += taken as u8;
        (have + taken >= wanted).then(|| &self.bytes[..wanted])
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let (words, rest) = payload.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

fn close_code(payload: &[u8]) -> Result<Option<u16>, Violation> {
    let [high, low, reason @ ..] = payload else {
        return if payload.is_empty() { Ok(None) } else { Err(Violation::BadCloseFrame) };
    };
    let code = u16::from_be_bytes([*high, *low]);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Violation::BadCloseFrame);
    }
    str::from_utf8(reason).map_err(|_| Violation::NotUtf8)?;
    Ok(Some(code))
}
