//! What the store fetched.

use std::collections::BTreeMap;

use super::values::{Group, PromoterFacts, RewardSlot, SumKey};
use crate::domain::inbox::Telling;
use crate::domain::{
    Claim, ClaimId, Code, CodeFacts, Commission, CreditNoteFacts, CreditNoteId, Customer, DisputeFacts,
    DisputeId, EmailHash, InvoiceId, PaidInvoice, PaymentFacts, PaymentId, PromoterId, Referral, RefundFacts,
    RefundId, Review, StripeCustomerId, SubscriptionId, TermsVersion, UserId,
};

/// What the store found for what was needed.
#[derive(Debug, Default)]
pub struct Fetched {
    /// Tellings and types of events, for those that the inbox has.
    pub inbox: Vec<(Telling, String)>,
    /// Rows of payments.
    pub payments: Vec<(PaymentId, PaymentFacts)>,
    /// Links: invoice, payment as named, amount in minor units.
    pub links: Vec<(InvoiceId, PaymentId, Option<i64>)>,
    /// Refunds.
    pub refunds: Vec<(RefundId, RefundFacts)>,
    /// Disputes.
    pub disputes: Vec<(DisputeId, DisputeFacts)>,
    /// Credit notes.
    pub credit_notes: Vec<(CreditNoteId, CreditNoteFacts)>,
    /// Parked events and the payment that they wait for.
    pub parked: Vec<(Telling, PaymentId)>,
    /// Events ignored as those of a payment without an invoice, and that payment.
    pub no_invoice: Vec<(Telling, PaymentId)>,
    /// Paid invoices.
    pub invoices: Vec<(InvoiceId, PaidInvoice)>,
    /// Posted sums in minor units.
    pub posted: Vec<(InvoiceId, SumKey, i64)>,
    /// Stored commissions.
    pub commissions: Vec<(InvoiceId, Commission)>,
    /// Stripe customers of which more is known: their user, and the customer that an account is.
    pub stripe_customers: Vec<(StripeCustomerId, Option<UserId>, Option<StripeCustomerId>)>,
    /// Subscriptions, and whether they have ended.
    pub subscriptions: Vec<(StripeCustomerId, SubscriptionId, bool)>,
    /// Claims.
    pub claims: Vec<Claim>,
    /// Claims refused because their code had no use left.
    pub used_up: Vec<ClaimId>,
    /// E-mails of customers as named, and what told them first.
    pub emails: Vec<(Customer, EmailHash, String)>,
    /// Redemptions by customers as named.
    pub redemptions: Vec<(Customer, Code)>,
    /// Referral numbers given to customers as named.
    pub referral_numbers: Vec<(Customer, Group, u32)>,
    /// Reviews of customers as named.
    pub reviews: Vec<(Customer, PromoterId, Review)>,
    /// Referrals with their frozen terms.
    pub referrals: Vec<Referral>,
    /// Codes with all versions.
    pub codes: Vec<(Code, CodeFacts)>,
    /// Promotion codes and the codes that carry them.
    pub promotion_codes: Vec<(Code, Code)>,
    /// All versions of the terms of programs.
    pub versions: Vec<TermsVersion>,
    /// Promoters.
    pub promoters: Vec<(PromoterId, PromoterFacts)>,
    /// The last referral numbers of promoters.
    pub last_referral_numbers: Vec<(Group, u32)>,
    /// The customers of promoters.
    pub customers_of: Vec<Customer>,
    /// Rivals for reward slots.
    pub slots: Vec<(Group, BTreeMap<Customer, RewardSlot>)>,
}
