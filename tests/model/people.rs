//! Who is who, and who referred whom: `semantics.md` §5. Everything is looked up in the whole list of what was told;
//! only what goes by arrival, in `promises.rs`, is kept as it was given.

use std::collections::BTreeSet;

use referrald::domain::attribution::{Review, ReviewDecision};
use referrald::domain::codes::CodeVersion;
use referrald::domain::{Customer, NoCommission, PromoterId, StripeCustomerId, Terms, TermsVersion, UserId};

use crate::claims::{Claim, claims_in};
use crate::promises::Promises;
use crate::setup::{self, LATE, LATE_PROMOTION, PROMOTION_CODES, Setup};
use crate::told::{Address, Event, Named, Said};

pub struct People<'a> {
    pub setup: &'a Setup,
    /// (account, customer).
    same: Vec<(&'a str, &'a str)>,
    bonds: Vec<(&'a str, &'a str)>,
    pub claims: Vec<Claim<'a>>,
    /// As the customer was named, and whose mailbox it is.
    mailboxes: Vec<(Customer, usize)>,
    mailboxes_of_promoters: Vec<(&'a str, usize)>,
    reviews: Vec<Reviewed<'a>>,
    /// (subscription, customer as named, whether it has ended).
    subscriptions: Vec<(&'a str, &'a str, bool)>,
    pub versions: Vec<&'a TermsVersion>,
    pub code_versions: Vec<(&'a str, &'a CodeVersion)>,
    pub late_code: bool,
    /// (promotion code, code) that were given to each other after the beginning.
    pub carried: Vec<(&'a str, &'a str)>,
    pub promises: Promises<'a>,
}

/// What an operator said, as the customer was named, and what of it was known then.
struct Reviewed<'a> {
    customer: &'a Customer,
    promoter: &'a str,
    review: &'a Review,
    knew: Likeness,
}

/// Whether customer and promoter are one user, and whether they share a mailbox.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Likeness {
    pub user: bool,
    pub mailbox: bool,
}

/// The referral of a customer.
#[derive(Clone)]
pub struct Referral<'a> {
    pub claim: Claim<'a>,
    pub code: &'static str,
    pub promoter: &'static str,
    pub program: &'static str,
    pub terms: &'a Terms,
    /// They are not the first terms of the program.
    pub later_terms: bool,
    pub number: Option<u32>,
    /// The customer looks like its own promoter.
    pub likeness: Likeness,
    pub held: bool,
    /// There is a refusal that it beats.
    pub beats_refusal: bool,
}

impl<'a> People<'a> {
    pub fn new(setup: &'a Setup) -> Self {
        let mut mailboxes_of_promoters = Vec::new();
        for (promoter, facts) in &setup.promoters {
            let mailboxes = facts.addresses.iter().map(|address| (*promoter, address.mailbox));
            mailboxes_of_promoters.extend(mailboxes);
        }
        Self {
            setup,
            same: Vec::new(),
            bonds: Vec::new(),
            claims: Vec::new(),
            mailboxes: Vec::new(),
            mailboxes_of_promoters,
            reviews: Vec::new(),
            subscriptions: Vec::new(),
            versions: setup.versions.iter().collect(),
            code_versions: Vec::new(),
            late_code: false,
            carried: Vec::new(),
            promises: Promises::new(setup),
        }
    }

    pub fn take_in(&mut self, event: &'a Event) {
        let (named, email): (&Named, Option<Address>) = match &event.said {
            Said::Invoice(invoice) if invoice.is_paid() => {
                let of = invoice.subscription.as_ref().zip(invoice.named.name());
                self.subscriptions.extend(of.map(|(id, name)| (id.as_str(), name.as_str(), false)));
                (&invoice.named, invoice.email)
            }
            Said::Checkout(session) => (&session.named, session.email),
            Said::Customer(customer) => (&customer.named, customer.email),
            Said::Discount { named, .. } => (named, None),
            Said::Subscription(subscription) => {
                let has_ended =
                    subscription.deleted || ["canceled", "incomplete_expired"].contains(&subscription.status);
                let name = subscription.named.name();
                let id = subscription.id.as_str();
                self.subscriptions.extend(name.map(|name| (id, name.as_str(), has_ended)));
                (&subscription.named, None)
            }
            Said::Invoice(_)
            | Said::Link(_)
            | Said::Charge(_)
            | Said::Refund(_)
            | Said::Dispute(_)
            | Said::CreditNote(_) => return,
        };
        if let (Some(customer), Some(account)) = (&named.customer, &named.account) {
            self.same.push((account, customer));
        }
        let customer = named.name().map(|name| Customer::Stripe(StripeCustomerId::new(name)));
        self.mailboxes.extend(customer.zip(email.map(|address| address.mailbox)));
        self.claims.extend(claims_in(event));
    }

    /// A claim through the API, or a move.
    pub fn claim(&mut self, claim: &'a referrald::domain::Claim, email: Option<Address>) {
        if let (Some(stripe_customer), Some(user)) = (&claim.stripe_customer, &claim.user) {
            self.bind(stripe_customer, user);
        }
        let claim = Claim::of_call(claim);
        self.mailboxes.extend(party_named(&claim).zip(email.map(|address| address.mailbox)));
        self.claims.push(claim);
    }

    pub fn bind(&mut self, stripe_customer: &'a StripeCustomerId, user: &'a UserId) {
        self.bonds.push((stripe_customer.as_str(), user.as_str()));
    }

    pub fn review(&mut self, customer: &'a Customer, promoter: &'a PromoterId, review: &'a Review) {
        let promoter = promoter.as_str();
        let knew = self.likeness(&self.present(customer), promoter);
        // Said again, it is what it was.
        if self.reviews.iter().all(|known| known.review.id != review.id) {
            self.reviews.push(Reviewed { customer, promoter, review, knew });
        }
    }

    pub fn learn_of_promoter(&mut self, promoter: &'a PromoterId, email: Address) {
        self.mailboxes_of_promoters.push((promoter.as_str(), email.mailbox));
    }

    /// An account is the customer that it was named beside.
    fn stripe_customer<'n>(&self, name: &'n str) -> &'n str
    where
        'a: 'n,
    {
        let same = self.same.iter().find(|(account, _)| *account == name);
        same.map_or(name, |(_, stripe_customer)| *stripe_customer)
    }

    /// The customer that a customer, by whatever name, is of.
    pub fn customer_named(&self, name: &str) -> Customer {
        let stripe_customer = self.stripe_customer(name);
        match self.bonds.iter().find(|(bound, _)| self.stripe_customer(bound) == stripe_customer) {
            Some((_, user)) => Customer::User(UserId::new(*user)),
            None => Customer::Stripe(StripeCustomerId::new(stripe_customer)),
        }
    }

    /// The customer that is meant by one of its names.
    pub fn present(&self, named: &Customer) -> Customer {
        match named {
            Customer::User(_) => named.clone(),
            Customer::Stripe(name) => self.customer_named(name.as_str()),
        }
    }

    pub fn party_of_claim(&self, claim: &Claim) -> Option<Customer> {
        party_named(claim).map(|named| self.present(&named))
    }

    /// Everybody about whom a claim was made.
    pub fn claimed(&self) -> BTreeSet<Customer> {
        self.claims.iter().filter_map(|claim| self.party_of_claim(claim)).collect()
    }

    /// Of every subscription of a customer whether it has ended.
    pub fn subscriptions_of(&self, customer: &Customer) -> Vec<bool> {
        let own = self.subscriptions.iter().filter(|(_, name, _)| self.customer_named(name) == *customer);
        let own: Vec<_> = own.collect();
        let ids: BTreeSet<&str> = own.iter().map(|(id, ..)| *id).collect();
        let has_ended = |id: &str| own.iter().any(|(of, _, ended)| *of == id && *ended);
        ids.into_iter().map(has_ended).collect()
    }

    /// A code by its name, in lower case.
    pub fn code(&self, name: &str) -> Option<(&'static str, &'a setup::Code)> {
        let known = self.setup.codes.iter().find(|(code, _)| code.to_lowercase() == name);
        known.filter(|(code, _)| **code != LATE || self.late_code).map(|(code, facts)| (*code, facts))
    }

    /// The code that a claim names, or the one that carries the promotion code that it names. The host's own reference means
    /// no code that was made after it.
    fn code_of(&self, claim: &Claim) -> Option<(&'static str, &'a setup::Code)> {
        if !claim.names_promotion_code() {
            let known = self.code(&claim.code);
            return known.filter(|(_, facts)| !claim.is_reference() || facts.made_at <= claim.claimed_at);
        }
        let first = PROMOTION_CODES.iter().filter(|(id, _)| *id != LATE_PROMOTION || self.late_code);
        let mut carried = first.chain(&self.carried);
        let (_, code) = carried.find(|(promotion, _)| claim.code == *promotion)?;
        self.code(&code.to_lowercase())
    }

    /// The terms of a program at a time, and whether they are its first.
    fn terms(&self, program: &str, at: i64) -> (&'a Terms, bool) {
        let mut of_program: Vec<&TermsVersion> =
            self.versions.iter().copied().filter(|version| version.program.as_str() == program).collect();
        of_program.sort_by_key(|version| (version.valid_from, version.id));
        let valid = of_program.iter().rfind(|version| version.valid_from.unix() <= at);
        let first = of_program[0];
        let version = valid.copied().unwrap_or(first);
        (version.terms.as_ref(), version.id != first.id)
    }

    fn code_version(&self, code: &str, facts: &'a setup::Code, at: i64) -> Option<&'a CodeVersion> {
        let added = self.code_versions.iter().filter(|(of, _)| *of == code).map(|(_, version)| *version);
        let mut versions: Vec<&CodeVersion> = facts.versions.iter().chain(added).collect();
        versions.sort_by_key(|version| (version.valid_from, version.id));
        let valid = versions.iter().rfind(|version| version.valid_from.unix() <= at);
        valid.or(versions.first()).copied()
    }

    /// What was said last of a customer and a promoter.
    fn last_review(&self, customer: &Customer, promoter: &str) -> Option<&Reviewed<'a>> {
        let about = self.reviews.iter().filter(|said| said.promoter == promoter);
        let about = about.filter(|said| self.present(said.customer) == *customer);
        about.max_by_key(|said| said.review.reviewed_at)
    }

    fn likeness(&self, customer: &Customer, promoter: &str) -> Likeness {
        let user = *customer == Customer::User(UserId::new(&self.setup.promoters[promoter].user));
        let own = self.mailboxes.iter().filter(|(named, _)| self.present(named) == *customer);
        let mailbox = own.into_iter().any(|(_, own)| self.mailboxes_of_promoters.contains(&(promoter, *own)));
        Likeness { user, mailbox }
    }

    /// Why a claim makes no referral; the first reason that fits.
    fn refusal(
        &self,
        customer: &Customer,
        claim: &Claim<'a>,
        code: &str,
        facts: &'a setup::Code,
    ) -> Option<NoCommission> {
        let at = claim.claimed_at;
        let last_review = self.last_review(customer, facts.promoter);
        let refusal = last_review.filter(|said| said.review.decision == ReviewDecision::Refused);
        if let Some(moved_at) = claim.moved_at {
            // A move is not judged; but it may have been refused since.
            return refusal
                .filter(|said| said.review.reviewed_at.unix() > moved_at)
                .map(|_| NoCommission::Refused);
        }
        let version = self.code_version(code, facts, at);
        if version.is_some_and(|version| !version.active) {
            return Some(NoCommission::CodeInactive);
        }
        let expires_at = version.and_then(|version| version.expires_at);
        if expires_at.is_some_and(|expires_at| expires_at.unix() <= at) {
            return Some(NoCommission::CodeExpired);
        }
        if self.promises.is_used_up(claim) {
            return Some(NoCommission::CodeUsedUp);
        }
        if !self.terms(facts.program, at).0.active {
            return Some(NoCommission::ProgramInactive);
        }
        refusal.map(|_| NoCommission::Refused)
    }

    /// The referral of a customer, or why there is none: the reason of its strongest claim. A move is
    /// the strongest, also when it was refused.
    pub fn referral(&self, customer: &Customer) -> Result<Referral<'a>, NoCommission> {
        let about = |claim: &&Claim<'a>| self.party_of_claim(claim).as_ref() == Some(customer);
        let mut claims: Vec<&Claim<'a>> = self.claims.iter().filter(about).collect();
        claims.sort_by(|one, other| one.strength().cmp(&other.strength()));
        let mut reasons = Vec::new();
        for claim in claims {
            let Some((code, facts)) = self.code_of(claim) else {
                let is_reason = !claim.names_promotion_code() && !claim.is_reference();
                reasons.extend(is_reason.then_some(NoCommission::UnknownCode));
                continue;
            };
            if let Some(reason) = self.refusal(customer, claim, code, facts) {
                reasons.push(reason);
                continue;
            }
            let (promoter, program) = (facts.promoter, facts.program);
            let (terms, later_terms) = self.terms(program, claim.claimed_at);
            let likeness = self.likeness(customer, promoter);
            let last_review = self.last_review(customer, promoter);
            let released = last_review.filter(|said| said.review.decision == ReviewDecision::Released);
            let is_covered = released.is_some_and(|said| {
                (said.knew.user || !likeness.user) && (said.knew.mailbox || !likeness.mailbox)
            });
            let is_own = likeness.user || likeness.mailbox;
            return Ok(Referral {
                claim: claim.clone(),
                code,
                promoter,
                program,
                terms,
                later_terms,
                number: self.referral_number(customer, (promoter, program)),
                likeness,
                held: is_own && !is_covered,
                beats_refusal: last_review.is_some() && released.is_none(),
            });
        }
        Err(reasons.first().copied().unwrap_or(NoCommission::NotReferred))
    }
}

/// Who a claim says that it is about.
pub fn party_named(claim: &Claim) -> Option<Customer> {
    let of_user = claim.user.map(|user| Customer::User(UserId::new(user)));
    of_user.or_else(|| claim.stripe_customer.map(|name| Customer::Stripe(StripeCustomerId::new(name))))
}
