//! What operators have set up before a random history begins: programs, codes and promoters. All numbers are small, so
//! that limits are reached.

use std::collections::BTreeMap;
use std::sync::Arc;

use referrald::domain::codes::CodeVersion;
use referrald::domain::ledger::PromoterFacts;
use referrald::domain::{
    BasisPoints, CodeFacts, CodeOwner, CommissionBase, Currency, EmailHash, ProgramKey, PromoterId,
    Recurrence, Reward, Terms, TermsVersion, Tier, TiersBy, Timestamp, UserId,
};

use crate::random::Random;
use crate::themes::Theme;
use crate::told::Address;
use crate::world::currency;

pub const SECONDS_PER_DAY: i64 = 86_400;
/// The lookback of the setting, and of most claims through the API.
pub const LOOKBACK_S: i64 = SECONDS_PER_DAY;
/// The code that a step of the history makes, and the promotion code that it carries.
pub const LATE: &str = "LATE";
pub const LATE_PROMOTION: &str = "promo_late";
/// The code that nobody ever makes, and the promotion code that no code carries.
pub const NEVER: &str = "NEVER";
pub const NO_PROMOTION: &str = "promo_never";
/// The promotion code that a step of the history gives to a code.
pub const SPARE_PROMOTION: (&str, &str) = ("promo_ben", "BEN");
/// Codes with their promoter and program.
pub const CODES: [(&str, &str, &str); 5] = [
    ("ANNA", "anna", "default"),
    ("ANNE", "anna", "default"),
    ("BEN", "bert", "default"),
    ("BERT", "bert", "other"),
    (LATE, "anna", "default"),
];
/// Promotion codes and the codes that carry them, in one order: claims are compared by the code that they name.
pub const PROMOTION_CODES: [(&str, &str); 3] =
    [("promo_anna", "ANNA"), ("promo_bert", "BERT"), (LATE_PROMOTION, LATE)];
/// Promoters; in some histories each is also one of the users that are referred.
pub const PROMOTERS: [&str; 2] = ["anna", "bert"];
/// Versions that steps of a history add are valid from so much after `now`; none begins so before.
pub const LATER_S: i64 = 12;

/// What stands before the first step.
#[derive(Clone)]
pub struct Setup {
    /// About when claims are made.
    pub now: i64,
    /// Tiers or uses of codes may go by arrival, so that the order of the steps matters.
    pub by_arrival: bool,
    /// Operators may release; that covers what is known by then, so the order of the steps matters.
    pub releases: bool,
    theme: Theme,
    pub versions: Vec<TermsVersion>,
    /// With the late one.
    pub codes: BTreeMap<&'static str, Code>,
    pub promoters: BTreeMap<&'static str, Promoter>,
}

#[derive(Clone, Debug)]
pub struct Code {
    pub promoter: &'static str,
    pub program: &'static str,
    pub made_at: i64,
    pub versions: Vec<CodeVersion>,
    pub max_uses: Option<u32>,
}

#[derive(Clone, Debug)]
pub struct Promoter {
    pub user: String,
    pub addresses: Vec<Address>,
}

impl Code {
    pub fn facts(&self) -> CodeFacts {
        let owner =
            CodeOwner { promoter: PromoterId::new(self.promoter), program: ProgramKey::new(self.program) };
        let mut facts = CodeFacts::unlimited(owner);
        facts.made_at = Timestamp::from_unix(self.made_at);
        facts.versions.clone_from(&self.versions);
        facts.max_uses = self.max_uses;
        facts
    }
}

impl Promoter {
    pub fn facts(&self) -> PromoterFacts {
        let emails = self.addresses.iter().filter_map(|address| EmailHash::of(&address.text()));
        PromoterFacts { user: UserId::new(&self.user), emails: emails.collect() }
    }
}

impl Setup {
    pub fn new(random: &mut Random, theme: Theme) -> Self {
        // Any day, the last second of a month before a short one, and the last day of a year.
        let now = random.pick(&[1_700_000_000, 1_706_745_590, 1_703_980_800]);
        let mut setup = Self {
            now,
            by_arrival: [Theme::Lines, Theme::Waiting].contains(&theme) || random.in_percent(33),
            releases: random.in_percent(if theme == Theme::Reviews { 70 } else { 30 }),
            theme,
            versions: Vec::new(),
            codes: BTreeMap::new(),
            promoters: BTreeMap::new(),
        };
        for program in ["default", "other"] {
            for valid_from in [now - 100, now, now + 10].into_iter().take(1 + random.below(3)) {
                let id = i64::try_from(setup.versions.len()).unwrap();
                setup.versions.push(setup.terms_version(random, id, program, valid_from));
            }
        }
        for (code, promoter, program) in CODES {
            let versions = if code == LATE { 1 } else { random.pick(&[1, 1, 2]) };
            let versions = (0..).zip([now - 5, now + 5]).take(versions);
            let facts = Code {
                promoter,
                program,
                made_at: now + random.pick(&[-3 * SECONDS_PER_DAY, -3 * SECONDS_PER_DAY, -8, -5]),
                versions: versions.map(|(id, from)| setup.code_version(random, id, from)).collect(),
                max_uses: random.pick(&[None, Some(1), Some(1), Some(2)]).filter(|_| setup.by_arrival),
            };
            setup.codes.insert(code, facts);
        }
        for (number, promoter) in PROMOTERS.into_iter().enumerate() {
            let is_customer = random.in_percent(50);
            let user = if is_customer { format!("user_{number}") } else { format!("user_{promoter}") };
            let address = Address { mailbox: number, spelling: random.below(3) };
            let addresses = random.in_percent(50).then_some(address).into_iter().collect();
            setup.promoters.insert(promoter, Promoter { user, addresses });
        }
        setup
    }

    /// When statuses are looked at: some amounts are available then, and some are not.
    pub const fn looked_at(&self) -> i64 {
        self.now + 10 * SECONDS_PER_DAY
    }

    /// A version of a program that is added after the history has begun.
    pub fn later_terms(&self, random: &mut Random, number: usize) -> TermsVersion {
        let (id, valid_from) = (100 + i64::try_from(number).unwrap(), self.now + LATER_S);
        let program = random.pick(&["default", "default", "other"]);
        self.terms_version(random, id, program, valid_from)
    }

    /// A version of a code that is added after the history has begun.
    pub fn later_code(&self, random: &mut Random, number: usize) -> CodeVersion {
        self.code_version(random, 100 + i64::try_from(number).unwrap(), self.now + LATER_S)
    }

    fn terms_version(
        &self,
        random: &mut Random,
        id: i64,
        program: &'static str,
        valid_from: i64,
    ) -> TermsVersion {
        let mut terms = terms(random, self.by_arrival);
        match self.theme {
            Theme::Places => terms.max_rewards_per_promoter = Some(1),
            Theme::Lines => {
                terms.reward = Reward::Percentage(bps(1_000));
                terms.product_rates.insert("prod_0".to_owned(), bps(5_000));
                terms.product_rates.insert("price_2".to_owned(), bps(0));
            }
            Theme::Existing => terms.new_customers_only = true,
            Theme::Any
            | Theme::Losses
            | Theme::Reviews
            | Theme::Promotions
            | Theme::Users
            | Theme::Waiting => {}
        }
        let terms = terms.checked().unwrap();
        let valid_from = Timestamp::from_unix(valid_from);
        TermsVersion { id, program: ProgramKey::new(program), valid_from, terms: Arc::new(terms) }
    }

    fn code_version(&self, random: &mut Random, id: i64, valid_from: i64) -> CodeVersion {
        let expires_after =
            random.pick(&[None, None, None, None, None, None, None, Some(0), Some(5), Some(15)]);
        CodeVersion {
            id,
            valid_from: Timestamp::from_unix(valid_from),
            active: random.in_percent(92),
            expires_at: expires_after.map(|after| Timestamp::from_unix(self.now + after)),
        }
    }
}

fn terms(random: &mut Random, with_tiers: bool) -> Terms {
    let base = random.pick(&[CommissionBase::NetOfTax, CommissionBase::AmountPaid]);
    let hold_days = random.pick(&[0, 7, 14, 30]);
    let rate = random.pick(&[1_000, 1_525, 3_333, 10_000, 0]);
    let mut terms = Terms::percentage(bps(rate), base, hold_days);
    terms.active = random.in_percent(88);
    terms.exclude_shipping = random.in_percent(30);
    terms.new_customers_only = random.in_percent(25);
    terms.tiers_by = random.pick(&[TiersBy::Customers, TiersBy::Customers, TiersBy::Signups]);
    if random.in_percent(25) {
        terms.currency = Some(parsed(currency(random)));
        terms.reward = Reward::Flat(random.pick(&[1, 7, 500]));
    }
    let limits = [(Some(1), None), (Some(2), None), (None, Some(1)), (None, Some(2)), (Some(1), Some(2))];
    terms.recurrence = match random.below(10) {
        0..2 => Recurrence::OneTime,
        2..5 => {
            let (months, invoices) = random.pick(&limits);
            Recurrence::Recurring { months, invoices }
        }
        _ => Recurrence::Recurring { months: None, invoices: None },
    };
    if matches!(terms.reward, Reward::Percentage(_)) {
        if with_tiers && random.in_percent(60) {
            let tiers: &[(u32, u16)] = random.pick(&[&[(2, 2_000)][..], &[(1, 500), (3, 2_750)], &[(2, 0)]]);
            let tier = |&(from_number, rate): &(u32, u16)| Tier { from_number, rate: bps(rate) };
            terms.tiers = tiers.iter().map(tier).collect();
        }
        if random.in_percent(25) {
            let named = ["price_0", "price_1", "prod_0", "prod_1"].into_iter();
            let named = named.filter(|_| random.in_percent(50)).collect::<Vec<_>>();
            let rates = named.into_iter().map(|name| (name.to_owned(), bps(random.pick(&[0, 750, 5_000]))));
            terms.product_rates = rates.collect();
        }
    }
    for currency in ["usd", "eur"] {
        if random.in_percent(20) {
            terms.caps.insert(parsed(currency), random.pick(&[1, 50]));
        }
        if random.in_percent(15) {
            terms.min_invoices.insert(parsed(currency), random.pick(&[1, 20, 1_000]));
        }
    }
    terms.max_rewards_per_promoter = random.in_percent(35).then(|| random.pick(&[1, 1, 2]));
    terms.conversion_window_days = random.in_percent(20).then(|| random.pick(&[0, 1, 1, 2]));
    terms
}

pub fn parsed(currency: &str) -> Currency {
    Currency::parse(currency).unwrap()
}

fn bps(rate: u16) -> BasisPoints {
    BasisPoints::new(rate).unwrap()
}
