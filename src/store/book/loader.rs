//! What is known while a book is being filled.

use std::collections::BTreeSet;

use entity::referral;

use crate::domain::{Book, Code, CustomerId, ProgramKey, PromoterId};
use crate::store::database::Txn;
use crate::store::lock::Keys;

pub(super) struct Loader<'t> {
    pub(super) txn: &'t Txn,
    pub(super) book: Book,
    /// Everything found.
    pub(super) keys: Keys,
    /// What has been followed already.
    pub(super) done: Keys,
    /// Referrals that were found, whose terms are still to be read.
    pub(super) referrals: Vec<referral::Model>,
    /// Codes, terms and promoters that were asked for already.
    pub(super) asked: Unread,
    /// Customers whose invoices have all been read.
    pub(super) complete: BTreeSet<CustomerId>,
}

/// What claims and referrals name and the book does not have yet.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Unread {
    pub(super) codes: BTreeSet<Code>,
    pub(super) promotions: BTreeSet<Code>,
    /// Programs of codes that were not read but made just now.
    pub(super) programs: BTreeSet<ProgramKey>,
    /// Versions of terms that referrals are frozen to.
    pub(super) versions: BTreeSet<i64>,
    pub(super) promoters: BTreeSet<PromoterId>,
}
