//! Claims, and what was given and said because of them: redemptions, referral numbers, reviews.

use std::collections::{BTreeMap, BTreeSet};

use entity::{claim, claim_used_up, redemption, referral_counter, referral_number, review};
use sea_orm::ConnectionTrait;

use super::batch::{Answers, BatchSelect, BatchUpsert, OnConflict, Selection};
use super::customers::keys;
use super::error::{StoreError, corrupt};
use super::select::rows_in;
use super::values::{customer, number, stripe_names, user_names};
use crate::domain::ledger::{Changes, Fetched, Group, Needs};
use crate::domain::{
    Claim, ClaimId, ClaimSource, Code, Customer, ProgramKey, PromoterId, Review, ReviewDecision, ReviewId,
    StripeCustomerId, Timestamp, UserId,
};

/// The selections of claims.
#[derive(Debug, Default)]
pub(super) struct Selected {
    claims: Vec<Selection<claim::Model>>,
    used_up: Option<Selection<claim_used_up::Model>>,
    redemptions: Option<Selection<redemption::Model>>,
    numbers: Option<Selection<referral_number::Model>>,
    reviews: Option<Selection<review::Model>>,
}

/// Selects the claims about the customers that are needed, with what was given and said because of them, and the claims
/// that a code, or any code of a program, decides about.
pub(super) fn select(batch: &mut BatchSelect, needs: &Needs) -> Selected {
    let mut selected = Selected::default();
    if !needs.customers.is_empty() {
        let stripe_customers = batch.texts(stripe_names(&needs.customers).into_iter());
        let users = batch.texts(user_names(&needs.customers).into_iter());
        let is_about = [batch.is_in("stripe_customer_id", stripe_customers), batch.is_in("user_id", users)];
        let is_about = is_about.join(" OR ");
        let is_used_up = batch.is_among("claim_id", &format!("SELECT id FROM claim WHERE {is_about}"));
        let names = keys(&needs.customers);
        let names = batch.texts(names.iter().map(String::as_str));
        selected.claims.push(batch.rows::<claim::Entity>(&is_about));
        selected.used_up = Some(batch.rows::<claim_used_up::Entity>(&is_used_up));
        selected.redemptions = Some(batch.rows_in::<redemption::Entity>(redemption::Column::Customer, names));
        selected.numbers =
            Some(batch.rows_in::<referral_number::Entity>(referral_number::Column::Customer, names));
        selected.reviews = Some(batch.rows_in::<review::Entity>(review::Column::Customer, names));
    }
    if let Some(since) = needs.claims_naming.values().min() {
        let named = batch.texts(needs.claims_naming.keys().map(String::as_str));
        let carried = format!("SELECT id FROM promotion_code WHERE {}", batch.is_in("code_key", named));
        let codes = format!("{} UNION ALL {carried}", batch.listed(named));
        selected.claims.push(since_then(batch, &codes, *since));
    }
    if let Some(since) = needs.claims_in.values().min() {
        let programs = batch.texts(needs.claims_in.keys().map(ProgramKey::as_str));
        let codes = format!("SELECT key FROM code WHERE {}", batch.is_in("program_key", programs));
        let promotions =
            format!("SELECT id FROM promotion_code WHERE {}", batch.is_among("code_key", &codes));
        let codes = format!("{codes} UNION ALL {promotions}");
        selected.claims.push(since_then(batch, &codes, *since));
    }
    selected
}

/// The claims that name one of the codes that a query gives and were made then or later. One query for the codes and what
/// they carry: between two conditions PostgreSQL would read the whole index for `claimed_at` as long as it is small.
fn since_then(batch: &mut BatchSelect, codes: &str, since: Timestamp) -> Selection<claim::Model> {
    let is_named = batch.is_among("code_key", codes);
    let since = batch.value(since.unix());
    batch.rows::<claim::Entity>(&format!("{is_named} AND claimed_at >= {since}"))
}

impl Selected {
    /// Reads what was selected.
    pub(super) fn read(self, answers: &mut Answers, fetched: &mut Fetched) -> Result<(), StoreError> {
        for selection in self.claims {
            for row in answers.take(selection)? {
                fetched.claims.push(value(row)?);
            }
        }
        if let Some(used_up) = self.used_up {
            let rows = answers.take(used_up)?.into_iter();
            fetched.used_up.extend(rows.map(|row| ClaimId::new(row.claim_id)));
        }
        if let Some(redemptions) = self.redemptions {
            for row in answers.take(redemptions)? {
                let code = Code::new(row.code_key);
                fetched.redemptions.push((customer("redemption", &row.customer)?, code));
            }
        }
        for row in self.numbers.map(|numbers| answers.take(numbers)).transpose()?.unwrap_or_default() {
            let given = number("referral_number", &row.customer, row.number)?;
            let group = (PromoterId::new(row.promoter_id), ProgramKey::new(row.program_key));
            fetched.referral_numbers.push((customer("referral_number", &row.customer)?, group, given));
        }
        // Of several reviews of one name the latest holds.
        let mut latest: BTreeMap<(Customer, PromoterId), Review> = BTreeMap::new();
        for row in self.reviews.map(|reviews| answers.take(reviews)).transpose()?.unwrap_or_default() {
            let (customer, promoter, said) = review(row)?;
            let known = latest.entry((customer, promoter)).or_insert_with(|| said.clone());
            if said.order() > known.order() {
                *known = said;
            }
        }
        let latest = latest.into_iter().map(|((customer, promoter), said)| (customer, promoter, said));
        fetched.reviews.extend(latest);
        Ok(())
    }
}

/// Adds new claims, and what was given and said because of them.
pub(super) fn upsert(batch: &mut BatchUpsert, changes: &Changes) {
    batch.rows::<claim::Entity>(changes.claims.iter().map(row), OnConflict::Keep);
    let used_up = changes.used_up.iter().map(|claim| claim_used_up::Model { claim_id: claim.to_string() });
    batch.rows::<claim_used_up::Entity>(used_up, OnConflict::Refuse);
    batch.rows::<review::Entity>(changes.reviews.iter().map(review_row), OnConflict::Refuse);
    batch.rows::<redemption::Entity>(changes.redemptions.iter().map(redemption_row), OnConflict::Refuse);
    let numbers = changes.referral_numbers.iter().map(number_row);
    batch.rows::<referral_number::Entity>(numbers, OnConflict::Refuse);
    let last = changes.last_referral_numbers.iter().map(counter_row);
    batch.rows::<referral_counter::Entity>(last, OnConflict::Overwrite);
}

/// The source of a stored precedence.
pub(super) fn source(table: &'static str, id: &str, precedence: i32) -> Result<ClaimSource, StoreError> {
    let known = u16::try_from(precedence).ok().and_then(ClaimSource::from_precedence);
    known.ok_or_else(|| corrupt(table, id, &precedence))
}

fn value(row: claim::Model) -> Result<Claim, StoreError> {
    let source = source("claim", &row.id, row.precedence)?;
    let is_promotion = source.names_promotion_code();
    Ok(Claim {
        source,
        id: ClaimId::new(row.id),
        stripe_customer: row.stripe_customer_id.map(StripeCustomerId::new),
        user: row.user_id.map(UserId::new),
        code: if is_promotion { Code::promotion(row.code) } else { Code::new(row.code) },
        claimed_at: Timestamp::from_unix(row.claimed_at),
        moved_at: row.moved_at.map(Timestamp::from_unix),
        lookback_s: row.lookback_s,
        invitation_method: row.invitation_method,
    })
}

fn row(claim: &Claim) -> claim::Model {
    claim::Model {
        id: claim.id.to_string(),
        stripe_customer_id: claim.stripe_customer.as_ref().map(ToString::to_string),
        user_id: claim.user.as_ref().map(ToString::to_string),
        code: claim.code.to_string(),
        code_key: claim.code.folded().to_owned(),
        precedence: claim.source.precedence().into(),
        claimed_at: claim.claimed_at.unix(),
        moved_at: claim.moved_at.map(Timestamp::unix),
        lookback_s: claim.lookback_s,
        invitation_method: claim.invitation_method.clone(),
    }
}

fn redemption_row((customer, code): &(Customer, Code)) -> redemption::Model {
    redemption::Model { customer: customer.to_string(), code_key: code.folded().to_owned() }
}

fn number_row((customer, (promoter, program), number): &(Customer, Group, u32)) -> referral_number::Model {
    referral_number::Model {
        customer: customer.to_string(),
        promoter_id: promoter.to_string(),
        program_key: program.to_string(),
        number: i64::from(*number),
    }
}

fn counter_row(((promoter, program), last): &(Group, u32)) -> referral_counter::Model {
    let (promoter_id, program_key) = (promoter.to_string(), program.to_string());
    referral_counter::Model { promoter_id, program_key, last: i64::from(*last) }
}

fn review(row: review::Model) -> Result<(Customer, PromoterId, Review), StoreError> {
    let decision = ReviewDecision::parse(&row.decision);
    let decision = decision.ok_or_else(|| corrupt("review", &row.id, &row.decision))?;
    let reviewed_at = Timestamp::from_unix(row.reviewed_at);
    let said = Review {
        id: ReviewId::new(row.id),
        decision,
        reviewed_at,
        reviewed_by: row.reviewed_by,
        reason: row.reason,
        covers_user: row.covers_user,
        covers_email: row.covers_email,
    };
    Ok((customer("review", &row.customer)?, PromoterId::new(row.promoter_id), said))
}

fn review_row((customer, promoter, review): &(Customer, PromoterId, Review)) -> review::Model {
    review::Model {
        id: review.id.to_string(),
        customer: customer.to_string(),
        promoter_id: promoter.to_string(),
        decision: review.decision.as_str().to_owned(),
        reviewed_at: review.reviewed_at.unix(),
        reviewed_by: review.reviewed_by.clone(),
        reason: review.reason.clone(),
        covers_user: review.covers_user,
        covers_email: review.covers_email,
    }
}

/// All reviews of customers under these names, oldest first.
///
/// # Errors
/// [`StoreError`] when the database is away, or a row cannot be read.
pub async fn reviews_of(
    db: &impl ConnectionTrait,
    names: &BTreeSet<Customer>,
) -> Result<Vec<(Customer, PromoterId, Review)>, StoreError> {
    let rows = rows_in::<review::Entity, _>(db, review::Column::Customer, keys(names)).await?;
    let mut reviews = rows.into_iter().map(review).collect::<Result<Vec<_>, _>>()?;
    reviews.sort_by(|(_, _, one), (_, _, other)| one.order().cmp(&other.order()));
    Ok(reviews)
}
