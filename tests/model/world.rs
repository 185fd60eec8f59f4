//! What is true behind a random history: few ids, so that everything meets everything.

use referrald::domain::attribution::ReviewDecision;
use referrald::domain::{
    Currency, Customer, Fact, InvoiceId, PaymentId, PromoterId, StripeCustomerId, UserId,
};

use crate::random::Random;
use crate::setup::{LATE, LATE_PROMOTION, LOOKBACK_S, PROMOTERS, SECONDS_PER_DAY, Setup};

/// Users and customers at most.
const USERS: usize = 2;
const CUSTOMERS: usize = 4;

/// What is true; tellings may contradict it.
pub struct World {
    pub setup: Setup,
    pub invoices: Vec<Invoice>,
    pub payments: Vec<Payment>,
    pub refunds: Vec<Taking>,
    pub disputes: Vec<Taking>,
    /// The user of each customer.
    pub stripe_customers: Vec<Option<UserId>>,
    /// The code that is named most, and its promotion code.
    pub favourite: (&'static str, &'static str),
    /// What operators think of each promoter and user, then customer: they never contradict themselves.
    decisions: Vec<ReviewDecision>,
}

pub struct Invoice {
    pub id: InvoiceId,
    pub stripe_customer: usize,
    pub amount: i64,
    pub currency: Currency,
    pub paid_at: i64,
}

pub struct Payment {
    pub charge: PaymentId,
    /// The payment of some charges has no intent.
    pub intent: Option<PaymentId>,
}

/// A refund or a dispute, and by which names of payments it is told.
pub struct Taking {
    pub names: Vec<PaymentId>,
    pub amount: i64,
}

impl World {
    pub fn new(random: &mut Random) -> Self {
        let setup = Setup::new(random);
        let stripe_customers = random.pick(&[1, 2, 2, 3, CUSTOMERS]);
        let user = |random: &mut Random| {
            random.in_percent(60).then(|| UserId::new(format!("user_{}", random.below(USERS))))
        };
        let stripe_customers: Vec<Option<UserId>> = (0..stripe_customers).map(|_| user(random)).collect();
        let currency_of_most = currency(random);
        let invoice = |random: &mut Random, number| Invoice {
            id: InvoiceId::new(format!("in_{number}")),
            stripe_customer: random.below(stripe_customers.len()),
            amount: if random.in_percent(50) {
                random.amount()
            } else {
                random.pick(&[500, 1_000, 1_000, 19])
            },
            currency: if random.in_percent(80) { currency_of_most } else { currency(random) },
            paid_at: paid_at(random, setup.now),
        };
        let invoices = (0..=random.pick(&[0, 1, 2, 3, 3, 4])).map(|number| invoice(random, number)).collect();
        let payment = |random: &mut Random, number| Payment {
            charge: PaymentId::new(format!("ch_{number}")),
            intent: random.in_percent(80).then(|| PaymentId::new(format!("pi_{number}"))),
        };
        let payments: Vec<Payment> = (0..=random.below(3)).map(|number| payment(random, number)).collect();
        let refunds = (0..=random.below(3)).map(|_| Taking::new(random, &payments)).collect();
        let disputes = (0..=random.below(2)).map(|_| Taking::new(random, &payments)).collect();
        let decision = |random: &mut Random| {
            random.pick(&[ReviewDecision::Released, ReviewDecision::Released, ReviewDecision::Refused])
        };
        let decisions = (0..PROMOTERS.len() * (USERS + CUSTOMERS)).map(|_| decision(random)).collect();
        let favourite =
            random.pick(&[("ANNA", "promo_anna"), ("ANNA", "promo_anna"), (LATE, LATE_PROMOTION)]);
        Self { setup, invoices, payments, refunds, disputes, stripe_customers, favourite, decisions }
    }

    /// Says that a charge belongs to its payment intent, as events do that name both.
    pub fn names(&self, random: &mut Random, named: &PaymentId, facts: &mut Vec<Fact>) {
        let payment = self.payments.iter().find(|payment| payment.intent.as_ref() == Some(named));
        if let Some(payment) = payment.filter(|_| random.in_percent(40)) {
            facts.push(Fact::ChargeOf { charge: payment.charge.clone(), payment_intent: named.clone() });
        }
    }

    pub fn name(&self, random: &mut Random) -> PaymentId {
        self.payments[random.below(self.payments.len())].name(random)
    }

    pub fn some_customer(&self, random: &mut Random) -> usize {
        random.below(self.stripe_customers.len())
    }

    /// A customer, by one of the names.
    pub fn some_name(&self, random: &mut Random) -> StripeCustomerId {
        let place = self.some_customer(random);
        customer_name(random, place)
    }

    /// A customer or a user, by one of the names.
    pub fn some_party(&self, random: &mut Random) -> (Customer, usize) {
        let place = self.some_customer(random);
        match &self.stripe_customers[place] {
            Some(user) if random.in_percent(50) => (Customer::User(user.clone()), place),
            Some(_) | None => (Customer::Stripe(customer_name(random, place)), place),
        }
    }

    /// What operators say of the customer of a customer and a promoter, whenever they are asked.
    pub fn decision(&self, place: usize, promoter: &PromoterId) -> ReviewDecision {
        let of_user = |user: &UserId| (0..USERS).find(|number| user.as_str() == format!("user_{number}"));
        let customer = self.stripe_customers[place].as_ref().and_then(of_user).unwrap_or(USERS + place);
        let promoter = PROMOTERS.iter().position(|name| promoter.as_str() == *name).unwrap();
        self.decisions[customer * PROMOTERS.len() + promoter]
    }
}

/// Mostly by its own name, else by that of its account.
pub fn customer_name(random: &mut Random, place: usize) -> StripeCustomerId {
    if random.in_percent(80) { customer_id(place) } else { account_id(place) }
}

pub fn customer_id(place: usize) -> StripeCustomerId {
    StripeCustomerId::new(format!("cus_{place}"))
}

pub fn account_id(place: usize) -> StripeCustomerId {
    StripeCustomerId::new(format!("acct_{place}"))
}

/// On both sides of the lookback of claims made at `now` and about it, of windows of a few days, and of the midnights
/// about a month later; often equal.
fn paid_at(random: &mut Random, now: i64) -> i64 {
    let days = |days: i64| days * SECONDS_PER_DAY;
    let midnight = now - now.rem_euclid(SECONDS_PER_DAY) + SECONDS_PER_DAY;
    match random.below(10) {
        0..5 => now + random.pick(&[0, 0, 50, 100, 100]),
        5..7 => now - random.pick(&[LOOKBACK_S, LOOKBACK_S + 1, LOOKBACK_S + 3_600, 3_600]),
        7 => now + days(random.pick(&[1, 2, 3])) + random.pick(&[0, 1, 10, 11]),
        _ => midnight + days(random.pick(&[0, 7, 27, 28, 29, 30, 58, 59, 60])) - random.pick(&[0, 1]),
    }
}

impl Payment {
    pub fn name(&self, random: &mut Random) -> PaymentId {
        let intent = self.intent.clone().filter(|_| random.in_percent(60));
        intent.unwrap_or_else(|| self.charge.clone())
    }
}

impl Taking {
    /// One payment by one or both of its names; sometimes the tellings contradict each other, but never in more than
    /// two names. Of a refund told by a charge and two payment intents the order decides which two names belong
    /// together: a refund of Stripe has one charge and one payment intent, so this cannot be told.
    pub fn new(random: &mut Random, payments: &[Payment]) -> Self {
        let payment = &payments[random.below(payments.len())];
        let mut names = vec![payment.name(random), payment.name(random)];
        if random.in_percent(10) {
            names[1] = payments[random.below(payments.len())].name(random);
        }
        Self { names, amount: random.amount() }
    }
}

pub fn currency(random: &mut Random) -> Currency {
    Currency::parse(random.pick(&["usd", "usd", "eur"])).unwrap()
}
