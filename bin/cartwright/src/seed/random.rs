//! Numbers that are the same on every machine and in every version.

/// The finalizer of `SplitMix64` (Steele, Lea, Flood 2014).
pub(crate) fn scatter(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A stream of them.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The stream that belongs to the n-th of something.
    pub(crate) fn of(seed: u64, what: u64, n: u64) -> Self {
        Self(scatter(seed ^ scatter(what)) ^ scatter(n))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        scatter(self.0)
    }

    /// From 0 to below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// One of them.
    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(usize::try_from(self.below(of.len() as u64)).ok()?)
    }

    /// From 0 to below 1.
    pub(crate) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A rank from 1 to `n`, where the r-th is about 1/r as likely as the first (Zipf, s = 1).
    pub(crate) fn rank(&mut self, n: u32) -> u32 {
        // The inverse of the continuous distribution: ln(x) / ln(n + 1).
        let x = (self.share() * f64::from(n).ln_1p()).exp();
        (x as u32).clamp(1, n.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_the_same_each_time() {
        let numbers = |seed| {
            let mut dice = Dice::of(seed, 1, 7);
            [dice.next(), dice.next(), dice.next()]
        };
        assert_eq!(numbers(1), numbers(1));
        assert_ne!(numbers(1), numbers(2));
        assert_eq!(scatter(1), 0x910a_2dec_8902_5cc1);
    }

    #[test]
    fn ranks_fall_off_as_one_by_r() {
        let mut seen = [0_u32; 101];
        let mut dice = Dice::of(1, 2, 3);
        for _ in 0..100_000 {
            seen[dice.rank(100) as usize] += 1;
        }
        assert_eq!(seen[0], 0);
        let ratio = f64::from(seen[1]) / f64::from(seen[10]);
        assert!((6.0..12.0).contains(&ratio), "{ratio}");
        assert!(seen[100] > 0);
        assert_eq!(dice.rank(1), 1);
    }
}
