//! What Stripe tells of invoices and payments, at random.

use crate::acts::{codes, promotions, some_address};
use crate::random::Random;
use crate::told::{Charge, CreditNote, Dispute, Invoice, Line, Link, Named, PaidBy, Refund};
use crate::world::{Taking, World, currency, named};

const CHARGES: [&str; 4] = ["charge.succeeded", "charge.captured", "charge.updated", "charge.refunded"];
const REFUND_WORDS: [&str; 6] =
    ["pending", "requires_action", "of_tomorrow", "succeeded", "failed", "canceled"];
const DISPUTE_WORDS: [&str; 10] = [
    "warning_needs_response",
    "needs_response",
    "under_review",
    "of_tomorrow",
    "won",
    "won",
    "lost",
    "lost",
    "lost",
    "charge_refunded",
];

pub fn invoice_paid(random: &mut Random, world: &World) -> Invoice {
    let number = random.below(world.invoices.len());
    invoice_of(random, world, number)
}

pub fn invoice_of(random: &mut Random, world: &World, number: usize) -> Invoice {
    let invoice = &world.invoices[number % world.invoices.len()];
    let place = if random.in_percent(10) { world.some_customer(random) } else { invoice.stripe_customer };
    let (amount, by_hand) =
        if random.in_percent(10) { (random.amount(), 0) } else { (invoice.amount, invoice.by_hand) };
    let total = if random.in_percent(70) { amount } else { amount + random.minor_below(100) - 20 };
    let shipping = random.in_percent(20).then(|| {
        let shipping = random.pick(&[1, 20, 200]);
        (shipping, random.pick(&[None, Some(0), Some(shipping / 5)]))
    });
    let paid_by =
        if random.in_percent(40) { world.some_payment(random).names(random) } else { PaidBy::default() };
    Invoice {
        id: invoice.id.clone(),
        payment_succeeded: random.pick(&[None, None, None, None, None, Some(true), Some(true), Some(false)]),
        named: if random.in_percent(97) { named(random, place) } else { Named::default() },
        currency: if random.in_percent(10) { currency(random) } else { invoice.currency },
        amount_paid: amount,
        by_hand,
        total,
        excluding_tax: random.in_percent(50).then(|| total - random.minor_below(20)),
        tax: random.in_percent(30).then(|| random.minor_below(20)),
        tax_place: random.below(3),
        shipping,
        lines: lines(random),
        more_lines: random.in_percent(10),
        paid_at: random.in_percent(95).then(|| invoice.paid_at + random.pick(&[0, 0, 10])),
        paid_by,
        subscription: random.in_percent(40).then(|| format!("sub_{}", random.below(3))),
        metadata: codes(random, world, 18),
        snapshot: codes(random, world, 12),
        older_snapshot: codes(random, world, 6),
        promotions: if random.in_percent(12) { promotions(random, world) } else { Vec::new() },
        email: some_address(random, 5),
    }
}

/// What the invoice sold: nothing that was told, or some of a few prices of a few products.
pub fn lines(random: &mut Random) -> Vec<Line> {
    let line = |random: &mut Random| {
        let amount = random.amount() - if random.in_percent(10) { 2_000 } else { 0 };
        let discounts = match random.below(8) {
            0 => vec![amount.max(0)],
            1 => vec![random.minor_below(500), 0],
            _ => Vec::new(),
        };
        Line {
            price: random.pick(&[None, Some("price_0"), Some("price_1"), Some("price_2")]),
            product: random.pick(&[None, Some("prod_0"), Some("prod_1")]),
            amount,
            discounts,
        }
    };
    (0..random.pick(&[0, 0, 1, 2, 3])).map(|_| line(random)).collect()
}

pub fn link(random: &mut Random, world: &World) -> Link {
    let invoice = random.below(world.invoices.len());
    let payment = random.below(world.payments.len());
    link_of(random, world, invoice, payment)
}

pub fn link_of(random: &mut Random, world: &World, invoice: usize, payment: usize) -> Link {
    let invoice = &world.invoices[invoice];
    // Paid outside Stripe's charges: such a link always has an amount, and nothing ever takes from it.
    let record = random.in_percent(10).then(|| "payrec_0".to_owned());
    let has_amount = record.is_some() || random.in_percent(75);
    let by = if record.is_some() { PaidBy::default() } else { world.payments[payment].name(random) };
    Link {
        invoice: invoice.id.clone(),
        by,
        record,
        amount: has_amount.then(|| random.amount_near(invoice.amount)),
        is_paid: random.in_percent(95),
    }
}

pub fn charge(random: &mut Random, world: &World) -> Charge {
    let place = random.below(world.payments.len());
    charge_of(random, world, place)
}

pub fn charge_of(random: &mut Random, world: &World, place: usize) -> Charge {
    let payment = &world.payments[place];
    // Once in a while a payment intent that belongs to another charge.
    let contradicts = random.in_percent(5);
    let intent = if contradicts { &world.some_payment(random).intent } else { &payment.intent };
    let invoice = world.invoices[random.below(world.invoices.len())].id.clone();
    let succeeded = random.in_percent(90);
    let (amount, mut captured) = (payment.amount, Some(payment.captured));
    if random.in_percent(15) {
        captured = random.pick(&[None, Some(0), Some(amount / 2)]);
    }
    let released = amount - captured.unwrap_or(amount);
    let any = random.amount();
    let refunded = random.pick(&[0, released, released, released + any, any]);
    let mut charge = Charge {
        event_type: random.pick(&CHARGES),
        id: payment.charge.clone(),
        intent: intent.clone().filter(|_| random.in_percent(80)),
        customer: random.in_percent(90),
        invoice: random.in_percent(50).then_some(invoice),
        says_no_invoice: random.in_percent(20),
        amount,
        captured,
        refunded: refunded.min(999_999_999_999_999),
        succeeded,
        refunds: Vec::new(),
    };
    if !succeeded {
        (charge.captured, charge.refunded) = (Some(0), 0);
    }
    let by = PaidBy { charge: Some(charge.id.clone()), intent: charge.intent.clone() };
    let lists_refunds = !contradicts && random.in_percent(35);
    for (number, taking) in world.refunds.iter().enumerate() {
        if lists_refunds && taking.payment == place && taking.names.len() > 2 && random.in_percent(60) {
            charge.refunds.push(refund_of(random, number, taking, by.clone()));
        }
    }
    charge
}

pub fn refund(random: &mut Random, world: &World) -> Refund {
    let number = random.below(world.refunds.len());
    let taking = &world.refunds[number];
    let by = random.pick(&taking.names);
    refund_of(random, number, taking, by)
}

fn refund_of(random: &mut Random, number: usize, taking: &Taking, by: PaidBy) -> Refund {
    Refund {
        id: format!("re_{number}"),
        by,
        amount: random.amount_near(taking.amount),
        status: random.pick(&REFUND_WORDS),
        created: taking.created,
    }
}

pub fn dispute(random: &mut Random, world: &World) -> Dispute {
    let number = random.below(world.disputes.len());
    dispute_of(random, world, number)
}

pub fn dispute_of(random: &mut Random, world: &World, number: usize) -> Dispute {
    let taking = &world.disputes[number];
    let mut transactions = Vec::new();
    for (transaction, currency) in [(0, "usd"), (1, "usd"), (2, "eur")] {
        if random.in_percent(18) {
            let any = random.amount() - 1_000;
            let amount = random.pick(&[-taking.amount, -taking.amount, taking.amount / 2, any]);
            transactions.push((format!("txn_{number}_{transaction}"), amount, currency));
        }
    }
    Dispute {
        id: format!("du_{number}"),
        by: random.pick(&taking.names),
        amount: random.amount_near(taking.amount),
        currency: currency(random),
        status: random.pick(&DISPUTE_WORDS),
        transactions,
    }
}

pub fn credit_note(random: &mut Random, world: &World) -> CreditNote {
    let number = random.below(2);
    let told = if random.in_percent(10) { random.below(world.invoices.len()) } else { number };
    let of_records = if random.in_percent(30) { random.amount() } else { 0 };
    CreditNote {
        id: format!("cn_{number}"),
        invoice: world.invoices[told % world.invoices.len()].id.clone(),
        out_of_band: if of_records > 0 { 0 } else { random.amount() },
        of_records,
        void: random.in_percent(30),
    }
}
