//! What frames are painted on: red, green, blue, and how much shows through.

use re_rav1d::PixelLayout;
use yuv::{
    YuvError, YuvGrayImage, YuvPlanarImage, YuvRange, YuvStandardMatrix, gbr_to_rgba, yuv400_to_rgba, yuv420_to_rgba,
    yuv422_to_rgba, yuv444_to_rgba,
};

use super::{
    super::{container::avif::Meaning, flaw::Flaw},
    frame::Frame,
};

/// Pixels, of which none shows anything yet.
pub(super) struct Canvas {
    /// Across and down.
    pub(super) size: (u32, u32),
    /// Four bytes for each.
    pub(super) rgba: Vec<u8>,
}

impl Canvas {
    /// One of this size.
    pub(super) fn new(size: (u32, u32)) -> Self {
        Self { size, rgba: vec![0; size.0 as usize * size.1 as usize * 4] }
    }

    /// Paints the colours of a frame on a part; nothing where it is not known what its numbers stand for.
    pub(super) fn paint(
        &mut self,
        frame: &Frame,
        part: [u32; 4],
        meaning: Option<Meaning>,
    ) -> Result<Option<()>, Flaw> {
        let Meaning { matrix, is_full, .. } = meaning.unwrap_or(frame.meaning);
        let range = if is_full { YuvRange::Full } else { YuvRange::Limited };
        let painted = match (weights(matrix), frame.layout) {
            (_, PixelLayout::I400) => self.paint_gray(frame, part, range),
            (Some(weights), layout) => {
                let paint = match layout {
                    PixelLayout::I420 => yuv420_to_rgba,
                    PixelLayout::I422 => yuv422_to_rgba,
                    PixelLayout::I400 | PixelLayout::I444 => yuv444_to_rgba,
                };
                let stride = self.stride();
                paint(&planar(frame, part), self.from(part), stride, range, weights)
            }
            (None, PixelLayout::I444) if matrix == IDENTITY => {
                let stride = self.stride();
                gbr_to_rgba(&planar(frame, part), self.from(part), stride, range)
            }
            (None, _) => return Ok(None),
        };
        painted.map(Some).map_err(|_| Flaw::Broken)
    }

    fn paint_gray(
        &mut self,
        frame: &Frame,
        [left, top, width, height]: [u32; 4],
        range: YuvRange,
    ) -> Result<(), YuvError> {
        let light = &frame.planes[0];
        let gray = YuvGrayImage { y_plane: &light.numbers, y_stride: light.width, width, height };
        let stride = self.stride();
        yuv400_to_rgba(&gray, self.from([left, top, width, height]), stride, range, YuvStandardMatrix::Bt601)
    }

    /// Lets as much show through a part as a frame is dark.
    pub(super) fn let_through(&mut self, frame: &Frame, [left, top, width, height]: [u32; 4]) {
        let (light, stride) = (&frame.planes[0], self.stride() as usize);
        let to = self.from([left, top, width, height]).chunks_mut(stride);
        for (to, from) in to.zip(light.numbers.chunks(light.width as usize)).take(height as usize) {
            for (pixel, alpha) in to.as_chunks_mut::<4>().0.iter_mut().zip(&from[..width as usize]) {
                pixel[3] = if frame.meaning.is_full { *alpha } else { widened(*alpha) };
            }
        }
    }

    /// Makes colours as bright as they were before something showed through them.
    pub(super) fn brighten(&mut self) {
        for [colors @ .., alpha] in self.rgba.as_chunks_mut::<4>().0 {
            for color in colors {
                let before = (u16::from(*color) * 255 + u16::from(*alpha) / 2).checked_div(u16::from(*alpha));
                *color = before.unwrap_or_default().min(255) as u8;
            }
        }
    }

    fn stride(&self) -> u32 {
        self.size.0 * 4
    }

    /// The pixels from the first of a part on.
    fn from(&mut self, [left, top, ..]: [u32; 4]) -> &mut [u8] {
        let begin = (top as usize * self.size.0 as usize + left as usize) * 4;
        &mut self.rgba[begin..]
    }
}

/// Green, blue and red as they are (ITU-T H.273, table 4).
const IDENTITY: u16 = 0;

/// How much each colour counts in how light a pixel is (ITU-T H.273, table 4).
fn weights(matrix: u16) -> Option<YuvStandardMatrix> {
    match matrix {
        1 => Some(YuvStandardMatrix::Bt709),
        4 => Some(YuvStandardMatrix::Fcc),
        // 2 is what is not said.
        2 | 5 | 6 => Some(YuvStandardMatrix::Bt601),
        7 => Some(YuvStandardMatrix::Smpte240),
        9 => Some(YuvStandardMatrix::Bt2020),
        _ => None,
    }
}

/// A number of those from 16 to 235 as one of all.
fn widened(number: u8) -> u8 {
    ((u16::from(number.clamp(16, 235)) - 16) * 255 / 219) as u8
}

fn planar(frame: &Frame, [_, _, width, height]: [u32; 4]) -> YuvPlanarImage<'_, u8> {
    let [y, u, v] = [0, 1, 2].map(|nth| &frame.planes[nth]);
    YuvPlanarImage {
        y_plane: &y.numbers,
        y_stride: y.width,
        u_plane: &u.numbers,
        u_stride: u.width,
        v_plane: &v.numbers,
        v_stride: v.width,
        width,
        height,
    }
}
