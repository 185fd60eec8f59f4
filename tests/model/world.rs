//! What is true behind a random history: few ids, so that everything meets everything, and the terms of the programs.

use referrald::domain::{CommissionBase, Currency, Fact, InvoiceId, PaymentId, UserId};

/// About when everything happens.
pub const NOW: i64 = 1_700_000_000;
/// The lookback of most claims.
pub const LOOKBACK_S: i64 = 86_400;
/// The code that a step of the history makes.
pub const LATE: &str = "LATE";
/// The code that nobody ever makes.
pub const NEVER: &str = "NEVER";

/// Codes with their promoter and program.
pub const CODES: [(&str, &str, &str); 3] =
    [("ANNA", "anna", "default"), ("BERT", "bert", "other"), (LATE, "anna", "default")];

/// One version of the terms of a program.
pub struct Version {
    pub program: &'static str,
    pub valid_from: i64,
    pub rate_bps: u16,
    pub base: CommissionBase,
    pub hold_days: u16,
}

/// The terms, those of one program by time.
pub static VERSIONS: [Version; 3] = [
    Version {
        program: "default",
        valid_from: NOW,
        rate_bps: 1_000,
        base: CommissionBase::NetOfTax,
        hold_days: 30,
    },
    Version {
        program: "default",
        valid_from: NOW + 10,
        rate_bps: 1_525,
        base: CommissionBase::NetOfTax,
        hold_days: 14,
    },
    Version {
        program: "other",
        valid_from: 0,
        rate_bps: 3_333,
        base: CommissionBase::AmountPaid,
        hold_days: 7,
    },
];

/// A small generator of numbers (`SplitMix64`), so that a history can be made again from its seed.
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    pub fn minor_below(&mut self, bound: usize) -> i64 {
        i64::try_from(self.below(bound)).unwrap()
    }

    pub fn in_percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// Tiny amounts round in every way, the one in the middle is often told twice, the largest needs 128 bits.
    pub fn amount(&mut self) -> i64 {
        match self.below(16) {
            0..4 => self.minor_below(4),
            4..7 => self.minor_below(40),
            7..11 => 1_000,
            11..15 => self.minor_below(3_000),
            _ => 1_000_000_000_000_000 + self.minor_below(3),
        }
    }

    /// Mostly the truth, else any other amount.
    pub fn amount_near(&mut self, truth: i64) -> i64 {
        if self.in_percent(65) { truth } else { self.amount() }
    }
}

/// What is true; tellings may contradict it.
pub struct World {
    pub invoices: Vec<Invoice>,
    pub payments: Vec<Payment>,
    pub refunds: Vec<Taking>,
    pub disputes: Vec<Taking>,
    /// The user of each customer.
    pub customers: Vec<Option<UserId>>,
}

pub struct Invoice {
    pub id: InvoiceId,
    pub customer: usize,
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
        let customers = 1 + random.below(3);
        let user = |random: &mut Random| {
            random.in_percent(60).then(|| UserId::new(format!("user_{}", random.below(2))))
        };
        let customers: Vec<Option<UserId>> = (0..customers).map(|_| user(random)).collect();
        let invoice = |random: &mut Random, number| Invoice {
            id: InvoiceId::new(format!("in_{number}")),
            customer: random.below(customers.len()),
            amount: random.amount(),
            currency: currency(random),
            // On both sides of the lookback of claims made at NOW and about it.
            paid_at: NOW
                + random.pick(&[0, 0, 50, 100, 100, -LOOKBACK_S, -LOOKBACK_S - 1, -LOOKBACK_S - 3_600]),
        };
        let invoices = (0..=random.pick(&[0, 0, 1, 2])).map(|number| invoice(random, number)).collect();
        let payment = |random: &mut Random, number| Payment {
            charge: PaymentId::new(format!("ch_{number}")),
            intent: random.in_percent(80).then(|| PaymentId::new(format!("pi_{number}"))),
        };
        let payments: Vec<Payment> = (0..=random.below(3)).map(|number| payment(random, number)).collect();
        let refunds = (0..=random.below(3)).map(|_| Taking::new(random, &payments)).collect();
        let disputes = (0..=random.below(2)).map(|_| Taking::new(random, &payments)).collect();
        Self { invoices, payments, refunds, disputes, customers }
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
