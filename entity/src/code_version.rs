//! One version of a code; only ever added, never changed.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// One version of a code; only ever added, never changed.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize, Serialize)]
#[sea_orm(table_name = "code_version")]
pub struct Model {
    /// The code without case.
    #[sea_orm(primary_key, auto_increment = false)]
    pub code_key: String,
    /// Its number for that code, from 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i64,
    /// From when on claims are judged by it; the first version counts for all earlier times.
    pub valid_from: i64,
    /// False while the code is switched off.
    pub active: bool,
    /// From then on it makes no referral.
    pub expires_at: Option<i64>,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
