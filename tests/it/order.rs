//! Every order and every repetition of events gives the same ledger.

use std::collections::BTreeMap;

use crate::support;
use crate::support::scenarios::{PROGRAMS, Scenario, Step, scenarios};
use crate::support::{SECRET, World, now};
use referrald::domain::catalog::NewCode;
use referrald::domain::ledger::{PromoterFacts, Stamp};
use referrald::domain::{
    BasisPoints, Claim, ClaimId, ClaimSource, Code, CodeFacts, CodeOwner, CommissionBase, Currency,
    EmailHash, Kind, ProgramKey, PromoterId, Recurrence, Reward, State, StripeCustomerId, Terms,
    TermsVersion, Timestamp, UnitOfWork, UserId,
};
use referrald::handlers::Policy;
use referrald::service::inbound::InboundEvent;
use referrald::stripe::{Verifier, sign};
use secrecy::SecretString;
use serde_json::{Value, json};

/// Σ (commission, refund, dispute) by (invoice, promoter).
type Sums = BTreeMap<(String, String), (i64, i64, i64)>;

/// A small generator of numbers, so that a failing order can be run again from its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).unwrap()).unwrap()
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// A step, ready to be applied.
enum Prepared {
    Event(Box<InboundEvent>),
    Claim(Claim),
    MakeLateCode,
}

fn prepare(step: &Step, number: usize) -> Prepared {
    match step {
        Step::Event(event) => Prepared::Event(Box::new(inbound(event))),
        Step::MakeLateCode => Prepared::MakeLateCode,
        Step::Claim(code, customer, user, ago) => Prepared::Claim(Claim {
            id: ClaimId::new(format!("clm_{number}")),
            stripe_customer: customer.clone().map(StripeCustomerId::new),
            user: user.clone().map(UserId::new),
            code: Code::new(*code),
            source: ClaimSource::Api,
            claimed_at: Timestamp::from_unix(now().unix() - ago),
            moved_at: None,
            lookback_s: 86_400,
            invitation_method: None,
        }),
    }
}

fn inbound(event: &Value) -> InboundEvent {
    let secret = SecretString::from(SECRET);
    let body = event.to_string().into_bytes();
    let header = sign(&secret, now(), &body);
    let verifier = Verifier::new(&[secret], 300);
    let signed = verifier.verify(Some(header.as_bytes()), body, now()).unwrap();
    let keys = ["referral_code", "referral", "ref"].map(str::to_owned).to_vec();
    let policy = Policy { livemode: false, account: None, metadata_keys: keys, lookback_s: 86_400 };
    InboundEvent::prepare(&signed, &policy).unwrap()
}

fn terms(program: &str) -> Terms {
    let percentage = |bps| Terms::percentage(BasisPoints::new(bps).unwrap(), CommissionBase::NetOfTax, 30);
    match program {
        "other" => percentage(2_000),
        "once" => Terms { recurrence: Recurrence::OneTime, ..percentage(5_000) },
        "few" => Terms { max_rewards_per_promoter: Some(1), ..percentage(1_000) },
        "new" => Terms { new_customers_only: true, ..percentage(1_000) },
        "month" => {
            let recurrence = Recurrence::Recurring { months: Some(1), invoices: None };
            Terms { recurrence, ..percentage(1_000) }
        }
        "sold" => {
            let rates = [("prod_new", 2_000), ("prod_old", 500)];
            let rate = |(product, bps): (&str, u16)| (product.to_owned(), BasisPoints::new(bps).unwrap());
            Terms { product_rates: rates.map(rate).into(), ..percentage(1_000) }
        }
        "flat" => Terms { reward: Reward::Flat(500), currency: Some(Currency::USD), ..percentage(0) },
        "capped" => Terms { caps: [(Currency::USD, 50_000)].into(), ..percentage(1_000) },
        "goods" => Terms { exclude_shipping: true, ..percentage(1_000) },
        _ => percentage(1_000),
    }
}

/// A ledger in memory that knows the programs, promoters and codes.
fn ledger() -> State {
    let mut state = State::whole();
    for (key, promoter, code, _) in PROGRAMS {
        let (program, promoter) = (ProgramKey::new(key), PromoterId::new(promoter));
        let emails = EmailHash::of(&format!("{promoter}@example.com")).into_iter().collect();
        let facts = PromoterFacts { user: UserId::new(promoter.as_str()), emails };
        state.promoters.insert(promoter.clone(), facts);
        let owner = CodeOwner { promoter: promoter.clone(), program: program.clone() };
        state.codes.insert(Code::new(code), CodeFacts::unlimited(owner));
        let (valid_from, terms) = (Timestamp::from_unix(0), terms(key).into());
        state.versions.push(TermsVersion { id: 1, program: program.clone(), valid_from, terms });
        if key == "few" {
            state.add_slots((promoter, program), BTreeMap::new());
        }
    }
    state.promotion_codes.insert(Code::promotion("promo_bert"), Code::new("BERT"));
    state
}

fn apply(unit: &mut UnitOfWork, step: &Prepared) {
    match step {
        Prepared::Event(event) => {
            // The inbox lets an event through once; what it says must not count twice even if it did not.
            if let Ok(extracted) = &event.extraction {
                unit.apply(&event.event.telling, extracted).unwrap();
            }
        }
        Prepared::Claim(claim) => {
            unit.refer(claim.clone(), None).unwrap();
        }
        Prepared::MakeLateCode => {
            let facts = unit.state().codes[&Code::new("ANNA")].clone();
            let late = NewCode { code: Code::new("LATE"), facts };
            unit.create_code(late, None).unwrap();
        }
    }
}

/// The sums that were posted, without those that are all zero.
fn sums(unit: &UnitOfWork) -> Sums {
    let mut sums = Sums::new();
    for entry in unit.entries() {
        let sum = sums.entry((entry.invoice.to_string(), entry.promoter.to_string())).or_default();
        match entry.kind {
            Kind::Commission => sum.0 += entry.amount_minor,
            Kind::Refund => sum.1 += entry.amount_minor,
            Kind::Dispute => sum.2 += entry.amount_minor,
        }
    }
    sums.retain(|_, sum| *sum != (0, 0, 0));
    sums
}

fn expected(scenario: &Scenario) -> Sums {
    let mut sums = Sums::new();
    for (invoice, promoter, commission, refund) in &scenario.expected {
        let sum = sums.entry((invoice.clone(), (*promoter).to_owned())).or_default();
        (sum.0, sum.1) = (*commission, *refund);
    }
    for (invoice, promoter, dispute) in &scenario.disputed {
        sums.entry((invoice.clone(), (*promoter).to_owned())).or_default().2 = *dispute;
    }
    sums.retain(|_, sum| *sum != (0, 0, 0));
    sums
}

/// Calls `visit` with every permutation of `items` (Heap's algorithm).
fn permutations(items: &mut Vec<usize>, length: usize, visit: &mut dyn FnMut(&[usize])) {
    if length <= 1 {
        visit(items);
        return;
    }
    for position in 0..length {
        permutations(items, length - 1, visit);
        let other = if length.is_multiple_of(2) { position } else { 0 };
        items.swap(other, length - 1);
    }
}

#[test]
fn every_permutation_of_every_history_gives_the_figures_worked_out_by_hand() {
    let (mut orders, ledger) = (0, ledger());
    for scenario in scenarios("x") {
        let steps: Vec<Prepared> =
            scenario.steps.iter().enumerate().map(|(number, step)| prepare(step, number)).collect();
        let expected = expected(&scenario);
        let mut order: Vec<usize> = (0..steps.len()).collect();
        permutations(&mut order, steps.len(), &mut |order| {
            for twice in [false, true] {
                let mut unit = UnitOfWork::over(&ledger, Stamp::default());
                for step in order.iter().flat_map(|step| std::iter::repeat_n(*step, 1 + usize::from(twice))) {
                    apply(&mut unit, &steps[step]);
                }
                assert_eq!(sums(&unit), expected, "{}: order {order:?}, twice: {twice}", scenario.name);
                let waiting: usize = unit.state().parked.values().map(std::collections::BTreeSet::len).sum();
                assert_eq!(waiting, 0, "{}: order {order:?} leaves events parked", scenario.name);
                orders += 1;
            }
        });
    }
    println!("{orders} orders of {} histories", scenarios("x").len());
}

async fn random_orders_on(world: World) {
    for (program, promoter, code, terms) in PROGRAMS {
        let create: Vec<&str> = ["program", "create", program].into_iter().chain(terms.split(' ')).collect();
        world.cli_ok(&create);
        world.cli_ok(&["promoter", "create", promoter, "--email", &format!("{promoter}@example.com")]);
        let mut create = vec!["code", "create", code, "--promoter", promoter, "--program", program];
        create.extend(["--made-at", "2020-01-01T00:00:00Z"]);
        if code == "BERT" {
            create.extend(["--promotion-code", "promo_bert"]);
        }
        world.cli_ok(&create);
    }
    let replica = world.replica();
    let seed = u64::try_from(now().unix()).unwrap() | 1;
    println!("seed {seed}");
    let mut random = Random(seed);
    let mut orders = 0;
    for round in 0..ROUNDS {
        let (mut steps, mut expected_sums) = (Vec::new(), Sums::new());
        for (number, scenario) in scenarios(&round.to_string()).into_iter().enumerate() {
            if scenario.alone || scenario.steps.iter().any(|step| matches!(step, Step::MakeLateCode)) {
                continue;
            }
            orders += 1;
            // Every history has ids of its own, so that all of them run through one batch.
            let own = |text: String| text.replace(&format!("_{round}\""), &format!("_{round}_{number}\""));
            let rows = expected(&scenario).into_iter();
            expected_sums.extend(
                rows.map(|((invoice, promoter), sum)| ((format!("{invoice}_{number}"), promoter), sum)),
            );
            for step in scenario.steps {
                let request = match step {
                    Step::Event(event) => Request::Event(own(event.to_string())),
                    Step::Claim(code, customer, user, ago) => {
                        Request::Claim(own(json!({ "code": code, "customer": customer, "user_id": user,
                            "claimed_at": now().unix() - ago })
                        .to_string()))
                    }
                    Step::MakeLateCode => unreachable!(),
                };
                steps.extend([request.clone(), request]);
            }
        }
        random.shuffle(&mut steps);
        let sent = steps.iter().enumerate().map(|(number, step)| {
            let daemon = if number % 2 == 0 { &world.daemon } else { &replica };
            step.send(&world.client, daemon)
        });
        futures_util::future::join_all(sent).await;
        let found = ledger_of_round(&world, round).await;
        assert_eq!(found, expected_sums, "seed {seed}, round {round}");
    }
    world.check_invariants();
    assert!(orders >= 500, "{orders} random orders");
}

/// Rounds of random orders on each database; each has all histories at once, every step twice, over two replicas.
const ROUNDS: usize = 17;

#[derive(Clone)]
enum Request {
    Event(String),
    Claim(String),
}

impl Request {
    /// Sends it until it is acknowledged, as Stripe does: on a busy machine 503 is a right answer, too.
    async fn send(&self, client: &reqwest::Client, daemon: &support::Daemon) {
        for _ in 0..10 {
            let request = match self {
                Self::Event(body) => support::post_raw(client, daemon, body.as_bytes()),
                Self::Claim(body) => {
                    let request = client.post(daemon.at("/v1/referrals"));
                    request.bearer_auth(support::ADMIN_TOKEN).body(body.clone())
                }
            };
            // An idle connection that the server closes in this very moment is no answer either.
            let Ok(answer) = request.send().await else { continue };
            let status = answer.status();
            if status.is_success() {
                return;
            }
            assert_eq!(status, 503, "{}", answer.text().await.unwrap());
        }
        panic!("ten times no acknowledgement");
    }
}

async fn ledger_of_round(world: &World, round: usize) -> Sums {
    let mut promoters = BTreeMap::new();
    for (_, name, ..) in PROGRAMS {
        let shown = world.cli_ok(&["promoter", "show", name, "--format", "json"]);
        let shown: Value = serde_json::from_str(&shown).unwrap();
        promoters.insert(shown["id"].as_str().unwrap().to_owned(), name);
    }
    let mut sums = Sums::new();
    let mut cursor = 0;
    loop {
        let at = world.daemon.at(&format!("/v1/entries?limit=200&cursor={cursor}"));
        let page = world.client.get(at).bearer_auth(support::ADMIN_TOKEN).send().await.unwrap();
        let page: Value = page.json().await.unwrap();
        for entry in page["data"].as_array().unwrap() {
            let invoice = entry["invoice"].as_str().unwrap();
            if invoice.split('_').nth(2) != Some(&round.to_string()) {
                continue;
            }
            let promoter = promoters[entry["promoter"].as_str().unwrap()];
            let sum = sums.entry((invoice.to_owned(), promoter.to_owned())).or_default();
            let amount = entry["amount"].as_i64().unwrap();
            match entry["kind"].as_str() {
                Some("commission") => sum.0 += amount,
                Some("refund") => sum.1 += amount,
                Some("dispute") => sum.2 += amount,
                kind => panic!("an entry of kind {kind:?}"),
            }
        }
        match page["next_cursor"].as_i64() {
            Some(next) => cursor = next,
            None => break,
        }
    }
    sums.retain(|_, sum| *sum != (0, 0, 0));
    sums
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_random_orders_over_two_replicas_on_sqlite() {
    random_orders_on(World::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_random_orders_over_two_replicas_on_postgres() {
    random_orders_on(World::postgres().await).await;
}
