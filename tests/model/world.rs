//! What is true behind a random history: few ids, so that everything meets everything.

use crate::random::Random;
use crate::setup::{LATE, LATE_PROMOTION, LOOKBACK_S, SECONDS_PER_DAY, SPARE_PROMOTION, Setup};
use crate::tellings::lines;
use crate::themes::Theme;
use crate::told::{Line, Named, PaidBy};

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
    pub stripe_customers: Vec<Option<String>>,
    /// The code that is named most, and its promotion code.
    pub favourite: (&'static str, &'static str),
}

pub struct Invoice {
    pub id: String,
    pub stripe_customer: usize,
    pub amount: i64,
    /// The part that was paid by hand.
    pub by_hand: i64,
    pub currency: &'static str,
    pub paid_at: i64,
    /// As Stripe's API lists them.
    pub lines: Vec<Line>,
}

pub struct Payment {
    pub charge: String,
    /// The payment of some charges has no intent.
    pub intent: Option<String>,
    pub amount: i64,
    pub captured: i64,
}

/// A refund or a dispute, and by which names of payments it is told.
pub struct Taking {
    pub payment: usize,
    pub names: Vec<PaidBy>,
    pub amount: i64,
    pub created: i64,
}

impl World {
    pub fn new(random: &mut Random, theme: Theme) -> Self {
        let setup = Setup::new(random, theme);
        // Few enough that who is released is the one who pays.
        let most =
            if setup.releases && ![Theme::Places, Theme::Waiting].contains(&theme) { 2 } else { CUSTOMERS };
        let stripe_customers = random.pick(&[1, 2, 2, 3, CUSTOMERS]).min(most);
        let stripe_customers = if theme == Theme::Users { stripe_customers.max(2) } else { stripe_customers };
        let user =
            |random: &mut Random| random.in_percent(70).then(|| format!("user_{}", random.below(USERS)));
        let mut stripe_customers: Vec<Option<String>> = (0..stripe_customers).map(|_| user(random)).collect();
        if theme == Theme::Reviews && random.in_percent(if setup.releases { 50 } else { 15 }) {
            stripe_customers[0] = Some(setup.promoters["anna"].user.clone());
        }
        if theme == Theme::Users {
            stripe_customers.fill(Some("user_0".to_owned()));
        }
        let currency_of_most = currency(random);
        let invoice = |random: &mut Random, number| {
            let amount =
                if random.in_percent(50) { random.amount() } else { random.pick(&[500, 1_000, 1_000, 19]) };
            Invoice {
                id: format!("in_{number}"),
                stripe_customer: random.below(stripe_customers.len()),
                amount,
                by_hand: if random.in_percent(8) { random.pick(&[amount, amount / 2]) } else { 0 },
                currency: if random.in_percent(80) { currency_of_most } else { currency(random) },
                paid_at: paid_at(random, setup.now),
                lines: lines(random),
            }
        };
        let invoices = (0..=random.pick(&[0, 1, 2, 3, 3, 4])).map(|number| invoice(random, number)).collect();
        let payments: Vec<Payment> =
            (0..=random.below(3)).map(|number| Payment::new(random, number)).collect();
        let now = setup.now;
        let refunds = (0..=random.below(3)).map(|_| Taking::new(random, &payments, now)).collect();
        let disputes = (0..=random.below(2)).map(|_| Taking::new(random, &payments, now)).collect();
        let favourite = random.pick(&[
            ("ANNA", "promo_anna"),
            ("ANNA", "promo_anna"),
            (LATE, LATE_PROMOTION),
            (SPARE_PROMOTION.1, SPARE_PROMOTION.0),
        ]);
        Self { setup, invoices, payments, refunds, disputes, stripe_customers, favourite }
    }

    pub fn some_payment(&self, random: &mut Random) -> &Payment {
        &self.payments[random.below(self.payments.len())]
    }

    pub fn some_customer(&self, random: &mut Random) -> usize {
        random.below(self.stripe_customers.len())
    }
}

/// Mostly by its own name, else by that of its account, or by both.
pub fn named(random: &mut Random, place: usize) -> Named {
    let (own, account) =
        random.pick(&[(true, false), (true, false), (true, false), (false, true), (true, true)]);
    Named { customer: own.then(|| customer_id(place)), account: account.then(|| account_id(place)) }
}

/// Mostly by its own name, else by that of its account.
pub fn customer_name(random: &mut Random, place: usize) -> String {
    if random.in_percent(80) { customer_id(place) } else { account_id(place) }
}

pub fn customer_id(place: usize) -> String {
    format!("cus_{place}")
}

pub fn account_id(place: usize) -> String {
    format!("acct_{place}")
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
    fn new(random: &mut Random, number: usize) -> Self {
        let amount = if random.in_percent(50) { random.pick(&[400, 600, 1_000]) } else { random.amount() };
        let captured =
            if random.in_percent(40) { amount - amount / random.pick(&[1, 2, 3, 3]) } else { amount };
        Self {
            charge: format!("ch_{number}"),
            intent: random.in_percent(80).then(|| format!("pi_{number}")),
            amount,
            captured,
        }
    }

    /// By its charge, its payment intent, or both.
    pub fn names(&self, random: &mut Random) -> PaidBy {
        let charge = Some(self.charge.clone());
        match (&self.intent, random.below(10)) {
            (Some(intent), 0..4) => PaidBy { charge: None, intent: Some(intent.clone()) },
            (Some(intent), 4..7) => PaidBy { charge, intent: Some(intent.clone()) },
            (Some(_) | None, _) => PaidBy { charge, intent: None },
        }
    }

    /// By one of its names.
    pub fn name(&self, random: &mut Random) -> PaidBy {
        let names = self.names(random);
        PaidBy { charge: names.charge.filter(|_| names.intent.is_none()), ..names }
    }
}

impl Taking {
    /// One payment by all of its names; sometimes the tellings contradict each other, but never in more than two names. Of
    /// a refund told by a charge and two payment intents the order decides which two names belong together: a refund of
    /// Stripe has one charge and one payment intent, so this cannot be told.
    fn new(random: &mut Random, payments: &[Payment], now: i64) -> Self {
        let place = random.below(payments.len());
        let payment = &payments[place];
        let names = if random.in_percent(10) {
            let other = &payments[random.below(payments.len())];
            vec![payment.name(random), other.name(random)]
        } else {
            vec![payment.names(random), payment.names(random), payment.names(random)]
        };
        let released = payment.amount - payment.captured;
        let amount = match random.below(10) {
            0..4 if released > 0 => released,
            4..6 => payment.captured,
            _ => random.amount(),
        };
        Self { payment: place, names, amount, created: now + random.pick(&[0, 0, 5]) }
    }
}

pub fn currency(random: &mut Random) -> &'static str {
    random.pick(&["usd", "usd", "eur"])
}
