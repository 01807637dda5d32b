//! Frames to the peer. Invariant: a server's frames are unmasked, so one framing serves all sockets.

pub mod read;
#[cfg(test)]
mod tests;

use bytes::{BufMut, Bytes, BytesMut};

use super::close::Close;

const FINAL: u8 = 0x80;
const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PONG: u8 = 0xA;
/// What a control frame may carry.
const CONTROL_BYTES: usize = 125;

/// A text, framed.
pub fn text(text: &str) -> Bytes {
    frame(TEXT, text.as_bytes())
}

/// A ping with nothing in it.
pub fn ping() -> Bytes {
    Bytes::from_static(&[0x89, 0])
}

/// The answer to a ping.
pub fn pong(payload: &[u8]) -> Bytes {
    frame(PONG, payload)
}

/// The last frame of a socket.
pub fn close(close: Close) -> Bytes {
    let mut payload = Vec::new();
    if let Some(code) = close.code() {
        payload.put_u16(code);
        payload.put_slice(close.reason().as_bytes());
    }
    debug_assert!(payload.len() <= CONTROL_BYTES, "a reason is shorter than a control frame");
    frame(CLOSE, &payload)
}

fn frame(opcode: u8, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(10 + payload.len());
    frame.put_u8(FINAL | opcode);
    match payload.len() {
        length @ ..=CONTROL_BYTES => frame.put_u8(length as u8),
        length @ ..=0xFFFF => {
            frame.put_u8(126);
            frame.put_u16(length as u16);
        }
        length => {
            frame.put_u8(127);
            frame.put_u64(length as u64);
        }
    }
    frame.put_slice(payload);
    frame.freeze()
}
