//! Medians over rounds, and ratios within a round.

use crate::plan::{Bench, Sample, Variant};

/// The median over rounds of the share of the ceiling of the same round. Growth has no ceiling of its own.
pub fn share(bench: &Bench, variant: Variant) -> Option<f64> {
    if matches!(variant, Variant::Small(_) | Variant::Large(_) | Variant::Half(_)) {
        let ceiling = rate(bench, Variant::Ceiling)?;
        return Some(rate(bench, variant)? / ceiling);
    }
    ratio(bench, variant, Variant::Ceiling)
}

/// The median over rounds of the ratio of two rates of the same round.
pub fn ratio(bench: &Bench, of: Variant, to: Variant) -> Option<f64> {
    median(bench, of, |sample| {
        let same = |other: &&Sample| other.variant == to && other.round == sample.round;
        Some(sample.seen.rate / bench.samples.iter().find(same)?.seen.rate)
    })
}

/// The median rate.
pub fn rate(bench: &Bench, variant: Variant) -> Option<f64> {
    median(bench, variant, |sample| Some(sample.seen.rate))
}

/// The median of a figure of a variant.
pub fn median(bench: &Bench, variant: Variant, figure: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
    let samples = bench.samples.iter().filter(|sample| sample.variant == variant);
    middle(samples.filter_map(figure).collect())
}

/// The median of some figures; none of none.
pub fn middle(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_unstable_by(f64::total_cmp);
    let upper = figures.get(figures.len() / 2)?;
    if figures.len() % 2 == 1 {
        return Some(*upper);
    }
    Some(f64::midpoint(*figures.get(figures.len() / 2 - 1)?, *upper))
}

/// The greatest figure of a variant.
pub fn most(bench: &Bench, variant: Variant, figure: impl Fn(&Sample) -> f64) -> Option<f64> {
    let samples = bench.samples.iter().filter(|sample| sample.variant == variant);
    samples.map(figure).reduce(f64::max)
}
