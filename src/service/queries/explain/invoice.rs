//! The story of an invoice: what was paid, who referred, what it earns, what was taken, what is posted.

use super::{payment, words};
use crate::domain::entries::PostedEntry;
use crate::domain::ledger::{Needs, State, Sums, targets};
use crate::domain::{
    Assessment, BasisPoints, CommissionStatus, Currency, Customer, InvoiceId, NoCommission, PaidInvoice,
    Referral, Reward, Timestamp,
};
use crate::service::ServiceError;
use crate::store::Database;
use crate::store::entries;
use crate::store::snapshot::Snapshot;

/// Entries of one invoice that are shown.
const ENTRIES_LIMIT: u64 = 200;

/// `None` when nothing is known of such an invoice.
pub async fn tell(db: &Database, id: &str, now: Timestamp) -> Result<Option<Vec<String>>, ServiceError> {
    let id = InvoiceId::new(id);
    let mut snapshot = Snapshot::of(db).await?;
    let state = snapshot.load(Needs { invoices: [id.clone()].into(), ..Needs::default() }).await?;
    let entries = entries::of_invoices(&snapshot.txn, [&id], ENTRIES_LIMIT).await?;
    snapshot.end().await?;
    let mut lines = Vec::new();
    let Some(invoice) = state.invoice(&id) else {
        let payments = state.payments.payments_of(&id);
        if payments.is_empty() && state.payments.credit_notes_of(&id).next().is_none() {
            return Ok(None);
        }
        lines.push(format!("Invoice {id} is not known as paid, so it earns nothing yet."));
        losses(&state, &id, None, &mut lines);
        return Ok(Some(lines));
    };
    let currency = invoice.snapshot.currency;
    paid(&id, invoice, &mut lines);
    let Some((assessment, referral)) = state.assessor().assess(&id)? else { return Ok(None) };
    earned(&state, invoice, &assessment, referral, &mut lines);
    losses(&state, &id, Some(currency), &mut lines);
    outcome(&state, &id, &assessment, currency, now, &mut lines);
    posted(&state, &id, &assessment, referral, currency, &entries, &mut lines);
    Ok(Some(lines))
}

fn paid(id: &InvoiceId, invoice: &PaidInvoice, lines: &mut Vec<String>) {
    let claim = &invoice.snapshot;
    let shown = |minor| claim.currency.display(minor);
    let stripe_customer =
        claim.stripe_customer.as_ref().map_or("of no customer".to_owned(), |id| format!("of customer {id}"));
    let (amount, total) = (shown(claim.amount_paid_minor), shown(claim.total_minor));
    lines.push(format!(
        "Invoice {id} {stripe_customer} was paid at {}: {amount} of a total of {total} ({}).",
        invoice.paid_at, claim.event
    ));
    if invoice.conflict {
        lines.push(
            "Events contradict each other about its customer, currency or amount; the one with the greatest amount is \
             used. Compare it with Stripe."
                .to_owned(),
        );
    }
}

fn earned(
    state: &State,
    invoice: &PaidInvoice,
    assessment: &Assessment,
    referral: Option<&Referral>,
    lines: &mut Vec<String>,
) {
    let currency = invoice.snapshot.currency;
    let Some(referral) = referral else {
        let why = assessment.reason.map_or("there is no referral", words::reason);
        lines.push(format!("It earns nothing ({}): {why}.", reason_word(assessment)));
        if let Some(stripe_customer) = &invoice.snapshot.stripe_customer {
            let customer = state.customers.customer_named(stripe_customer);
            lines.extend(claims(state, &customer));
        }
        return;
    };
    lines.push(words::referral(state, referral));
    let base = currency.display(assessment.base_minor);
    let reward = words::reward(referral, currency);
    lines.push(if let Some(reason) = assessment.reason {
        let (word, why) = (reason.as_str(), words::reason(reason));
        format!("Its terms are {reward}; but it earns nothing ({word}): {why}.")
    } else {
        let rate =
            assessment.rate.map_or_else(String::new, |rate| format!(" at {rate}{}", tier(referral, rate)));
        let earned = currency.display(assessment.commission_minor);
        let earned =
            if assessment.rate.is_some_and(|rate| rate.get() == 0) { "nothing".to_owned() } else { earned };
        format!("Its terms are {reward}: the base is {base}{rate}, so it earned {earned}.")
    });
    if assessment.reason.is_none() {
        lines.extend(limits(referral, assessment, currency));
    }
    if assessment.unseen_lines {
        lines.push(
            "The event did not show all lines of the invoice: rates of products were picked by those that it showed."
                .to_owned(),
        );
    }
}

/// Which tier a rate is of, when it is not the program's own and no product has picked it.
fn tier(referral: &Referral, rate: BasisPoints) -> String {
    let terms = &referral.terms;
    let is_other = matches!(terms.reward, Reward::Percentage(own) if own != rate);
    let number = referral.referral_number.filter(|_| is_other && terms.product_rates.is_empty());
    number.map_or_else(String::new, |number| format!(" (the tier of number {number})"))
}

/// The base and the cap, where they limit it, and which limits of the terms say nothing about this currency.
fn limits(referral: &Referral, assessment: &Assessment, currency: Currency) -> Vec<String> {
    let (caps, minima) = (&referral.terms.caps, &referral.terms.min_invoices);
    let code = currency.as_str().to_ascii_uppercase();
    let mut lines = Vec::new();
    if matches!(referral.terms.reward, Reward::Flat(minor) if minor > assessment.base_minor) {
        lines.push("A fixed amount is at most the base.".to_owned());
    }
    match caps.get(&currency) {
        Some(cap) if *cap == assessment.commission_minor => {
            lines.push(format!("That is the cap of its terms, {}.", currency.display(*cap)));
        }
        None if !caps.is_empty() => {
            lines.push(format!("Its terms have caps, but none for {code}: this was not capped."));
        }
        Some(_) | None => {}
    }
    if !minima.is_empty() && !minima.contains_key(&currency) {
        lines.push(format!("Its terms have minima, but none for {code}: no invoice of it is too small."));
    }
    lines
}

/// Every claim about a customer, and what it came to.
pub fn claims(state: &State, customer: &Customer) -> Vec<String> {
    let mut claims: Vec<_> = state.customers.claims_of(customer).collect();
    claims.sort_by_key(|claim| claim.order());
    let winner = state.referral_of(customer).ok().map(|referral| &referral.claim);
    let lines = claims.into_iter().map(|claim| {
        let (source, judged) = (claim.source.as_str(), words::judged(state, claim, customer, winner));
        format!("Claim {} names {} ({source}, made at {}): {judged}.", claim.id, claim.code, claim.claimed_at)
    });
    lines.collect()
}

fn losses(state: &State, id: &InvoiceId, currency: Option<Currency>, lines: &mut Vec<String>) {
    let shown = |minor: i64| words::amount(currency, minor);
    for payment in state.payments.payments_of(id) {
        let others: Vec<String> =
            state.payments.invoices_of(&payment).iter().map(ToString::to_string).collect();
        let link = state.payments.link(id, &payment).flatten();
        let part = link.map_or_else(
            || "what other payments leave of the invoice, and at most what was captured of it".to_owned(),
            shown,
        );
        let shared =
            if others.len() > 1 { format!("; it also pays {}", others.join(", ")) } else { String::new() };
        let charges = payment::charges(state, &payment);
        lines.push(format!("Payment {payment}{charges} pays {part}{shared}."));
        lines.extend(payment::takings(state, &payment, currency));
    }
    for (note, facts) in state.payments.credit_notes_of(id) {
        lines.push(payment::credit_note(note, facts, currency));
    }
}

fn outcome(
    state: &State,
    id: &InvoiceId,
    assessment: &Assessment,
    currency: Currency,
    now: Timestamp,
    lines: &mut Vec<String>,
) {
    if assessment.reason.is_some() {
        return;
    }
    if assessment.commission_minor == 0 {
        lines.push("So there is nothing to pay out, and nothing to take back.".to_owned());
        return;
    }
    let shown = |minor| currency.display(minor);
    let taken: Vec<String> = [("refunds", assessment.refund_minor), ("disputes", assessment.dispute_minor)]
        .into_iter()
        .filter(|(_, minor)| *minor != 0)
        .map(|(by, minor)| format!("{by} took {}", shown(minor.saturating_neg())))
        .collect();
    let net = shown(assessment.net_minor());
    let status = CommissionStatus::of(state, id, assessment, now).as_str();
    let available_at = assessment.available_at;
    lines.push(if taken.is_empty() {
        format!("Nothing was taken back: {net} may be paid out from {available_at} on ({status}).")
    } else {
        format!("Of that {}: {net} is left, from {available_at} on ({status}).", taken.join(" and "))
    });
}

fn posted(
    state: &State,
    id: &InvoiceId,
    assessment: &Assessment,
    referral: Option<&Referral>,
    currency: Currency,
    entries: &[PostedEntry],
    lines: &mut Vec<String>,
) {
    for entry in entries {
        lines.push(format!(
            "Entry {}: {} {} for {}, because of {}, posted at {}.",
            entry.id,
            entry.kind.as_str(),
            entry.currency.display(entry.amount_minor),
            words::named(&entry.promoter_user, &entry.promoter),
            entry.cause,
            entry.posted_at
        ));
    }
    let mut sums: Sums = state.posted.get(id).cloned().unwrap_or_default();
    let mut targets = targets(assessment, referral, currency);
    sums.retain(|_, sum| *sum != 0);
    targets.retain(|_, target| *target != 0);
    lines.push(if sums == targets {
        "The ledger holds exactly this.".to_owned()
    } else {
        "The ledger does NOT hold this: run `referrald verify`.".to_owned()
    });
}

fn reason_word(assessment: &Assessment) -> &'static str {
    assessment.reason.map_or("none", NoCommission::as_str)
}
