//! Random histories: facts told late, twice, under another name, or against each other.

use referrald::domain::{
    Claim, ClaimId, ClaimSource, Code, CreditNoteFacts, CreditNoteId, CustomerId, DisputeFacts, DisputeId,
    DisputeState, EventId, Fact, Lines, PaidClaim, PaymentId, Reduced, RefundFacts, RefundId, RefundState,
    Timestamp, UserId,
};

use crate::world::{LATE, LOOKBACK_S, NEVER, NOW, Random, Taking, World, currency};

/// One thing that happens to the ledger.
#[derive(Clone)]
pub enum Step {
    Event(EventId, Reduced),
    Claim(Claim),
    MakeLateCode,
}

/// Makes a history of up to fifteen steps.
pub fn history(random: &mut Random) -> Vec<Step> {
    let world = World::new(random);
    let length = 2 + random.below(13);
    let mut steps: Vec<Step> = (0..length).map(|number| step(random, &world, number)).collect();
    if random.in_percent(40) {
        steps.push(Step::MakeLateCode);
    }
    steps
}

fn step(random: &mut Random, world: &World, number: usize) -> Step {
    let event = EventId::new(format!("evt_{number:02}"));
    let reduced = match random.below(17) {
        0..4 => invoice_paid(random, world, &event),
        4..6 => payment_link(random, world),
        6 => charge_of(random, world),
        7..9 => charge(random, world),
        9..11 => refund(random, world),
        11..13 => dispute(random, world),
        13 => credit_note(random, world),
        14 => claims_of_customer(random, world, &event),
        _ => return Step::Claim(api_claim(random, world, number)),
    };
    Step::Event(event, reduced)
}

fn invoice_paid(random: &mut Random, world: &World, event: &EventId) -> Reduced {
    let invoice = &world.invoices[random.below(world.invoices.len())];
    let customer = if random.in_percent(10) { random.below(world.customers.len()) } else { invoice.customer };
    let customer = CustomerId::new(format!("cus_{customer}"));
    let amount = if random.in_percent(10) { random.amount() } else { invoice.amount };
    let total = if random.in_percent(70) { amount } else { amount + random.minor_below(100) - 20 };
    let claim = PaidClaim {
        event: event.clone(),
        customer: Some(customer.clone()).filter(|_| random.in_percent(97)),
        currency: if random.in_percent(10) { currency(random) } else { invoice.currency },
        amount_paid_minor: amount,
        total_minor: total,
        total_excluding_tax_minor: random.in_percent(50).then(|| total - random.minor_below(20)),
        tax_minor: random.in_percent(30).then(|| random.minor_below(20)),
        lines: Lines::default(),
    };
    let named = random.in_percent(40).then(|| world.name(random));
    let mut facts = Vec::new();
    if let Some(payment) = &named {
        world.names(random, payment, &mut facts);
    }
    let paid_at = Timestamp::from_unix(invoice.paid_at + random.pick(&[0, 0, 10]));
    facts.push(Fact::InvoicePaid { invoice: invoice.id.clone(), claim, paid_at });
    facts.extend(named.map(|payment| Fact::PaymentLink {
        invoice: invoice.id.clone(),
        payment,
        amount_minor: None,
    }));
    let sources = [
        ClaimSource::SubscriptionMetadata(0),
        ClaimSource::OlderSubscriptionMetadata(1),
        ClaimSource::InvoiceMetadata(0),
        ClaimSource::InvoiceMetadata(1),
    ];
    facts.extend(claims_by(random, event, &customer, &sources));
    Reduced { facts, ..Reduced::default() }
}

fn payment_link(random: &mut Random, world: &World) -> Reduced {
    let invoice = &world.invoices[random.below(world.invoices.len())];
    let mut facts = Vec::new();
    // Paid outside Stripe's charges: such a link always has an amount, and nothing ever takes from it.
    let record = random.in_percent(10).then(|| PaymentId::new("payrec_0"));
    let has_amount = record.is_some() || random.in_percent(75);
    let payment = record.unwrap_or_else(|| world.name(random));
    world.names(random, &payment, &mut facts);
    let amount_minor = has_amount.then(|| random.amount_near(invoice.amount));
    facts.push(Fact::PaymentLink { invoice: invoice.id.clone(), payment, amount_minor });
    Reduced { facts, ..Reduced::default() }
}

/// A charge and its payment intent, and once in a while one that belongs to another charge.
fn charge_of(random: &mut Random, world: &World) -> Reduced {
    let payment = &world.payments[random.below(world.payments.len())];
    let other = &world.payments[random.below(world.payments.len())];
    let told = if random.in_percent(10) { other } else { payment };
    let charge_of = |intent: &PaymentId| Fact::ChargeOf {
        charge: payment.charge.clone(),
        payment_intent: intent.clone(),
    };
    Reduced { facts: told.intent.iter().map(charge_of).collect(), ..Reduced::default() }
}

fn charge(random: &mut Random, world: &World) -> Reduced {
    let payment = world.name(random);
    let mut facts = Vec::new();
    world.names(random, &payment, &mut facts);
    facts.push(Fact::Payment {
        payment: payment.clone(),
        captured_minor: if random.in_percent(30) { 0 } else { random.amount() },
        amount_refunded_minor: if random.in_percent(40) { 0 } else { random.amount() },
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
    Reduced { facts, waits_for: waits.then_some(payment), no_invoice: waits && random.in_percent(10) }
}

fn refund(random: &mut Random, world: &World) -> Reduced {
    let number = random.below(world.refunds.len());
    let taking = &world.refunds[number];
    let payment = random.pick(&taking.names);
    let mut facts = Vec::new();
    world.names(random, &payment, &mut facts);
    facts.push(refund_of(random, number, taking, payment.clone()));
    Reduced { facts, waits_for: Some(payment), no_invoice: false }
}

fn refund_of(random: &mut Random, number: usize, taking: &Taking, payment: PaymentId) -> Fact {
    let state = random.pick(&[RefundState::Pending, RefundState::Succeeded, RefundState::Failed]);
    let facts = RefundFacts { payment, amount_minor: random.amount_near(taking.amount), state };
    Fact::Refund { refund: RefundId::new(format!("re_{number}")), facts }
}

fn dispute(random: &mut Random, world: &World) -> Reduced {
    let number = random.below(world.disputes.len());
    let taking = &world.disputes[number];
    let payment = random.pick(&taking.names);
    let mut facts = Vec::new();
    world.names(random, &payment, &mut facts);
    let states = [DisputeState::Open, DisputeState::Lost, DisputeState::Returned, DisputeState::Inquiry];
    facts.push(Fact::Dispute {
        dispute: DisputeId::new(format!("du_{number}")),
        facts: DisputeFacts {
            payment: payment.clone(),
            amount_minor: random.amount_near(taking.amount),
            currency: currency(random),
            state: states[random.below(7) % 4],
        },
    });
    Reduced { facts, waits_for: Some(payment), no_invoice: false }
}

fn credit_note(random: &mut Random, world: &World) -> Reduced {
    let number = random.below(2);
    let told = if random.in_percent(10) { random.below(world.invoices.len()) } else { number };
    let invoice = world.invoices[told % world.invoices.len()].id.clone();
    let facts = CreditNoteFacts { invoice, amount_minor: random.amount(), void: random.in_percent(30) };
    let credit_note = CreditNoteId::new(format!("cn_{number}"));
    Reduced { facts: vec![Fact::CreditNote { credit_note, facts }], ..Reduced::default() }
}

/// What a checkout session or the metadata of a customer say.
fn claims_of_customer(random: &mut Random, world: &World, event: &EventId) -> Reduced {
    let customer = CustomerId::new(format!("cus_{}", random.below(world.customers.len())));
    let checkout = [ClaimSource::CheckoutReference, ClaimSource::CheckoutMetadata(0)];
    let metadata = [ClaimSource::CustomerMetadata(0), ClaimSource::CustomerMetadata(2)];
    let sources = random.pick(&[checkout, metadata]);
    Reduced { facts: claims_by(random, event, &customer, &sources), ..Reduced::default() }
}

/// Claims of one event about one customer, from some of these sources.
fn claims_by(
    random: &mut Random,
    event: &EventId,
    customer: &CustomerId,
    sources: &[ClaimSource],
) -> Vec<Fact> {
    let mut facts = Vec::new();
    for (place, source) in sources.iter().enumerate() {
        if random.in_percent(25) {
            let id = ClaimId::new(format!("clm_{event}_{place}"));
            facts.push(Fact::Claim(claim_by(random, id, *source, Some(customer.clone()), None)));
        }
    }
    facts
}

/// Names a customer, a user, or both: then the customer belongs to the user, and always to the same one.
fn api_claim(random: &mut Random, world: &World, number: usize) -> Claim {
    let place = random.below(world.customers.len());
    let customer = Some(CustomerId::new(format!("cus_{place}")));
    let (customer, user) = match (random.below(3), world.customers[place].clone()) {
        (0, _) | (_, None) => (customer, None),
        (1, user) => (customer, user),
        (_, user) => (None, user),
    };
    // Ids that are not in the order of the steps.
    let id = ClaimId::new(format!("clm_{:02}_{number:02}", random.below(100)));
    claim_by(random, id, ClaimSource::Api, customer, user)
}

fn claim_by(
    random: &mut Random,
    id: ClaimId,
    source: ClaimSource,
    customer: Option<CustomerId>,
    user: Option<UserId>,
) -> Claim {
    Claim {
        id,
        customer,
        user,
        code: Code::new(random.pick(&["ANNA", "ANNA", "BERT", LATE, NEVER])),
        source,
        claimed_at: Timestamp::from_unix(NOW + random.pick(&[-10, 0, 10, 20])),
        moved_at: None,
        lookback_s: if random.in_percent(80) { LOOKBACK_S } else { 0 },
        invitation_method: None,
    }
}
