//! Whatever is told of payments, in whatever order: the loss is the same, within its bounds, and a further refund never
//! gives anything back.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::domain::facts::Release;
use crate::domain::ids::BalanceTransactionId;
use crate::domain::time::Timestamp;
use crate::domain::{BalanceTransaction, RefundState};

/// One thing that is told.
#[derive(Debug, Clone)]
enum Telling {
    Link(InvoiceId, PaymentId, Option<i64>),
    Payment(PaymentId, PaymentFacts),
    Refund(RefundId, RefundFacts),
    Dispute(DisputeId, DisputeFacts),
    CreditNote(CreditNoteId, CreditNoteFacts),
}

impl Telling {
    /// Merges it. Returns the invoices and payments that it is about, now and before.
    fn merge(self, graph: &mut PaymentGraph) -> (BTreeSet<InvoiceId>, BTreeSet<PaymentId>) {
        let (mut invoices, mut payments) = (BTreeSet::new(), BTreeSet::new());
        match self {
            Self::Link(invoice, payment, amount_minor) => {
                graph.merge_link(&invoice, &payment, amount_minor);
                invoices.insert(invoice);
                payments.insert(payment);
            }
            Self::Payment(payment, facts) => {
                payments.insert(graph.resolve(&payment).clone());
                graph.merge_payment(&payment, facts);
                payments.insert(payment);
            }
            Self::Refund(refund, facts) => {
                payments.extend(graph.refund(&refund).map(|known| known.payment.clone()));
                payments.insert(facts.payment.clone());
                graph.merge_refund(&refund, facts);
            }
            Self::Dispute(dispute, facts) => {
                payments.extend(graph.dispute(&dispute).map(|known| known.payment.clone()));
                payments.insert(facts.payment.clone());
                graph.merge_dispute(&dispute, facts);
            }
            Self::CreditNote(note, facts) => {
                invoices.extend(graph.credit_note(&note).map(|known| known.invoice.clone()));
                invoices.insert(facts.invoice.clone());
                graph.merge_credit_note(&note, facts);
            }
        }
        (invoices, payments)
    }
}

fn usd() -> Currency {
    Currency::USD
}

fn jpy() -> Currency {
    Currency::parse("jpy").unwrap()
}

fn invoice_id() -> impl Strategy<Value = InvoiceId> {
    select(vec!["in_1", "in_2", "in_3"]).prop_map(InvoiceId::new)
}

/// Two payment intents with a charge each, of which it may be told to which they belong, and a charge without one.
fn payment_id() -> impl Strategy<Value = PaymentId> {
    select(vec!["pi_1", "pi_2", "ch_1", "ch_2", "ch_3"]).prop_map(PaymentId::new)
}

fn amount() -> impl Strategy<Value = i64> {
    prop_oneof![select(vec![0_i64, 3, 40, 60, 97, 100]), 0..130_i64]
}

fn payment() -> impl Strategy<Value = Telling> {
    let release = prop::option::of((amount(), select(vec![3_i64, 40]))).prop_map(|release| {
        release.map(|(captured_minor, rest_minor)| Release { captured_minor, rest_minor })
    });
    let of_intent = prop::option::of(Just("pi_1").prop_map(PaymentId::new));
    (payment_id(), amount(), amount(), release, of_intent).prop_map(
        |(payment, captured_minor, amount_refunded_minor, released, payment_intent)| {
            let payment_intent = payment_intent.filter(|_| payment.as_str() == "ch_1");
            let facts = PaymentFacts {
                payment_intent,
                captured_minor,
                amount_refunded_minor,
                released,
                no_invoice: false,
            };
            Telling::Payment(payment, facts)
        },
    )
}

fn refund_facts(states: Vec<RefundState>) -> impl Strategy<Value = RefundFacts> {
    let amount = prop_oneof![select(vec![3_i64, 40]), amount()];
    let created = prop::option::of((0..3_i64).prop_map(Timestamp::from_unix));
    (payment_id(), amount, select(states), created).prop_map(|(payment, amount_minor, state, created)| {
        RefundFacts { payment, amount_minor, state, created }
    })
}

fn refund() -> impl Strategy<Value = Telling> {
    let facts = refund_facts(vec![RefundState::Pending, RefundState::Succeeded, RefundState::Failed]);
    (0..3_u8, facts).prop_map(|(id, facts)| Telling::Refund(RefundId::new(format!("re_{id}")), facts))
}

fn dispute_facts() -> impl Strategy<Value = DisputeFacts> {
    let states = vec![DisputeState::Inquiry, DisputeState::Open, DisputeState::Returned, DisputeState::Lost];
    let currency = || select(vec![usd(), usd(), jpy()]);
    let moved = (0..3_u8, prop_oneof![select(vec![-100_i64, 40]), -130..130_i64], currency()).prop_map(
        |(id, amount_minor, currency)| {
            let id = BalanceTransactionId::new(format!("txn_{id}"));
            (id, BalanceTransaction { amount_minor, currency })
        },
    );
    let transactions = prop::collection::btree_map(0..3_u8, moved, 0..3)
        .prop_map(|moved| moved.into_values().collect::<BTreeMap<_, _>>());
    (payment_id(), amount(), currency(), select(states), 0..3_i64, transactions).prop_map(
        |(payment, amount_minor, currency, state, told_at, transactions)| {
            let closed_at = state.is_final().then_some(Timestamp::from_unix(told_at));
            DisputeFacts { payment, amount_minor, currency, state, closed_at, transactions }
        },
    )
}

fn dispute() -> impl Strategy<Value = Telling> {
    (0..2_u8, dispute_facts())
        .prop_map(|(id, facts)| Telling::Dispute(DisputeId::new(format!("du_{id}")), facts))
}

fn telling() -> impl Strategy<Value = Telling> {
    let link = (invoice_id(), payment_id(), prop::option::of(amount()))
        .prop_map(|(invoice, payment, amount_minor)| Telling::Link(invoice, payment, amount_minor));
    let note =
        (0..2_u8, invoice_id(), amount(), any::<bool>()).prop_map(|(id, invoice, amount_minor, void)| {
            let facts = CreditNoteFacts { invoice, amount_minor, void };
            Telling::CreditNote(CreditNoteId::new(format!("cn_{id}")), facts)
        });
    prop_oneof![4 => link, 4 => payment(), 3 => refund(), 2 => dispute(), 1 => note]
}

/// What was paid of `in_1` and `in_2`; `in_3` is not known as paid.
type Paid = [i64; 2];

fn graph(tellings: &[Telling]) -> PaymentGraph {
    let mut graph = PaymentGraph::default();
    for telling in tellings {
        telling.clone().merge(&mut graph);
    }
    graph
}

fn losses(graph: &PaymentGraph, paid: Paid) -> Vec<Loss> {
    let amount_paid = |invoice: &InvoiceId| match invoice.as_str() {
        "in_1" => Some(paid[0]),
        "in_2" => Some(paid[1]),
        _ => None,
    };
    let loss = |name| graph.loss(&InvoiceId::new(name), usd(), &amount_paid).unwrap();
    ["in_1", "in_2", "in_3"].map(loss).to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_loss_is_the_same_in_every_order_and_with_repeats(
        tellings in prop::collection::vec(telling(), 1..14).prop_flat_map(|tellings| {
            (Just(tellings.clone()), Just(tellings).prop_shuffle())
        }),
        paid in [amount(), amount()],
    ) {
        let (tellings, mut shuffled) = tellings;
        let expected = losses(&graph(&tellings), paid);
        prop_assert_eq!(losses(&graph(&shuffled), paid), expected.clone());
        shuffled.extend(tellings);
        prop_assert_eq!(losses(&graph(&shuffled), paid), expected);
    }

    #[test]
    fn the_loss_is_between_nothing_and_what_was_paid(
        tellings in prop::collection::vec(telling(), 1..14), paid in [amount(), amount()],
    ) {
        let losses = losses(&graph(&tellings), paid);
        for (loss, paid_minor) in losses.iter().zip(paid.into_iter().chain([0])) {
            prop_assert!(0 <= loss.refunds_minor && loss.refunds_minor <= loss.total_minor, "{:?}", loss);
            prop_assert!(loss.total_minor <= paid_minor, "{:?}", loss);
        }
    }

    #[test]
    fn a_further_refund_never_gives_anything_back(
        tellings in prop::collection::vec(telling(), 1..14),
        paid in [amount(), amount()],
        id in select(vec!["re_", "re_00", "re_a", "re_z"]),
        further in refund_facts(vec![RefundState::Pending, RefundState::Succeeded]),
    ) {
        let before = graph(&tellings);
        let mut after = before.clone();
        Telling::Refund(RefundId::new(id), further).merge(&mut after);
        for (less, more) in losses(&before, paid).iter().zip(losses(&after, paid)) {
            prop_assert!(less.refunds_minor <= more.refunds_minor, "{less:?} {more:?}");
            prop_assert!(less.total_minor <= more.total_minor, "{less:?} {more:?}");
        }
    }

    #[test]
    fn every_invoice_whose_loss_changes_is_affected(
        tellings in prop::collection::vec(telling(), 1..14),
        last in telling(),
        paid in [amount(), amount()],
        paid_then in prop::option::of(amount()),
    ) {
        let before = graph(&tellings);
        let mut after = before.clone();
        let (mut invoices, payments) = last.merge(&mut after);
        // What was paid of the first invoice may be told anew, too.
        let then = [paid_then.unwrap_or(paid[0]), paid[1]];
        invoices.extend(paid_then.map(|_| InvoiceId::new("in_1")));
        let affected = after.affected(&invoices, &payments);
        let changes = losses(&before, paid).into_iter().zip(losses(&after, then)).zip(["in_1", "in_2", "in_3"]);
        for ((was, is), name) in changes {
            prop_assert!(was == is || affected.contains(&InvoiceId::new(name)), "{name}: {was:?} {is:?}");
        }
    }

    #[test]
    fn a_dispute_is_the_same_in_every_order_and_with_repeats(
        tellings in prop::collection::vec(dispute_facts(), 1..6).prop_flat_map(|tellings| {
            (Just(tellings.clone()), Just(tellings).prop_shuffle())
        }),
    ) {
        let merged = |tellings: &[DisputeFacts]| {
            let mut tellings = tellings.iter().cloned();
            let mut first = tellings.next().unwrap();
            tellings.for_each(|telling| first.merge(telling));
            first
        };
        let (tellings, mut shuffled) = tellings;
        prop_assert_eq!(merged(&shuffled), merged(&tellings));
        shuffled.extend(tellings.clone());
        prop_assert_eq!(merged(&shuffled), merged(&tellings));
    }
}

#[test]
fn a_link_without_an_amount_weighs_at_most_what_was_captured_of_its_payment() {
    let invoice = InvoiceId::new("in_1");
    let lost = |captured: [i64; 2], refunded_minor| {
        let mut graph = PaymentGraph::default();
        for (name, captured_minor) in ["ch_1", "ch_2"].into_iter().zip(captured) {
            graph.merge_link(&invoice, &PaymentId::new(name), None);
            let facts = PaymentFacts { captured_minor, ..PaymentFacts::default() };
            graph.merge_payment(&PaymentId::new(name), facts);
        }
        let facts = PaymentFacts { amount_refunded_minor: refunded_minor, ..PaymentFacts::default() };
        graph.merge_payment(&PaymentId::new("ch_1"), facts);
        graph.loss(&invoice, usd(), &|_| Some(100)).unwrap().refunds_minor
    };
    // 100 paid by charges of 40 and 60: the whole link, and no jump just before it.
    assert_eq!([39, 40, 41].map(|refunded| lost([40, 60], refunded)), [39, 40, 40]);
    // While nothing is known to be captured, the link may be all of the invoice.
    assert_eq!(lost([0, 60], 40), 40);
    assert_eq!(lost([0, 0], 100), 100);
}

/// A dispute of 100.00 about the only payment, with these states, told at these days.
fn taken_by(tellings: &[(DisputeState, i64, i64)], moved: &[(i64, Currency)]) -> i64 {
    let transactions = moved.iter().zip(0..).map(|((amount_minor, currency), place)| {
        let id = BalanceTransactionId::new(format!("txn_{place}"));
        (id, BalanceTransaction { amount_minor: *amount_minor, currency: *currency })
    });
    let transactions: BTreeMap<_, _> = transactions.collect();
    let facts = |&(state, amount_minor, day): &(DisputeState, i64, i64)| DisputeFacts {
        payment: PaymentId::new("pi_1"),
        amount_minor,
        currency: usd(),
        state,
        closed_at: state.is_final().then_some(Timestamp::from_unix(day)),
        transactions: transactions.clone(),
    };
    let mut dispute = facts(&tellings[0]);
    tellings.iter().skip(1).for_each(|telling| dispute.merge(facts(telling)));
    dispute.taken_minor(usd(), 10_000).unwrap()
}

#[test]
fn of_two_final_states_the_later_holds_and_at_the_same_second_the_lost_one() {
    use DisputeState::{Inquiry, Lost, Open, Returned};
    assert_eq!(taken_by(&[(Lost, 10_000, 10), (Returned, 10_000, 11)], &[]), 0);
    assert_eq!(taken_by(&[(Returned, 10_000, 11), (Lost, 10_000, 10)], &[]), 0);
    assert_eq!(taken_by(&[(Returned, 10_000, 10), (Lost, 10_000, 11)], &[]), 10_000);
    assert_eq!(taken_by(&[(Lost, 10_000, 10), (Returned, 10_000, 10)], &[]), 10_000);
    assert_eq!(taken_by(&[(Lost, 6_000, 10), (Lost, 10_000, 10)], &[]), 10_000);
    assert_eq!(taken_by(&[(Lost, 6_000, 11), (Lost, 10_000, 10)], &[]), 6_000);
    // Below the final ones the rank decides, and the greater amount.
    assert_eq!(taken_by(&[(Open, 10_000, 99), (Returned, 10_000, 1)], &[]), 0);
    assert_eq!(taken_by(&[(Inquiry, 10_000, 99), (Open, 6_000, 1)], &[]), 6_000);
    assert_eq!(taken_by(&[(Open, 4_000, 99), (Open, 6_000, 1)], &[]), 6_000);
}

#[test]
fn balance_transactions_in_the_currency_of_the_invoice_say_what_a_dispute_takes() {
    use DisputeState::{Lost, Open, Returned};
    let lost = [(Lost, 10_000, 10)];
    assert_eq!(taken_by(&lost, &[(-10_000, usd()), (4_000, usd())]), 6_000);
    assert_eq!(taken_by(&[(Open, 10_000, 10)], &[(-7_000, usd())]), 7_000);
    // More than nothing came back, and no more can be taken than was captured.
    assert_eq!(taken_by(&lost, &[(-10_000, usd()), (14_000, usd())]), 0);
    assert_eq!(taken_by(&lost, &[(-17_000, usd())]), 10_000);
    // They say nothing: their sum is nothing, or they are in another currency.
    assert_eq!(taken_by(&lost, &[(-10_000, usd()), (10_000, usd())]), 10_000);
    assert_eq!(taken_by(&lost, &[(-900, jpy())]), 10_000);
    // A status that takes nothing takes nothing.
    assert_eq!(taken_by(&[(Returned, 10_000, 10)], &[(-10_000, usd())]), 0);
}
