//! Random histories of several strangers who share a ledger.

use referrald::domain::{
    Claim, ClaimId, ClaimSource, Code, Customer, EventId, Extracted, Fact, InvoiceId, InvoiceSnapshot, Lines,
    PaymentId, RefundFacts, RefundId, RefundState, StripeCustomerId, Timestamp,
};

use crate::history::{History, Step};
use crate::random::Random;
use crate::setup::Setup;
use crate::world;

/// Strangers to each other that share a ledger, each with a history of its own: rivals for the same codes and slots.
const CROWDS: [usize; 5] = [1, 1, 2, 3, 5];

/// Everybody pays and names a code, most pay twice; then refunds, and invoices that are told to be of somebody else.
pub fn thousands(random: &mut Random) -> History {
    let setup = loop {
        let setup = Setup::new(random);
        let anna = &setup.codes[&Code::new("ANNA")];
        let limits = setup.versions.iter().any(|version| {
            version.program.as_str() == "default" && version.terms.max_rewards_per_promoter.is_some()
        });
        if limits && anna.max_uses.is_none() && anna.versions.iter().all(|version| version.active) {
            break setup;
        }
    };
    let payers = 1_400;
    let paid = |random: &mut Random, number: usize, payer: usize| {
        let (event, customer) =
            (EventId::new(format!("evt_{number}")), StripeCustomerId::new(format!("cus_{payer}")));
        let (invoice, payment) = (number % 2_100, PaymentId::new(format!("pi_{number}")));
        let invoice = InvoiceId::new(format!("in_{invoice}"));
        let snapshot = InvoiceSnapshot {
            event: event.clone(),
            api_version: String::new(),
            stripe_customer: Some(customer.clone()),
            currency: world::currency(random),
            amount_paid_minor: 1_000,
            total_minor: 1_000,
            total_excluding_tax_minor: None,
            tax_minor: None,
            shipping_minor: 0,
            shipping_tax_minor: 0,
            lines: Lines::default(),
        };
        let paid_at = Timestamp::from_unix(setup.now + random.minor_below(1_000));
        let claim = Claim {
            id: ClaimId::new(format!("clm_{event}")),
            stripe_customer: Some(customer),
            user: None,
            code: Code::new(random.pick(&["ANNA", "anna", "ANNE", "BEN", "NEVER"])),
            source: ClaimSource::InvoiceMetadata(0),
            claimed_at: Timestamp::from_unix(setup.now),
            moved_at: None,
            lookback_s: 0,
            invitation_method: None,
        };
        let link = Fact::PaymentLink {
            invoice: invoice.clone(),
            payment: payment.clone(),
            amount_minor: Some(1_000),
        };
        let facts = RefundFacts {
            payment,
            amount_minor: random.minor_below(1_200),
            state: RefundState::Succeeded,
            created: None,
        };
        let refund = Fact::Refund { refund: RefundId::new(format!("re_{number}")), facts };
        let facts = vec![Fact::InvoicePaid { invoice, snapshot, paid_at }, Fact::Claim(claim), link, refund];
        Step::Event(event, Extracted { facts, ..Extracted::default() })
    };
    let mut steps: Vec<Step> = (0..2_100).map(|number| paid(random, number, number % payers)).collect();
    steps.extend((2_100..3_000).map(|number| {
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
    let event = |id: &EventId| EventId::new(format!("{id}{tag}"));
    macro_rules! other {
        ($id:expr) => {{
            let mut name = $id.to_string();
            name.push_str(tag);
            *$id = new_like($id, name);
        }};
    }
    let party = |customer: &mut Customer| match customer {
        Customer::User(user) => other!(user),
        Customer::Stripe(id) => other!(id),
    };
    let of_claim = |claim: &mut Claim| {
        other!(&mut claim.id);
        claim.stripe_customer.iter_mut().for_each(|id| other!(id));
        claim.user.iter_mut().for_each(|id| other!(id));
        claim.claimed_at = claim.claimed_at.minus_seconds(late_s);
        claim.moved_at = claim.moved_at.map(|at| at.minus_seconds(late_s));
    };
    match step {
        Step::Event(id, mut extracted) => {
            extracted.waits_for.iter_mut().for_each(|id| other!(id));
            for fact in &mut extracted.facts {
                match fact {
                    Fact::InvoicePaid { invoice, snapshot, paid_at } => {
                        other!(invoice);
                        other!(&mut snapshot.event);
                        snapshot.stripe_customer.iter_mut().for_each(|id| other!(id));
                        *paid_at = paid_at.minus_seconds(late_s);
                    }
                    Fact::InvoiceLines { invoice, .. } => other!(invoice),
                    Fact::UnreadDiscounts(unread) => {
                        other!(&mut unread.invoice);
                        other!(&mut unread.event);
                        other!(&mut unread.stripe_customer);
                    }
                    Fact::PaymentLink { invoice, payment, .. } => {
                        other!(invoice);
                        other!(payment);
                    }
                    Fact::ChargeOf { charge, payment_intent } => {
                        other!(charge);
                        other!(payment_intent);
                    }
                    Fact::Payment { payment, .. } | Fact::NoInvoice { payment } => other!(payment),
                    Fact::Refund { refund, facts } => {
                        other!(refund);
                        other!(&mut facts.payment);
                    }
                    Fact::Dispute { dispute, facts } => {
                        other!(dispute);
                        other!(&mut facts.payment);
                    }
                    Fact::CreditNote { credit_note, facts } => {
                        other!(credit_note);
                        other!(&mut facts.invoice);
                    }
                    Fact::Claim(claim) => of_claim(claim),
                    Fact::Email { customer, .. } => party(customer),
                    Fact::SameCustomer { account, stripe_customer } => {
                        other!(account);
                        other!(stripe_customer);
                    }
                    Fact::Subscription { subscription, stripe_customer, .. } => {
                        other!(subscription);
                        other!(stripe_customer);
                    }
                }
            }
            Step::Event(event(&id), extracted)
        }
        Step::Claim(mut claim, email) => {
            of_claim(&mut claim);
            Step::Claim(claim, email)
        }
        Step::Bind(mut customer, mut user) => {
            other!(&mut customer);
            other!(&mut user);
            Step::Bind(customer, user)
        }
        Step::Review(mut customer, promoter, mut review) => {
            party(&mut customer);
            other!(&mut review.id);
            Step::Review(customer, promoter, review)
        }
        Step::LearnOfPromoter(..) | Step::MakeLateCode | Step::AddTerms(_) | Step::AddCodeVersion(..) => step,
    }
}

/// A name of the same kind.
trait Named {
    fn of(name: String) -> Self;
}
macro_rules! named {
    ($($name:ident)+) => {$(
        impl Named for referrald::domain::$name {
            fn of(name: String) -> Self {
                Self::new(name)
            }
        }
    )+};
}
named! { EventId InvoiceId PaymentId RefundId DisputeId CreditNoteId StripeCustomerId UserId ClaimId SubscriptionId ReviewId }

fn new_like<T: Named>(_: &T, name: String) -> T {
    T::of(name)
}
