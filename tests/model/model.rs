//! The rules once more, worked out from scratch: `semantics.md` §3 to §5 in plain loops and 128 bits. It shares nothing
//! with the domain but the data types of what operators say, reads what Stripe tells in its own words, and looks at the
//! whole set of what was told; only `promises.rs` goes by arrival.

use std::collections::{BTreeMap, BTreeSet};

use referrald::domain::{Currency, Customer, InvoiceId, Kind, NoCommission, PromoterId};

use crate::history::Step;
use crate::losses::Money;
use crate::people::{People, Referral};
use crate::rewards::Referrals;
use crate::setup::{SECONDS_PER_DAY, Setup, parsed};

/// Σ by (invoice, promoter, currency, kind, `available_at`), without zeros.
pub type Sums = BTreeMap<(InvoiceId, PromoterId, Currency, Kind, i64), i128>;

/// What was told so far.
pub struct Model<'a> {
    pub money: Money<'a>,
    pub people: People<'a>,
    /// The versions in which each event was told.
    pub tellings: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// Events that wait for the invoice of a payment: (payment as named, event, version).
    pub waiting: BTreeSet<(String, String, String)>,
}

/// What the model works out.
#[derive(Default, PartialEq, Eq, Debug)]
pub struct Figures {
    pub sums: Sums,
    /// For every paid invoice why it earns nothing.
    pub reasons: BTreeMap<InvoiceId, Option<NoCommission>>,
    /// Of the commission of every paid invoice.
    pub statuses: BTreeMap<InvoiceId, &'static str>,
    /// Paid invoices whose snapshots contradict each other.
    pub conflicts: BTreeSet<InvoiceId>,
    /// Paid invoices with lines that nobody has read.
    pub unseen_lines: BTreeSet<InvoiceId>,
    pub referrals: BTreeMap<Customer, ReferralFigures>,
    /// Rules that mattered to an invoice that earns.
    pub features: BTreeSet<&'static str>,
}

/// What is told of a referral.
#[derive(PartialEq, Eq, Debug)]
pub struct ReferralFigures {
    pub promoter: String,
    pub program: String,
    pub code: String,
    pub claimed_at: i64,
    pub status: &'static str,
}

/// What an invoice earns: C, and what is kept of it.
pub struct Earned {
    pub commission: i128,
    pub after_refunds: i128,
    pub after_all: i128,
    pub available_at: i64,
}

impl<'a> Model<'a> {
    pub fn new(setup: &'a Setup) -> Self {
        Self {
            money: Money::default(),
            people: People::new(setup),
            tellings: BTreeMap::new(),
            waiting: BTreeSet::new(),
        }
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
            Step::Event(event) => {
                self.tellings.entry(&event.id).or_default().insert(event.version);
                people.take_in(event);
                self.money.take_in(event);
                let payment = event.waits_for();
                let key = |payment: &String| (payment.clone(), event.id.clone(), event.version.to_owned());
                self.waiting.extend(payment.map(key));
            }
            Step::Claim(claim, email) => people.claim(claim, *email),
            Step::Bind(stripe_customer, user) => people.bind(stripe_customer, user),
            Step::Review(customer, promoter, review) => people.review(customer, promoter, review),
            Step::LearnOfPromoter(promoter, email) => people.learn_of_promoter(promoter, *email),
            Step::MakeLateCode => people.late_code = true,
            Step::AddTerms(version) => people.versions.push(version),
            Step::AddCodeVersion(code, version) => people.code_versions.push((code.as_str(), version)),
            Step::Carry(promotion, code) => people.carried.push((promotion, code.as_str())),
            Step::ReadLines(invoice, lines) => self.money.read_lines(invoice, lines),
            Step::Limit(code, max_uses) => {
                if let Some((code, _)) = people.code(code.folded()) {
                    people.promises.limit(code, *max_uses);
                }
            }
        }
        self.money.connect();
        self.waiting.retain(|(payment, _, _)| !self.money.pays_a_known_invoice(payment));
        self.give();
    }

    /// What the ledger must hold, and why.
    pub fn figures(&self) -> Figures {
        let mut figures = Figures::default();
        let referrals = self.referrals();
        for (invoice, paid) in &self.money.invoices {
            let id = InvoiceId::new(*invoice);
            let customer = paid.told.named.name().map(|name| self.people.customer_named(name));
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
            let earned = referral.map(|(customer, referral)| {
                self.note_features(invoice, customer, referral, &mut figures.features);
                self.money.note_features(invoice, &mut figures.features);
                let earned = self.earned(invoice, referral, &mut figures.features);
                self.post(invoice, referral, &earned, &mut figures.sums);
                earned
            });
            let status = self.status_of_commission(invoice, &earned, self.people.setup.looked_at());
            figures.statuses.insert(id.clone(), status);
            figures.reasons.insert(id.clone(), earned.err());
            figures.conflicts.extend(paid.is_in_conflict().then_some(id.clone()));
            let has_unseen = self.money.lines_of(invoice).is_none();
            figures.unseen_lines.extend(has_unseen.then_some(id));
        }
        for (customer, referral) in &referrals {
            let Ok(referral) = referral else { continue };
            let told = ReferralFigures {
                promoter: referral.promoter.to_owned(),
                program: referral.program.to_owned(),
                code: referral.code.to_owned(),
                claimed_at: referral.claim.claimed_at,
                status: self.status_of_referral(customer, referral),
            };
            figures.referrals.insert(customer.clone(), told);
        }
        figures.sums.retain(|_, sum| *sum != 0);
        figures
    }

    /// The number of every referral that has one.
    pub fn numbers(&self) -> BTreeMap<Customer, u32> {
        let referrals = self.referrals().into_iter();
        referrals.filter_map(|(customer, referral)| Some((customer, referral.ok()?.number?))).collect()
    }

    /// The referral of everybody who paid or was claimed.
    pub fn referrals(&self) -> Referrals<'a> {
        let names = self.money.invoices.values().filter_map(|paid| paid.told.named.name());
        let paid = names.map(|name| self.people.customer_named(name));
        let mut customers = self.people.claimed();
        customers.extend(paid);
        customers.into_iter().map(|customer| (customer.clone(), self.people.referral(&customer))).collect()
    }

    fn earned(&self, invoice: &str, referral: &Referral, features: &mut BTreeSet<&'static str>) -> Earned {
        let paid = &self.money.invoices[invoice];
        let amount_paid = i128::from(paid.told.amount_paid);
        let commission = self.commission(invoice, referral, features);
        let kept = |loss: i128| {
            if loss == amount_paid { 0 } else { commission - half_up(commission * loss, amount_paid) }
        };
        Earned {
            commission,
            after_refunds: kept(self.money.loss(invoice, false)),
            after_all: kept(self.money.loss(invoice, true)),
            available_at: paid.paid_at + i64::from(referral.terms.hold_days) * SECONDS_PER_DAY,
        }
    }

    fn post(&self, invoice: &str, referral: &Referral, earned: &Earned, sums: &mut Sums) {
        let currency = parsed(self.money.invoices[invoice].told.currency);
        let promoter = PromoterId::new(referral.promoter);
        for (kind, sum) in [
            (Kind::Commission, earned.commission),
            (Kind::Refund, earned.after_refunds - earned.commission),
            (Kind::Dispute, earned.after_all - earned.after_refunds),
        ] {
            let key = (InvoiceId::new(invoice), promoter.clone(), currency, kind, earned.available_at);
            sums.insert(key, sum);
        }
    }
}

/// `part / whole`, rounded half up.
pub fn half_up(part: i128, whole: i128) -> i128 {
    (2 * part + whole).div_euclid(2 * whole)
}
