//! Guessing what a transaction will lock, so that it seldom has to begin again.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use super::wanted::Wanted;
use crate::domain::{Book, Claim, Code, PromoterId};

/// Codes whose promoters are remembered; other ones are not guessed.
const REMEMBERED_CODES: usize = 100_000;
/// Claims that are remembered; with one more all are forgotten.
const REMEMBERED_CLAIMS: usize = 200_000;

/// What earlier books said, as far as guesses are made by it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Mutex<Remembered>>);

#[derive(Debug, Default)]
struct Remembered {
    /// Whose a code is never changes.
    owners: BTreeMap<Code, PromoterId>,
    /// Hashes of (customer, code): who was claimed by a code before.
    claimed: HashSet<u64>,
    hasher: RandomState,
}

impl Remembered {
    fn hash(&self, claim: &Claim) -> Option<u64> {
        Some(self.hasher.hash_one((claim.customer.as_ref()?, &claim.code)))
    }
}

impl Memory {
    /// Remembers a book as it was read.
    pub fn remember(&self, book: &Book) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (code, facts) in &book.codes {
            if known.owners.len() < REMEMBERED_CODES && !known.owners.contains_key(code) {
                known.owners.insert(code.clone(), facts.owner.promoter.clone());
            }
        }
        for claim in book.parties.claims() {
            if known.claimed.len() >= REMEMBERED_CLAIMS {
                known.claimed.clear();
            }
            let hash = known.hash(claim);
            known.claimed.extend(hash);
        }
    }

    /// Adds the promoters whose locks new claims will need: those of codes by which their customers have not been
    /// claimed before, as far as is remembered. A lock too many makes others wait; what is missing is found after
    /// reading, and the transaction begun again.
    pub fn add_promoters(&self, wanted: &mut Wanted) {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for claim in &wanted.claims {
            if !known.hash(claim).is_some_and(|hash| known.claimed.contains(&hash)) {
                wanted.keys.promoters.extend(known.owners.get(&claim.code).cloned());
            }
        }
    }
}
