//! Facts merge the same in every order and however often they are told.

use proptest::prelude::*;

use super::*;

fn snapshot() -> impl Strategy<Value = (InvoiceSnapshot, Timestamp)> {
    (0..4_i64, prop::option::of(0..3_i64), "[ab]", "[12]?", 0..3_u8, 0..9_i64).prop_map(
        |(amount, excluding_tax, event, version, stripe_customer, paid_at)| {
            let snapshot = InvoiceSnapshot {
                event: EventId::new(event),
                api_version: version,
                stripe_customer: (stripe_customer > 0)
                    .then(|| StripeCustomerId::new(stripe_customer.to_string())),
                currency: Currency::parse("usd").unwrap(),
                amount_paid_minor: amount,
                total_minor: amount,
                total_excluding_tax_minor: excluding_tax,
                tax_minor: None,
                shipping_minor: 0,
                shipping_tax_minor: 0,
                lines: Lines::default(),
            };
            (snapshot, Timestamp::from_unix(paid_at))
        },
    )
}

/// (amount, has a net amount, event, version), paid at, conflict.
type Merged = ((i64, bool, String, String), Timestamp, bool);

fn merged(snapshots: &[(InvoiceSnapshot, Timestamp)]) -> Merged {
    let mut snapshots = snapshots.iter().cloned();
    let (first, paid_at) = snapshots.next().unwrap();
    let mut invoice = PaidInvoice::new(first, paid_at);
    snapshots.for_each(|(snapshot, paid_at)| invoice.merge(snapshot, paid_at));
    let (amount, has_net, event, version) = invoice.snapshot.rank();
    ((amount, has_net, event.to_string(), version.to_owned()), invoice.paid_at, invoice.conflict)
}

proptest! {
    #[test]
    fn a_paid_invoice_is_the_same_in_every_order_and_with_repeats(
        snapshots in prop::collection::vec(snapshot(), 1..5).prop_flat_map(|snapshots| {
            (Just(snapshots.clone()), Just(snapshots).prop_shuffle())
        })
    ) {
        let (snapshots, mut shuffled) = snapshots;
        let expected = merged(&snapshots);
        prop_assert_eq!(merged(&shuffled), expected.clone());
        shuffled.extend(snapshots);
        prop_assert_eq!(merged(&shuffled), expected);
    }

    #[test]
    fn a_refund_is_the_same_in_every_order(
        tellings in prop::collection::vec((0..3_usize, 0..3_i64, prop::option::of(0..3_i64)), 1..6).prop_flat_map(|tellings| {
            (Just(tellings.clone()), Just(tellings).prop_shuffle())
        })
    ) {
        let merge = |tellings: &[(usize, i64, Option<i64>)]| {
            let states = [RefundState::Pending, RefundState::Succeeded, RefundState::Failed];
            let mut refunds = tellings.iter().map(|&(state, amount_minor, created)| RefundFacts {
                payment: PaymentId::new("pi_1"),
                amount_minor,
                state: states[state],
                created: created.map(Timestamp::from_unix),
            });
            let mut first = refunds.next().unwrap();
            refunds.for_each(|refund| first.merge(refund));
            first
        };
        prop_assert_eq!(merge(&tellings.0), merge(&tellings.1));
    }
}

#[test]
fn a_failure_that_is_told_before_the_success_still_wins() {
    let refund =
        |state| RefundFacts { payment: PaymentId::new("pi_1"), amount_minor: 5, state, created: None };
    let mut facts = refund(RefundState::Failed);
    facts.merge(refund(RefundState::Succeeded));
    assert_eq!(facts.taken_minor(), 0);
}
