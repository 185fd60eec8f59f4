//! One telling of a signed Stripe event: the inbox. Its identity never changes; only its outcome does.

use sea_orm::entity::prelude::*;

/// One telling of a signed Stripe event: the inbox. Its identity never changes; only its outcome does.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "event")]
pub struct Model {
    /// Its number, in the order of commits.
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i64,
    /// `evt_…`, or `body_<sha256>` for a signed body without a usable id. Unique together with `api_version`.
    pub id: String,
    /// `event.api_version`; empty when absent or null.
    pub api_version: String,
    /// `event.type`; empty when the body has none.
    pub event_type: String,
    /// `event.created`.
    pub created_at: Option<i64>,
    /// When it was received. It falls along the numbers only where a clock was set back.
    pub received_at: i64,
    /// `posted`, `recorded`, `ignored`, `parked` or `quarantined`.
    pub outcome: String,
    /// Why it was ignored, parked or quarantined.
    pub reason: Option<String>,
    /// The payment, as the event named it, whose invoice a parked event waits for, and settles one that was ignored for
    /// want of an invoice.
    pub waits_for: Option<String>,
    /// How often Stripe was asked about the payment while the event was parked. Written by the redrive job.
    pub lookups: i32,
    /// The earliest time of the next such question, Unix seconds; none when the age of the event decides. Written by
    /// the redrive job.
    pub lookup_at: Option<i64>,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
