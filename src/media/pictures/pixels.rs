//! A picture's pixels: reading them within bounds, making them fewer, and writing them.

use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom};

use bytes::Bytes;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::{
    DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageFormat, ImageReader, Limits, RgbaImage,
    codecs::png::{self, PngEncoder},
    metadata::Orientation,
};
use jpeg_encoder::SamplingFactor;
use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};
use webp::{PixelLayout, WebPConfig};

use super::{
    bounds::{self, Deadline},
    container::avif::View,
    flaw::Flaw,
};

/// The quality of smaller pictures.
pub(super) const SMALL_QUALITY: f32 = 78.0;
/// The quality of pictures that are kept in place of the one that came.
const KEPT_QUALITY: u8 = 85;
/// The side within which a picture is blurred.
const BLURRED_SIDE: u32 = 48;
/// Bytes of a picture that are handed out at once, so that time is looked at in between.
const CHUNK: usize = 64 * 1024;

/// A picture's pixels: red, green, blue, and perhaps how much shows through.
pub(super) struct Pixels {
    image: DynamicImage,
    /// In which colours they are, where that is said.
    profile: Option<Vec<u8>>,
}

impl Pixels {
    /// Reads a picture's pixels, or the first frame of one that moves.
    pub(super) fn read(bytes: &[u8], mime_type: &str, deadline: Deadline) -> Result<Self, Flaw> {
        let format = ImageFormat::from_mime_type(mime_type).ok_or(Flaw::Broken)?;
        let mut reader = ImageReader::with_format(Timed { bytes: Cursor::new(bytes), deadline }, format);
        let mut limits = Limits::no_limits();
        limits.max_image_width = Some(bounds::SIDE);
        limits.max_image_height = Some(bounds::SIDE);
        limits.max_alloc = Some(bounds::MEMORY);
        reader.limits(limits);
        let mut decoder = reader.into_decoder()?;
        let (width, height) = decoder.dimensions();
        bounds::check_size(width, height)?;
        if decoder.total_bytes() > bounds::MEMORY {
            return Err(Flaw::TooManyPixels);
        }
        let profile = decoder.icc_profile().ok().flatten();
        let image = DynamicImage::from_decoder(decoder)?;
        let image = if image.color().has_alpha() {
            DynamicImage::ImageRgba8(image.into_rgba8())
        } else {
            DynamicImage::ImageRgb8(image.into_rgb8())
        };
        Ok(Self { image, profile })
    }

    /// Those that somebody else has read: red, green, blue, and how much shows through.
    pub(super) fn of_rgba((width, height): (u32, u32), rgba: Vec<u8>, profile: Option<Vec<u8>>) -> Option<Self> {
        let image = DynamicImage::ImageRgba8(RgbaImage::from_raw(width, height, rgba)?);
        Some(Self { image, profile })
    }

    /// The same, to be looked at one by one.
    #[cfg(test)]
    pub(super) fn into_rgba(self) -> (Vec<u8>, Option<Vec<u8>>) {
        (self.image.into_rgba8().into_raw(), self.profile)
    }

    /// Across and down.
    pub(super) fn size(&self) -> (u32, u32) {
        (self.image.width(), self.image.height())
    }

    /// The same with no side longer than this.
    pub(super) fn within(self, side: u32) -> Result<Self, Flaw> {
        let (width, height) = self.size();
        let longest = width.max(height);
        if longest <= side {
            return Ok(self);
        }
        self.scaled(part(width, side, longest), part(height, side, longest))
    }

    /// The same in another width.
    pub(super) fn of_width(&self, width: u32) -> Result<Self, Flaw> {
        let (was, height) = self.size();
        self.scaled(width, part(height, width, was))
    }

    /// The middle of it as a square of this side.
    pub(super) fn square(&self, side: u32) -> Result<Self, Flaw> {
        self.resized((side, side), ResizeOptions::new().fit_into_destination(Some((0.5, 0.5))))
    }

    fn scaled(&self, width: u32, height: u32) -> Result<Self, Flaw> {
        self.resized((width, height), ResizeOptions::new())
    }

    fn resized(&self, (width, height): (u32, u32), options: ResizeOptions) -> Result<Self, Flaw> {
        let mut image = DynamicImage::new(width, height, self.image.color());
        let options = options.resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
        Resizer::new().resize(&self.image, &mut image, &options).map_err(|_| Flaw::Broken)?;
        Ok(Self { image, profile: self.profile.clone() })
    }

    /// The same, turned as a camera said.
    pub(super) fn turned(mut self, orientation: Orientation) -> Self {
        self.image.apply_orientation(orientation);
        self
    }

    /// The same as it is to be seen.
    pub(super) fn viewed(mut self, view: View) -> Self {
        if let Some([left, top, width, height]) = view.part {
            self.image = self.image.crop_imm(left, top, width, height);
        }
        self.turned(view.turn).turned(view.mirror)
    }

    /// The same in the colours that are meant where none are said.
    pub(super) fn in_srgb(mut self) -> Self {
        let profile = self.profile.take();
        let Some(profile) = profile.and_then(|profile| ColorProfile::new_from_slice(&profile).ok()) else {
            return self;
        };
        let layout = if self.image.color().has_alpha() { Layout::Rgba } else { Layout::Rgb };
        let srgb = ColorProfile::new_srgb();
        // One that does not fit the pixels, such as that of ink, went into reading them or is made up.
        if profile.color_space == DataColorSpace::Rgb
            && let Ok(transform) = profile.create_transform_8bit(layout, &srgb, layout, TransformOptions::default())
        {
            let mut after = DynamicImage::new(self.image.width(), self.image.height(), self.image.color());
            let done = match (&self.image, &mut after) {
                (DynamicImage::ImageRgb8(from), DynamicImage::ImageRgb8(to)) => transform.transform(from, to),
                (DynamicImage::ImageRgba8(from), DynamicImage::ImageRgba8(to)) => transform.transform(from, to),
                _ => return self,
            };
            if done.is_ok() {
                self.image = after;
            }
        }
        self
    }

    /// A file of the same type as the one that came.
    pub(super) fn coded(&self, mime_type: &str) -> Result<Bytes, Flaw> {
        match mime_type {
            "image/jpeg" => self.jpeg(),
            "image/png" => self.png(),
            _ => self.webp(KEPT_QUALITY.into()),
        }
    }

    /// A WebP file.
    pub(super) fn webp(&self, quality: f32) -> Result<Bytes, Flaw> {
        let layout = if self.image.color().has_alpha() { PixelLayout::Rgba } else { PixelLayout::Rgb };
        let (width, height) = self.size();
        let mut config = WebPConfig::new().map_err(|()| Flaw::Broken)?;
        config.quality = quality;
        let encoder = webp::Encoder::new(self.image.as_bytes(), layout, width, height);
        let coded = encoder.encode_advanced(&config).map_err(|_| Flaw::Broken)?;
        Ok(Bytes::copy_from_slice(&coded))
    }

    fn jpeg(&self) -> Result<Bytes, Flaw> {
        let mut bytes = Vec::new();
        let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, KEPT_QUALITY);
        encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
        encoder.set_progressive(true);
        encoder.set_optimized_huffman_tables(true);
        let (width, height) = self.size();
        let color = jpeg_encoder::ColorType::Rgb;
        encoder.encode(self.image.as_bytes(), width as u16, height as u16, color).map_err(|_| Flaw::Broken)?;
        Ok(bytes.into())
    }

    fn png(&self) -> Result<Bytes, Flaw> {
        let mut bytes = Vec::new();
        let encoder =
            PngEncoder::new_with_quality(&mut bytes, png::CompressionType::Default, png::FilterType::Adaptive);
        let (width, height) = self.size();
        encoder.write_image(self.image.as_bytes(), width, height, ExtendedColorType::from(self.image.color()))?;
        Ok(bytes.into())
    }

    /// What it looks like from far away (<https://blurha.sh>), what shows through being white.
    pub(super) fn blurhash(&self) -> Result<String, Flaw> {
        let (width, height) = self.size();
        let longest = width.max(height);
        let mut on_white = if longest <= BLURRED_SIDE {
            self.image.to_rgba8()
        } else {
            let small = self.scaled(part(width, BLURRED_SIDE, longest), part(height, BLURRED_SIDE, longest))?;
            small.image.into_rgba8()
        };
        let (across, down) = if width >= height { (4, 3) } else { (3, 4) };
        for pixel in on_white.pixels_mut() {
            let [colors @ .., alpha] = &mut pixel.0;
            for color in colors {
                *color = 255 - ((255 - u16::from(*color)) * u16::from(*alpha) / 255) as u8;
            }
            *alpha = 255;
        }
        let (width, height) = on_white.dimensions();
        blurhash::encode(across, down, width, height, &on_white).map_err(|_| Flaw::Broken)
    }
}

/// So much of a side as is left when another is scaled, and never nothing.
fn part(side: u32, to: u32, from: u32) -> u32 {
    let scaled = (u64::from(side) * u64::from(to) + u64::from(from) / 2) / u64::from(from);
    (scaled as u32).max(1)
}

/// Bytes that are not handed out any more once the time is over.
struct Timed<'a> {
    bytes: Cursor<&'a [u8]>,
    deadline: Deadline,
}

impl BufRead for Timed<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.deadline.check().map_err(|flaw| io::Error::new(io::ErrorKind::TimedOut, flaw))?;
        let rest = self.bytes.fill_buf()?;
        Ok(&rest[..rest.len().min(CHUNK)])
    }

    fn consume(&mut self, amount: usize) {
        self.bytes.consume(amount);
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(into)?;
        self.consume(read);
        Ok(read)
    }
}

impl Seek for Timed<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use image::{Rgb, RgbImage};

    use super::*;

    fn png(picture: &RgbImage) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn reading_ends_with_its_time() {
        let picture = png(&RgbImage::new(10, 10));

        assert_eq!(Pixels::read(&picture, "image/png", Deadline::within(Duration::ZERO)).err(), Some(Flaw::TooSlow));
        assert!(Pixels::read(&picture, "image/png", Deadline::begin()).is_ok());
    }

    #[test]
    fn colours_are_those_that_were_meant() {
        let of = |profile: Option<Vec<u8>>| {
            let image = DynamicImage::ImageRgb8(RgbImage::from_pixel(4, 4, Rgb([200, 100, 100])));
            Pixels { image, profile }.in_srgb().image.into_rgb8().get_pixel(1, 1).0
        };

        assert_eq!(of(None), [200, 100, 100]);
        assert_eq!(of(Some(b"made up".to_vec())), [200, 100, 100]);
        let [red, green, blue] = of(ColorProfile::new_display_p3().encode().ok());
        assert!(red > 205 && green < 100 && blue < 102, "{red} {green} {blue}");
    }

    #[test]
    fn a_blurred_picture_says_how_it_lies() {
        let of = |width, height| {
            let image = DynamicImage::ImageRgb8(RgbImage::from_pixel(width, height, Rgb([9, 9, 9])));
            Pixels { image, profile: None }.blurhash().unwrap()
        };

        // The first letter is the number of parts across and down.
        assert_eq!((of(400, 300).chars().next(), of(1, 1).chars().next()), (Some('L'), Some('L')));
        assert_eq!(of(300, 400).chars().next(), Some('T'));
    }

    #[test]
    fn no_side_is_scaled_to_nothing() {
        assert_eq!((part(1, 320, 4_000), part(16_383, 320, 640), part(3, 1, 2)), (1, 8_192, 2));
    }
}
