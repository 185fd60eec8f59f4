//! Filling a book with what is posted, and with the events that wait.

use entity::{commission, event, ledger_entry};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, FromQueryResult, QueryFilter, QuerySelect};

use super::load::Loader;
use crate::domain::{CustomerId, EventId, InvoiceId, Kind, PaymentId, PromoterId, Timestamp};
use crate::store::error::StoreError;
use crate::store::rows;
use crate::store::select::{KEYS_PER_STATEMENT, one_of, rows_in};

impl Loader<'_> {
    pub(super) async fn parked(&mut self) -> Result<(), StoreError> {
        let payments: Vec<&str> = self.keys.payments.iter().map(PaymentId::as_str).collect();
        for some in payments.chunks(KEYS_PER_STATEMENT) {
            let rows = event::Entity::find().select_only();
            let rows = rows.column(event::Column::Id).column(event::Column::ParkedOn);
            let rows = rows.filter(one_of(self.txn, event::Column::ParkedOn, some.iter().copied()));
            for (id, payment) in rows.into_tuple::<(String, String)>().all(self.txn).await? {
                let waiting = self.book.parked.entry(PaymentId::new(payment)).or_default();
                waiting.insert(EventId::new(id));
            }
        }
        Ok(())
    }

    pub(super) async fn posted_sums(&mut self) -> Result<(), StoreError> {
        #[derive(Debug, FromQueryResult)]
        struct Sum {
            invoice_id: String,
            promoter_id: String,
            currency: String,
            kind: String,
            total_minor: i64,
            available_at: i64,
        }
        use ledger_entry::Column;
        let ids: Vec<String> = self.book.invoice_ids().map(ToString::to_string).collect();
        let groups =
            [Column::InvoiceId, Column::PromoterId, Column::Currency, Column::Kind, Column::AvailableAt];
        for some in ids.chunks(KEYS_PER_STATEMENT) {
            let mut sums = ledger_entry::Entity::find().select_only();
            for column in groups {
                sums = sums.column(column).group_by(column);
            }
            let sums = sums.column_as(Column::AmountMinor.sum().cast_as("BIGINT"), "total_minor");
            let sums = sums.filter(one_of(self.txn, Column::InvoiceId, some.iter().map(String::as_str)));
            for row in sums.into_model::<Sum>().all(self.txn).await? {
                let kind = Kind::parse(&row.kind)
                    .ok_or_else(|| rows::corrupt("ledger_entry", &row.invoice_id, &row.kind))?;
                let currency = rows::currency("ledger_entry", &row.invoice_id, &row.currency)?;
                let available_at = Timestamp::from_unix(row.available_at);
                let key = (PromoterId::new(row.promoter_id), currency, kind, available_at);
                let sums = self.book.posted.entry(InvoiceId::new(row.invoice_id)).or_default();
                sums.insert(key, row.total_minor);
            }
        }
        Ok(())
    }

    /// The commissions of parties whose invoices are all looked at: most stay as they are, and are not written again.
    pub(super) async fn commissions(&mut self) -> Result<(), StoreError> {
        let is_of_whole_party = |id: &&InvoiceId| {
            let customer = self.book.invoice(id).and_then(|invoice| invoice.claim.customer.as_ref());
            customer.is_some_and(|customer: &CustomerId| self.complete.contains(customer))
        };
        let ids: Vec<String> =
            self.book.invoice_ids().filter(is_of_whole_party).map(ToString::to_string).collect();
        let column = commission::Column::InvoiceId;
        for row in rows_in::<commission::Entity, _>(self.txn, column, ids).await? {
            let (invoice, commission) = rows::commission(row)?;
            self.book.commissions.insert(invoice, commission);
        }
        Ok(())
    }
}
