//! A small generator of numbers, so that a history can be made again from its seed.

/// `SplitMix64`.
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    pub fn minor_below(&mut self, bound: usize) -> i64 {
        i64::try_from(self.below(bound)).unwrap()
    }

    pub fn in_percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// Tiny amounts round in every way, the one in the middle is often told twice, the largest needs 128 bits.
    pub fn amount(&mut self) -> i64 {
        match self.below(16) {
            0..4 => self.minor_below(4),
            4..7 => self.minor_below(40),
            7..11 => 1_000,
            11..15 => self.minor_below(3_000),
            _ => 999_999_999_999_800 + self.minor_below(3),
        }
    }

    /// Mostly the truth, else any other amount.
    pub fn amount_near(&mut self, truth: i64) -> i64 {
        if self.in_percent(65) { truth } else { self.amount() }
    }
}
