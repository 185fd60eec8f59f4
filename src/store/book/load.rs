//! Filling a book. Follows the connections of the given keys to their end: payment ↔ charge, payment ↔ invoice,
//! invoice → customer → user → claims; and from a party whose claims change to all its invoices.

use std::collections::BTreeSet;

use entity::{
    claim, code, credit_note, customer, dispute, event, invoice, ledger_entry, payment, payment_link,
    program_version, referral, refund,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseBackend, EntityTrait, ExprTrait, FromQueryResult, QueryFilter,
    QuerySelect,
};

use crate::domain::attribution::CodeOwner;
use crate::domain::{
    Book, Claim, Code, CreditNoteId, CustomerId, DisputeId, EventId, InvoiceId, Kind, Party, PaymentId,
    ProgramKey, PromoterId, RefundId, Timestamp, UserId,
};
use crate::store::database::{Database, Txn};
use crate::store::error::StoreError;
use crate::store::lock::{Keys, lock};
use crate::store::rows;
use crate::store::select::{KEYS_PER_STATEMENT, rows_in};

/// What a transaction is about.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The keys that it names.
    pub keys: Keys,
    /// New claims that it brings.
    pub claims: Vec<Claim>,
    /// A code that it makes: the claims that name it are wanted with all invoices of their parties.
    pub new_code: Option<Code>,
}

/// How often a transaction is begun again because reading showed keys that it had not locked. The connections of a
/// payment are followed to their end each time, so the second attempt is the rule and a third one rare.
const OPEN_ATTEMPTS: u32 = 8;

/// A filled book, and all keys that it depends on: each must be locked for the book to be true.
#[derive(Debug)]
pub(in crate::store) struct Loaded {
    /// The book.
    pub book: Book,
    /// The keys.
    pub keys: Keys,
}

/// Begins a transaction that holds the locks of everything that `wanted` connects to, and fills a book with it.
///
/// What connects is only known after reading, and may only be read under its lock: when reading shows a key that is
/// not locked, the transaction is rolled back and begun again with the larger set, so that locks are always taken in
/// one order. SQLite needs no second try: its transaction excludes every other from the start.
///
/// # Errors
/// [`StoreError::Contention`] when the set keeps growing; otherwise as the database answers.
pub async fn open(db: &Database, mut wanted: Wanted) -> Result<(Txn, Book), StoreError> {
    for _ in 0..OPEN_ATTEMPTS {
        let txn = db.begin().await?;
        lock(&txn, &wanted.keys).await?;
        let loaded = load(&txn, &wanted).await?;
        if txn.get_database_backend() == DatabaseBackend::Sqlite || wanted.keys.covers(&loaded.keys) {
            return Ok((txn, loaded.book));
        }
        txn.rollback().await?;
        wanted.keys.extend(&loaded.keys);
    }
    Err(StoreError::Contention(None))
}

/// Reads everything that `wanted` connects to.
pub(in crate::store) async fn load(txn: &Txn, wanted: &Wanted) -> Result<Loaded, StoreError> {
    let mut loader = Loader { txn, book: Book::default(), keys: wanted.keys.clone(), done: Keys::default() };
    if let Some(code) = &wanted.new_code {
        loader.claims_of_code(code).await?;
    }
    loader.payments_of_losses().await?;
    loop {
        loader.payments_and_invoices().await?;
        loader.parties(&wanted.claims).await?;
        let before = loader.keys.invoices.len();
        loader.invoices_of_moving_parties(wanted).await?;
        if loader.keys.invoices.len() == before {
            break;
        }
    }
    loader.losses_and_parked().await?;
    loader.posted_sums().await?;
    Ok(Loaded { book: loader.book, keys: loader.keys })
}

struct Loader<'t> {
    txn: &'t Txn,
    book: Book,
    /// Everything found.
    keys: Keys,
    /// What has been followed already.
    done: Keys,
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

    /// Users, claims, codes, terms and referrals of the customers found so far.
    async fn parties(&mut self, new_claims: &[Claim]) -> Result<(), StoreError> {
        let mut parties: Vec<String> = Vec::new();
        loop {
            self.customers().await?;
            let customers: Vec<CustomerId> =
                self.keys.customers.difference(&self.done.customers).cloned().collect();
            let users: Vec<UserId> = self.keys.users.difference(&self.done.users).cloned().collect();
            if customers.is_empty() && users.is_empty() {
                break;
            }
            let of_customers = customers.iter().map(CustomerId::as_str);
            let of_users = users.iter().map(UserId::as_str);
            let mut claims =
                rows_in::<claim::Entity, _>(self.txn, claim::Column::CustomerId, of_customers).await?;
            claims.extend(rows_in::<claim::Entity, _>(self.txn, claim::Column::UserId, of_users).await?);
            self.take_claims(claims)?;
            self.done.customers.extend(customers.iter().cloned());
            self.done.users.extend(users.iter().cloned());
            parties.extend(customers.into_iter().map(|id| Party::Customer(id).to_string()));
            parties.extend(users.into_iter().map(|id| Party::User(id).to_string()));
        }
        self.codes(new_claims).await?;
        self.referrals(parties).await
    }

    /// Customer → user → all customers of that user.
    async fn customers(&mut self) -> Result<(), StoreError> {
        let ids: Vec<CustomerId> = self.keys.customers.difference(&self.done.customers).cloned().collect();
        let of_ids = ids.iter().map(CustomerId::as_str);
        for row in rows_in::<customer::Entity, _>(self.txn, customer::Column::Id, of_ids).await? {
            self.keys.users.insert(UserId::new(&row.user_id));
            self.book.parties.bind(CustomerId::new(row.id), UserId::new(row.user_id));
        }
        let users: Vec<UserId> = self.keys.users.difference(&self.done.users).cloned().collect();
        let of_users = users.iter().map(UserId::as_str);
        for row in rows_in::<customer::Entity, _>(self.txn, customer::Column::UserId, of_users).await? {
            self.keys.customers.insert(CustomerId::new(&row.id));
            self.book.parties.bind(CustomerId::new(row.id), UserId::new(row.user_id));
        }
        Ok(())
    }

    fn take_claims(&mut self, claims: Vec<claim::Model>) -> Result<(), StoreError> {
        for row in claims {
            let claim = rows::claim(row)?;
            self.keys.customers.extend(claim.customer.clone());
            self.keys.users.extend(claim.user.clone());
            self.book.parties.add(claim);
        }
        Ok(())
    }

    async fn claims_of_code(&mut self, code: &Code) -> Result<(), StoreError> {
        let rows = rows_in::<claim::Entity, _>(self.txn, claim::Column::Code, [code.as_str()]).await?;
        self.take_claims(rows)
    }

    /// The codes that claims name; one that does not exist is a key, so that its making waits for us.
    async fn codes(&mut self, new_claims: &[Claim]) -> Result<(), StoreError> {
        let claims = self.book.parties.claims().chain(new_claims);
        let named: BTreeSet<Code> = claims.map(|claim| claim.code.clone()).collect();
        let unread = named.iter().filter(|code| !self.book.codes.contains_key(code)).map(Code::as_str);
        for row in rows_in::<code::Entity, _>(self.txn, code::Column::Code, unread).await? {
            let owner = CodeOwner {
                promoter: PromoterId::new(row.promoter_id),
                program: ProgramKey::new(row.program_key),
            };
            self.book.codes.insert(Code::new(row.code), owner);
        }
        self.keys.codes.extend(named.into_iter().filter(|code| !self.book.codes.contains_key(code)));
        let programs: BTreeSet<&ProgramKey> = self.book.codes.values().map(|owner| &owner.program).collect();
        let programs: Vec<&str> = programs.into_iter().map(ProgramKey::as_str).collect();
        let column = program_version::Column::ProgramKey;
        let versions = rows_in::<program_version::Entity, _>(self.txn, column, programs).await?;
        self.book.versions = versions.into_iter().map(rows::terms_version).collect::<Result<_, _>>()?;
        Ok(())
    }

    async fn referrals(&mut self, parties: Vec<String>) -> Result<(), StoreError> {
        let rows = rows_in::<referral::Entity, _>(self.txn, referral::Column::Party, parties).await?;
        // A referral may have been made since the claims were read, when its party is not locked yet.
        let read: BTreeSet<i64> = self.book.versions.iter().map(|version| version.id).collect();
        let unread: BTreeSet<i64> =
            rows.iter().map(|row| row.program_version_id).filter(|id| !read.contains(id)).collect();
        let unread = rows_in::<program_version::Entity, _>(self.txn, program_version::Column::Id, unread);
        for version in unread.await? {
            self.book.versions.push(rows::terms_version(version)?);
        }
        for row in rows {
            if let Some(referral) = rows::referral(row, &self.book.versions)? {
                self.book.referrals.insert(referral.party.clone(), referral);
            }
        }
        Ok(())
    }

    /// A claim that may move a referral moves all invoices of its party, and of a customer that it binds to a user.
    async fn invoices_of_moving_parties(&mut self, wanted: &Wanted) -> Result<(), StoreError> {
        let stored = self.book.parties.claims().filter(|claim| Some(&claim.code) == wanted.new_code.as_ref());
        let new = wanted.claims.iter().filter(|claim| !self.book.is_redundant(claim));
        let (parties, mut customers) = (&self.book.parties, BTreeSet::new());
        for claim in stored.chain(new) {
            customers.extend(parties.customers_of(&parties.party_of_claim(claim)));
            customers.extend(claim.customer.clone());
        }
        let customers: Vec<&str> = customers.iter().map(CustomerId::as_str).collect();
        for some in customers.chunks(KEYS_PER_STATEMENT) {
            let rows = invoice::Entity::find().select_only().column(invoice::Column::Id);
            let of_some = invoice::Column::CustomerId.is_in(some.iter().copied());
            let found = rows.filter(of_some).into_tuple::<String>().all(self.txn).await?;
            self.keys.invoices.extend(found.into_iter().map(InvoiceId::new));
        }
        Ok(())
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

    async fn parked(&mut self) -> Result<(), StoreError> {
        let payments: Vec<&str> = self.keys.payments.iter().map(PaymentId::as_str).collect();
        for some in payments.chunks(KEYS_PER_STATEMENT) {
            let rows = event::Entity::find().select_only();
            let rows = rows.column(event::Column::Id).column(event::Column::ParkedOn);
            let rows = rows.filter(event::Column::ParkedOn.is_in(some.iter().copied()));
            for (id, payment) in rows.into_tuple::<(String, String)>().all(self.txn).await? {
                let waiting = self.book.parked.entry(PaymentId::new(payment)).or_default();
                waiting.insert(EventId::new(id));
            }
        }
        Ok(())
    }

    async fn posted_sums(&mut self) -> Result<(), StoreError> {
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
            let sums = sums.filter(Column::InvoiceId.is_in(some.iter().map(String::as_str)));
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
}
