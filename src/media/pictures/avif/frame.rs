//! One frame of AV1, decoded.

use re_rav1d::{Decoder, Error, Picture, PixelLayout, PlanarImageComponent, Settings, pixel::YUVRange};

use super::super::{container::avif::Meaning, flaw::Flaw};

/// A frame's numbers, of eight bits each, whatever they were.
pub(super) struct Frame {
    /// Which of them there are.
    pub(super) layout: PixelLayout,
    /// How light it is, and where there are colours, these.
    pub(super) planes: Vec<Plane>,
    /// What they stand for, unless that is said elsewhere.
    pub(super) meaning: Meaning,
}

/// Numbers, row by row.
pub(super) struct Plane {
    /// How many there are in a row.
    pub(super) width: u32,
    /// All of them.
    pub(super) numbers: Vec<u8>,
}

impl Frame {
    /// Decodes the first frame that is shown, which must have this size; nothing where it is of a kind that is not known.
    pub(super) fn decode(coded: Vec<u8>, size: (u32, u32)) -> Result<Option<Self>, Flaw> {
        if coded.is_empty() {
            return Err(Flaw::Truncated);
        }
        let mut settings = Settings::new();
        settings.set_n_threads(1);
        settings.set_max_frame_delay(1);
        settings.set_all_layers(false);
        settings.set_strict_std_compliance(true);
        settings.set_frame_size_limit(size.0 * size.1);
        match Decoder::with_settings(&settings).and_then(|mut decoder| first(&mut decoder, coded)) {
            Ok(picture) if (picture.width(), picture.height()) == size => Ok(Some(Self::of(&picture))),
            Err(Error::UnsupportedBitstream) => Ok(None),
            Ok(_) | Err(_) => Err(Flaw::Broken),
        }
    }

    fn of(picture: &Picture) -> Self {
        let layout = picture.pixel_layout();
        let (width, height) = (picture.width(), picture.height());
        let halved = |side: u32, is_halved| if is_halved { side.div_ceil(2) } else { side };
        let colors = (
            halved(width, matches!(layout, PixelLayout::I420 | PixelLayout::I422)),
            halved(height, layout == PixelLayout::I420),
        );
        let mut planes = vec![plane(picture, PlanarImageComponent::Y, (width, height))];
        if layout != PixelLayout::I400 {
            planes
                .extend([PlanarImageComponent::U, PlanarImageComponent::V].map(|which| plane(picture, which, colors)));
        }
        let meaning = Meaning {
            primaries: picture.color_primaries() as u16,
            matrix: picture.matrix_coefficients() as u16,
            is_full: picture.color_range() == YUVRange::Full,
        };
        Self { layout, planes, meaning }
    }
}

fn first(decoder: &mut Decoder, coded: Vec<u8>) -> Result<Picture, Error> {
    let mut sent = decoder.send_data(coded, None, None, None);
    while sent == Err(Error::Again) {
        match decoder.get_picture() {
            Err(Error::Again) => sent = decoder.send_pending_data(),
            done => return done,
        }
    }
    sent?;
    // Asked again, it gives what it kept back for a better layer to come.
    decoder.get_picture().or_else(|_| decoder.get_picture())
}

fn plane(picture: &Picture, which: PlanarImageComponent, (width, height): (u32, u32)) -> Plane {
    let (coded, stride) = (picture.plane(which), picture.stride(which) as usize);
    let surplus = picture.bit_depth().saturating_sub(8);
    let bytes = if surplus == 0 { 1 } else { 2 };
    let mut numbers = Vec::with_capacity(width as usize * height as usize);
    for row in coded.chunks(stride).take(height as usize) {
        let row = &row[..width as usize * bytes];
        if surplus == 0 {
            numbers.extend_from_slice(row);
        } else {
            numbers.extend(row.as_chunks().0.iter().map(|pair| (u16::from_ne_bytes(*pair) >> surplus) as u8));
        }
    }
    Plane { width, numbers }
}
