//! One statement that a customer was referred by a code. Only ever inserted.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// One statement that a customer was referred by a code. Only ever inserted.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize, Serialize)]
#[sea_orm(table_name = "claim")]
pub struct Model {
    /// `clm_…`; made from the event's id for a claim in an event.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// The Stripe customer that it is about.
    pub stripe_customer_id: Option<String>,
    /// The user of the host that it is about; at least one of the two is known.
    pub user_id: Option<String>,
    /// The code as it was named, or the promotion code (`promo_…`); it may not exist yet.
    pub code: String,
    /// What the code is found by: the code without case, or the promotion code.
    pub code_key: String,
    /// Its source as a precedence; the smaller wins at equal `claimed_at`.
    pub precedence: i32,
    /// `event.created`, or the time of the API call.
    pub claimed_at: i64,
    /// For a move by the operator the time of the call: it beats all other claims, the last one all others.
    pub moved_at: Option<i64>,
    /// The attribution lookback when it was recorded, in seconds.
    pub lookback_s: i64,
    /// How the customer was invited, in the host's own words.
    pub invitation_method: Option<String>,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
