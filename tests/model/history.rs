//! Random histories: facts told late, twice, under another name, or against each other.

use std::collections::BTreeMap;

use referrald::domain::attribution::Review;
use referrald::domain::codes::CodeVersion;
use referrald::domain::{
    Claim, ClaimSource, Code, CreditNoteFacts, CreditNoteId, Customer, DisputeFacts, DisputeId, DisputeState,
    EmailHash, EventId, Extracted, Fact, InvoiceSnapshot, Lines, PaymentId, PromoterId, RefundFacts,
    RefundId, RefundState, StripeCustomerId, TermsVersion, Timestamp, UserId,
};

use crate::acts::{act, claims_by, same_customer};
use crate::random::Random;
use crate::setup::{LATER_S, Setup};
use crate::world::{Taking, World, currency, customer_name};

/// One thing that happens to the ledger.
#[derive(Clone, Debug)]
pub enum Step {
    Event(EventId, Extracted),
    /// Through the API, which may name an e-mail, or by an operator who moves a referral.
    Claim(Claim, Option<EmailHash>),
    Bind(StripeCustomerId, UserId),
    Review(Customer, PromoterId, Review),
    LearnOfPromoter(PromoterId, EmailHash),
    MakeLateCode,
    AddTerms(TermsVersion),
    AddCodeVersion(Code, CodeVersion),
}

/// What was set up, and what happened then.
#[derive(Clone)]
pub struct History {
    pub setup: Setup,
    pub steps: Vec<Step>,
}

impl History {
    /// Makes a history of up to twenty steps.
    pub fn new(random: &mut Random) -> Self {
        let world = World::new(random);
        let length = 3 + random.below(17);
        // Some are about what is taken back, some about who is paid for what.
        let money_percent = random.pick(&[65, 25, 5]);
        let mut steps: Vec<Step> =
            (0..length).map(|number| step(random, &world, number, money_percent)).collect();
        if random.in_percent(40) {
            steps.push(Step::MakeLateCode);
        }
        let mut history = Self { setup: world.setup, steps };
        history.put_in_time();
        history
    }

    /// A change of a program or a code is valid from the time of the call: what was claimed then or later is told later.
    pub fn put_in_time(&mut self) {
        let steps = std::mem::take(&mut self.steps);
        let is_change = |step: &Step| matches!(step, Step::AddTerms(_) | Step::AddCodeVersion(..));
        let (changes, mut others): (Vec<Step>, Vec<Step>) = steps.into_iter().partition(is_change);
        let changed_at = Timestamp::from_unix(self.setup.now + LATER_S);
        let is_later = |step: &Step| match step {
            Step::Claim(claim, _) => claim.claimed_at >= changed_at,
            Step::Event(_, extracted) => extracted
                .facts
                .iter()
                .any(|fact| matches!(fact, Fact::Claim(claim) if claim.claimed_at >= changed_at)),
            Step::Bind(..)
            | Step::Review(..)
            | Step::LearnOfPromoter(..)
            | Step::MakeLateCode
            | Step::AddTerms(_)
            | Step::AddCodeVersion(..) => false,
        };
        let place = others.iter().position(is_later).unwrap_or(others.len());
        others.splice(place..place, changes);
        self.steps = others;
    }
}

fn step(random: &mut Random, world: &World, number: usize, money_percent: usize) -> Step {
    let event = EventId::new(format!("evt_{number:02}"));
    let extracted = if random.in_percent(money_percent) {
        match random.below(10) {
            0..2 => payment_link(random, world),
            2 => charge_of(random, world),
            3..5 => charge(random, world),
            5..7 => refund(random, world),
            7..9 => dispute(random, world),
            _ => credit_note(random, world),
        }
    } else if random.in_percent(45) {
        invoice_paid(random, world, &event)
    } else {
        return act(random, world, event, number);
    };
    Step::Event(event, extracted)
}

fn invoice_paid(random: &mut Random, world: &World, event: &EventId) -> Extracted {
    let invoice = &world.invoices[random.below(world.invoices.len())];
    let place = if random.in_percent(10) { world.some_customer(random) } else { invoice.stripe_customer };
    let stripe_customer = customer_name(random, place);
    let amount = if random.in_percent(10) { random.amount() } else { invoice.amount };
    let total = if random.in_percent(70) { amount } else { amount + random.minor_below(100) - 20 };
    let snapshot = InvoiceSnapshot {
        event: event.clone(),
        api_version: String::new(),
        stripe_customer: Some(stripe_customer.clone()).filter(|_| random.in_percent(97)),
        currency: if random.in_percent(10) { currency(random) } else { invoice.currency },
        amount_paid_minor: amount,
        total_minor: total,
        total_excluding_tax_minor: random.in_percent(50).then(|| total - random.minor_below(20)),
        tax_minor: random.in_percent(30).then(|| random.minor_below(20)),
        shipping_minor: 0,
        shipping_tax_minor: 0,
        lines: lines(random),
    };
    let named = random.in_percent(40).then(|| world.name(random));
    let mut facts = Vec::new();
    if random.in_percent(10) {
        facts.push(same_customer(place));
    }
    if let Some(payment) = &named {
        world.names(random, payment, &mut facts);
    }
    let paid_at = Timestamp::from_unix(invoice.paid_at + random.pick(&[0, 0, 10]));
    facts.push(Fact::InvoicePaid { invoice: invoice.id.clone(), snapshot, paid_at });
    facts.extend(named.map(|payment| Fact::PaymentLink {
        invoice: invoice.id.clone(),
        payment,
        amount_minor: None,
    }));
    let sources = [
        ClaimSource::SubscriptionMetadata(0),
        ClaimSource::SubscriptionSnapshot(1),
        ClaimSource::InvoiceMetadata(0),
        ClaimSource::InvoiceMetadata(1),
    ];
    facts.extend(claims_by(random, world, event, &stripe_customer, &sources));
    Extracted { facts, ..Extracted::default() }
}

/// What the invoice sold: nothing that was told, or some of a few prices of a few products.
fn lines(random: &mut Random) -> Lines {
    let mut lines = Lines { more: random.in_percent(10), ..Lines::default() };
    for _ in 0..random.pick(&[0, 0, 1, 2, 3]) {
        let price = random.pick(&[None, Some("price_0"), Some("price_1"), Some("price_2")]);
        let product = random.pick(&[None, Some("prod_0"), Some("prod_1")]);
        lines.weights.insert((price.map(str::to_owned), product.map(str::to_owned)), 1 + random.amount());
    }
    lines
}

fn payment_link(random: &mut Random, world: &World) -> Extracted {
    let invoice = &world.invoices[random.below(world.invoices.len())];
    let mut facts = Vec::new();
    // Paid outside Stripe's charges: such a link always has an amount, and nothing ever takes from it.
    let record = random.in_percent(10).then(|| PaymentId::new("payrec_0"));
    let has_amount = record.is_some() || random.in_percent(75);
    let payment = record.unwrap_or_else(|| world.name(random));
    world.names(random, &payment, &mut facts);
    let amount_minor = has_amount.then(|| random.amount_near(invoice.amount));
    facts.push(Fact::PaymentLink { invoice: invoice.id.clone(), payment, amount_minor });
    Extracted { facts, ..Extracted::default() }
}

/// A charge and its payment intent, and once in a while one that belongs to another charge.
fn charge_of(random: &mut Random, world: &World) -> Extracted {
    let payment = &world.payments[random.below(world.payments.len())];
    let other = &world.payments[random.below(world.payments.len())];
    let told = if random.in_percent(10) { other } else { payment };
    let charge_of = |intent: &PaymentId| Fact::ChargeOf {
        charge: payment.charge.clone(),
        payment_intent: intent.clone(),
    };
    Extracted { facts: told.intent.iter().map(charge_of).collect(), ..Extracted::default() }
}

fn charge(random: &mut Random, world: &World) -> Extracted {
    let payment = world.name(random);
    let mut facts = Vec::new();
    world.names(random, &payment, &mut facts);
    facts.push(Fact::Payment {
        payment: payment.clone(),
        captured_minor: if random.in_percent(30) { 0 } else { random.amount() },
        amount_refunded_minor: if random.in_percent(40) { 0 } else { random.amount() },
        released: None,
    });
    if random.in_percent(25) {
        let invoice = world.invoices[random.below(world.invoices.len())].id.clone();
        facts.push(Fact::PaymentLink { invoice, payment: payment.clone(), amount_minor: None });
    }
    let lists_refunds = random.in_percent(30);
    for (number, taking) in world.refunds.iter().enumerate() {
        if lists_refunds && taking.names.contains(&payment) && random.in_percent(60) {
            facts.push(refund_of(random, number, taking, payment.clone()));
        }
    }
    let waits = random.in_percent(60);
    if random.in_percent(10) {
        facts.push(Fact::NoInvoice { payment: payment.clone() });
    }
    Extracted { facts, waits_for: waits.then_some(payment) }
}

fn refund(random: &mut Random, world: &World) -> Extracted {
    let number = random.below(world.refunds.len());
    let taking = &world.refunds[number];
    let payment = random.pick(&taking.names);
    let mut facts = Vec::new();
    world.names(random, &payment, &mut facts);
    facts.push(refund_of(random, number, taking, payment.clone()));
    Extracted { facts, waits_for: Some(payment) }
}

fn refund_of(random: &mut Random, number: usize, taking: &Taking, payment: PaymentId) -> Fact {
    let state = random.pick(&[RefundState::Pending, RefundState::Succeeded, RefundState::Failed]);
    let amount_minor = random.amount_near(taking.amount);
    let facts = RefundFacts { payment, amount_minor, state, created: None };
    Fact::Refund { refund: RefundId::new(format!("re_{number}")), facts }
}

fn dispute(random: &mut Random, world: &World) -> Extracted {
    let number = random.below(world.disputes.len());
    let taking = &world.disputes[number];
    let payment = random.pick(&taking.names);
    let mut facts = Vec::new();
    world.names(random, &payment, &mut facts);
    let states = [DisputeState::Open, DisputeState::Lost, DisputeState::Returned, DisputeState::Inquiry];
    let state = states[random.below(7) % 4];
    facts.push(Fact::Dispute {
        dispute: DisputeId::new(format!("du_{number}")),
        facts: DisputeFacts {
            payment: payment.clone(),
            amount_minor: random.amount_near(taking.amount),
            currency: currency(random),
            state,
            closed_at: state.is_final().then_some(Timestamp::from_unix(0)),
            transactions: BTreeMap::new(),
        },
    });
    Extracted { facts, waits_for: Some(payment) }
}

fn credit_note(random: &mut Random, world: &World) -> Extracted {
    let number = random.below(2);
    let told = if random.in_percent(10) { random.below(world.invoices.len()) } else { number };
    let invoice = world.invoices[told % world.invoices.len()].id.clone();
    let facts = CreditNoteFacts { invoice, amount_minor: random.amount(), void: random.in_percent(30) };
    let credit_note = CreditNoteId::new(format!("cn_{number}"));
    Extracted { facts: vec![Fact::CreditNote { credit_note, facts }], ..Extracted::default() }
}
