//! Random histories of several strangers who share a ledger.

use referrald::domain::attribution::Review;
use referrald::domain::{Claim, ClaimId, Customer, ReviewId, StripeCustomerId, UserId};

use crate::history::{History, Step};
use crate::random::Random;
use crate::setup::Setup;
use crate::themes::Theme;
use crate::told::{Event, Invoice, Named, PaidBy, Refund, Said};
use crate::world;

/// Strangers to each other that share a ledger, each with a history of its own: rivals for the same codes and slots.
const CROWDS: [usize; 5] = [1, 1, 2, 3, 5];

/// Everybody pays and names a code, most pay twice; then refunds, and invoices that are told to be of somebody else.
pub fn thousands(random: &mut Random) -> History {
    let setup = loop {
        let setup = Setup::new(random, Theme::Any);
        let anna = &setup.codes["ANNA"];
        let limits = setup.versions.iter().any(|version| {
            version.program.as_str() == "default" && version.terms.max_rewards_per_promoter.is_some()
        });
        if limits && anna.max_uses.is_none() && anna.versions.iter().all(|version| version.active) {
            break setup;
        }
    };
    let payers = 1_400;
    let paid = |random: &mut Random, number: usize, payer: usize| {
        let by = PaidBy { charge: None, intent: Some(format!("pi_{number}")) };
        let invoice = Invoice {
            id: format!("in_{}", number % 2_100),
            named: Named { customer: Some(format!("cus_{payer}")), account: None },
            currency: world::currency(random),
            amount_paid: 1_000,
            total: 1_000,
            paid_at: Some(setup.now + random.minor_below(1_000)),
            paid_by: by.clone(),
            metadata: vec![(0, random.pick(&["ANNA", "anna", "ANNE", "BEN", "NEVER"]).to_owned())],
            ..Invoice::default()
        };
        let refund = Refund {
            id: format!("re_{number}"),
            by,
            amount: random.minor_below(1_200),
            status: "succeeded",
            created: setup.now,
        };
        let event = |id: String, said| Event { id, version: "2020-08-27", created: setup.now, said };
        [
            Step::Event(event(format!("evt_{number}"), Said::Invoice(Box::new(invoice)))),
            Step::Event(event(format!("evt_{number}_refund"), Said::Refund(refund))),
        ]
    };
    let mut steps: Vec<Step> = (0..2_100).flat_map(|number| paid(random, number, number % payers)).collect();
    steps.extend((2_100..3_000).flat_map(|number| {
        let payer = random.below(payers);
        paid(random, number, payer)
    }));
    History { setup, steps }
}

/// Several histories of the model's generator, mixed.
pub fn crowd(random: &mut Random) -> History {
    let mut history = History::new(random);
    for number in 1..random.pick(&CROWDS) {
        let mut other = History::new(random);
        other.steps.retain(|step| !matches!(step, Step::AddTerms(_) | Step::MakeLateCode));
        let late_s = other.setup.now - history.setup.now;
        for step in other.steps {
            let place = random.below(history.steps.len() + 1);
            history.steps.insert(place, renamed(step, &format!("x{number}"), late_s));
        }
    }
    for _ in 0..random.below(5) {
        let place = random.below(history.steps.len() + 1);
        let again = random.pick(&history.steps);
        history.steps.insert(place, again);
    }
    history.put_in_time();
    history
}

/// The same step of somebody else, at the time of this history.
fn renamed(step: Step, tag: &str, late_s: i64) -> Step {
    let party = |customer: Customer| match customer {
        Customer::User(user) => Customer::User(UserId::new(format!("{user}{tag}"))),
        Customer::Stripe(id) => Customer::Stripe(StripeCustomerId::new(format!("{id}{tag}"))),
    };
    match step {
        Step::Event(event) => Step::Event(renamed_event(event, tag, late_s)),
        Step::Claim(claim, email) => {
            let claim = Claim {
                id: ClaimId::new(format!("{}{tag}", claim.id)),
                stripe_customer: claim.stripe_customer.map(|id| StripeCustomerId::new(format!("{id}{tag}"))),
                user: claim.user.map(|user| UserId::new(format!("{user}{tag}"))),
                claimed_at: claim.claimed_at.minus_seconds(late_s),
                moved_at: claim.moved_at.map(|at| at.minus_seconds(late_s)),
                ..claim
            };
            Step::Claim(claim, email)
        }
        Step::Bind(customer, user) => {
            let customer = StripeCustomerId::new(format!("{customer}{tag}"));
            Step::Bind(customer, UserId::new(format!("{user}{tag}")))
        }
        Step::Review(customer, promoter, review) => {
            let id = ReviewId::new(format!("{}{tag}", review.id));
            Step::Review(party(customer), promoter, Review { id, ..review })
        }
        Step::ReadLines(invoice, lines) => Step::ReadLines(format!("{invoice}{tag}"), lines),
        Step::LearnOfPromoter(..)
        | Step::MakeLateCode
        | Step::AddTerms(_)
        | Step::AddCodeVersion(..)
        | Step::Carry(..)
        | Step::Limit(..) => step,
    }
}

/// The same event about other objects.
fn renamed_event(mut event: Event, tag: &str, late_s: i64) -> Event {
    let other = |name: &mut String| name.push_str(tag);
    let maybe = |name: &mut Option<String>| name.iter_mut().for_each(other);
    let named = |named: &mut Named| {
        maybe(&mut named.customer);
        maybe(&mut named.account);
    };
    let by = |by: &mut PaidBy| {
        maybe(&mut by.charge);
        maybe(&mut by.intent);
    };
    let refund = |refund: &mut Refund| {
        other(&mut refund.id);
        by(&mut refund.by);
    };
    other(&mut event.id);
    event.created -= late_s;
    match &mut event.said {
        Said::Invoice(invoice) => {
            other(&mut invoice.id);
            named(&mut invoice.named);
            by(&mut invoice.paid_by);
            maybe(&mut invoice.subscription);
            invoice.paid_at = invoice.paid_at.map(|paid_at| paid_at - late_s);
        }
        Said::Link(link) => {
            other(&mut link.invoice);
            by(&mut link.by);
            maybe(&mut link.record);
        }
        Said::Charge(charge) => {
            other(&mut charge.id);
            maybe(&mut charge.intent);
            maybe(&mut charge.invoice);
            charge.refunds.iter_mut().for_each(refund);
        }
        Said::Refund(told) => refund(told),
        Said::Dispute(dispute) => {
            other(&mut dispute.id);
            by(&mut dispute.by);
        }
        Said::CreditNote(note) => {
            other(&mut note.id);
            other(&mut note.invoice);
        }
        Said::Customer(customer) => named(&mut customer.named),
        Said::Checkout(session) => named(&mut session.named),
        Said::Discount { named: of, .. } => named(of),
        Said::Subscription(subscription) => {
            other(&mut subscription.id);
            named(&mut subscription.named);
        }
    }
    event
}
