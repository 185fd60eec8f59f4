//! Filling a book. Follows the connections of the given keys to their end: payment ↔ charge, payment ↔ invoice,
//! invoice → customer ↔ account, customer → user → claims; and from a party whose claims change to all its invoices.

use std::collections::BTreeSet;

use entity::{commission, credit_note, dispute, invoice, refund};
use sea_orm::{EntityTrait, QueryFilter, QuerySelect};

use super::loader::{Loader, Unread};
use super::wanted::Wanted;
use crate::domain::{
    Book, Claim, CreditNoteId, CustomerId, DisputeId, InvoiceId, Judged, Party, PaymentId, RefundId,
};
use crate::store::ask::Ask;
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
        referrals: Vec::new(),
        asked: Unread::default(),
        complete: BTreeSet::new(),
    };
    loader.claims_to_judge(wanted).await?;
    loader.keys_of_losses().await?;
    let mut first = Some(loader.unread(&wanted.claims));
    loop {
        while loader.connections(first.take(), &wanted.events).await? {}
        loader.terms(&wanted.claims).await?;
        let before = loader.keys.invoices.len();
        loader.invoices_of_whole_parties(wanted).await?;
        if loader.keys.invoices.len() == before {
            break;
        }
    }
    loader.standings().await?;
    loader.commissions().await?;
    loader.book.incomplete = loader.keys.customers.difference(&loader.complete).cloned().collect();
    Ok(Loaded { book: loader.book, keys: loader.keys })
}

impl Loader<'_> {
    /// A refund or dispute may be kept under another name of its payment than the one that an event gives now, and a
    /// credit note under another invoice.
    async fn keys_of_losses(&mut self) -> Result<(), StoreError> {
        let keys = &self.keys;
        if keys.refunds.is_empty() && keys.disputes.is_empty() && keys.credit_notes.is_empty() {
            return Ok(());
        }
        let mut ask = Ask::new(self.txn);
        let ids = ask.texts(keys.refunds.iter().map(RefundId::as_str));
        let refunds = ask.rows_in::<refund::Entity>(refund::Column::Id, ids);
        let ids = ask.texts(keys.disputes.iter().map(DisputeId::as_str));
        let disputes = ask.rows_in::<dispute::Entity>(dispute::Column::Id, ids);
        let ids = ask.texts(keys.credit_notes.iter().map(CreditNoteId::as_str));
        let notes = ask.rows_in::<credit_note::Entity>(credit_note::Column::Id, ids);
        let answers = ask.send(self.txn).await?;
        let of_refunds = answers.take(refunds)?.into_iter().map(|row| row.payment_id);
        let of_disputes = answers.take(disputes)?.into_iter().map(|row| row.payment_id);
        self.keys.payments.extend(of_refunds.chain(of_disputes).map(PaymentId::new));
        let of_notes = answers.take(notes)?.into_iter().map(|row| row.invoice_id);
        self.keys.invoices.extend(of_notes.map(InvoiceId::new));
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

    /// The commissions of parties whose invoices are all looked at: most stay as they are, and are not written again.
    async fn commissions(&mut self) -> Result<(), StoreError> {
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
