//! Points in time as Stripe gives them: whole seconds of Unix time, UTC. The domain never reads a clock.

use std::fmt;

use chrono::{DateTime, Months, NaiveDate};

const SECONDS_PER_DAY: i64 = 86_400;

/// Unix time in whole seconds, UTC. Arithmetic saturates: a nonsensical time from outside cannot panic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From Unix seconds, as in `event.created`.
    pub const fn from_unix(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Unix seconds.
    pub const fn unix(self) -> i64 {
        self.0
    }

    /// The moment `days` × 24 h later.
    #[must_use]
    pub fn plus_days(self, days: u16) -> Self {
        Self(self.0.saturating_add(i64::from(days).saturating_mul(SECONDS_PER_DAY)))
    }

    /// The moment `days` × 24 h earlier.
    #[must_use]
    pub fn minus_days(self, days: u16) -> Self {
        self.minus_seconds(i64::from(days).saturating_mul(SECONDS_PER_DAY))
    }

    /// True when `later` is on or after the UTC date that is `months` calendar months after that of this moment; the day
    /// is clamped to the length of its month. False for times that no calendar knows.
    pub fn months_have_passed(self, months: u16, later: Self) -> bool {
        let end = self.utc_date().and_then(|date| date.checked_add_months(Months::new(months.into())));
        end.zip(later.utc_date()).is_some_and(|(end, date)| date >= end)
    }

    fn utc_date(self) -> Option<NaiveDate> {
        DateTime::from_timestamp(self.0, 0).map(|time| time.date_naive())
    }

    /// The moment `seconds` later.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// The moment `seconds` earlier.
    #[must_use]
    pub const fn minus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_sub(seconds))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::from_timestamp(self.0, 0) {
            Some(time) => write!(f, "{}", time.format("%Y-%m-%dT%H:%M:%SZ")),
            None => write!(f, "{} s after 1970", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_unix(DateTime::parse_from_rfc3339(text).unwrap().timestamp())
    }

    #[test]
    fn months_are_half_open_by_utc_date_and_clamp_the_day() {
        let first = at("2026-01-31T23:59:59Z");
        assert!(!first.months_have_passed(1, at("2026-02-27T23:59:59Z")));
        assert!(first.months_have_passed(1, at("2026-02-28T00:00:00Z")));
        assert!(!first.months_have_passed(2, at("2026-03-30T23:59:59Z")));
        assert!(first.months_have_passed(2, at("2026-03-31T00:00:00Z")));
        let leap = at("2028-01-30T12:00:00Z");
        assert!(!leap.months_have_passed(1, at("2028-02-28T12:00:00Z")));
        assert!(leap.months_have_passed(1, at("2028-02-29T00:00:00Z")));
        assert!(!leap.months_have_passed(12, at("2029-01-29T23:59:59Z")));
        assert!(!Timestamp::from_unix(i64::MAX).months_have_passed(1, leap));
    }
}
