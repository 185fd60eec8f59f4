//! A Stripe customer that is known to belong to a user of the host. Customers of no known user have no row.

use sea_orm::entity::prelude::*;

/// A Stripe customer that is known to belong to a user of the host. Customers of no known user have no row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "customer")]
pub struct Model {
    /// `cus_…`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// The user, from the API call that named both.
    pub user_id: String,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
