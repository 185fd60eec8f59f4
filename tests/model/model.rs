//! The rules once more, worked out from scratch: `semantics.md` §3 to §5 in plain loops and 128 bits. It shares nothing
//! with the domain but the data types, keeps no state, and looks at the whole set of what was told.

use std::collections::BTreeMap;

use referrald::domain::{
    Claim, ClaimSource, CommissionBase, Currency, CustomerId, DisputeFacts, DisputeState, EventId, Fact,
    InvoiceId, Kind, PaidClaim, PaymentId, PromoterId, RefundId, RefundState, UserId,
};

use crate::history::Step;
use crate::world::{CODES, LATE, VERSIONS, Version};

const SECONDS_PER_DAY: i64 = 86_400;

/// Σ by (invoice, promoter, currency, kind, `available_at`), without zeros.
pub type Sums = BTreeMap<(InvoiceId, PromoterId, Currency, Kind, i64), i128>;

/// All facts, merged. A fact with several tellings keeps the greatest of their tuples.
#[derive(Default)]
pub struct Model<'a> {
    invoices: BTreeMap<&'a InvoiceId, Invoice<'a>>,
    /// Links as they were named.
    links: Vec<(&'a InvoiceId, &'a PaymentId, Option<i64>)>,
    /// (charge, payment intent) as often as told.
    charges: Vec<(&'a PaymentId, &'a PaymentId)>,
    /// (payment as named, captured, refunded).
    totals: Vec<(&'a PaymentId, i64, i64)>,
    /// Every telling of a refund: (refund, payment as named).
    refunds_told: Vec<(&'a RefundId, &'a PaymentId)>,
    /// (rank, amount, payment as named).
    refunds: BTreeMap<&'a RefundId, (u8, i64, &'a PaymentId)>,
    /// (rank, what it takes, payment as named, currency).
    disputes: BTreeMap<&'a str, (u8, i64, &'a PaymentId, Currency)>,
    /// (void, amount, invoice).
    credit_notes: BTreeMap<&'a str, (bool, i64, &'a InvoiceId)>,
    claims: Vec<&'a Claim>,
    late_code: bool,
    /// Links by payment, with the greatest amount told.
    merged_links: BTreeMap<(&'a InvoiceId, &'a PaymentId), Option<i64>>,
}

/// A paid invoice: the rank of the claim in use, that claim, and the smallest `paid_at`.
struct Invoice<'a> {
    rank: (i64, bool, &'a EventId),
    claim: &'a PaidClaim,
    paid_at: i64,
}

impl<'a> Model<'a> {
    pub fn of(steps: &'a [Step]) -> Self {
        let mut model = Self::default();
        for step in steps {
            match step {
                Step::Event(_, reduced) => reduced.facts.iter().for_each(|fact| model.take_in(fact)),
                Step::Claim(claim) => model.claims.push(claim),
                Step::MakeLateCode => model.late_code = true,
            }
        }
        model.connect_names_of_refunds();
        for (invoice, named, amount) in model.links.clone() {
            let key = (invoice, model.payment(named));
            let merged = model.merged_links.entry(key).or_default();
            *merged = (*merged).max(amount);
        }
        model
    }

    fn take_in(&mut self, fact: &'a Fact) {
        match fact {
            Fact::InvoicePaid { invoice, claim, paid_at } => {
                self.take_in_invoice(invoice, claim, paid_at.unix());
            }
            Fact::PaymentLink { invoice, payment, amount_minor } => {
                self.links.push((invoice, payment, *amount_minor));
            }
            Fact::ChargeOf { charge, payment_intent } => self.charges.push((charge, payment_intent)),
            Fact::Payment { payment, captured_minor, amount_refunded_minor } => {
                self.totals.push((payment, *captured_minor, *amount_refunded_minor));
            }
            Fact::Refund { refund, facts } => {
                self.refunds_told.push((refund, &facts.payment));
                let rank = match facts.state {
                    RefundState::Pending => 0,
                    RefundState::Succeeded => 1,
                    RefundState::Failed => 2,
                };
                let told = (rank, facts.amount_minor, &facts.payment);
                let known = self.refunds.entry(refund).or_insert(told);
                *known = (*known).max(told);
            }
            Fact::Dispute { dispute, facts } => {
                let told = ranked(facts);
                let known = self.disputes.entry(dispute.as_str()).or_insert(told);
                *known = (*known).max(told);
            }
            Fact::CreditNote { credit_note, facts } => {
                let told = (facts.void, facts.amount_minor, &facts.invoice);
                let known = self.credit_notes.entry(credit_note.as_str()).or_insert(told);
                *known = (*known).max(told);
            }
            Fact::Claim(claim) => self.claims.push(claim),
            Fact::Email { .. } | Fact::SameCustomer { .. } | Fact::Subscription { .. } => {}
        }
    }

    fn take_in_invoice(&mut self, invoice: &'a InvoiceId, claim: &'a PaidClaim, paid_at: i64) {
        let rank = (claim.amount_paid_minor, claim.total_excluding_tax_minor.is_some(), &claim.event);
        let known = self.invoices.entry(invoice).or_insert(Invoice { rank, claim, paid_at });
        known.paid_at = known.paid_at.min(paid_at);
        if rank > known.rank {
            (known.rank, known.claim) = (rank, claim);
        }
    }

    /// A refund takes from one payment, so a charge and a payment intent that it was told by belong together.
    fn connect_names_of_refunds(&mut self) {
        for (refund, charge) in &self.refunds_told {
            for (other, payment_intent) in &self.refunds_told {
                if refund == other && !is_intent(charge) && is_intent(payment_intent) {
                    self.charges.push((charge, payment_intent));
                }
            }
        }
    }

    /// The payment that a name stands for. Of two payment intents told for one charge the smaller one holds.
    fn payment<'n>(&self, named: &'n PaymentId) -> &'n PaymentId
    where
        'a: 'n,
    {
        let told = self.charges.iter().filter(|(charge, _)| *charge == named);
        told.map(|(_, payment_intent)| *payment_intent).min().unwrap_or(named)
    }

    pub fn pays_a_known_invoice(&self, named: &PaymentId) -> bool {
        let payment = self.payment(named);
        self.merged_links
            .keys()
            .any(|(invoice, pays)| *pays == payment && self.invoices.contains_key(invoice))
    }

    /// What a link weighs.
    fn weight(&self, invoice: &InvoiceId, payment: &PaymentId) -> i128 {
        let mut known = 0;
        for ((of, pays), amount) in &self.merged_links {
            if *of == invoice {
                match amount {
                    Some(amount) if *pays == payment => return i128::from(*amount),
                    Some(amount) => known += i128::from(*amount),
                    None => {}
                }
            }
        }
        let paid = self.invoices.get(invoice);
        paid.map_or(0, |paid| (i128::from(paid.claim.amount_paid_minor) - known).max(0))
    }

    /// What was taken from a payment of which so much was captured; by disputes too, when asked as an invoice of that
    /// currency.
    fn taken(&self, payment: &PaymentId, captured: i128, disputed: Option<Currency>) -> i128 {
        let (mut counted, mut known) = (0, 0);
        for (rank, amount, named) in self.refunds.values() {
            if self.payment(named) == payment {
                let failed = *rank == 2;
                counted += if failed { 0 } else { i128::from(*amount) };
                known += i128::from(*amount);
            }
        }
        let told = self.totals.iter().filter(|(named, _, _)| self.payment(named) == payment);
        let refunded = told.map(|(_, _, refunded)| i128::from(*refunded)).max().unwrap_or(0);
        let mut taken = counted + (refunded - known).max(0);
        for (_, takes, named, currency) in self.disputes.values() {
            // A dispute about nothing takes nothing, in whatever currency.
            if self.payment(named) == payment && disputed.is_some() && *takes > 0 {
                taken += if disputed == Some(*currency) { i128::from(*takes) } else { captured };
            }
        }
        taken.min(captured)
    }

    /// What an invoice lost: L when asked for disputes, else R.
    fn loss(&self, invoice: &InvoiceId, with_disputes: bool) -> i128 {
        let claim = self.invoices[invoice].claim;
        let mut loss = 0;
        for (void, amount, of) in self.credit_notes.values() {
            loss += if *of == invoice && !void { i128::from(*amount) } else { 0 };
        }
        for (of, payment) in self.merged_links.keys() {
            if *of != invoice {
                continue;
            }
            let mut linked = 0;
            for (other, pays) in self.merged_links.keys() {
                linked += if pays == payment { self.weight(other, pays) } else { 0 };
            }
            let told = self.totals.iter().filter(|(named, _, _)| self.payment(named) == *payment);
            let captured = match told.map(|(_, captured, _)| i128::from(*captured)).max() {
                Some(captured) if captured > 0 => captured,
                Some(_) | None => linked,
            };
            let taken = self.taken(payment, captured, with_disputes.then_some(claim.currency));
            let weight = self.weight(invoice, payment);
            loss += match taken {
                0 => 0,
                all if all == captured => weight,
                part => part * weight / captured.max(linked),
            };
        }
        loss.min(i128::from(claim.amount_paid_minor))
    }

    /// The user that a customer belongs to: the API named both together.
    fn user_of(&self, customer: &CustomerId) -> Option<&UserId> {
        let told = self
            .claims
            .iter()
            .find(|claim| claim.customer.as_ref() == Some(customer) && claim.user.is_some());
        told.and_then(|claim| claim.user.as_ref())
    }

    /// True when a claim is about this customer, or about the user that the customer belongs to.
    fn is_about(&self, claim: &Claim, customer: &CustomerId) -> bool {
        let user = self.user_of(customer);
        match (&claim.user, &claim.customer) {
            (Some(named), _) => user == Some(named),
            (None, Some(named)) => named == customer || (user.is_some() && self.user_of(named) == user),
            (None, None) => false,
        }
    }

    /// The claim that wins a customer, and whose code it names.
    fn winner(&self, customer: &CustomerId) -> Option<(&Claim, &'static str, &'static Version)> {
        let mut winner: Option<(&Claim, &str, &str)> = None;
        for claim in &self.claims {
            for (code, promoter, program) in CODES {
                let exists = code != LATE || self.late_code;
                if exists
                    && claim.code.as_str() == code
                    && self.is_about(claim, customer)
                    && winner.is_none_or(|(other, _, _)| strength(claim) < strength(other))
                {
                    winner = Some((claim, promoter, program));
                }
            }
        }
        winner.map(|(claim, promoter, program)| (claim, promoter, terms(program, claim.claimed_at.unix())))
    }

    /// What the ledger must hold.
    pub fn sums(&self) -> Sums {
        let mut sums = Sums::new();
        for (invoice, paid) in &self.invoices {
            let Some(customer) = &paid.claim.customer else { continue };
            let Some((winner, promoter, terms)) = self.winner(customer) else { continue };
            let amount_paid = i128::from(paid.claim.amount_paid_minor);
            let base = base(paid.claim, terms.base);
            let before_referral = paid.paid_at < winner.claimed_at.unix() - winner.lookback_s;
            if amount_paid <= 0 || base <= 0 || before_referral {
                continue;
            }
            let commission = half_up(base * i128::from(terms.rate_bps), 10_000);
            let kept = |loss: i128| {
                if loss == amount_paid { 0 } else { commission - half_up(commission * loss, amount_paid) }
            };
            let (after_refunds, after_all) =
                (kept(self.loss(invoice, false)), kept(self.loss(invoice, true)));
            let available_at = paid.paid_at + i64::from(terms.hold_days) * SECONDS_PER_DAY;
            for (kind, sum) in [
                (Kind::Commission, commission),
                (Kind::Refund, after_refunds - commission),
                (Kind::Dispute, after_all - after_refunds),
            ] {
                let invoice = InvoiceId::clone(invoice);
                sums.insert(
                    (invoice, PromoterId::new(promoter), paid.claim.currency, kind, available_at),
                    sum,
                );
            }
        }
        sums.retain(|_, sum| *sum != 0);
        sums
    }
}

/// The smallest wins. The id of the claim only makes the choice total.
fn strength(claim: &Claim) -> (i64, u8, u16, &str, &str) {
    let (source, key) = match claim.source {
        ClaimSource::Api => (1, 0),
        ClaimSource::CheckoutReference => (2, 0),
        ClaimSource::CheckoutMetadata(key) => (3, key),
        ClaimSource::CustomerMetadata(key) => (4, key),
        ClaimSource::SubscriptionMetadata(key) => (5, key),
        ClaimSource::OlderSubscriptionMetadata(key) => (6, key),
        ClaimSource::InvoiceMetadata(key) => (7, key),
        ClaimSource::Move | ClaimSource::CustomerDiscount | ClaimSource::CheckoutDiscount(_) => (8, 0),
    };
    (claim.claimed_at.unix(), source, key, claim.code.as_str(), claim.id.as_str())
}

/// The latest version valid at that time, else the first. `VERSIONS` lists those of a program by time.
fn terms(program: &str, claimed_at: i64) -> &'static Version {
    let mut of_program = VERSIONS.iter().filter(|version| version.program == program);
    let first = of_program.next().unwrap();
    of_program.rfind(|version| version.valid_from <= claimed_at).unwrap_or(first)
}

fn base(claim: &PaidClaim, base: CommissionBase) -> i128 {
    let (paid, total) = (i128::from(claim.amount_paid_minor), i128::from(claim.total_minor));
    let net = match (claim.total_excluding_tax_minor, claim.tax_minor) {
        (Some(net), _) => i128::from(net),
        (None, Some(tax)) => total - i128::from(tax),
        (None, None) => total,
    };
    match base {
        CommissionBase::AmountPaid => paid,
        CommissionBase::NetOfTax if paid >= total => net,
        CommissionBase::NetOfTax => (paid * net).div_euclid(total),
    }
}

/// The higher rank wins, at equal rank the dispute that takes more.
fn ranked(facts: &DisputeFacts) -> (u8, i64, &PaymentId, Currency) {
    let (rank, takes) = match facts.state {
        DisputeState::Inquiry => (0, 0),
        DisputeState::Open => (1, facts.amount_minor),
        DisputeState::Returned => (2, 0),
        DisputeState::Lost => (2, facts.amount_minor),
    };
    (rank, takes, &facts.payment, facts.currency)
}

/// `part / whole`, rounded half up.
fn half_up(part: i128, whole: i128) -> i128 {
    (2 * part + whole).div_euclid(2 * whole)
}

fn is_intent(payment: &PaymentId) -> bool {
    payment.as_str().starts_with("pi_")
}
