//! Rows of claims, codes and referrals.

use entity::{claim, code, code_use, code_version, customer, party_email, referral, ruling};

use super::corrupt;
use crate::domain::attribution::{Grant, Ruling, Verdict};
use crate::domain::codes::CodeVersion;
use crate::domain::{
    Claim, ClaimId, ClaimSource, Code, CodeFacts, CodeOwner, CustomerId, EmailHash, InvoiceId, Party,
    ProgramKey, PromoterId, Referral, ReferralId, RulingId, TermsVersion, Timestamp, UserId, book::Parties,
};
use crate::store::error::StoreError;

fn source(table: &'static str, id: &str, precedence: i32) -> Result<ClaimSource, StoreError> {
    let known = u16::try_from(precedence).ok().and_then(ClaimSource::from_precedence);
    known.ok_or_else(|| corrupt(table, id, &precedence))
}

fn number(table: &'static str, id: &str, stored: i64) -> Result<u32, StoreError> {
    u32::try_from(stored).or(Err(corrupt(table, id, &stored)))
}

pub fn party(table: &'static str, key: &str) -> Result<Party, StoreError> {
    Party::parse(key).ok_or_else(|| corrupt(table, key, key))
}

pub fn claim(row: claim::Model) -> Result<Claim, StoreError> {
    Ok(Claim {
        source: source("claim", &row.id, row.precedence)?,
        id: ClaimId::new(row.id),
        customer: row.customer_id.map(CustomerId::new),
        user: row.user_id.map(UserId::new),
        code: Code::new(row.code),
        claimed_at: Timestamp::from_unix(row.claimed_at),
        moved_at: row.moved_at.map(Timestamp::from_unix),
        lookback_s: row.lookback_s,
        invitation_method: row.invitation_method,
    })
}

pub fn claim_row(claim: &Claim) -> claim::Model {
    claim::Model {
        id: claim.id.to_string(),
        customer_id: claim.customer.as_ref().map(ToString::to_string),
        user_id: claim.user.as_ref().map(ToString::to_string),
        code: claim.code.to_string(),
        precedence: claim.source.precedence().into(),
        claimed_at: claim.claimed_at.unix(),
        lookback_s: claim.lookback_s,
        invitation_method: claim.invitation_method.clone(),
        moved_at: claim.moved_at.map(Timestamp::unix),
    }
}

pub fn code_version(row: &code_version::Model) -> CodeVersion {
    CodeVersion {
        id: row.id,
        valid_from: Timestamp::from_unix(row.valid_from),
        active: row.active,
        expires_at: row.expires_at.map(Timestamp::from_unix),
    }
}

/// A code without its versions.
pub fn code(row: code::Model) -> Result<(Code, CodeFacts), StoreError> {
    let owner =
        CodeOwner { promoter: PromoterId::new(row.promoter_id), program: ProgramKey::new(row.program_key) };
    let max_uses = row.max_uses.map(|uses| number("code", &row.code, uses)).transpose()?;
    let uses = number("code", &row.code, row.uses)?;
    Ok((Code::new(row.code), CodeFacts { owner, versions: Vec::new(), max_uses, uses }))
}

pub fn grant(row: code_use::Model) -> Result<(Party, Code, Grant), StoreError> {
    let ordinal = number("code_use", &row.code, row.ordinal)?;
    let (promoter, program) = (PromoterId::new(row.promoter_id), ProgramKey::new(row.program_key));
    Ok((party("code_use", &row.party)?, Code::new(row.code), Grant { promoter, program, ordinal }))
}

pub fn grant_row(party: &Party, code: &Code, grant: &Grant) -> code_use::Model {
    code_use::Model {
        party: party.to_string(),
        code: code.to_string(),
        promoter_id: grant.promoter.to_string(),
        program_key: grant.program.to_string(),
        ordinal: grant.ordinal.into(),
    }
}

pub fn ruling(row: ruling::Model) -> Result<(Party, PromoterId, Ruling), StoreError> {
    let verdict = Verdict::parse(&row.verdict).ok_or_else(|| corrupt("ruling", &row.id, &row.verdict))?;
    let ruled_at = Timestamp::from_unix(row.ruled_at);
    let ruling = Ruling { id: RulingId::new(row.id), verdict, ruled_at };
    Ok((party("ruling", &row.party)?, PromoterId::new(row.promoter_id), ruling))
}

pub fn ruling_row(party: &Party, promoter: &PromoterId, ruling: &Ruling) -> ruling::Model {
    ruling::Model {
        id: ruling.id.to_string(),
        party: party.to_string(),
        promoter_id: promoter.to_string(),
        verdict: ruling.verdict.as_str().to_owned(),
        ruled_at: ruling.ruled_at.unix(),
    }
}

pub fn email(row: &party_email::Model) -> Result<(Party, EmailHash), StoreError> {
    let hash = EmailHash::from_bytes(&row.email_hash);
    let hash = hash.ok_or_else(|| corrupt("party_email", &row.party, "a hash of another length"))?;
    Ok((party("party_email", &row.party)?, hash))
}

pub fn email_row(party: &Party, email: &EmailHash) -> party_email::Model {
    party_email::Model { party: party.to_string(), email_hash: email.as_bytes().to_vec() }
}

pub fn customer_row(id: &CustomerId, parties: &Parties) -> customer::Model {
    customer::Model {
        id: id.to_string(),
        user_id: parties.bound_user(id).map(ToString::to_string),
        alias_of: parties.told_customer(id).map(ToString::to_string),
    }
}

/// A referral with the terms that it is frozen to; `None` for one that became one with another.
pub fn referral(row: referral::Model, versions: &[TermsVersion]) -> Result<Option<Referral>, StoreError> {
    let Some(party) = row.party else { return Ok(None) };
    let version = versions.iter().find(|version| version.id == row.program_version_id);
    let version = version.ok_or_else(|| corrupt("referral", &row.id, &row.program_version_id))?;
    let qualified_at = row.qualified_at.map(Timestamp::from_unix);
    Ok(Some(Referral {
        source: source("referral", &row.id, row.precedence)?,
        party: Party::parse(&party).ok_or_else(|| corrupt("referral", &row.id, &party))?,
        ordinal: number("referral", &row.id, row.ordinal)?,
        id: ReferralId::new(row.id),
        claim: ClaimId::new(row.claim_id),
        code: Code::new(row.code),
        promoter: PromoterId::new(row.promoter_id),
        program: ProgramKey::new(row.program_key),
        terms_version: version.id,
        terms: version.terms.clone(),
        claimed_at: Timestamp::from_unix(row.claimed_at),
        lookback_s: row.lookback_s,
        void: row.void,
        held: row.held,
        qualified: qualified_at.zip(row.qualified_by.map(InvoiceId::new)),
    }))
}

pub fn referral_row(referral: &Referral) -> referral::Model {
    let (qualified_at, qualified_by) = referral.qualified.clone().unzip();
    referral::Model {
        id: referral.id.to_string(),
        party: Some(referral.party.to_string()),
        merged_into: None,
        claim_id: referral.claim.to_string(),
        precedence: referral.source.precedence().into(),
        code: referral.code.to_string(),
        promoter_id: referral.promoter.to_string(),
        program_key: referral.program.to_string(),
        program_version_id: referral.terms_version,
        claimed_at: referral.claimed_at.unix(),
        lookback_s: referral.lookback_s,
        ordinal: referral.ordinal.into(),
        void: referral.void,
        held: referral.held,
        qualified_at: qualified_at.map(Timestamp::unix),
        qualified_by: qualified_by.map(InvoiceId::into_string),
    }
}
