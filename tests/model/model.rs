//! The rules once more, worked out from scratch: `semantics.md` §3 to §5 in plain loops and 128 bits. It shares nothing
//! with the domain but the data types, and looks at the whole set of what was told; what goes by arrival, uses of codes
//! and referral numbers, it gives after every step.

use std::collections::{BTreeMap, BTreeSet};

use referrald::domain::{Claim, Currency, Customer, Fact, InvoiceId, Kind, NoCommission, PromoterId};

use crate::history::Step;
use crate::losses::Money;
use crate::people::{People, Referral};
use crate::setup::{SECONDS_PER_DAY, Setup};

/// Σ by (invoice, promoter, currency, kind, `available_at`), without zeros.
pub type Sums = BTreeMap<(InvoiceId, PromoterId, Currency, Kind, i64), i128>;

/// What was told so far.
pub struct Model<'a> {
    pub money: Money<'a>,
    pub people: People<'a>,
}

/// What the model works out.
#[derive(Default, PartialEq, Eq, Debug)]
pub struct Figures {
    pub sums: Sums,
    /// For every paid invoice why it earns nothing.
    pub reasons: BTreeMap<InvoiceId, Option<NoCommission>>,
    /// Rules that mattered to an invoice that earns.
    pub features: BTreeSet<&'static str>,
}

impl<'a> Model<'a> {
    pub fn new(setup: &'a Setup) -> Self {
        Self { money: Money::default(), people: People::new(setup) }
    }

    pub fn of(setup: &'a Setup, steps: &'a [Step]) -> Self {
        let mut model = Self::new(setup);
        for step in steps {
            model.hear(step);
        }
        model
    }

    /// Takes in one step.
    pub fn hear(&mut self, step: &'a Step) {
        let people = &mut self.people;
        match step {
            Step::Event(_, extracted) => {
                extracted.facts.iter().for_each(|fact| people.take_in(fact));
                extracted.facts.iter().for_each(|fact| self.money.take_in(fact));
            }
            Step::Claim(claim, email) => {
                people.claim(claim);
                people.emails.extend(named(claim).zip(*email));
            }
            Step::Bind(stripe_customer, user) => people.bind(stripe_customer, user),
            Step::Review(customer, promoter, review) => people.reviews.push((customer, promoter, review)),
            Step::LearnOfPromoter(promoter, email) => people.emails_of_promoters.push((promoter, *email)),
            Step::MakeLateCode => people.late_code = true,
            Step::AddTerms(version) => people.versions.push(version),
            Step::AddCodeVersion(code, version) => people.code_versions.push((code, version)),
        }
        self.money.connect();
        self.people.give();
    }

    /// What the ledger must hold, and why.
    pub fn figures(&self) -> Figures {
        let mut figures = Figures::default();
        let referrals = self.referrals();
        for (invoice, paid) in &self.money.invoices {
            let stripe_customer = paid.claim.stripe_customer.as_ref();
            let customer = stripe_customer.map(|stripe_customer| self.people.customer_named(stripe_customer));
            let referral = match customer.as_ref().map(|customer| (customer, &referrals[customer])) {
                None => Err(NoCommission::NotReferred),
                Some((_, Err(reason))) => Err(*reason),
                Some((customer, Ok(referral))) => {
                    match self.reason(invoice, customer, referral, &referrals) {
                        None => Ok((customer, referral)),
                        Some(reason) => Err(reason),
                    }
                }
            };
            figures.reasons.insert(InvoiceId::clone(invoice), referral.as_ref().err().copied());
            if let Ok((customer, referral)) = referral {
                self.earn(invoice, customer, referral, &mut figures);
            }
        }
        figures.sums.retain(|_, sum| *sum != 0);
        figures
    }

    /// The referral of everybody who paid.
    fn referrals(&self) -> BTreeMap<Customer, Result<Referral<'a>, NoCommission>> {
        let stripe_customers =
            self.money.invoices.values().filter_map(|paid| paid.claim.stripe_customer.as_ref());
        let customers = stripe_customers.map(|stripe_customer| self.people.customer_named(stripe_customer));
        customers.map(|customer| (customer.clone(), self.people.referral(&customer))).collect()
    }

    fn earn(&self, invoice: &InvoiceId, customer: &Customer, referral: &Referral, figures: &mut Figures) {
        let paid = &self.money.invoices[invoice];
        let amount_paid = i128::from(paid.claim.amount_paid_minor);
        let commission = self.commission(invoice, referral, &mut figures.features);
        self.note_features(invoice, customer, referral, &mut figures.features);
        let kept = |loss: i128| {
            if loss == amount_paid { 0 } else { commission - half_up(commission * loss, amount_paid) }
        };
        let after_refunds = kept(self.money.loss(invoice, false));
        let after_all = kept(self.money.loss(invoice, true));
        let available_at = paid.paid_at + i64::from(referral.terms.hold_days) * SECONDS_PER_DAY;
        for (kind, sum) in [
            (Kind::Commission, commission),
            (Kind::Refund, after_refunds - commission),
            (Kind::Dispute, after_all - after_refunds),
        ] {
            let key = (invoice.clone(), referral.promoter.clone(), paid.claim.currency, kind, available_at);
            figures.sums.insert(key, sum);
        }
    }
}

impl<'a> People<'a> {
    fn take_in(&mut self, fact: &'a Fact) {
        match fact {
            Fact::Claim(claim) => self.claim(claim),
            Fact::Email { customer, email } => self.emails.push((customer.clone(), *email)),
            Fact::SameCustomer { account, stripe_customer } => self.same.push((account, stripe_customer)),
            Fact::InvoicePaid { .. }
            | Fact::PaymentLink { .. }
            | Fact::ChargeOf { .. }
            | Fact::Payment { .. }
            | Fact::NoInvoice { .. }
            | Fact::InvoiceLines { .. }
            | Fact::UnreadDiscounts(_)
            | Fact::Refund { .. }
            | Fact::Dispute { .. }
            | Fact::CreditNote { .. }
            | Fact::Subscription { .. } => {}
        }
    }
}

/// Who a claim through the API is about.
fn named(claim: &Claim) -> Option<Customer> {
    let of_user = claim.user.clone().map(Customer::User);
    of_user.or_else(|| claim.stripe_customer.clone().map(Customer::Stripe))
}

/// `part / whole`, rounded half up.
pub fn half_up(part: i128, whole: i128) -> i128 {
    (2 * part + whole).div_euclid(2 * whole)
}
