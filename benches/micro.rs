//! What one event costs before it meets the database: `cargo bench --bench micro`.

#[path = "throughput/template.rs"]
mod template;

use std::collections::BTreeSet;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use referrald::domain::assess::InvoiceContext;
use referrald::domain::book::PromoterFacts;
use referrald::domain::payments::Loss;
use referrald::domain::{
    BasisPoints, Book, ClaimId, ClaimSource, Code, CodeFacts, CodeOwner, CommissionBase, Currency, Customer,
    EventId, Extracted, InvoiceSnapshot, Lines, PaidInvoice, ProgramKey, PromoterId, Referral, ReferralId,
    StripeCustomerId, Terms, TermsVersion, Timestamp, UserId, assess,
};
use referrald::service::post_events::{Policy, read, reduce};
use referrald::stripe::{SignedEvent, Verifier, sign};
use secrecy::SecretString;
use template::Template;

const SECRET: &str = "whsec_of_the_benchmark_0123456789";
const NOW: Timestamp = Timestamp::from_unix(1_790_000_000);

/// The values of one sale, refunded in part.
const SALE: [(&str, &str); 14] = [
    ("created", "1789996400"),
    ("customer", "cus_SaT9ab2LkdIwHu"),
    ("email", "customer.0001@example.com"),
    ("event", "evt_1RfT8sLkdIwHu7ixraBmT0001"),
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

fn body(text: &'static str, metadata: &str) -> Vec<u8> {
    let values: Vec<_> = SALE.into_iter().chain([("metadata", metadata)]).collect();
    Template::new(text).fill(&values).into_bytes()
}

fn sale() -> Vec<u8> {
    body(include_str!("throughput/templates/invoice_paid.json"), "{\"referral_code\": \"ANNA10\"}")
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

fn reduced(body: Vec<u8>) -> (EventId, Extracted) {
    let inbound = reduce(&signed(body), &policy()).unwrap();
    (inbound.row.id, inbound.work.unwrap())
}

/// A book that knows the code of the sale and its terms.
fn book() -> Book {
    let (promoter, program) = (PromoterId::new("prm_1"), ProgramKey::new("default"));
    let owner = CodeOwner { promoter: promoter.clone(), program: program.clone() };
    let facts = PromoterFacts { user: UserId::new("anna"), emails: BTreeSet::new() };
    let mut book = Book::default();
    book.versions.push(TermsVersion { id: 1, program, valid_from: NOW, terms: terms().into() });
    book.codes.insert(Code::new("ANNA10"), CodeFacts::unlimited(owner));
    book.promoters.insert(promoter, facts);
    book
}

/// Applies events; returns how many entries they post.
fn posted(book: &mut Book, events: &[(EventId, Extracted)]) -> usize {
    for (number, (_, reduced)) in events.iter().enumerate() {
        book.apply(&EventId::new(format!("evt_{number}")), black_box(reduced)).unwrap();
    }
    book.changes.entries.len()
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
    group.bench_function("read", |bencher| bencher.iter(|| read(black_box(&event), &policy)));
    group.bench_function("reduce", |bencher| bencher.iter(|| reduce(black_box(&event), &policy)));
    group.finish();
}

fn rules(criterion: &mut Criterion) {
    let claim = InvoiceSnapshot {
        event: EventId::new("evt_1"),
        customer: Some(StripeCustomerId::new("cus_1")),
        currency: Currency::USD,
        amount_paid_minor: 11_900,
        total_minor: 11_900,
        total_excluding_tax_minor: Some(10_000),
        tax_minor: Some(1_900),
        lines: Lines::default(),
    };
    let invoice = PaidInvoice::new(claim, NOW);
    let referral = Referral {
        id: ReferralId::new("ref_1"),
        party: Customer::Stripe(StripeCustomerId::new("cus_1")),
        claim: ClaimId::new("clm_1"),
        source: ClaimSource::Api,
        code: Code::new("ANNA10"),
        promoter: PromoterId::new("prm_1"),
        program: ProgramKey::new("default"),
        terms_version: 1,
        terms: terms().into(),
        referral_number: 1,
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
        reduced(sale()),
        reduced(body(include_str!("throughput/templates/invoice_payment_paid.json"), "{}")),
        reduced(body(include_str!("throughput/templates/refund_created.json"), "{}")),
    ];
    assert_eq!(posted(&mut book(), &events), 2, "a commission and a refund");
    criterion.bench_function("book: sale, link and refund", |bencher| {
        bencher.iter_batched_ref(book, |book| posted(book, &events), BatchSize::SmallInput);
    });
}

criterion_group!(benches, edges, rules);
criterion_main!(benches);
