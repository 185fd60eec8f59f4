//! Who is who among the customers, their e-mails, and their subscriptions.

use std::collections::BTreeSet;

use entity::{customer_email, stripe_customer, subscription};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use super::batch::{Answers, BatchSelect, BatchUpsert, OnConflict, Selection};
use super::error::{StoreError, corrupt};
use super::select::rows_in;
use super::values::{customer, stripe_names, user_names};
use crate::domain::ledger::{Changes, Fetched, Needs};
use crate::domain::{Customer, EmailHash, StripeCustomerId, SubscriptionId, UserId};

/// The selections of customers.
#[derive(Debug, Default)]
pub(super) struct Selected {
    names: Option<Selection<stripe_customer::Model>>,
    emails: Option<Selection<customer_email::Model>>,
    subscriptions: Option<Selection<subscription::Model>>,
}

/// Selects who the customers that are needed are, their e-mails and subscriptions.
pub(super) fn select(batch: &mut BatchSelect, needs: &Needs) -> Selected {
    let mut selected = Selected::default();
    if !needs.subscriptions.is_empty() {
        // Any of these customers with any of these subscriptions: one more than was asked for does no harm.
        let customers = batch.texts(needs.subscriptions.iter().map(|(customer, _)| customer.as_str()));
        let ids = batch.texts(needs.subscriptions.iter().map(|(_, id)| id.as_str()));
        let is_of = [batch.is_in("stripe_customer_id", customers), batch.is_in("id", ids)].join(" AND ");
        selected.subscriptions = Some(batch.rows::<subscription::Entity>(&is_of));
    }
    if needs.customers.is_empty() {
        return selected;
    }
    let stripe_customers = batch.texts(stripe_names(&needs.customers).into_iter());
    let users = batch.texts(user_names(&needs.customers).into_iter());
    let is_named = [
        batch.is_in("id", stripe_customers),
        batch.is_in("alias_of", stripe_customers),
        batch.is_in("user_id", users),
    ];
    let names = keys(&needs.customers);
    let names = batch.texts(names.iter().map(String::as_str));
    selected.names = Some(batch.rows::<stripe_customer::Entity>(&is_named.join(" OR ")));
    selected.emails = Some(batch.rows_in::<customer_email::Entity>(customer_email::Column::Customer, names));
    selected
}

/// The stored keys of customers.
pub(super) fn keys(customers: &BTreeSet<Customer>) -> Vec<String> {
    customers.iter().map(ToString::to_string).collect()
}

impl Selected {
    /// Reads what was selected.
    pub(super) fn read(self, answers: &mut Answers, fetched: &mut Fetched) -> Result<(), StoreError> {
        if let Some(names) = self.names {
            let rows = answers.take(names)?.into_iter();
            fetched.stripe_customers.extend(rows.map(|row| {
                let (user, alias_of) =
                    (row.user_id.map(UserId::new), row.alias_of.map(StripeCustomerId::new));
                (StripeCustomerId::new(row.id), user, alias_of)
            }));
        }
        for row in self.subscriptions.map(|of| answers.take(of)).transpose()?.unwrap_or_default() {
            let (stripe_customer, id) =
                (StripeCustomerId::new(row.stripe_customer_id), SubscriptionId::new(row.id));
            fetched.subscriptions.push((stripe_customer, id, row.ended));
        }
        if let Some(emails) = self.emails {
            for row in answers.take(emails)? {
                fetched.emails.push(email(row)?);
            }
        }
        Ok(())
    }
}

/// Adds what became known of customers.
pub(super) fn upsert(batch: &mut BatchUpsert, changes: &Changes) {
    let names = changes.stripe_customers.iter().map(|(id, user, alias_of)| stripe_customer::Model {
        id: id.to_string(),
        user_id: user.as_ref().map(ToString::to_string),
        alias_of: alias_of.as_ref().map(ToString::to_string),
    });
    batch.rows::<stripe_customer::Entity>(names, OnConflict::Overwrite);
    let emails = changes.emails.iter().map(|(customer, email, told_by)| customer_email::Model {
        customer: customer.to_string(),
        email_hash: email.as_bytes().to_vec(),
        told_by: told_by.clone(),
    });
    batch.rows::<customer_email::Entity>(emails, OnConflict::Keep);
    let subscriptions = changes.subscriptions.iter().map(subscription_row);
    batch.rows::<subscription::Entity>(subscriptions, OnConflict::Overwrite);
}

/// The subscriptions of these customers, and whether each has ended, as it was told under that name.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn subscriptions(
    db: &impl ConnectionTrait,
    customers: &BTreeSet<StripeCustomerId>,
) -> Result<Vec<(StripeCustomerId, SubscriptionId, bool)>, StoreError> {
    let customers = customers.iter().map(StripeCustomerId::as_str);
    let rows = rows_in::<subscription::Entity, _>(db, subscription::Column::StripeCustomerId, customers);
    let value = |row: subscription::Model| {
        (StripeCustomerId::new(row.stripe_customer_id), SubscriptionId::new(row.id), row.ended)
    };
    Ok(rows.await?.into_iter().map(value).collect())
}

/// The customers of a subscription, and whether it has ended.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn of_subscription(
    db: &impl ConnectionTrait,
    id: &SubscriptionId,
) -> Result<Vec<(StripeCustomerId, bool)>, StoreError> {
    let rows = subscription::Entity::find().filter(subscription::Column::Id.eq(id.as_str())).all(db).await?;
    let value = |row: subscription::Model| (StripeCustomerId::new(row.stripe_customer_id), row.ended);
    Ok(rows.into_iter().map(value).collect())
}

fn subscription_row(
    (stripe_customer, id, ended): &(StripeCustomerId, SubscriptionId, bool),
) -> subscription::Model {
    subscription::Model { stripe_customer_id: stripe_customer.to_string(), id: id.to_string(), ended: *ended }
}

fn email(row: customer_email::Model) -> Result<(Customer, EmailHash, String), StoreError> {
    let hash = EmailHash::from_bytes(&row.email_hash);
    let hash = hash.ok_or_else(|| corrupt("customer_email", &row.customer, "a hash of another length"))?;
    Ok((customer("customer_email", &row.customer)?, hash, row.told_by))
}
