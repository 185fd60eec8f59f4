//! What a book has to write: names of changed facts, and new rows.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ClaimId, Code, Commission, CreditNoteId, CustomerId, DisputeId, EmailHash, EventId, InvoiceId,
    LedgerEntry, Outcome, Party, PaymentId, PromoterId, ReferralId, RefundId, SubscriptionId,
};

/// What a book has to write.
#[derive(Debug, Default)]
pub struct Changes {
    /// Changed invoices.
    pub invoices: BTreeSet<InvoiceId>,
    /// Changed payments, as named.
    pub payments: BTreeSet<PaymentId>,
    /// Changed links.
    pub links: BTreeSet<(InvoiceId, PaymentId)>,
    /// Changed refunds.
    pub refunds: BTreeSet<RefundId>,
    /// Changed disputes.
    pub disputes: BTreeSet<DisputeId>,
    /// Changed credit notes.
    pub credit_notes: BTreeSet<CreditNoteId>,
    /// Subscriptions told of, with their customers; true once one has ended. Written without having been read: an ended
    /// one stays ended.
    pub subscriptions: BTreeMap<SubscriptionId, (CustomerId, bool)>,
    /// Customers and accounts of which it became known who they are.
    pub customers: BTreeSet<CustomerId>,
    /// New e-mails, as their owner was named.
    pub emails: BTreeSet<(Party, EmailHash)>,
    /// New claims.
    pub claims: BTreeSet<ClaimId>,
    /// Claims refused because their code has no use left.
    pub used_up: BTreeSet<ClaimId>,
    /// Uses of codes that were given.
    pub grants: BTreeSet<(Party, Code)>,
    /// New rulings, as the party was named.
    pub rulings: BTreeSet<(Party, PromoterId)>,
    /// Parties with a new or changed referral.
    pub referrals: BTreeSet<Party>,
    /// Referrals that became one with another: (merged, into).
    pub merged: BTreeMap<ReferralId, ReferralId>,
    /// Commissions that were assessed again.
    pub commissions: BTreeMap<InvoiceId, Commission>,
    /// Entries to post, in order.
    pub entries: Vec<LedgerEntry>,
    /// Parked events that are settled now, with what became of them.
    pub settled: BTreeMap<EventId, Outcome>,
}
