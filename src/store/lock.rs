//! The locks of a transaction: taken at once, in one fixed order, before anything is read.
//!
//! On PostgreSQL a lock is a transaction-level advisory lock on the hash of a key. A row lock would need a row, and
//! what must be locked often has none yet: the invoice of a refund that came early. SQLite has one writer, whose
//! transaction holds the write lock from the start.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DatabaseBackend, Statement};
use sha2::{Digest, Sha256};

use super::database::Txn;
use super::error::StoreError;
use crate::domain::{
    Code, CreditNoteId, CustomerId, DisputeId, InvoiceId, PaymentId, PromoterId, RefundId, UserId,
};

/// Every transaction holds this lock ("everyone" in ASCII) shared; one with very many keys holds it alone instead of its
/// keys, because PostgreSQL keeps all locks in a table of fixed size.
const EVERYTHING: i64 = 0x6576_6572_796f_6e65;
/// Keys that are locked one by one at most: PostgreSQL has room for 6 400 locks by default, over all connections.
const LOCKS_LIMIT: usize = 1_500;

/// What a transaction reads, it reads by key. PostgreSQL, when it has not analyzed a table yet, takes it for small, and
/// keeps a plan that looks at all of its rows long after it has grown; and it would plan each statement anew, five times
/// or for ever. These settings end with the transaction.
const PLANNER: &str = "set_config('enable_seqscan', 'off', TRUE), \
     set_config('plan_cache_mode', 'force_generic_plan', TRUE), set_config('jit', 'off', TRUE)";

/// The keys that a transaction touches. The order of the fields is the order in which they are locked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// Codes that claims name and that do not exist yet: whoever makes one must see the claims.
    pub codes: BTreeSet<Code>,
    /// Payments, as named.
    pub payments: BTreeSet<PaymentId>,
    /// Refunds: a later event may name another payment for one than an earlier did.
    pub refunds: BTreeSet<RefundId>,
    /// Disputes, for the same reason.
    pub disputes: BTreeSet<DisputeId>,
    /// Credit notes: a later event may name another invoice.
    pub credit_notes: BTreeSet<CreditNoteId>,
    /// Invoices.
    pub invoices: BTreeSet<InvoiceId>,
    /// Stripe customers.
    pub customers: BTreeSet<CustomerId>,
    /// Users of the host.
    pub users: BTreeSet<UserId>,
    /// Promoters: whoever makes a referral of one gives its ordinal, and whoever takes a rewarded place takes it from
    /// another.
    pub promoters: BTreeSet<PromoterId>,
    /// Nobody else may be in a transaction: an operator changes what claims are judged by.
    pub everything: bool,
}

impl Keys {
    /// Adds all keys of `other`.
    pub fn extend(&mut self, other: &Self) {
        self.codes.extend(other.codes.iter().cloned());
        self.payments.extend(other.payments.iter().cloned());
        self.refunds.extend(other.refunds.iter().cloned());
        self.disputes.extend(other.disputes.iter().cloned());
        self.credit_notes.extend(other.credit_notes.iter().cloned());
        self.invoices.extend(other.invoices.iter().cloned());
        self.customers.extend(other.customers.iter().cloned());
        self.users.extend(other.users.iter().cloned());
        self.promoters.extend(other.promoters.iter().cloned());
        self.everything |= other.everything;
    }

    /// The payments, invoices, customers and users of these that `other` has not, at most so many of each.
    #[must_use]
    pub fn without(&self, other: &Self, at_most: usize) -> Self {
        Self {
            payments: self.payments.difference(&other.payments).take(at_most).cloned().collect(),
            invoices: self.invoices.difference(&other.invoices).take(at_most).cloned().collect(),
            customers: self.customers.difference(&other.customers).take(at_most).cloned().collect(),
            users: self.users.difference(&other.users).take(at_most).cloned().collect(),
            ..Self::default()
        }
    }

    /// True when all keys of `other` are among these.
    pub fn covers(&self, other: &Self) -> bool {
        self.everything
            || self.codes.is_superset(&other.codes)
                && self.payments.is_superset(&other.payments)
                && self.refunds.is_superset(&other.refunds)
                && self.disputes.is_superset(&other.disputes)
                && self.credit_notes.is_superset(&other.credit_notes)
                && self.invoices.is_superset(&other.invoices)
                && self.customers.is_superset(&other.customers)
                && self.users.is_superset(&other.users)
                && self.promoters.is_superset(&other.promoters)
    }

    fn lock_numbers(&self) -> Vec<i64> {
        let mut numbers = Vec::new();
        let mut class = |name: &str, ids: &mut dyn Iterator<Item = &str>| {
            let hashes: BTreeSet<i64> = ids.map(|id| lock_number(name, id)).collect();
            numbers.extend(hashes);
        };
        class("code", &mut self.codes.iter().map(Code::as_str));
        class("payment", &mut self.payments.iter().map(PaymentId::as_str));
        class("refund", &mut self.refunds.iter().map(RefundId::as_str));
        class("dispute", &mut self.disputes.iter().map(DisputeId::as_str));
        class("credit note", &mut self.credit_notes.iter().map(CreditNoteId::as_str));
        class("invoice", &mut self.invoices.iter().map(InvoiceId::as_str));
        class("customer", &mut self.customers.iter().map(CustomerId::as_str));
        class("user", &mut self.users.iter().map(UserId::as_str));
        class("promoter", &mut self.promoters.iter().map(PromoterId::as_str));
        numbers
    }
}

/// Locks all keys until the transaction ends. Waits for other holders.
///
/// # Errors
/// [`StoreError::Contention`] for a deadlock, [`StoreError::Unavailable`] when the wait is longer than
/// `database.statement_timeout_ms`.
pub async fn lock(txn: &Txn, keys: &Keys) -> Result<(), StoreError> {
    if txn.get_database_backend() != DatabaseBackend::Postgres {
        return Ok(());
    }
    let numbers: Vec<String> = keys.lock_numbers().iter().map(i64::to_string).collect();
    // Raw SQL: the entities have no word for it. `unnest` gives the numbers in their order, and so they are locked.
    let statement = if numbers.is_empty() && !keys.everything {
        Statement::from_string(DatabaseBackend::Postgres, format!("SELECT {PLANNER}"))
    } else if keys.everything || numbers.len() > LOCKS_LIMIT {
        let sql = format!("SELECT COUNT(pg_advisory_xact_lock($1)) AS locked, {PLANNER}");
        Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, [EVERYTHING.into()])
    } else {
        let sql = format!(
            "WITH everything AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared($1), {PLANNER}) \
             SELECT COUNT(pg_advisory_xact_lock(number)) AS locked \
             FROM everything, unnest(string_to_array($2, ',')::bigint[]) AS keys (number)"
        );
        let values = [EVERYTHING.into(), numbers.join(",").into()];
        Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values)
    };
    txn.query_one_raw(statement).await?;
    Ok(())
}

/// 64 bits of the SHA-256 of class and id. A collision only makes two strangers wait for each other.
fn lock_number(class: &str, id: &str) -> i64 {
    let digest = Sha256::new().chain_update(class).chain_update([0]).chain_update(id).finalize();
    let mut number = [0_u8; 8];
    for (byte, of_digest) in number.iter_mut().zip(digest) {
        *byte = of_digest;
    }
    i64::from_be_bytes(number)
}
