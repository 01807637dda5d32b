//! How loud sound is, from its beginning to its end, in a few numbers.

/// How many numbers there are at most.
const BARS: usize = 64;
/// How finely it is listened to, while nobody knows how long it goes on.
const WINDOWS_PER_SECOND: usize = 50;

/// The loudness of what was heard so far.
#[derive(Debug, Default)]
pub struct Envelope {
    /// The loudest sample of each window.
    peaks: Vec<f32>,
    /// Samples in the last window.
    filled: usize,
}

impl Envelope {
    /// Hears samples, of which there are so many in a second.
    pub fn hear(&mut self, samples: &[f32], per_second: usize) {
        let window = (per_second / WINDOWS_PER_SECOND).max(1);
        for sample in samples {
            if self.filled == 0 || self.filled >= window {
                self.peaks.push(0.0);
                self.filled = 0;
            }
            self.filled += 1;
            if let Some(peak) = self.peaks.last_mut() {
                *peak = peak.max(sample.abs());
            }
        }
    }

    /// For how long was heard, about.
    pub fn milliseconds(&self) -> i64 {
        (self.peaks.len() * 1_000 / WINDOWS_PER_SECOND) as i64
    }

    /// Loudness from 0 to 100, which is the loudest there is in it.
    pub fn bars(&self) -> Vec<u8> {
        let bars = self.peaks.len().min(BARS);
        let loudness = |bar: usize| {
            let part = &self.peaks[bar * self.peaks.len() / bars..(bar + 1) * self.peaks.len() / bars];
            part.iter().sum::<f32>() / part.len() as f32
        };
        let means: Vec<_> = (0..bars).map(loudness).collect();
        let loudest = means.iter().copied().fold(0.0, f32::max);
        let scale = if loudest.is_normal() { 100.0 / loudest } else { 0.0 };
        means.into_iter().map(|mean| (mean * scale).round() as u8).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_and_falls_with_the_sound() {
        let mut envelope = Envelope::default();
        let second = |loudness: f32| (0..8_000).map(move |at| if at % 2 == 0 { loudness } else { -loudness });
        let sound: Vec<_> = second(0.0).chain(second(0.5)).chain(second(0.25)).chain(second(0.0)).collect();

        // However it comes in.
        sound.chunks(333).for_each(|part| envelope.hear(part, 8_000));

        let bars = envelope.bars();
        assert_eq!((bars.len(), envelope.milliseconds()), (BARS, 4_000));
        assert_eq!([bars[0], bars[20], bars[40], bars[63]], [0, 100, 50, 0]);
    }

    #[test]
    fn silence_and_nothing_are_flat() {
        let mut silence = Envelope::default();
        silence.hear(&[0.0; 800], 8_000);

        assert_eq!((silence.bars(), Envelope::default().bars()), (vec![0; 5], Vec::new()));
    }
}
