//! The terms of a program: versions with `valid_from`, only ever added.

use super::ids::ProgramKey;
use super::money::BasisPoints;
use super::time::Timestamp;

/// What a percentage is taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommissionBase {
    /// `amount_paid`, tax included.
    AmountPaid,
    /// The part of `amount_paid` that is not tax.
    NetOfTax,
}

impl CommissionBase {
    /// The word that settings, columns and the API use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AmountPaid => "amount_paid",
            Self::NetOfTax => "net_of_tax",
        }
    }

    /// The base of that name.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::AmountPaid, Self::NetOfTax].into_iter().find(|base| base.as_str() == word)
    }
}

/// The terms under which a referral earns: a share of every paid invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The share, in basis points.
    pub rate: BasisPoints,
    /// What the share is taken of.
    pub base: CommissionBase,
    /// Days between `paid_at` and the moment an amount may be paid out.
    pub hold_days: u16,
}

/// One version of a program's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TermsVersion {
    /// The row of this version.
    pub id: i64,
    /// The program that it belongs to.
    pub program: ProgramKey,
    /// From when on new claims are judged by it; the first version counts for all earlier times too.
    pub valid_from: Timestamp,
    /// The terms themselves.
    pub terms: Terms,
}

/// The version of `program` that a claim made at `claimed_at` is frozen to: the latest one valid by then,
/// else the first. `None` when the program has no version at all.
pub fn version_at<'a>(
    versions: impl Iterator<Item = &'a TermsVersion>,
    program: &ProgramKey,
    claimed_at: Timestamp,
) -> Option<&'a TermsVersion> {
    let (mut first, mut latest): (Option<&TermsVersion>, Option<&TermsVersion>) = (None, None);
    for version in versions.filter(|version| version.program == *program) {
        let key = (version.valid_from, version.id);
        if first.is_none_or(|other| key < (other.valid_from, other.id)) {
            first = Some(version);
        }
        if version.valid_from <= claimed_at && latest.is_none_or(|other| key > (other.valid_from, other.id)) {
            latest = Some(version);
        }
    }
    latest.or(first)
}
