//! Random histories: facts told late, twice, in two versions, under another name, or against each other.

use referrald::domain::attribution::Review;
use referrald::domain::codes::CodeVersion;
use referrald::domain::{
    Claim, Code, Customer, PromoterId, StripeCustomerId, TermsVersion, Timestamp, UserId,
};

use crate::acts::act;
use crate::random::Random;
use crate::setup::{LATER_S, Setup};
use crate::tellings::{charge, credit_note, dispute, invoice_paid, link, refund};
use crate::themes::Theme;
use crate::told::{Address, Event, Line, Said, VERSIONS};
use crate::world::World;

/// One thing that happens to the ledger.
#[derive(Clone, Debug)]
pub enum Step {
    Event(Event),
    /// Through the API, which may name an e-mail, or by an operator who moves a referral.
    Claim(Claim, Option<Address>),
    Bind(StripeCustomerId, UserId),
    Review(Customer, PromoterId, Review),
    LearnOfPromoter(PromoterId, Address),
    MakeLateCode,
    AddTerms(TermsVersion),
    AddCodeVersion(Code, CodeVersion),
    /// A code is given a promotion code (`promo_…`) that none carries.
    Carry(&'static str, Code),
    Limit(Code, Option<u32>),
    /// All lines of an invoice, read from Stripe's API.
    ReadLines(String, Vec<Line>),
}

/// What was set up, and what happened then.
#[derive(Clone)]
pub struct History {
    pub setup: Setup,
    pub steps: Vec<Step>,
}

impl History {
    /// Makes a history of up to twenty steps.
    pub fn new(random: &mut Random) -> Self {
        let theme = Theme::some(random);
        let world = World::new(random, theme);
        let mut steps = theme.steps(random, &world);
        let length = if steps.is_empty() { 3 + random.below(17) } else { random.below(10) };
        // Some are about what is taken back, some about who is paid for what.
        let money_percent = if theme == Theme::Losses { 85 } else { random.pick(&[60, 30, 5]) };
        steps.extend((0..length).map(|number| step(random, &world, number, money_percent)));
        for place in 0..steps.len() {
            if let (Step::Event(event), true) = (&steps[place], random.in_percent(6)) {
                let version = random.pick(&VERSIONS);
                let again = event.clone().in_version(version);
                let differs = event.version != version;
                steps.extend(differs.then_some(Step::Event(again)));
            }
        }
        if random.in_percent(40) {
            steps.push(Step::MakeLateCode);
        }
        let mut history = Self { setup: world.setup, steps };
        history.put_in_time();
        history
    }

    /// A change of a program or a code is valid from the time of the call: what was claimed then or later is told later. And
    /// what operators say has the time of the call: it comes in that order.
    pub fn put_in_time(&mut self) {
        let is_said = |step: &Step| said_at(step).is_some();
        let places: Vec<usize> = (0..self.steps.len()).filter(|place| is_said(&self.steps[*place])).collect();
        let mut said: Vec<Step> = places.iter().map(|place| self.steps[*place].clone()).collect();
        said.sort_by_key(said_at);
        for (place, step) in places.into_iter().zip(said) {
            self.steps[place] = step;
        }
        let steps = std::mem::take(&mut self.steps);
        let is_change = |step: &Step| matches!(step, Step::AddTerms(_) | Step::AddCodeVersion(..));
        let (changes, mut others): (Vec<Step>, Vec<Step>) = steps.into_iter().partition(is_change);
        let changed_at = self.setup.now + LATER_S;
        let is_later = |step: &Step| match step {
            Step::Claim(claim, _) => claim.claimed_at >= Timestamp::from_unix(changed_at),
            Step::Event(event) => event.created >= changed_at,
            Step::Bind(..)
            | Step::Review(..)
            | Step::LearnOfPromoter(..)
            | Step::MakeLateCode
            | Step::AddTerms(_)
            | Step::AddCodeVersion(..)
            | Step::Carry(..)
            | Step::Limit(..)
            | Step::ReadLines(..) => false,
        };
        let place = others.iter().position(is_later).unwrap_or(others.len());
        others.splice(place..place, changes);
        self.steps = others;
    }
}

/// When an operator said something of a customer.
fn said_at(step: &Step) -> Option<Timestamp> {
    match step {
        Step::Review(_, _, review) => Some(review.reviewed_at),
        Step::Claim(claim, _) => claim.moved_at,
        _ => None,
    }
}

fn step(random: &mut Random, world: &World, number: usize, money_percent: usize) -> Step {
    let event_of = |random: &mut Random, said| {
        let event =
            Event { id: format!("evt_{number:02}"), version: "", created: created(random, world), said };
        Step::Event(event.in_version(random.pick(&VERSIONS)))
    };
    let said = if random.in_percent(money_percent) {
        match random.below(10) {
            0..2 => Said::Link(link(random, world)),
            2..5 => Said::Charge(charge(random, world)),
            5..7 => Said::Refund(refund(random, world)),
            7..9 => Said::Dispute(dispute(random, world)),
            _ => Said::CreditNote(credit_note(random, world)),
        }
    } else if random.in_percent(55) {
        Said::Invoice(Box::new(invoice_paid(random, world)))
    } else {
        return act(random, world, number, event_of);
    };
    event_of(random, said)
}

/// Claims of an event are made when it was created: about `now`, and at the edges of lookbacks and versions.
fn created(random: &mut Random, world: &World) -> i64 {
    let (day, lookback) = (crate::setup::SECONDS_PER_DAY, crate::setup::LOOKBACK_S);
    world.setup.now + random.pick(&[-10, 0, 0, 0, 10, 10, 20, -2 * day, lookback])
}
