//! The pixels of AVIF. Invariant: called only in a process of its own, which it may bring down, or on files that are known
//! to be good.

mod canvas;
mod frame;

use moxcms::ColorProfile;

use self::{canvas::Canvas, frame::Frame};
use super::{
    container::avif::{Layer, Meaning, coded},
    flaw::Flaw,
    pixels::Pixels,
};

/// The pixels of a stripped file as it is shown, or of the still picture of one that moves; nothing where it is coded in a
/// way that is not known.
pub(super) fn read(bytes: &[u8]) -> Result<Option<Pixels>, Flaw> {
    let Some(coded) = coded(bytes)? else { return Ok(None) };
    let mut canvas = Canvas::new(coded.colors.size);
    if each(&coded.colors, |frame, part| canvas.paint(frame, part, coded.meaning))?.is_none() {
        return Ok(None);
    }
    if let Some(alpha) = &coded.alpha {
        let painted = each(alpha, |frame, part| {
            canvas.let_through(frame, part);
            Ok(Some(()))
        });
        if painted?.is_none() {
            return Ok(None);
        }
        if coded.is_premultiplied {
            canvas.brighten();
        }
    }
    let profile = coded.profile.or_else(|| coded.meaning.and_then(profile_of));
    let pixels = Pixels::of_rgba(canvas.size, canvas.rgba, profile);
    Ok(pixels.map(|pixels| pixels.viewed(coded.view)))
}

/// The colours that are meant where they are said by a number, for the one that telephones say (ITU-T H.273, table 2).
fn profile_of(meaning: Meaning) -> Option<Vec<u8>> {
    (meaning.primaries == 12).then(ColorProfile::new_display_p3).and_then(|profile| profile.encode().ok())
}

/// Does something with each frame of a layer and the part of the whole that it shows, as long as they are known.
fn each(
    layer: &Layer<'_>,
    mut with: impl FnMut(&Frame, [u32; 4]) -> Result<Option<()>, Flaw>,
) -> Result<Option<()>, Flaw> {
    for (part, pieces) in layer.tiles() {
        let Some(frame) = Frame::decode(pieces.concat(), layer.tile_size)? else { return Ok(None) };
        if with(&frame, part)?.is_none() {
            return Ok(None);
        }
    }
    Ok(Some(()))
}

#[cfg(test)]
mod tests {
    use image::RgbaImage;

    use super::*;

    /// A file that was made by `avifenc` (libavif 0.11) of four fields: red, green, blue, white.
    fn file(name: &str) -> Vec<u8> {
        std::fs::read(format!("{}/tests/avif/{name}.avif", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    /// How large a picture is, and the colours in the middles of its quarters, as one reads.
    fn seen(name: &str) -> ((u32, u32), [[u8; 4]; 4]) {
        let pixels = read(&file(name)).unwrap().unwrap();
        let (width, height) = pixels.size();
        let image = RgbaImage::from_raw(width, height, pixels.into_rgba().0).unwrap();
        let quarters = [(1, 1), (3, 1), (1, 3), (3, 3)];
        ((width, height), quarters.map(|(x, y)| image.get_pixel(width * x / 4, height * y / 4).0))
    }

    fn is_near(seen: [[u8; 4]; 4], wanted: [[u8; 4]; 4]) -> bool {
        seen.as_flattened().iter().zip(wanted.as_flattened()).all(|(seen, wanted)| seen.abs_diff(*wanted) <= 6)
    }

    const RED: [u8; 4] = [220, 20, 20, 255];
    const GREEN: [u8; 4] = [20, 220, 20, 255];
    const BLUE: [u8; 4] = [20, 20, 220, 255];
    const WHITE: [u8; 4] = [240, 240, 240, 255];

    #[test]
    fn colours_are_the_same_however_they_are_coded() {
        let mut names = ["bt601", "bt709", "bt2020", "identity"].map(str::to_owned).to_vec();
        for layout in ["420", "422", "444"] {
            for bits in ["8", "10", "12"] {
                names.extend(["limited", "full"].map(|range| format!("{layout}-{bits}-{range}")));
            }
        }
        for name in names {
            let (size, colors) = seen(&name);
            assert_eq!(size, (401, 201), "{name}");
            assert!(is_near(colors, [RED, GREEN, BLUE, WHITE]), "{name}: {colors:?}");
        }
        for bits in ["8", "10", "12"] {
            for range in ["limited", "full"] {
                let (size, colors) = seen(&format!("400-{bits}-{range}"));
                let grays = [80, 137, 43, 240].map(|gray| [gray, gray, gray, 255]);
                assert!(size == (401, 201) && is_near(colors, grays), "{bits} {range}: {colors:?}");
            }
        }
    }

    #[test]
    fn what_is_not_said_beside_the_frame_is_said_in_it() {
        for name in ["bt601", "bt709", "bt2020", "identity", "420-8-limited"] {
            let mut silent = file(name);
            let said = silent.windows(4).position(|kind| kind == b"colr").unwrap();
            silent[said..said + 4].copy_from_slice(b"free");

            let seen = [file(name), silent].map(|file| read(&file).unwrap().unwrap().into_rgba().0);
            assert!(seen[0] == seen[1], "{name}");
        }
    }

    #[test]
    fn it_is_cut_turned_and_mirrored_as_it_is_to_be_shown() {
        for (name, size, wanted) in [
            ("turned-1", (201, 401), [GREEN, WHITE, RED, BLUE]),
            ("turned-2", (401, 201), [WHITE, BLUE, GREEN, RED]),
            ("turned-3", (201, 401), [BLUE, RED, WHITE, GREEN]),
            ("turned-mirrored-0", (201, 401), [RED, BLUE, GREEN, WHITE]),
            ("turned-mirrored-1", (201, 401), [WHITE, GREEN, BLUE, RED]),
            ("cut", (200, 100), [GREEN; 4]),
        ] {
            let (seen, colors) = seen(name);
            assert!(seen == size && is_near(colors, wanted), "{name}: {seen:?} {colors:?}");
        }
    }

    #[test]
    fn what_shows_through_does_so() {
        for (name, size) in [("through", (401, 201)), ("premultiplied", (401, 201)), ("grid-through", (512, 256))] {
            let (seen, [[.., none], half, below @ ..]) = seen(name);
            assert_eq!((seen, none), (size, 0), "{name}");
            let colors = [half, below[0], below[1], WHITE];
            assert!(is_near(colors, [[20, 220, 20, 128], BLUE, WHITE, WHITE]), "{name}: {colors:?}");
        }
    }

    #[test]
    fn pictures_side_by_side_are_one() {
        let pixels = read(&file("grid")).unwrap().unwrap();
        assert_eq!(pixels.size(), (512, 256));

        let image = RgbaImage::from_raw(512, 256, pixels.into_rgba().0).unwrap();
        for (x, y, pixel) in image.enumerate_pixels() {
            let wanted = match (x < 256, y < 128) {
                (true, true) => RED,
                (false, true) => GREEN,
                (true, false) => BLUE,
                (false, false) => WHITE,
            };
            assert!(is_near([pixel.0; 4], [wanted; 4]), "{x} {y}: {pixel:?}");
        }
    }

    #[test]
    fn its_profile_comes_along() {
        let (_, profile) = read(&file("profile")).unwrap().unwrap().into_rgba();

        assert!(profile.is_some_and(|profile| profile[36..40] == *b"acsp"));
        let (width, height) = (64, 64);
        let wide = read(&file("p3")).unwrap().unwrap().in_srgb().into_rgba().0;
        let red = RgbaImage::from_raw(width, height, wide).unwrap().get_pixel(16, 16).0;
        assert!(is_near([red; 4], [[239, 0, 0, 255]; 4]), "{red:?}");
    }
}
