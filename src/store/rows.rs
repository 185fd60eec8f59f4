//! Rows to domain values and back. A word in a row that this version does not know is an error, never a guess.

use entity::{
    claim, commission, credit_note, dispute, invoice, ledger_entry, payment, program_version, referral,
    refund,
};
use sea_orm::ActiveValue::{NotSet, Set};

use super::error::StoreError;
use crate::domain::{
    BasisPoints, Claim, ClaimId, ClaimSource, Code, Commission, CommissionBase, CreditNoteFacts,
    CreditNoteId, Currency, CustomerId, DisputeFacts, DisputeId, DisputeState, EventId, InvoiceId,
    LedgerEntry, PaidClaim, PaidInvoice, Party, PaymentFacts, PaymentId, ProgramKey, PromoterId, Referral,
    ReferralId, RefundFacts, RefundState, Terms, TermsVersion, Timestamp, UserId,
};

/// The error of a word that is not known.
pub fn corrupt(
    table: &'static str,
    id: &(impl ToString + ?Sized),
    value: &(impl ToString + ?Sized),
) -> StoreError {
    StoreError::Corrupt { table, id: id.to_string(), value: value.to_string() }
}

/// Reads a currency column.
pub fn currency(table: &'static str, id: &str, code: &str) -> Result<Currency, StoreError> {
    Currency::parse(code).ok_or_else(|| corrupt(table, id, code))
}

pub fn paid_invoice(row: invoice::Model) -> Result<(InvoiceId, PaidInvoice), StoreError> {
    let claim = PaidClaim {
        event: EventId::new(row.event_id),
        customer: row.customer_id.map(CustomerId::new),
        currency: currency("invoice", &row.id, &row.currency)?,
        amount_paid_minor: row.amount_paid_minor,
        total_minor: row.total_minor,
        total_excluding_tax_minor: row.total_excluding_tax_minor,
        tax_minor: row.tax_minor,
    };
    let paid_at = Timestamp::from_unix(row.paid_at);
    Ok((InvoiceId::new(row.id), PaidInvoice { claim, paid_at, conflict: row.conflict }))
}

pub fn invoice_row(id: &InvoiceId, invoice: &PaidInvoice) -> invoice::ActiveModel {
    let claim = &invoice.claim;
    invoice::ActiveModel {
        id: Set(id.to_string()),
        event_id: Set(claim.event.to_string()),
        customer_id: Set(claim.customer.as_ref().map(ToString::to_string)),
        currency: Set(claim.currency.to_string()),
        amount_paid_minor: Set(claim.amount_paid_minor),
        total_minor: Set(claim.total_minor),
        total_excluding_tax_minor: Set(claim.total_excluding_tax_minor),
        tax_minor: Set(claim.tax_minor),
        paid_at: Set(invoice.paid_at.unix()),
        conflict: Set(invoice.conflict),
    }
}

pub fn payment_facts(row: payment::Model) -> (PaymentId, PaymentFacts) {
    let facts = PaymentFacts {
        payment_intent: row.payment_intent.map(PaymentId::new),
        captured_minor: row.captured_minor,
        amount_refunded_minor: row.amount_refunded_minor,
    };
    (PaymentId::new(row.id), facts)
}

pub fn payment_row(id: &PaymentId, facts: &PaymentFacts) -> payment::ActiveModel {
    payment::ActiveModel {
        id: Set(id.to_string()),
        payment_intent: Set(facts.payment_intent.as_ref().map(ToString::to_string)),
        captured_minor: Set(facts.captured_minor),
        amount_refunded_minor: Set(facts.amount_refunded_minor),
    }
}

pub fn refund_facts(row: refund::Model) -> Result<(crate::domain::RefundId, RefundFacts), StoreError> {
    let state = RefundState::parse(&row.state).ok_or_else(|| corrupt("refund", &row.id, &row.state))?;
    let facts =
        RefundFacts { payment: PaymentId::new(row.payment_id), amount_minor: row.amount_minor, state };
    Ok((crate::domain::RefundId::new(row.id), facts))
}

pub fn refund_row(id: &crate::domain::RefundId, facts: &RefundFacts) -> refund::ActiveModel {
    refund::ActiveModel {
        id: Set(id.to_string()),
        payment_id: Set(facts.payment.to_string()),
        amount_minor: Set(facts.amount_minor),
        state: Set(facts.state.as_str().to_owned()),
    }
}

pub fn dispute_facts(row: dispute::Model) -> Result<(DisputeId, DisputeFacts), StoreError> {
    let state = DisputeState::parse(&row.state).ok_or_else(|| corrupt("dispute", &row.id, &row.state))?;
    let currency = currency("dispute", &row.id, &row.currency)?;
    let (payment, amount_minor) = (PaymentId::new(row.payment_id), row.amount_minor);
    Ok((DisputeId::new(row.id), DisputeFacts { payment, amount_minor, currency, state }))
}

pub fn dispute_row(id: &DisputeId, facts: &DisputeFacts) -> dispute::ActiveModel {
    dispute::ActiveModel {
        id: Set(id.to_string()),
        payment_id: Set(facts.payment.to_string()),
        amount_minor: Set(facts.amount_minor),
        currency: Set(facts.currency.to_string()),
        state: Set(facts.state.as_str().to_owned()),
    }
}

pub fn credit_note_facts(row: credit_note::Model) -> (CreditNoteId, CreditNoteFacts) {
    let (invoice, amount_minor) = (InvoiceId::new(row.invoice_id), row.amount_minor);
    (CreditNoteId::new(row.id), CreditNoteFacts { invoice, amount_minor, void: row.void })
}

pub fn credit_note_row(id: &CreditNoteId, facts: &CreditNoteFacts) -> credit_note::ActiveModel {
    credit_note::ActiveModel {
        id: Set(id.to_string()),
        invoice_id: Set(facts.invoice.to_string()),
        amount_minor: Set(facts.amount_minor),
        void: Set(facts.void),
    }
}

fn source(table: &'static str, id: &str, precedence: i32) -> Result<ClaimSource, StoreError> {
    let known = u16::try_from(precedence).ok().and_then(ClaimSource::from_precedence);
    known.ok_or_else(|| corrupt(table, id, &precedence))
}

pub fn claim(row: claim::Model) -> Result<Claim, StoreError> {
    Ok(Claim {
        source: source("claim", &row.id, row.precedence)?,
        id: ClaimId::new(row.id),
        customer: row.customer_id.map(CustomerId::new),
        user: row.user_id.map(UserId::new),
        code: Code::new(row.code),
        claimed_at: Timestamp::from_unix(row.claimed_at),
        lookback_s: row.lookback_s,
        invitation_method: row.invitation_method,
    })
}

pub fn claim_row(claim: &Claim) -> claim::ActiveModel {
    claim::ActiveModel {
        id: Set(claim.id.to_string()),
        customer_id: Set(claim.customer.as_ref().map(ToString::to_string)),
        user_id: Set(claim.user.as_ref().map(ToString::to_string)),
        code: Set(claim.code.to_string()),
        precedence: Set(claim.source.precedence().into()),
        claimed_at: Set(claim.claimed_at.unix()),
        lookback_s: Set(claim.lookback_s),
        invitation_method: Set(claim.invitation_method.clone()),
    }
}

pub fn terms_version(row: program_version::Model) -> Result<TermsVersion, StoreError> {
    let base = CommissionBase::parse(&row.commission_base)
        .ok_or_else(|| corrupt("program_version", &row.id, &row.commission_base))?;
    let rate = u16::try_from(row.rate_bps).ok().and_then(BasisPoints::new);
    let rate = rate.ok_or_else(|| corrupt("program_version", &row.id, &row.rate_bps))?;
    let hold_days =
        u16::try_from(row.hold_days).or(Err(corrupt("program_version", &row.id, &row.hold_days)))?;
    Ok(TermsVersion {
        id: row.id,
        program: ProgramKey::new(row.program_key),
        valid_from: Timestamp::from_unix(row.valid_from),
        terms: Terms { rate, base, hold_days },
    })
}

/// A referral with the terms that it is frozen to.
pub fn referral(row: referral::Model, versions: &[TermsVersion]) -> Result<Option<Referral>, StoreError> {
    let Some(party) = row.party else { return Ok(None) };
    let version = versions.iter().find(|version| version.id == row.program_version_id);
    let version = version.ok_or_else(|| corrupt("referral", &row.id, &row.program_version_id))?;
    Ok(Some(Referral {
        source: source("referral", &row.id, row.precedence)?,
        party: Party::parse(&party).ok_or_else(|| corrupt("referral", &row.id, &party))?,
        id: ReferralId::new(row.id),
        claim: ClaimId::new(row.claim_id),
        code: Code::new(row.code),
        promoter: PromoterId::new(row.promoter_id),
        program: ProgramKey::new(row.program_key),
        terms_version: version.id,
        terms: version.terms,
        claimed_at: Timestamp::from_unix(row.claimed_at),
        lookback_s: row.lookback_s,
    }))
}

pub fn referral_row(referral: &Referral) -> referral::ActiveModel {
    referral::ActiveModel {
        id: Set(referral.id.to_string()),
        party: Set(Some(referral.party.to_string())),
        merged_into: Set(None),
        claim_id: Set(referral.claim.to_string()),
        precedence: Set(referral.source.precedence().into()),
        code: Set(referral.code.to_string()),
        promoter_id: Set(referral.promoter.to_string()),
        program_key: Set(referral.program.to_string()),
        program_version_id: Set(referral.terms_version),
        claimed_at: Set(referral.claimed_at.unix()),
        lookback_s: Set(referral.lookback_s),
    }
}

pub fn commission_row(invoice: &InvoiceId, commission: &Commission) -> commission::ActiveModel {
    let referral = commission.referral.as_ref();
    let assessment = &commission.assessment;
    commission::ActiveModel {
        invoice_id: Set(invoice.to_string()),
        referral_id: Set(referral.map(|(referral, _)| referral.to_string())),
        promoter_id: Set(referral.map(|(_, promoter)| promoter.to_string())),
        currency: Set(commission.currency.to_string()),
        base_minor: Set(assessment.base_minor),
        rate_bps: Set(commission.rate.map(|rate| i32::from(rate.get()))),
        amount_minor: Set(assessment.commission_minor),
        available_at: Set(assessment.available_at.unix()),
        reason: Set(assessment.reason.map(|reason| reason.as_str().to_owned())),
    }
}

pub fn entry_row(entry: &LedgerEntry, posted_at: Timestamp) -> ledger_entry::ActiveModel {
    ledger_entry::ActiveModel {
        id: NotSet,
        promoter_id: Set(entry.promoter.to_string()),
        invoice_id: Set(Some(entry.invoice.to_string())),
        kind: Set(entry.kind.as_str().to_owned()),
        amount_minor: Set(entry.amount_minor),
        currency: Set(entry.currency.to_string()),
        available_at: Set(entry.available_at.unix()),
        cause: Set(entry.cause.as_str().to_owned()),
        posted_at: Set(posted_at.unix()),
    }
}
