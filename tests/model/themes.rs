//! What some histories begin with, so that rules which need several things to come together are reached often.

use referrald::domain::attribution::ReviewDecision;
use referrald::domain::{ClaimSource, Code, Customer, PromoterId, StripeCustomerId, Timestamp, UserId};

use crate::acts::{claim_by, move_by, review_by};
use crate::history::Step;
use crate::random::Random;
use crate::setup::{LATE, LOOKBACK_S, SPARE_PROMOTION};
use crate::tellings::{charge_of, dispute_of, invoice_of, link_of};
use crate::told::{self, Address, Event, Invoice, Named, PaidBy, Refund, Said};
use crate::world::{World, customer_id};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// Nothing in particular.
    Any,
    /// A payment of a sale is taken back.
    Losses,
    /// A customer looks like its promoter, and operators speak about it.
    Reviews,
    /// Everybody wants one of few places.
    Places,
    /// A promotion code is given to a code late.
    Promotions,
    /// What was paid long before counts.
    Existing,
    /// Two customers turn out to be one user.
    Users,
    /// Lines that an event did not show are read.
    Lines,
    /// Everybody waits for a code that is made late.
    Waiting,
}

impl Theme {
    pub fn some(random: &mut Random) -> Self {
        match random.below(20) {
            0..5 => Self::Losses,
            5..8 => Self::Reviews,
            8..10 => Self::Places,
            10 => Self::Promotions,
            11 => Self::Existing,
            12 => Self::Users,
            13 => Self::Lines,
            14 => Self::Waiting,
            _ => Self::Any,
        }
    }

    /// The first steps of a history, numbered from 40 on.
    pub fn steps(self, random: &mut Random, world: &World) -> Vec<Step> {
        let customer = Customer::Stripe(StripeCustomerId::new(customer_id(0)));
        let anna = PromoterId::new("anna");
        let claim = |random: &mut Random, number, customer: &Customer, code| {
            let claim = claim_by(random, world, number, ClaimSource::Api, customer.clone(), Code::new(code));
            Step::Claim(claim, None)
        };
        let sale = |random: &mut Random, number: usize, place: usize| {
            let of = place % world.stripe_customers.len();
            let invoice = Invoice { named: named(of), ..invoice_of(random, world, place) };
            event(world, number, Said::Invoice(Box::new(invoice)))
        };
        match self {
            Self::Any => Vec::new(),
            Self::Losses => {
                let mut steps = vec![claim(random, 40, &customer, "ANNA"), sale(random, 41, 0)];
                for (number, place) in (42..).zip(0..world.payments.len().min(2)) {
                    let said = if random.in_percent(75) {
                        let mut charge = charge_of(random, world, place);
                        charge.invoice = Some(world.invoices[0].id.clone());
                        Said::Charge(charge)
                    } else {
                        Said::Link(link_of(random, world, 0, place))
                    };
                    steps.push(event_of_some_version(random, world, number, said));
                }
                for number in 45..random.pick(&[45, 46, 47, 47]) {
                    let said = Said::Dispute(dispute_of(random, world, 0));
                    steps.push(event_of_some_version(random, world, number, said));
                }
                if random.in_percent(40) {
                    steps.extend(release(random, world));
                }
                steps
            }
            Self::Reviews => {
                let mut steps = vec![claim(random, 40, &customer, "ANNA"), sale(random, 41, 0)];
                if random.in_percent(if world.setup.releases { 70 } else { 25 }) {
                    let email = Address { mailbox: 0, spelling: random.below(3) };
                    let told = told::Customer { named: named(0), metadata: Vec::new(), email: Some(email) };
                    steps.push(event(world, 42, Said::Customer(told)));
                    let email = Address { mailbox: 0, spelling: random.below(3) };
                    steps.push(Step::LearnOfPromoter(anna.clone(), email));
                }
                let user = &world.setup.promoters["anna"].user;
                if world.stripe_customers[0].as_ref() == Some(user) {
                    steps.push(Step::Bind(StripeCustomerId::new(customer_id(0)), UserId::new(user)));
                }
                if random.in_percent(if world.setup.releases { 30 } else { 80 }) {
                    let mut review = review_by(random, world, 43, ReviewDecision::Refused);
                    let moved = move_by(random, world, 44, customer.clone(), "ANNE");
                    if random.in_percent(60) {
                        review.reviewed_at =
                            review.reviewed_at.min(Timestamp::from_unix(world.setup.now - 1));
                    }
                    steps.push(Step::Review(customer.clone(), anna.clone(), review));
                    steps.push(Step::Claim(moved, None));
                }
                if world.setup.releases {
                    let review = review_by(random, world, 45, ReviewDecision::Released);
                    steps.push(Step::Review(customer, anna, review));
                }
                steps
            }
            Self::Places => {
                let mut steps = Vec::new();
                for place in 0..world.stripe_customers.len() {
                    let customer = Customer::Stripe(StripeCustomerId::new(customer_id(place)));
                    steps.push(claim(random, 40 + 2 * place, &customer, "ANNA"));
                    steps.push(sale(random, 41 + 2 * place, place));
                }
                steps
            }
            Self::Promotions => {
                let (promotion, code) = SPARE_PROMOTION;
                let discount = Said::Discount { named: named(0), promotion: promotion.to_owned() };
                vec![event(world, 40, discount), Step::Carry(promotion, Code::new(code)), sale(random, 41, 0)]
            }
            Self::Waiting => {
                let mut steps = vec![Step::MakeLateCode];
                for place in 0..world.stripe_customers.len() {
                    let customer = Customer::Stripe(StripeCustomerId::new(customer_id(place)));
                    let code = random_code(random);
                    steps.push(claim(random, 40 + 2 * place, &customer, code));
                    steps.push(sale(random, 41 + 2 * place, place));
                }
                steps.rotate_left(1);
                steps
            }
            Self::Lines => {
                let mut sale = sale(random, 41, 0);
                if let Step::Event(Event { said: Said::Invoice(invoice), .. }) = &mut sale {
                    invoice.more_lines = true;
                }
                let invoice = &world.invoices[0];
                let read = Step::ReadLines(invoice.id.clone(), invoice.lines.clone());
                vec![claim(random, 40, &customer, "ANNA"), sale, read]
            }
            Self::Users => {
                let bind = |place: usize| {
                    let user = world.stripe_customers[place].as_ref();
                    user.map(|user| Step::Bind(StripeCustomerId::new(customer_id(place)), UserId::new(user)))
                };
                let mut steps = vec![claim(random, 40, &customer, "ANNA"), sale(random, 41, 0)];
                steps.push(sale(random, 42, 1));
                steps.extend([bind(0), bind(world.stripe_customers.len() - 1)].into_iter().flatten());
                steps
            }
            Self::Existing => {
                let (first, mut second) = (sale(random, 40, 0), sale(random, 41, 1));
                if let Step::Event(Event { said: Said::Invoice(invoice), .. }) = &mut second {
                    invoice.named = named(0);
                    invoice.paid_at = Some(world.setup.now - 2 * LOOKBACK_S);
                }
                vec![claim(random, 42, &customer, "ANNA"), first, second]
            }
        }
    }
}

/// Mostly the late one.
fn random_code(random: &mut Random) -> &'static str {
    random.pick(&[LATE, LATE, LATE, "ANNA"])
}

/// A charge of which only a part was captured, told before basil, and the refund that its rest became.
fn release(random: &mut Random, world: &World) -> [Step; 2] {
    let mut charge = charge_of(random, world, 0);
    let payment = &world.payments[0];
    let released = payment.amount - payment.captured;
    (charge.captured, charge.succeeded) = (Some(payment.captured), true);
    charge.refunded = released + random.pick(&[0, 0, payment.captured / 2]);
    charge.invoice = Some(world.invoices[0].id.clone());
    let by = PaidBy { charge: Some(payment.charge.clone()), intent: None };
    let created = world.setup.now + random.pick(&[-5, 0]);
    let status = random.pick(&["succeeded", "succeeded", "pending", "failed"]);
    let refund = Refund { id: "re_9".to_owned(), by, amount: released, status, created };
    let charge =
        Event { id: "evt_48".to_owned(), version: "", created: world.setup.now, said: Said::Charge(charge) };
    let refund = event_of_some_version(random, world, 49, Said::Refund(refund));
    [Step::Event(charge.in_version("2020-08-27")), refund]
}

fn named(place: usize) -> Named {
    Named { customer: Some(customer_id(place)), account: None }
}

fn event(world: &World, number: usize, said: Said) -> Step {
    let event = Event { id: format!("evt_{number:02}"), version: "", created: world.setup.now, said };
    Step::Event(event.in_version("2026-09-30.endive"))
}

fn event_of_some_version(random: &mut Random, world: &World, number: usize, said: Said) -> Step {
    let event = Event { id: format!("evt_{number:02}"), version: "", created: world.setup.now, said };
    Step::Event(event.in_version(random.pick(&told::VERSIONS)))
}
