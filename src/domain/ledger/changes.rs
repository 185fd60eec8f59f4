//! What a unit of work has to write, as plain data.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::state::State;
use super::values::Group;
use crate::domain::catalog::{NewCode, NewPromoter};
use crate::domain::codes::CodeVersion;
use crate::domain::inbox::{NewEvent, Telling};
use crate::domain::lines::UnreadDiscounts;
use crate::domain::{
    Claim, ClaimId, Code, Commission, CreditNoteFacts, CreditNoteId, Customer, DisputeFacts, DisputeId,
    EmailHash, InvoiceId, LedgerEntry, Outcome, PaidInvoice, PaymentFacts, PaymentId, ProgramKey, PromoterId,
    Referral, ReferralId, RefundFacts, RefundId, Review, StripeCustomerId, SubscriptionId, TermsVersion,
    UserId,
};

/// What a unit of work has to write. Amounts are minor units.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// New events with their outcomes, in the order in which they were applied.
    pub events: Vec<(Arc<NewEvent>, Outcome)>,
    /// New outcomes of tellings that the inbox has: waiting ones that are settled or given up, and replayed ones.
    pub outcomes: Vec<(Telling, Outcome)>,
    /// New and changed invoices.
    pub invoices: Vec<(InvoiceId, PaidInvoice)>,
    /// New and changed rows of payments, as named.
    pub payments: Vec<(PaymentId, PaymentFacts)>,
    /// New and changed links.
    pub links: Vec<(InvoiceId, PaymentId, Option<i64>)>,
    /// New and changed refunds.
    pub refunds: Vec<(RefundId, RefundFacts)>,
    /// New and changed disputes.
    pub disputes: Vec<(DisputeId, DisputeFacts)>,
    /// New and changed credit notes.
    pub credit_notes: Vec<(CreditNoteId, CreditNoteFacts)>,
    /// New subscriptions, and those that have ended now, with whether they have.
    pub subscriptions: Vec<(StripeCustomerId, SubscriptionId, bool)>,
    /// Discounts that events told by id only. Written without having been read: what is there stays as it is.
    pub unread_discounts: Vec<UnreadDiscounts>,
    /// Stripe customers and accounts of which it became known who they are: their user, and the customer that an account
    /// is.
    pub stripe_customers: Vec<(StripeCustomerId, Option<UserId>, Option<StripeCustomerId>)>,
    /// New e-mails, as their owner was named, and the event or claim that told them.
    pub emails: Vec<(Customer, EmailHash, String)>,
    /// New claims.
    pub claims: Vec<Claim>,
    /// Claims refused because their code has no use left.
    pub used_up: Vec<ClaimId>,
    /// New redemptions, as the customer is named.
    pub redemptions: Vec<(Customer, Code)>,
    /// Codes with new redemptions, and how many they have now.
    pub code_uses: Vec<(Code, u32)>,
    /// Referral numbers that were given, from 1, as the customer is named.
    pub referral_numbers: Vec<(Customer, Group, u32)>,
    /// The last referral numbers of groups in which some were given.
    pub last_referral_numbers: Vec<(Group, u32)>,
    /// New reviews, as the customer was named.
    pub reviews: Vec<(Customer, PromoterId, Review)>,
    /// New and changed referrals.
    pub referrals: Vec<Referral>,
    /// Referrals that became one with another: (merged, into).
    pub merged: Vec<(ReferralId, ReferralId)>,
    /// Commissions that were assessed again and differ.
    pub commissions: Vec<(InvoiceId, Commission)>,
    /// Entries to post, in order.
    pub entries: Vec<LedgerEntry>,
    /// What operators have set up or changed.
    pub catalog: CatalogChanges,
}

/// What operators have set up or changed: what claims are judged by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CatalogChanges {
    /// New programs.
    pub programs: Vec<ProgramKey>,
    /// New versions of terms.
    pub versions: Vec<TermsVersion>,
    /// New promoters.
    pub promoters: Vec<NewPromoter>,
    /// New present e-mails of promoters, trimmed and in lower case.
    pub promoter_emails: Vec<(PromoterId, String)>,
    /// New codes.
    pub codes: Vec<NewCode>,
    /// New versions of codes.
    pub code_versions: Vec<(Code, CodeVersion)>,
    /// New limits of the uses of codes.
    pub code_limits: Vec<(Code, Option<u32>)>,
    /// Promotion codes that codes carry from now on.
    pub promotion_codes: Vec<(Code, Code)>,
}

impl Changes {
    /// True when there is nothing to write.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The keys of what changed in the state of a unit of work, and what is only ever added.
#[derive(Debug, Default)]
pub(super) struct Changed {
    pub(super) events: Vec<(Arc<NewEvent>, Outcome)>,
    pub(super) outcomes: BTreeMap<Telling, Outcome>,
    pub(super) invoices: BTreeSet<InvoiceId>,
    pub(super) payments: BTreeSet<PaymentId>,
    pub(super) links: BTreeSet<(InvoiceId, PaymentId)>,
    pub(super) refunds: BTreeSet<RefundId>,
    pub(super) disputes: BTreeSet<DisputeId>,
    pub(super) credit_notes: BTreeSet<CreditNoteId>,
    pub(super) subscriptions: BTreeSet<(StripeCustomerId, SubscriptionId)>,
    pub(super) unread_discounts: BTreeSet<UnreadDiscounts>,
    pub(super) stripe_customers: BTreeSet<StripeCustomerId>,
    pub(super) emails: BTreeSet<(Customer, EmailHash)>,
    pub(super) claims: BTreeSet<ClaimId>,
    pub(super) used_up: BTreeSet<ClaimId>,
    pub(super) redemptions: BTreeSet<(Customer, Code)>,
    pub(super) referral_numbers: BTreeMap<(Customer, Group), u32>,
    pub(super) reviews: BTreeMap<(Customer, PromoterId), Vec<Review>>,
    pub(super) referrals: BTreeSet<Customer>,
    pub(super) merged: BTreeMap<ReferralId, ReferralId>,
    pub(super) commissions: BTreeSet<InvoiceId>,
    pub(super) entries: Vec<LedgerEntry>,
    pub(super) catalog: CatalogChanges,
}

impl Changed {
    /// What changed, with the values that the state has now.
    pub(super) fn into_changes(self, state: &mut State) -> Changes {
        let codes: BTreeSet<&Code> = self.redemptions.iter().map(|(_, code)| code).collect();
        let uses = |code: &Code| Some((code.clone(), state.codes.get(code)?.uses));
        let groups: BTreeSet<Group> = self.referral_numbers.keys().map(|(_, group)| group.clone()).collect();
        let numbers = self.referral_numbers.into_iter();
        let last = |group: Group| Some((group.clone(), *state.last_referral_numbers.get(&group)?));
        let stripe_customer = |id: StripeCustomerId| {
            let alias_of = state.customers.alias_of(&id).cloned();
            (id.clone(), state.customers.bound_user(&id).cloned(), alias_of)
        };
        let reviews = self.reviews.into_iter().flat_map(|((customer, promoter), said)| {
            said.into_iter().map(move |review| (customer.clone(), promoter.clone(), review))
        });
        let links = self.links.into_iter();
        let payments = &state.payments;
        Changes {
            events: self.events,
            outcomes: self.outcomes.into_iter().collect(),
            payments: values(self.payments, |id| payments.payment(id).cloned()),
            links: links
                .filter_map(|(invoice, payment)| {
                    let amount_minor = payments.link(&invoice, &payment)?;
                    Some((invoice, payment, amount_minor))
                })
                .collect(),
            refunds: values(self.refunds, |id| payments.refund(id).cloned()),
            disputes: values(self.disputes, |id| payments.dispute(id).cloned()),
            credit_notes: values(self.credit_notes, |id| payments.credit_note(id).cloned()),
            subscriptions: self
                .subscriptions
                .into_iter()
                .filter_map(|key| {
                    let ended = *state.subscriptions.get(&key)?;
                    Some((key.0, key.1, ended))
                })
                .collect(),
            unread_discounts: self.unread_discounts.into_iter().collect(),
            stripe_customers: self.stripe_customers.into_iter().map(stripe_customer).collect(),
            emails: self
                .emails
                .into_iter()
                .filter_map(|(customer, email)| {
                    let told_by = state.customers.email_told_by(&customer, &email)?.to_owned();
                    Some((customer, email, told_by))
                })
                .collect(),
            claims: self.claims.iter().filter_map(|id| state.customers.claim(id).cloned()).collect(),
            used_up: self.used_up.into_iter().collect(),
            code_uses: codes.into_iter().filter_map(uses).collect(),
            referral_numbers: numbers.map(|((customer, group), number)| (customer, group, number)).collect(),
            last_referral_numbers: groups.into_iter().filter_map(last).collect(),
            redemptions: self.redemptions.into_iter().collect(),
            reviews: reviews.collect(),
            merged: self.merged.into_iter().collect(),
            entries: self.entries,
            catalog: self.catalog,
            referrals: self
                .referrals
                .iter()
                .filter_map(|customer| state.referrals.remove(customer))
                .collect(),
            invoices: values(self.invoices, |id| state.invoices.remove(id)),
            commissions: values(self.commissions, |id| state.commissions.remove(id)),
        }
    }
}

fn values<K, V>(keys: BTreeSet<K>, value: impl FnMut(&K) -> Option<V>) -> Vec<(K, V)> {
    let mut value = value;
    keys.into_iter().filter_map(|key| value(&key).map(|value| (key, value))).collect()
}
