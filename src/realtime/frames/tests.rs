//! The cases of the Autobahn test suite that concern a server of text, and our narrower bounds.

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    read::{Incoming, Reader},
    *,
};
use crate::{
    domain::limits::FRAME_BYTES,
    realtime::close::{Close, Violation},
};

const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// A client's frame, from its first byte on.
fn masked(first: u8, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::from(header(first, payload.len() as u64).as_slice());
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame.freeze()
}

/// The header of a client's frame that declares a length.
fn header(first: u8, declared: u64) -> Vec<u8> {
    let mut header = vec![first];
    match declared {
        0..126 => header.put_u8(0x80 | declared as u8),
        126..0x1_0000 => {
            header.put_u8(0xFE);
            header.put_u16(declared as u16);
        }
        0x1_0000.. => {
            header.put_u8(0xFF);
            header.put_u64(declared);
        }
    }
    header.put_slice(&MASK);
    header
}

/// Reads to the end, in pieces of a size.
fn read_in_pieces(input: &[u8], size: usize) -> Result<Vec<Incoming>, Violation> {
    let mut reader = Reader::default();
    let mut said = Vec::new();
    for piece in input.chunks(size) {
        let mut piece = Bytes::copy_from_slice(piece);
        while let Some(incoming) = reader.read(&mut piece)? {
            said.push(incoming);
        }
        assert!(piece.is_empty(), "what says nothing is taken whole");
    }
    Ok(said)
}

/// Reads some frames; the same comes of them however they are cut.
fn read(frames: &[Bytes]) -> Result<Vec<Incoming>, Violation> {
    let input = frames.concat();
    let said = read_in_pieces(&input, input.len());
    for size in [1, 2, 7, 1_000] {
        assert_eq!(read_in_pieces(&input, size), said, "in pieces of {size}");
    }
    said
}

fn texts<const N: usize>(texts: [&str; N]) -> Vec<Incoming> {
    texts.map(|text| Incoming::Text(text.into())).to_vec()
}

#[test]
fn texts_of_every_size_are_read() {
    for length in [0, 1, 125, 126, 127, 128, 65_535, FRAME_BYTES] {
        let text = "*".repeat(length);

        assert_eq!(read(&[masked(0x81, text.as_bytes())]), Ok(texts([&text])), "{length} bytes");
    }
}

#[test]
fn a_text_is_refused_by_what_it_declares() {
    for declared in [FRAME_BYTES as u64 + 1, 1 << 40, i64::MAX as u64] {
        let without_mask = &header(0x81, declared)[..10];

        assert_eq!(read(&[Bytes::copy_from_slice(without_mask)]), Err(Violation::TooBig), "{declared} bytes");
    }
    assert_eq!(read(&[header(0x81, 1 << 63).into()]), Err(Violation::BadLength));
}

#[test]
fn the_fragments_of_a_text_are_bounded_together() {
    let half = "*".repeat(FRAME_BYTES / 2);

    let fits = [masked(0x01, half.as_bytes()), masked(0x80, half.as_bytes())];
    let one_more = [masked(0x01, half.as_bytes()), masked(0x00, half.as_bytes()), header(0x80, 1).into()];

    assert_eq!(read(&fits), Ok(texts([&half.repeat(2)])));
    assert_eq!(read(&one_more), Err(Violation::TooBig));
}

#[test]
fn a_flood_of_empty_fragments_is_stopped() {
    let flood =
        |fragments| [vec![masked(0x01, b"")], vec![masked(0x00, b""); fragments], vec![masked(0x80, b"x")]].concat();

    assert_eq!(read(&flood(254)), Ok(texts(["x"])));
    assert_eq!(read(&flood(255)), Err(Violation::TooManyFragments));
    assert_eq!(read(&[flood(254), flood(254)].concat()), Ok(texts(["x", "x"])));
}

#[test]
fn fragments_are_put_together_around_control_frames() {
    let said = read(&[
        masked(0x01, b"fragment1"),
        masked(0x89, b"ping1"),
        masked(0x00, b"fragment2"),
        masked(0x8A, b"pong1"),
        masked(0x00, b""),
        masked(0x80, b"fragment3"),
        masked(0x81, b"next"),
    ]);

    let mut expected = vec![Incoming::Ping(Bytes::from_static(b"ping1")), Incoming::Pong];
    expected.extend(texts(["fragment1fragment2fragment3", "next"]));
    assert_eq!(said, Ok(expected));
}

#[test]
fn fragments_out_of_order_are_refused() {
    assert_eq!(read(&[masked(0x80, b"of what?")]), Err(Violation::NothingToContinue));
    assert_eq!(read(&[masked(0x00, b"of what?")]), Err(Violation::NothingToContinue));
    assert_eq!(read(&[masked(0x01, b"one"), masked(0x81, b"two")]), Err(Violation::Interleaved));
    assert_eq!(read(&[masked(0x01, b"one"), masked(0x01, b"two")]), Err(Violation::Interleaved));
    assert_eq!(
        read(&[masked(0x01, b"one"), masked(0x80, b"end"), masked(0x80, b"again")]),
        Err(Violation::NothingToContinue)
    );
}

#[test]
fn pings_and_pongs_carry_up_to_125_bytes() {
    let most = [0xFE; 125];

    assert_eq!(read(&[masked(0x89, b"")]), Ok(vec![Incoming::Ping(Bytes::new())]));
    assert_eq!(read(&[masked(0x89, &most)]), Ok(vec![Incoming::Ping(Bytes::copy_from_slice(&most))]));
    assert_eq!(read(&[masked(0x8A, &most)]), Ok(vec![Incoming::Pong]));
    for opcode in [0x88, 0x89, 0x8A] {
        assert_eq!(read(&[masked(opcode, &[0xFE; 126])]), Err(Violation::BadControlFrame), "{opcode:x}");
    }
}

#[test]
fn control_frames_are_never_fragments() {
    for opcode in [0x08, 0x09, 0x0A] {
        assert_eq!(read(&[masked(opcode, b"")]), Err(Violation::BadControlFrame), "{opcode:x}");
    }
}

#[test]
fn reserved_bits_and_opcodes_are_refused() {
    for bits in [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70] {
        for opcode in [0x80, 0x81, 0x88, 0x89, 0x8A] {
            assert_eq!(read(&[masked(bits | opcode, b"small")]), Err(Violation::ReservedBits), "{bits:x} {opcode:x}");
        }
    }
    for opcode in (0x3..=0x7).chain(0xB..=0xF) {
        assert_eq!(read(&[masked(0x80 | opcode, b"")]), Err(Violation::UnknownOpcode), "{opcode:x}");
    }
}

#[test]
fn unmasked_and_binary_frames_are_refused_at_once() {
    assert_eq!(read(&[text("server")]), Err(Violation::Unmasked));
    assert_eq!(read(&[masked(0x82, b"").slice(..2)]), Err(Violation::Binary));
}

#[test]
fn what_was_said_before_a_violation_still_counts() {
    let mut input = Bytes::from([masked(0x81, b"fine"), masked(0xF1, b"bad")].concat());
    let mut reader = Reader::default();

    assert_eq!(reader.read(&mut input), Ok(Some(Incoming::Text("fine".into()))));
    assert_eq!(reader.read(&mut input), Err(Violation::ReservedBits));
}

#[test]
fn any_unicode_is_text_however_it_is_cut() {
    let text = "Hello-µ@ßöäüàá-UTF-8!! κόσμε \u{0} \u{7F} \u{7FF} \u{FFFD} \u{FFFF} \u{10000} \u{10FFFF}";
    for cut in 0..text.len() {
        let (head, tail) = text.as_bytes().split_at(cut);

        assert_eq!(read(&[masked(0x01, head), masked(0x80, tail)]), Ok(texts([text])), "cut at {cut}");
    }
}

#[test]
fn what_is_not_utf8_is_refused() {
    let bad: [&[u8]; 9] = [
        b"\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5\xED\xA0\x80edited",
        b"\xF4\x90\x80\x80",
        b"\x80",
        b"\xBF",
        b"\xFE",
        b"\xC0\xAF",
        b"\xE0\x80\xAF",
        b"\xF8\x88\x80\x80\x80",
        b"\xED\xA0\x80\xED\xB0\x80",
    ];
    for bytes in bad {
        assert_eq!(read(&[masked(0x81, bytes)]), Err(Violation::NotUtf8), "{bytes:x?}");
        assert_eq!(read(&[masked(0x01, bytes)]), Err(Violation::NotUtf8), "{bytes:x?} in a fragment");
    }
    assert_eq!(read(&[masked(0x81, b"\xCE")]), Err(Violation::NotUtf8), "cut at the end of the message");
    assert_eq!(read(&[masked(0x01, b"\xCE"), masked(0x80, b"x")]), Err(Violation::NotUtf8), "across fragments");
}

#[test]
fn bad_text_is_refused_before_the_message_ends() {
    let mut reader = Reader::default();
    let mut start = masked(0x81, &[b'a', 0xFF, b'b', b'c']).slice(..8);

    assert_eq!(reader.read(&mut start), Err(Violation::NotUtf8));
}

#[test]
fn goodbyes_are_read() {
    assert_eq!(read(&[masked(0x88, b"")]), Ok(vec![Incoming::Close(None)]));
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999_u16] {
        let payload = [&code.to_be_bytes()[..], "Auf Wiedersehen, ☺".as_bytes()].concat();

        assert_eq!(read(&[masked(0x88, &payload)]), Ok(vec![Incoming::Close(Some(code))]));
    }
    let longest = [&1000_u16.to_be_bytes()[..], &[b'*'; 123]].concat();
    assert_eq!(read(&[masked(0x88, &longest)]), Ok(vec![Incoming::Close(Some(1000))]));
}

#[test]
fn bad_goodbyes_are_refused() {
    assert_eq!(read(&[masked(0x88, b"x")]), Err(Violation::BadCloseFrame));
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535_u16] {
        assert_eq!(read(&[masked(0x88, &code.to_be_bytes())]), Err(Violation::BadCloseFrame), "{code}");
    }
    assert_eq!(read(&[masked(0x88, b"\x03\xE8\xCE\xBA\xED\xA0\x80")]), Err(Violation::NotUtf8));
}

#[test]
fn violations_have_the_codes_of_the_rfc() {
    let codes = [
        (Violation::ReservedBits, 1002),
        (Violation::Interleaved, 1002),
        (Violation::NotUtf8, 1007),
        (Violation::TooManyFragments, 1008),
        (Violation::TooBig, 1009),
        (Violation::Binary, 4000),
    ];
    for (violation, code) in codes {
        assert_eq!(Close::Violated(violation).code(), Some(code));
    }
}

#[test]
fn frames_to_the_peer_are_as_short_as_can_be() {
    for (length, header) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
        let framed = text(&"x".repeat(length));

        assert_eq!(framed.len(), header + length);
        assert_eq!(framed[0], 0x81);
    }
    assert_eq!(&text("Hi")[..], b"\x81\x02Hi");
    assert_eq!(&ping()[..], b"\x89\x00");
    assert_eq!(&pong(b"Hi")[..], b"\x8A\x02Hi");
    assert_eq!(&close(Close::Answered(None))[..], b"\x88\x00");
    assert_eq!(&close(Close::Answered(Some(3000)))[..], b"\x88\x02\x0B\xB8");
    assert_eq!(&close(Close::Silent)[..], b"\x88\x16\x03\xE9reconnect_after_ms=0");
}
