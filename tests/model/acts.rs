//! Who refers whom, and what the host and operators do, at random.

use referrald::domain::attribution::Review;
use referrald::domain::{
    Claim, ClaimId, ClaimSource, Code, Customer, EventId, Extracted, Fact, PromoterId, ReviewId,
    StripeCustomerId, SubscriptionId, Timestamp, UserId,
};

use crate::history::Step;
use crate::random::Random;
use crate::setup::{
    CODES, LATE, LATE_PROMOTION, LOOKBACK_S, NEVER, NO_PROMOTION, PROMOTERS, PROMOTION_CODES,
    SECONDS_PER_DAY, email,
};
use crate::world::{World, account_id, customer_id, customer_name};

/// E-mails that are told; promoters have the first few.
const EMAILS: usize = 4;
const EMAILS_OF_PROMOTERS: usize = 3;

/// What is not about money: claims, and all that says who somebody is.
pub fn act(random: &mut Random, world: &World, event: EventId, number: usize) -> Step {
    let extracted = match random.below(40) {
        0..9 => return Step::Claim(api_claim(random, world, number), some_email(random, 15)),
        9..14 => claims_of_customer(random, world, &event),
        14..18 => discounts(random, world, &event),
        18..22 => {
            let customer = Customer::Stripe(world.some_name(random));
            some_email(random, 100).map(|email| Fact::Email { customer, email }).into_iter().collect()
        }
        22..24 => vec![same_customer(world.some_customer(random))],
        24 => vec![Fact::Subscription {
            subscription: SubscriptionId::new(format!("sub_{}", random.below(2))),
            stripe_customer: world.some_name(random),
            ended: random.in_percent(50),
        }],
        25..27 => return bind(random, world),
        27..34 => return rule(random, world, number),
        34..37 => return Step::Claim(moved(random, world, number), None),
        37 => {
            let promoter = PromoterId::new(random.pick(&PROMOTERS));
            return Step::LearnOfPromoter(promoter, email(random.below(EMAILS_OF_PROMOTERS)));
        }
        38 => return Step::AddTerms(world.setup.later_terms(random, number)),
        _ => {
            let (code, _, _) = random.pick(&CODES.map(|of| if of.0 == LATE { CODES[0] } else { of }));
            return Step::AddCodeVersion(Code::new(code), world.setup.later_code(random, number));
        }
    };
    Step::Event(event, Extracted { facts: extracted, ..Extracted::default() })
}

/// The account that stands for a customer.
pub fn same_customer(place: usize) -> Fact {
    Fact::SameCustomer { account: account_id(place), stripe_customer: customer_id(place) }
}

/// Claims of one event about one customer, from some of these sources.
pub fn claims_by(
    random: &mut Random,
    world: &World,
    event: &EventId,
    stripe_customer: &StripeCustomerId,
    sources: &[ClaimSource],
) -> Vec<Fact> {
    let mut facts = Vec::new();
    for (place, source) in sources.iter().enumerate() {
        if random.in_percent(25) {
            let id = ClaimId::new(format!("clm_{event}_{place}"));
            facts.push(Fact::Claim(claim_by(
                random,
                world,
                id,
                *source,
                Customer::Stripe(stripe_customer.clone()),
            )));
        }
    }
    facts
}

fn some_email(random: &mut Random, percent: usize) -> Option<referrald::domain::EmailHash> {
    random.in_percent(percent).then(|| email(random.below(EMAILS)))
}

/// What a checkout session or the metadata of a customer say.
fn claims_of_customer(random: &mut Random, world: &World, event: &EventId) -> Vec<Fact> {
    let stripe_customer = world.some_name(random);
    let checkout = [ClaimSource::CheckoutReference, ClaimSource::CheckoutMetadata(0)];
    let metadata = [ClaimSource::CustomerMetadata(0), ClaimSource::CustomerMetadata(2)];
    let sources = random.pick(&[checkout, metadata]);
    let mut facts = claims_by(random, world, event, &stripe_customer, &sources);
    if let Some(email) = some_email(random, 15) {
        facts.push(Fact::Email { customer: Customer::Stripe(stripe_customer), email });
    }
    facts
}

/// Promotion codes of a customer or a checkout session.
fn discounts(random: &mut Random, world: &World, event: &EventId) -> Vec<Fact> {
    let stripe_customer = world.some_name(random);
    let checkout = [ClaimSource::CheckoutDiscount(0), ClaimSource::CheckoutDiscount(1)];
    let sources = if random.in_percent(50) { &checkout[..] } else { &[ClaimSource::CustomerDiscount] };
    let mut facts = Vec::new();
    for (place, source) in sources.iter().enumerate() {
        let id = ClaimId::new(format!("clm_{event}_{place}"));
        facts.push(Fact::Claim(claim_by(
            random,
            world,
            id,
            *source,
            Customer::Stripe(stripe_customer.clone()),
        )));
    }
    facts
}

/// Names a customer, a user, or both: then the customer belongs to the user, and always to the same one.
fn api_claim(random: &mut Random, world: &World, number: usize) -> Claim {
    let (customer, place) = world.some_party(random);
    // Ids that are not in the order of the steps.
    let id = ClaimId::new(format!("clm_{:02}_{number:02}", random.below(100)));
    let claim = claim_by(random, world, id, ClaimSource::Api, customer);
    let with_customer = claim.user.is_some() && random.in_percent(60);
    let stripe_customer =
        if with_customer { Some(customer_name(random, place)) } else { claim.stripe_customer };
    Claim { stripe_customer, ..claim }
}

/// A move by an operator, each at a time of its own.
fn moved(random: &mut Random, world: &World, number: usize) -> Claim {
    let (customer, _) = world.some_party(random);
    let id = ClaimId::new(format!("clm_{:02}_{number:02}", random.below(100)));
    let (code, _, _) = random.pick(&CODES.map(|of| if of.0 == LATE { CODES[0] } else { of }));
    let moved_at = world.setup.now + random.minor_below(10) * 100 + i64::try_from(number).unwrap();
    Claim {
        code: Code::new(code),
        moved_at: Some(Timestamp::from_unix(moved_at)),
        ..claim_by(random, world, id, ClaimSource::Move, customer)
    }
}

fn bind(random: &mut Random, world: &World) -> Step {
    let place = world.some_customer(random);
    let name = customer_name(random, place);
    // A customer of no known user has one of its own.
    let user = world.stripe_customers[place].clone();
    Step::Bind(name, user.unwrap_or_else(|| UserId::new(format!("user_of_cus_{place}"))))
}

fn rule(random: &mut Random, world: &World, number: usize) -> Step {
    let (customer, place) = world.some_party(random);
    let promoter = PromoterId::new(random.pick(&[PROMOTERS[0], PROMOTERS[0], PROMOTERS[1]]));
    let decision = world.decision(place, &promoter);
    let id = ReviewId::new(format!("rev_{number:02}"));
    Step::Review(
        customer,
        promoter,
        Review {
            id,
            decision,
            reviewed_at: Timestamp::from_unix(world.setup.now),
            reviewed_by: None,
            reason: None,
            covers_user: false,
            covers_email: false,
        },
    )
}

fn claim_by(
    random: &mut Random,
    world: &World,
    id: ClaimId,
    source: ClaimSource,
    customer: Customer,
) -> Claim {
    let (user, stripe_customer) = match customer {
        Customer::User(user) => (Some(user), None),
        Customer::Stripe(stripe_customer) => (None, Some(stripe_customer)),
    };
    let is_promotion = source.names_promotion_code();
    let (favourite, favourite_promotion) = world.favourite;
    let code = match (is_promotion, random.in_percent(50)) {
        (true, true) => favourite_promotion,
        (true, false) => {
            random.pick(&[PROMOTION_CODES[0].0, PROMOTION_CODES[1].0, LATE_PROMOTION, NO_PROMOTION])
        }
        (false, true) => favourite,
        (false, false) => random.pick(&["ANNA", "ANNE", "BEN", "BERT", LATE, NEVER]),
    };
    let after_now = random.pick(&[-10, 0, 0, 10, 20, -2 * SECONDS_PER_DAY, SECONDS_PER_DAY]);
    Claim {
        id,
        stripe_customer,
        user,
        code: Code::new(code),
        source,
        claimed_at: Timestamp::from_unix(world.setup.now + after_now),
        moved_at: None,
        lookback_s: if random.in_percent(80) { LOOKBACK_S } else { 0 },
        invitation_method: None,
    }
}
