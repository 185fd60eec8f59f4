//! Filling a book. Follows the connections of the given keys to their end: payment ↔ charge, payment ↔ invoice,
//! invoice → customer ↔ account, customer → user → claims; and from a party whose claims change to all its invoices.

use std::collections::BTreeSet;

use entity::{credit_note, dispute, invoice, payment, payment_link, refund};
use sea_orm::{EntityTrait, QueryFilter, QuerySelect};

use super::wanted::Wanted;
use crate::domain::{
    Book, Claim, CreditNoteId, CustomerId, DisputeId, InvoiceId, Judged, Party, PaymentId, RefundId,
};
use crate::store::database::Txn;
use crate::store::error::StoreError;
use crate::store::lock::Keys;
use crate::store::rows;
use crate::store::select::{KEYS_PER_STATEMENT, one_of, rows_in};

/// A filled book, and all keys that it depends on: each must be locked for the book to be true.
#[derive(Debug)]
pub(in crate::store) struct Loaded {
    /// The book.
    pub book: Book,
    /// The keys.
    pub keys: Keys,
}

/// Reads everything that `wanted` connects to.
pub(in crate::store) async fn load(txn: &Txn, wanted: &Wanted) -> Result<Loaded, StoreError> {
    let mut loader = Loader {
        txn,
        book: Book::default(),
        keys: wanted.keys.clone(),
        done: Keys::default(),
        complete: BTreeSet::new(),
    };
    loader.claims_to_judge(wanted).await?;
    loader.payments_of_losses().await?;
    loop {
        loader.payments_and_invoices().await?;
        loader.parties(&wanted.claims).await?;
        let before = loader.keys.invoices.len();
        loader.invoices_of_whole_parties(wanted).await?;
        if loader.keys.invoices.len() == before {
            break;
        }
    }
    loader.standings().await?;
    loader.losses_and_parked().await?;
    loader.posted_sums().await?;
    loader.commissions().await?;
    loader.book.incomplete = loader.keys.customers.difference(&loader.complete).cloned().collect();
    Ok(Loaded { book: loader.book, keys: loader.keys })
}

pub(super) struct Loader<'t> {
    pub(super) txn: &'t Txn,
    pub(super) book: Book,
    /// Everything found.
    pub(super) keys: Keys,
    /// What has been followed already.
    pub(super) done: Keys,
    /// Customers whose invoices have all been read.
    pub(super) complete: BTreeSet<CustomerId>,
}

impl Loader<'_> {
    /// A refund or dispute may be kept under another name of its payment than the one that an event gives now.
    async fn payments_of_losses(&mut self) -> Result<(), StoreError> {
        let ids = self.keys.refunds.iter().map(RefundId::as_str);
        let rows = rows_in::<refund::Entity, _>(self.txn, refund::Column::Id, ids).await?;
        self.keys.payments.extend(rows.into_iter().map(|row| PaymentId::new(row.payment_id)));
        let ids = self.keys.disputes.iter().map(DisputeId::as_str);
        let rows = rows_in::<dispute::Entity, _>(self.txn, dispute::Column::Id, ids).await?;
        self.keys.payments.extend(rows.into_iter().map(|row| PaymentId::new(row.payment_id)));
        let ids = self.keys.credit_notes.iter().map(CreditNoteId::as_str);
        let rows = rows_in::<credit_note::Entity, _>(self.txn, credit_note::Column::Id, ids).await?;
        self.keys.invoices.extend(rows.into_iter().map(|row| InvoiceId::new(row.invoice_id)));
        Ok(())
    }

    /// Follows aliases and links until nothing new turns up, then reads the invoices.
    async fn payments_and_invoices(&mut self) -> Result<(), StoreError> {
        loop {
            let payments: Vec<PaymentId> =
                self.keys.payments.difference(&self.done.payments).cloned().collect();
            let invoices: Vec<InvoiceId> =
                self.keys.invoices.difference(&self.done.invoices).cloned().collect();
            if payments.is_empty() && invoices.is_empty() {
                return Ok(());
            }
            self.done.payments.extend(payments.iter().cloned());
            self.done.invoices.extend(invoices.iter().cloned());
            self.payment_rows(&payments).await?;
            self.links(&payments, &invoices).await?;
            self.invoice_rows(&invoices).await?;
        }
    }

    async fn payment_rows(&mut self, payments: &[PaymentId]) -> Result<(), StoreError> {
        let ids = || payments.iter().map(PaymentId::as_str);
        let mut rows = rows_in::<payment::Entity, _>(self.txn, payment::Column::Id, ids()).await?;
        rows.extend(rows_in::<payment::Entity, _>(self.txn, payment::Column::PaymentIntent, ids()).await?);
        for (id, facts) in rows.into_iter().map(rows::payment_facts) {
            self.keys.payments.extend(facts.payment_intent.clone());
            self.keys.payments.insert(id.clone());
            self.book.graph.merge_payment(&id, facts);
        }
        Ok(())
    }

    async fn links(&mut self, payments: &[PaymentId], invoices: &[InvoiceId]) -> Result<(), StoreError> {
        let of_payments = payments.iter().map(PaymentId::as_str);
        let of_invoices = invoices.iter().map(InvoiceId::as_str);
        let mut rows =
            rows_in::<payment_link::Entity, _>(self.txn, payment_link::Column::PaymentId, of_payments)
                .await?;
        rows.extend(
            rows_in::<payment_link::Entity, _>(self.txn, payment_link::Column::InvoiceId, of_invoices)
                .await?,
        );
        for row in rows {
            let (invoice, payment) = (InvoiceId::new(row.invoice_id), PaymentId::new(row.payment_id));
            self.book.graph.merge_link(&invoice, &payment, row.amount_minor);
            self.keys.invoices.insert(invoice);
            self.keys.payments.insert(payment);
        }
        Ok(())
    }

    async fn invoice_rows(&mut self, invoices: &[InvoiceId]) -> Result<(), StoreError> {
        let ids = invoices.iter().map(InvoiceId::as_str);
        for row in rows_in::<invoice::Entity, _>(self.txn, invoice::Column::Id, ids).await? {
            let (id, invoice) = rows::paid_invoice(row)?;
            self.keys.customers.extend(invoice.claim.customer.clone());
            self.book.take_invoice(id, invoice);
        }
        Ok(())
    }

    /// A claim that may move a referral moves all invoices of its party, and of a customer that it binds to a user; and
    /// where the terms count invoices, or rewarded places are limited, all of them are needed with each of them.
    async fn invoices_of_whole_parties(&mut self, wanted: &Wanted) -> Result<(), StoreError> {
        let mut customers = wanted.complete.clone();
        if wanted.whole {
            customers.extend(self.keys.customers.iter().cloned());
        }
        let moving = self.moving_parties(wanted);
        for party in &moving {
            customers.extend(self.book.parties.customers_of(party));
        }
        customers.extend(
            wanted
                .claims
                .iter()
                .filter(|claim| self.book.may_move(claim))
                .filter_map(|claim| claim.customer.clone()),
        );
        for (party, referral) in &self.book.referrals {
            let group = (referral.promoter.clone(), referral.program.clone());
            if referral.terms.counts_invoices() || self.book.limits_rewards(&group) {
                customers.extend(self.book.parties.customers_of(party));
            }
        }
        self.promoters_of(&moving, &wanted.claims);
        let customers: Vec<CustomerId> = customers.difference(&self.complete).cloned().collect();
        for some in customers.chunks(KEYS_PER_STATEMENT) {
            let rows = invoice::Entity::find().select_only().column(invoice::Column::Id);
            let of_some = one_of(self.txn, invoice::Column::CustomerId, some.iter().map(CustomerId::as_str));
            let found = rows.filter(of_some).into_tuple::<String>().all(self.txn).await?;
            self.keys.invoices.extend(found.into_iter().map(InvoiceId::new));
        }
        self.complete.extend(customers.iter().cloned());
        self.keys.customers.extend(customers);
        Ok(())
    }

    /// The parties about which there are new claims, or claims to judge again.
    fn moving_parties(&self, wanted: &Wanted) -> BTreeSet<Party> {
        let stored = self.book.parties.claims().filter(|claim| wanted.judges(claim));
        let new = wanted.claims.iter().filter(|claim| self.book.may_move(claim));
        let named = stored.chain(new).filter_map(Claim::named_party);
        named.map(|party| self.book.parties.present(&party)).collect()
    }

    /// Whoever moves a referral holds the locks of all promoters that it may come from or go to.
    fn promoters_of(&mut self, moving: &BTreeSet<Party>, new_claims: &[Claim]) {
        let book = &self.book;
        for party in moving {
            let new = new_claims.iter().filter(|claim| {
                claim.named_party().is_some_and(|named| book.parties.present(&named) == *party)
            });
            for claim in book.parties.claims_of(party).chain(new) {
                if let Judged::Valid(_, facts, _) = book.judge(claim, party) {
                    self.keys.promoters.insert(facts.owner.promoter.clone());
                }
            }
            self.keys.promoters.extend(book.referrals.get(party).map(|known| known.promoter.clone()));
        }
    }

    async fn losses_and_parked(&mut self) -> Result<(), StoreError> {
        let ids = || self.keys.payments.iter().map(PaymentId::as_str);
        for row in rows_in::<refund::Entity, _>(self.txn, refund::Column::PaymentId, ids()).await? {
            let (id, facts) = rows::refund_facts(row)?;
            self.book.graph.merge_refund(&id, facts);
        }
        for row in rows_in::<dispute::Entity, _>(self.txn, dispute::Column::PaymentId, ids()).await? {
            let (id, facts) = rows::dispute_facts(row)?;
            self.book.graph.merge_dispute(&id, facts);
        }
        let invoices = self.keys.invoices.iter().map(InvoiceId::as_str);
        let column = credit_note::Column::InvoiceId;
        for row in rows_in::<credit_note::Entity, _>(self.txn, column, invoices).await? {
            let (id, facts) = rows::credit_note_facts(row);
            self.book.graph.merge_credit_note(&id, facts);
        }
        self.parked().await
    }
}
