//! What operators have set up before a random history begins: programs, codes and promoters. All numbers are small, so
//! that limits are reached.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use referrald::domain::codes::CodeVersion;
use referrald::domain::ledger::PromoterFacts;
use referrald::domain::{
    BasisPoints, Code, CodeFacts, CodeOwner, CommissionBase, EmailHash, ProgramKey, PromoterId, Recurrence,
    Reward, Terms, TermsVersion, Tier, Timestamp, UserId,
};

use crate::random::Random;
use crate::world::currency;

pub const SECONDS_PER_DAY: i64 = 86_400;
/// The lookback of most claims.
pub const LOOKBACK_S: i64 = SECONDS_PER_DAY;
/// The code that a step of the history makes, and the promotion code that it carries.
pub const LATE: &str = "LATE";
pub const LATE_PROMOTION: &str = "promo_late";
/// The code that nobody ever makes, and the promotion code that no code carries.
pub const NEVER: &str = "NEVER";
pub const NO_PROMOTION: &str = "promo_never";
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
    pub versions: Vec<TermsVersion>,
    /// With the late one.
    pub codes: BTreeMap<Code, CodeFacts>,
    pub promoters: BTreeMap<PromoterId, PromoterFacts>,
}

impl Setup {
    pub fn new(random: &mut Random) -> Self {
        // Any day, the last second of a month before a short one, and the last day of a year.
        let now = random.pick(&[1_700_000_000, 1_706_745_590, 1_703_980_800]);
        let by_arrival = random.in_percent(33);
        let mut setup = Self {
            now,
            by_arrival,
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
            let owner = CodeOwner { promoter: PromoterId::new(promoter), program: ProgramKey::new(program) };
            let mut facts = CodeFacts::unlimited(owner);
            facts.max_uses = random.pick(&[None, Some(1), Some(1), Some(2)]).filter(|_| by_arrival);
            for (id, valid_from) in
                (0..).zip([now - 5, now + 5]).take(if code == LATE { 1 } else { random.pick(&[1, 1, 2]) })
            {
                facts.versions.push(setup.code_version(random, id, valid_from));
            }
            setup.codes.insert(Code::new(code), facts);
        }
        for (number, promoter) in PROMOTERS.into_iter().enumerate() {
            let is_customer = random.in_percent(50);
            let user = if is_customer { format!("user_{number}") } else { format!("user_{promoter}") };
            let emails: BTreeSet<EmailHash> =
                random.in_percent(50).then(|| email(number)).into_iter().collect();
            let facts = PromoterFacts { user: UserId::new(user), emails };
            setup.promoters.insert(PromoterId::new(promoter), facts);
        }
        setup
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
        let terms = terms(random, self.by_arrival).checked().unwrap();
        let valid_from = Timestamp::from_unix(valid_from);
        TermsVersion { id, program: ProgramKey::new(program), valid_from, terms: Arc::new(terms) }
    }

    fn code_version(&self, random: &mut Random, id: i64, valid_from: i64) -> CodeVersion {
        let expires_after = random.pick(&[None, None, None, None, None, Some(0), Some(5), Some(15)]);
        CodeVersion {
            id,
            valid_from: Timestamp::from_unix(valid_from),
            active: random.in_percent(85),
            expires_at: expires_after.map(|after| Timestamp::from_unix(self.now + after)),
        }
    }
}

fn terms(random: &mut Random, with_tiers: bool) -> Terms {
    let base = random.pick(&[CommissionBase::NetOfTax, CommissionBase::AmountPaid]);
    let hold_days = random.pick(&[0, 7, 14, 30]);
    let rate = random.pick(&[1_000, 1_525, 3_333, 10_000, 0]);
    let mut terms = Terms::percentage(bps(rate), base, hold_days);
    terms.active = random.in_percent(80);
    terms.currency = random.in_percent(70).then(|| currency(random));
    let has_amounts = terms.currency.is_some();
    if has_amounts && random.in_percent(30) {
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
    let cap = (has_amounts && random.in_percent(25)).then(|| random.pick(&[1, 50]));
    terms.caps = terms.currency.zip(cap).into_iter().collect();
    terms.max_rewards_per_promoter = random.in_percent(35).then(|| random.pick(&[1, 1, 2]));
    terms.conversion_window_days = random.in_percent(20).then(|| random.pick(&[0, 1, 1, 2]));
    if has_amounts && random.in_percent(20) {
        let least = random.pick(&[1, 20, 1_000]);
        terms.min_invoices = terms.currency.map(|currency| (currency, least)).into_iter().collect();
    }
    terms
}

fn bps(rate: u16) -> BasisPoints {
    BasisPoints::new(rate).unwrap()
}

/// One of a few addresses.
pub fn email(number: usize) -> EmailHash {
    EmailHash::of(&format!("mail_{number}@example.com")).unwrap()
}
