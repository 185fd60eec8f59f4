//! An e-mail of a customer of the host, as a hash: only equality matters.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// An e-mail of a customer of the host, as a hash: only equality matters.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize, Serialize)]
#[sea_orm(table_name = "customer_email")]
pub struct Model {
    /// `user:<id>` or `customer:<cus_…>`, as it was named.
    #[sea_orm(primary_key, auto_increment = false)]
    pub customer: String,
    /// The first 16 bytes of the SHA-256 of the address, trimmed and in lower case.
    #[sea_orm(primary_key, auto_increment = false)]
    #[serde(with = "hex")]
    pub email_hash: Vec<u8>,
    /// What told it first: `evt_…`, `clm_…`, or `api` for a call whose claim said nothing new.
    pub told_by: String,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
