//! What one event costs before it meets the database: `cargo bench --bench micro`.

#[path = "throughput/template.rs"]
mod template;

use std::collections::BTreeSet;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use referrald::domain::ledger::{PromoterFacts, Stamp};
use referrald::domain::payments::Loss;
use referrald::domain::{
    BasisPoints, ClaimId, ClaimSource, Code, CodeFacts, CodeOwner, CommissionBase, Currency, Customer,
    EventId, InvoiceContext, InvoiceSnapshot, Lines, PaidInvoice, ProgramKey, PromoterId, Referral,
    ReferralId, State, StripeCustomerId, Terms, TermsVersion, Timestamp, UnitOfWork, UserId, assess,
};
use referrald::handlers::{Policy, parse};
use referrald::service::inbound::InboundEvent;
use referrald::store::packing::{pack, unpack};
use referrald::stripe::{SignedEvent, Verifier, sign};
use secrecy::SecretString;
use template::Template;

const SECRET: &str = "whsec_of_the_benchmark_0123456789";
const NOW: Timestamp = Timestamp::from_unix(1_790_000_000);

/// The values of one sale, refunded in part.
const SALE: [(&str, &str); 13] = [
    ("created", "1789996400"),
    ("customer", "cus_SaT9ab2LkdIwHu"),
    ("email", "customer.0001@example.com"),
    ("gross", "11900"),
    ("invoice", "in_1RfT8sLkdIwHu7ixraBmT0001"),
    ("line", "1RfT8sLkdIwHu7ixraBmT0001"),
    ("net", "10000"),
    ("number", "0001"),
    ("payment", "3RfT8sLkdIwHu7ixraBmT0001"),
    ("refunded", "5950"),
    ("subscription", "sub_1RfT8sLkdIwHu7ixraBmT0001"),
    ("tax", "1900"),
    ("whole", "false"),
];

/// The body of an event of that sale.
fn event(text: &'static str, id: &str) -> Vec<u8> {
    let own = [("event", id), ("metadata", "{\"referral_code\": \"ANNA10\"}")];
    let values: Vec<_> = SALE.into_iter().chain(own).collect();
    Template::new(text).fill(&values).into_bytes()
}

fn sale() -> Vec<u8> {
    event(include_str!("throughput/templates/invoice_paid.json"), "evt_1RfT8sLkdIwHu7ixraBmT0001")
}

fn verifier() -> Verifier {
    Verifier::new(&[SecretString::from(SECRET)], 300)
}

fn signed(body: Vec<u8>) -> SignedEvent {
    let header = sign(&SecretString::from(SECRET), NOW, &body);
    verifier().verify(Some(header.as_bytes()), body, NOW).unwrap()
}

fn policy() -> Policy {
    let metadata_keys = ["referral_code", "referral", "ref"].map(str::to_owned).to_vec();
    Policy { livemode: false, account: None, metadata_keys, lookback_s: 86_400 }
}

fn inbound(body: Vec<u8>) -> InboundEvent {
    InboundEvent::prepare(&signed(body), &policy()).unwrap()
}

/// A ledger that knows the code of the sale and its terms.
fn state() -> State {
    let (promoter, program) = (PromoterId::new("prm_1"), ProgramKey::new("default"));
    let owner = CodeOwner { promoter: promoter.clone(), program: program.clone() };
    let facts = PromoterFacts { user: UserId::new("anna"), emails: BTreeSet::new() };
    let mut state = State::whole();
    state.versions.push(TermsVersion { id: 1, program, valid_from: NOW, terms: terms().into() });
    state.codes.insert(Code::new("ANNA10"), CodeFacts::unlimited(owner));
    state.promoters.insert(promoter, facts);
    state
}

/// Takes in events; returns how many entries they post.
fn posted(state: &State, events: &[InboundEvent]) -> usize {
    let mut unit = UnitOfWork::over(state, Stamp { now: NOW, at: NOW, seq: 1 });
    for event in events {
        unit.receive(&event.event, black_box(&event.extraction), || event.body_id()).unwrap();
    }
    unit.into_changes().entries.len()
}

fn terms() -> Terms {
    Terms::percentage(BasisPoints::new(1_000).unwrap(), CommissionBase::NetOfTax, 30)
}

fn edges(criterion: &mut Criterion) {
    let (body, verifier) = (sale(), verifier());
    let header = sign(&SecretString::from(SECRET), NOW, &body);
    let mut group = criterion.benchmark_group("invoice.paid");
    group.throughput(Throughput::Bytes(body.len().try_into().unwrap()));
    group.bench_function("verify", |bencher| {
        let input = || body.clone();
        bencher.iter_batched(
            input,
            |body| verifier.verify(Some(black_box(header.as_bytes())), body, NOW),
            BatchSize::SmallInput,
        );
    });
    let (event, policy) = (signed(body.clone()), policy());
    group.bench_function("parse", |bencher| {
        bencher.iter(|| parse(black_box(event.body()), &policy));
    });
    group.bench_function("pack", |bencher| bencher.iter(|| pack(black_box(event.body()))));
    let packed = pack(event.body()).unwrap();
    group.bench_function("unpack", |bencher| bencher.iter(|| unpack(black_box(&packed))));
    group.bench_function("parse and pack", |bencher| {
        bencher.iter(|| InboundEvent::prepare(black_box(&event), &policy));
    });
    group.finish();
}

fn rules(criterion: &mut Criterion) {
    let snapshot = InvoiceSnapshot {
        event: EventId::new("evt_1"),
        api_version: String::new(),
        stripe_customer: Some(StripeCustomerId::new("cus_1")),
        currency: Currency::USD,
        amount_paid_minor: 11_900,
        total_minor: 11_900,
        total_excluding_tax_minor: Some(10_000),
        tax_minor: Some(1_900),
        shipping_minor: 0,
        shipping_tax_minor: 0,
        lines: Lines::default(),
    };
    let invoice = PaidInvoice::new(snapshot, NOW);
    let referral = Referral {
        id: ReferralId::new("ref_1"),
        customer: Customer::Stripe(StripeCustomerId::new("cus_1")),
        claim: ClaimId::new("clm_1"),
        source: ClaimSource::Api,
        code: Code::new("ANNA10"),
        promoter: PromoterId::new("prm_1"),
        program: ProgramKey::new("default"),
        terms_version: 1,
        terms: terms().into(),
        referral_number: Some(1),
        claimed_at: NOW,
        lookback_s: 86_400,
        void: false,
        held: false,
        qualified: None,
    };
    let loss = Loss { refunds_minor: 5_950, total_minor: 5_950 };
    criterion.bench_function("assess", |bencher| {
        bencher.iter(|| assess(black_box(&invoice), Ok(&referral), InvoiceContext::default(), loss));
    });

    let events = [
        inbound(sale()),
        inbound(event(include_str!("throughput/templates/invoice_payment_paid.json"), "evt_2")),
        inbound(event(include_str!("throughput/templates/refund_created.json"), "evt_3")),
    ];
    let state = state();
    assert_eq!(posted(&state, &events), 2, "a commission and a refund");
    criterion.bench_function("unit of work: sale, link and refund", |bencher| {
        bencher.iter(|| posted(&state, &events));
    });
}

criterion_group!(benches, edges, rules);
criterion_main!(benches);
