//! What an operator said of a held referral. Only ever inserted.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// What an operator said of a held referral. Only ever inserted.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize, Serialize)]
#[sea_orm(table_name = "review")]
pub struct Model {
    /// `rev_…`, the cause of the entries that follow from it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// `user:<id>` or `customer:<cus_…>`, as the customer was named then.
    pub customer: String,
    /// The promoter.
    pub promoter_id: String,
    /// `released` or `refused`.
    pub decision: String,
    /// When it was said.
    pub reviewed_at: i64,
    /// Who said it, in the operator's own words.
    pub reviewed_by: Option<String>,
    /// Why, in the operator's own words.
    pub reason: Option<String>,
    /// A release covers that the two are one user of the host; false when that was not known then.
    pub covers_user: bool,
    /// A release covers that the two share an e-mail; false when that was not known then.
    pub covers_email: bool,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
