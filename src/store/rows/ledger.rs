//! Rows of commissions and entries.

use entity::{commission, ledger_entry};

use super::{corrupt, currency};
use crate::domain::{
    Assessment, BasisPoints, Commission, InvoiceId, LedgerEntry, NoCommission, PromoterId, ReferralId,
    Timestamp,
};
use crate::store::error::StoreError;

pub fn commission(row: commission::Model) -> Result<(InvoiceId, Commission), StoreError> {
    let id = &row.invoice_id;
    let reason = row
        .reason
        .as_deref()
        .map(|word| NoCommission::parse(word).ok_or_else(|| corrupt("commission", id, word)));
    let rate = row.rate_bps.map(|bps| {
        let rate = u16::try_from(bps).ok().and_then(BasisPoints::new);
        rate.ok_or_else(|| corrupt("commission", id, &bps))
    });
    let assessment = Assessment {
        base_minor: row.base_minor,
        rate: rate.transpose()?,
        commission_minor: row.amount_minor,
        refund_minor: row.refund_minor,
        dispute_minor: row.dispute_minor,
        available_at: Timestamp::from_unix(row.available_at),
        reason: reason.transpose()?,
        unseen_lines: row.unseen_lines,
    };
    let referral = row.referral_id.map(ReferralId::new).zip(row.promoter_id.map(PromoterId::new));
    let currency = currency("commission", id, &row.currency)?;
    Ok((InvoiceId::new(row.invoice_id), Commission { referral, currency, assessment }))
}

pub fn commission_row(invoice: &InvoiceId, commission: &Commission) -> commission::Model {
    let referral = commission.referral.as_ref();
    let assessment = &commission.assessment;
    commission::Model {
        invoice_id: invoice.to_string(),
        referral_id: referral.map(|(referral, _)| referral.to_string()),
        promoter_id: referral.map(|(_, promoter)| promoter.to_string()),
        currency: commission.currency.to_string(),
        base_minor: assessment.base_minor,
        rate_bps: assessment.rate.map(|rate| i32::from(rate.get())),
        amount_minor: assessment.commission_minor,
        available_at: assessment.available_at.unix(),
        reason: assessment.reason.map(|reason| reason.as_str().to_owned()),
        unseen_lines: assessment.unseen_lines,
        refund_minor: assessment.refund_minor,
        dispute_minor: assessment.dispute_minor,
    }
}

pub fn entry_row(entry: &LedgerEntry, posted_at: Timestamp) -> ledger_entry::Model {
    ledger_entry::Model {
        id: 0,
        promoter_id: entry.promoter.to_string(),
        invoice_id: Some(entry.invoice.to_string()),
        kind: entry.kind.as_str().to_owned(),
        amount_minor: entry.amount_minor,
        currency: entry.currency.to_string(),
        available_at: entry.available_at.unix(),
        cause: entry.cause.to_text(),
        posted_at: posted_at.unix(),
    }
}
