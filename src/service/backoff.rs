//! How long to wait before something that failed is tried again.

use uuid::Uuid;

use crate::domain::Timestamp;

/// The longest pause, however often it failed: 6 hours.
const LONGEST_PAUSE_S: u64 = 21_600;

/// Seconds until the next try after `tries` in vain: `interval_s`, doubled each time up to six hours, less up to one
/// half by chance, so that what failed together does not come back together.
pub fn pause_s(interval_s: u64, tries: u16) -> u64 {
    jittered(interval_s, tries, Uuid::now_v7().as_u64_pair().1)
}

/// When what was tried so often in vain has its next turn.
pub fn next_turn(now: Timestamp, interval_s: u64, tries: u16) -> Timestamp {
    now.plus_seconds(i64::try_from(pause_s(interval_s, tries)).unwrap_or(i64::MAX))
}

fn jittered(interval_s: u64, tries: u16, random: u64) -> u64 {
    let factor = 2_u64.saturating_pow(u32::from(tries.saturating_sub(1)));
    let pause = interval_s.saturating_mul(factor).min(LONGEST_PAUSE_S.max(interval_s));
    // The low half of a UUID of version 7 ends in 32 random bits.
    let choices = (pause / 2).saturating_add(1);
    let chance = (random & u64::from(u32::MAX)).checked_rem(choices).unwrap_or(0);
    pause.saturating_sub(chance)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_pause_doubles_up_to_six_hours_and_varies_by_half(tries in 0..2_000_u16, random in any::<u64>()) {
            let longest = jittered(30, tries, 0);
            prop_assert!((30..=LONGEST_PAUSE_S).contains(&longest));
            prop_assert!(longest <= jittered(30, tries.saturating_add(1), 0));
            let pause = jittered(30, tries, random);
            prop_assert!((longest / 2..=longest).contains(&pause));
        }
    }

    #[test]
    fn the_first_pauses() {
        let pauses: Vec<u64> = (1..=5).map(|tries| jittered(30, tries, 0)).collect();
        assert_eq!(pauses, [30, 60, 120, 240, 480]);
        assert_eq!(jittered(86_400, 12, 0), 86_400, "never below the interval of the settings");
    }
}
