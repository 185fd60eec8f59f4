//! What a book is to be filled with.

use std::collections::BTreeSet;

use crate::domain::book::Lacking;
use crate::domain::{Claim, Code, CodeFacts, CustomerId, EventId, Party, Timestamp};
use crate::store::lock::Keys;

/// What a transaction is about.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The keys that it names.
    pub keys: Keys,
    /// New claims that it brings.
    pub claims: Vec<Claim>,
    /// Codes and promotion codes that are made: the claims that name them are judged again.
    pub judged: Vec<Code>,
    /// Of every party at hand all invoices are wanted.
    pub whole: bool,
    /// All claims made then or later are judged again.
    pub judged_since: Option<Timestamp>,
    /// A code that is made, as if it stood in the database already.
    pub new_code: Option<(Code, CodeFacts)>,
    /// Customers whose invoices are all needed.
    pub complete: BTreeSet<CustomerId>,
    /// Events about which the inbox is asked.
    pub events: BTreeSet<EventId>,
}

impl Wanted {
    /// True for a claim that is to be judged again.
    pub(super) fn judges(&self, claim: &Claim) -> bool {
        self.judged.contains(&claim.code) || self.judged_since.is_some_and(|since| claim.claimed_at >= since)
    }

    /// True when nothing but locks was lacking.
    pub(super) fn is_filled(lacking: &Lacking) -> bool {
        lacking.customers.is_empty() && lacking.parties.is_empty() && lacking.events.is_empty()
    }

    /// Asks for what was lacking, too.
    pub(super) fn add(&mut self, lacking: Lacking) {
        self.complete.extend(lacking.customers);
        self.keys.promoters.extend(lacking.promoters);
        self.events.extend(lacking.events);
        for party in lacking.parties {
            match party {
                Party::User(user) => {
                    self.keys.users.insert(user);
                }
                Party::Customer(customer) => {
                    self.keys.customers.insert(customer.clone());
                    self.complete.insert(customer);
                }
            }
        }
    }
}
