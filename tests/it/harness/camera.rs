//! Pictures as cameras and programs make them, with what they say beside the pixels.

use std::io::Cursor;

use image::{
    DynamicImage, ExtendedColorType, Frame, ImageEncoder, ImageFormat, Rgb, RgbImage, RgbaImage,
    codecs::{gif::GifEncoder, jpeg::JpegEncoder},
};
use webp::{AnimEncoder, AnimFrame, WebPConfig};

/// Where a picture was taken, as it stands in its EXIF.
pub const PLACE: &str = "52.5200N 13.4050E";
/// Who took it, as it stands in a comment.
pub const AUTHOR: &str = "by somebody at home";

/// Four fields: red, green, blue, white, in the order in which one reads.
pub fn four_fields(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| match (x < width / 2, y < height / 2) {
        (true, true) => Rgb([220, 20, 20]),
        (false, true) => Rgb([20, 220, 20]),
        (true, false) => Rgb([20, 20, 220]),
        (false, false) => Rgb([240, 240, 240]),
    })
}

/// What is in the middles of the four fields: `r`, `g`, `b` or `w`, in the order in which one reads.
pub fn fields(picture: &DynamicImage) -> String {
    let picture = picture.to_rgb8();
    let (width, height) = picture.dimensions();
    let middles = [(1, 1), (3, 1), (1, 3), (3, 3)].map(|(x, y)| picture.get_pixel(width * x / 4, height * y / 4).0);
    let name = |[red, green, blue]: [u8; 3]| match (red > 128, green > 128, blue > 128) {
        (true, false, false) => 'r',
        (false, true, false) => 'g',
        (false, false, true) => 'b',
        (true, true, true) => 'w',
        _ => '?',
    };
    middles.into_iter().map(name).collect()
}

/// Pixels of which hardly two are alike, so that they take many bytes.
pub fn noise(width: u32, height: u32) -> RgbImage {
    let mut state = 1_u32;
    RgbImage::from_fn(width, height, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [red, green, blue, _] = state.to_be_bytes();
        Rgb([red, green, blue])
    })
}

/// A JPEG of this quality, as it is without a camera's words.
pub fn jpeg(picture: &RgbImage, quality: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
    encoder.write_image(picture, picture.width(), picture.height(), ExtendedColorType::Rgb8).expect("it is a picture");
    bytes
}

/// A file of another kind.
pub fn coded(picture: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).expect("it is a picture");
    bytes.into_inner()
}

/// A JPEG with all that a telephone says of it: how it was held, where it was, who holds it, and what moved.
pub fn photo(plain: &[u8], orientation: u8) -> Vec<u8> {
    let segment = |marker: u8, contents: &[u8]| {
        [&[0xff, marker], &(contents.len() as u16 + 2).to_be_bytes()[..], contents].concat()
    };
    let xmp = format!("http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>{AUTHOR}</x:xmpmeta>");
    [
        &plain[..2],
        &segment(0xe1, &[b"Exif\0\0", &exif(orientation)[..]].concat()),
        &segment(0xe1, xmp.as_bytes()),
        &segment(0xfe, AUTHOR.as_bytes()),
        &plain[2..],
        b"ftypmp42 and the seconds before, at ",
        PLACE.as_bytes(),
    ]
    .concat()
}

/// A PNG with EXIF and a comment.
pub fn png_with_words(plain: &[u8], orientation: u8) -> Vec<u8> {
    let after_header = 8 + 25;
    let text = format!("Comment\0{AUTHOR}");
    let words = [png_chunk(b"tEXt", text.as_bytes()), png_chunk(b"eXIf", &exif(orientation))].concat();
    [&plain[..after_header], &words, &plain[after_header..]].concat()
}

/// A chunk of a PNG.
pub fn png_chunk(kind: &[u8; 4], contents: &[u8]) -> Vec<u8> {
    let summed = [kind, contents].concat();
    [&(contents.len() as u32).to_be_bytes()[..], &summed, &crc(&summed).to_be_bytes()].concat()
}

/// The sum in a PNG's chunk (W3C, annex D).
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { 0xedb8_8320 ^ (sum >> 1) } else { sum >> 1 })
    })
}

/// A WebP that says what a camera says. What it was must have one chunk, or begin with `VP8X`.
pub fn webp_with_words(plain: &[u8], (width, height): (u32, u32), orientation: u8) -> Vec<u8> {
    let mut chunks = plain[12..].to_vec();
    if chunks.starts_with(b"VP8X") {
        chunks[8] |= 0x0c;
    } else {
        let [width, height] = [width - 1, height - 1].map(u32::to_le_bytes);
        let header = [b"VP8X\x0a\0\0\0\x0c\0\0\0", &width[..3], &height[..3]].concat();
        chunks.splice(0..0, header);
    }
    chunks.extend(riff_chunk(b"EXIF", &exif(orientation)));
    chunks.extend(riff_chunk(b"XMP ", AUTHOR.as_bytes()));
    [b"RIFF", &(chunks.len() as u32 + 4).to_le_bytes()[..], b"WEBP", &chunks].concat()
}

fn riff_chunk(kind: &[u8; 4], contents: &[u8]) -> Vec<u8> {
    let mut bytes = [kind, &(contents.len() as u32).to_le_bytes()[..], contents].concat();
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes
}

/// EXIF that says how the picture is to be turned and where it was taken (CIPA DC-008).
fn exif(orientation: u8) -> Vec<u8> {
    let orientation = [0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0];
    let place_at = [0x88, 0x25, 0, 4, 0, 0, 0, 1, 0, 0, 0, 38];
    let place = [0, 0x1c, 0, 7, 0, 0, 0, PLACE.len() as u8, 0, 0, 0, 56];
    [b"MM\0*\0\0\0\x08\0\x02", &orientation[..], &place_at, &[0; 4], &[0, 1], &place, &[0; 4], PLACE.as_bytes()]
        .concat()
}

/// A GIF that moves for so many frames, with a comment.
pub fn moving_gif(width: u32, height: u32, frames: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    for frame in 0..frames {
        let mut picture = RgbaImage::from_pixel(width, height, image::Rgba([20, 20, 220, 255]));
        picture.put_pixel(frame.into(), 0, image::Rgba([255, 255, 255, 255]));
        encoder.encode_frame(Frame::new(picture)).expect("it is a picture");
    }
    drop(encoder);
    let comment = [&[0x21, 0xfe, AUTHOR.len() as u8], AUTHOR.as_bytes(), &[0]].concat();
    let end = bytes.len() - 1;
    bytes.splice(end..end, comment);
    bytes
}

/// A WebP that moves for so many frames, with a camera's words.
pub fn moving_webp(width: u32, height: u32, frames: u8) -> Vec<u8> {
    let picture = |frame: u8| {
        let mut picture = four_fields(width, height);
        picture.rows_mut().take(10 * usize::from(frame)).flatten().for_each(|pixel| *pixel = Rgb([240; 3]));
        picture.into_raw()
    };
    let pictures: Vec<_> = (0..frames).map(picture).collect();
    let config = WebPConfig::new().expect("the library is there");
    let mut encoder = AnimEncoder::new(width, height, &config);
    for (nth, picture) in pictures.iter().enumerate() {
        encoder.add_frame(AnimFrame::from_rgb(picture, width, height, nth as i32 * 100));
    }
    webp_with_words(&encoder.encode(), (width, height), 6)
}

/// Whether some bytes are in others.
pub fn contains(bytes: &[u8], wanted: &str) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted.as_bytes())
}

/// An AVIF whose pixels are coded in a way that is not that of AVIF, which says how many there are and where it was taken.
pub fn strange_avif(width: u32, height: u32) -> Vec<u8> {
    let part = |kind: &[u8; 4], contents: &[&[u8]]| {
        let contents = contents.concat();
        [&(contents.len() as u32 + 8).to_be_bytes()[..], kind, &contents].concat()
    };
    let meta = |exif_at: u32| {
        let size = part(b"ispe", &[&[0; 4], &width.to_be_bytes(), &height.to_be_bytes()]);
        let entry = |id, kind: &[u8; 4]| part(b"infe", &[&[2, 0, 0, 0, 0, id, 0, 0], kind, b"\0"]);
        let place = [&[0, 2, 0, 0, 0, 1][..], &exif_at.to_be_bytes(), &(PLACE.len() as u32).to_be_bytes()].concat();
        part(
            b"meta",
            &[
                &[0; 4],
                &part(b"pitm", &[&[0, 0, 0, 0, 0, 1]]),
                &part(b"iinf", &[&[0, 0, 0, 0, 0, 2], &entry(1, b"j2k1"), &entry(2, b"Exif")]),
                &part(b"iloc", &[&[0, 0, 0, 0, 0x44, 0, 0, 1], &place]),
                &part(b"iprp", &[&part(b"ipco", &[&size]), &part(b"ipma", &[&[0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1, 1]])]),
            ],
        )
    };
    let kind = part(b"ftyp", &[b"avif\0\0\0\0avifmif1"]);
    let exif_at = kind.len() + meta(0).len() + 8;
    [kind, meta(exif_at as u32), part(b"mdat", &[PLACE.as_bytes()])].concat()
}

/// A picture that is shown.
pub fn seen(bytes: &[u8]) -> DynamicImage {
    image::load_from_memory(bytes).expect("it is a picture")
}
