//! Who refers whom, and what the host and operators do, at random.

use referrald::domain::attribution::{Review, ReviewDecision};
use referrald::domain::{
    Claim, ClaimId, ClaimSource, Code, Customer, PromoterId, ReviewId, StripeCustomerId, Timestamp, UserId,
};

use crate::history::Step;
use crate::random::Random;
use crate::setup::{
    CODES, LATE, LATE_PROMOTION, LOOKBACK_S, NEVER, NO_PROMOTION, PROMOTERS, PROMOTION_CODES,
    SECONDS_PER_DAY, SPARE_PROMOTION,
};
use crate::told::{self, Address, Checkout, Metadata, Said, Subscription};
use crate::world::{World, customer_id, customer_name, named};

/// Mailboxes that are told; promoters have the first few.
const MAILBOXES: usize = 4;
const MAILBOXES_OF_PROMOTERS: usize = 3;
const SUBSCRIPTION_WORDS: [&str; 5] = ["active", "active", "past_due", "canceled", "incomplete_expired"];

/// What is not about money: what Stripe says of who somebody is, or what somebody does.
pub fn act(
    random: &mut Random,
    world: &World,
    number: usize,
    told: impl FnOnce(&mut Random, Said) -> Step,
) -> Step {
    let said = match random.below(46) {
        0..9 => return Step::Claim(api_claim(random, world, number), some_address(random, 15)),
        9..13 => checkout(random, world),
        13..16 => customer(random, world, 60, 15),
        16 => {
            let named = some_name(random, world);
            let promotion = promotions(random, world).remove(0);
            Said::Discount { named, promotion }
        }
        17..20 => customer(random, world, 0, 100),
        20..26 => subscription(random, world),
        26..28 => return bind(random, world),
        28..35 => return review(random, world, number),
        35..38 => return Step::Claim(moved(random, world, number), None),
        38 => {
            let promoter = PromoterId::new(random.pick(&PROMOTERS));
            return Step::LearnOfPromoter(promoter, address(random, MAILBOXES_OF_PROMOTERS));
        }
        39 => return Step::AddTerms(world.setup.later_terms(random, number)),
        40 => return Step::AddCodeVersion(known_code(random), world.setup.later_code(random, number)),
        41 | 42 => return Step::Carry(SPARE_PROMOTION.0, Code::new(SPARE_PROMOTION.1)),
        _ if world.setup.by_arrival && random.in_percent(50) => {
            let invoice = &world.invoices[random.below(world.invoices.len())];
            return Step::ReadLines(invoice.id.clone(), invoice.lines.clone());
        }
        _ if world.setup.by_arrival => {
            return Step::Limit(known_code(random), random.pick(&[None, Some(1), Some(2), Some(3)]));
        }
        _ => checkout(random, world),
    };
    told(random, said)
}

/// One of the codes that stand before the first step.
fn known_code(random: &mut Random) -> Code {
    let (code, ..) = random.pick(&CODES.map(|of| if of.0 == LATE { CODES[0] } else { of }));
    Code::new(code)
}

fn address(random: &mut Random, mailboxes: usize) -> Address {
    Address { mailbox: random.below(mailboxes), spelling: random.below(3) }
}

pub fn some_address(random: &mut Random, percent: usize) -> Option<Address> {
    random.in_percent(percent).then(|| address(random, MAILBOXES))
}

fn some_name(random: &mut Random, world: &World) -> told::Named {
    let place = world.some_customer(random);
    named(random, place)
}

/// Codes in metadata, in each place with this chance.
pub fn codes(random: &mut Random, world: &World, percent: usize) -> Metadata {
    let mut codes = Metadata::new();
    for place in 0..3 {
        if random.in_percent(percent) {
            codes.push((place, some_code(random, world)));
        }
    }
    codes
}

/// A code, not always spelled as it was made.
fn some_code(random: &mut Random, world: &World) -> String {
    let code = if random.in_percent(50) {
        world.favourite.0
    } else {
        random.pick(&["ANNA", "ANNE", "BEN", "BERT", LATE, NEVER])
    };
    match random.below(6) {
        0 => code.to_lowercase(),
        1 => format!(" {code} "),
        _ => code.to_owned(),
    }
}

pub fn promotions(random: &mut Random, world: &World) -> Vec<String> {
    let promotion = |random: &mut Random| {
        let any =
            [PROMOTION_CODES[0].0, PROMOTION_CODES[1].0, LATE_PROMOTION, NO_PROMOTION, SPARE_PROMOTION.0];
        if random.in_percent(50) { world.favourite.1 } else { random.pick(&any) }.to_owned()
    };
    (0..=random.below(2)).map(|_| promotion(random)).collect()
}

fn checkout(random: &mut Random, world: &World) -> Said {
    // Many hosts put their own user id there.
    let reference = match random.below(4) {
        0 => Some("user_0".to_owned()),
        1 | 2 => Some(some_code(random, world)),
        _ => None,
    };
    Said::Checkout(Checkout {
        named: some_name(random, world),
        reference,
        metadata: codes(random, world, 15),
        promotions: if random.in_percent(30) { promotions(random, world) } else { Vec::new() },
        email: some_address(random, 15),
    })
}

fn customer(random: &mut Random, world: &World, code_percent: usize, email_percent: usize) -> Said {
    let place = world.some_customer(random);
    let named = told::Named { customer: Some(customer_id(place)), account: named(random, place).account };
    let metadata = codes(random, world, code_percent / 2);
    Said::Customer(told::Customer { named, metadata, email: some_address(random, email_percent) })
}

fn subscription(random: &mut Random, world: &World) -> Said {
    let deleted = random.in_percent(20);
    Said::Subscription(Subscription {
        id: format!("sub_{}", random.below(3)),
        named: some_name(random, world),
        status: random.pick(&SUBSCRIPTION_WORDS),
        deleted,
        metadata: if deleted { Metadata::new() } else { codes(random, world, 40) },
    })
}

/// Names a customer, a user, or both: then the customer belongs to the user, and always to the same one.
fn api_claim(random: &mut Random, world: &World, number: usize) -> Claim {
    let (customer, place) = some_party(random, world);
    let code = Code::new(some_code(random, world).trim());
    let claim = claim_by(random, world, number, ClaimSource::Api, customer, code);
    let with_customer = claim.user.is_some() && random.in_percent(60);
    let stripe_customer = if with_customer {
        Some(StripeCustomerId::new(customer_name(random, place)))
    } else {
        claim.stripe_customer
    };
    Claim { stripe_customer, ..claim }
}

/// A move by an operator, each at a time of its own.
fn moved(random: &mut Random, world: &World, number: usize) -> Claim {
    let (customer, _) = some_party(random, world);
    let code = known_code(random);
    move_by(random, world, number, customer, code.as_str())
}

pub fn move_by(random: &mut Random, world: &World, number: usize, customer: Customer, code: &str) -> Claim {
    let moved_at = Some(time_of_act(random, world, number));
    Claim { moved_at, ..claim_by(random, world, number, ClaimSource::Move, customer, Code::new(code)) }
}

/// No two acts of operators are of one time, so that it is clear which was the last.
fn time_of_act(random: &mut Random, world: &World, number: usize) -> Timestamp {
    let number = i64::try_from(number).unwrap();
    Timestamp::from_unix(world.setup.now + random.minor_below(10) * 100 + number)
}

fn bind(random: &mut Random, world: &World) -> Step {
    let place = world.some_customer(random);
    let name = customer_name(random, place);
    // A customer of no known user has one of its own.
    let user = world.stripe_customers[place].clone();
    let user = user.unwrap_or_else(|| format!("user_of_cus_{place}"));
    Step::Bind(StripeCustomerId::new(name), UserId::new(user))
}

fn review(random: &mut Random, world: &World, number: usize) -> Step {
    let (customer, _) = some_party(random, world);
    let promoter = PromoterId::new(random.pick(&[PROMOTERS[0], PROMOTERS[0], PROMOTERS[1]]));
    let decisions = [ReviewDecision::Refused, ReviewDecision::Released];
    let decision = decisions[usize::from(world.setup.releases && random.in_percent(85))];
    let review = review_by(random, world, number, decision);
    Step::Review(customer, promoter, review)
}

pub fn review_by(random: &mut Random, world: &World, number: usize, decision: ReviewDecision) -> Review {
    Review {
        id: ReviewId::new(format!("rev_{number:02}")),
        decision,
        reviewed_at: time_of_act(random, world, number),
        reviewed_by: None,
        reason: None,
        covers_user: false,
        covers_email: false,
    }
}

/// A customer or a user, by one of the names.
fn some_party(random: &mut Random, world: &World) -> (Customer, usize) {
    let place = world.some_customer(random);
    match &world.stripe_customers[place] {
        Some(user) if random.in_percent(50) => (Customer::User(UserId::new(user)), place),
        Some(_) | None => (Customer::Stripe(StripeCustomerId::new(customer_name(random, place))), place),
    }
}

pub fn claim_by(
    random: &mut Random,
    world: &World,
    number: usize,
    source: ClaimSource,
    customer: Customer,
    code: Code,
) -> Claim {
    let (user, stripe_customer) = match customer {
        Customer::User(user) => (Some(user), None),
        Customer::Stripe(stripe_customer) => (None, Some(stripe_customer)),
    };
    let after_now = random.pick(&[-10, 0, 0, 10, 20, -2 * SECONDS_PER_DAY, SECONDS_PER_DAY]);
    Claim {
        // Ids that are not in the order of the steps.
        id: ClaimId::new(format!("clm_{:02}_{number:02}", random.below(100))),
        stripe_customer,
        user,
        code,
        source,
        claimed_at: Timestamp::from_unix(world.setup.now + after_now),
        moved_at: None,
        lookback_s: if random.in_percent(80) { LOOKBACK_S } else { 0 },
        invitation_method: None,
    }
}
