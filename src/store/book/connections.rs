//! What is stored about payments, invoices, customers and users, and what these lead to.

use std::collections::BTreeSet;

use entity::{
    claim, claim_used_up, code_use, credit_note, customer, dispute, invoice, party_email, payment,
    payment_link, referral, refund, ruling,
};

use super::load_terms::OfCodes;
use super::loader::{Loader, Unread};
use crate::domain::{
    ClaimId, CustomerId, EventId, InvoiceId, Kind, Party, PaymentId, PromoterId, Timestamp, UserId,
};
use crate::store::ask::{Answers, Ask, List, Place};
use crate::store::error::StoreError;
use crate::store::lock::Keys;
use crate::store::rows;
use crate::store::select::KEYS_PER_STATEMENT;

impl Loader<'_> {
    /// Reads, in one statement, everything that is stored under the keys that were found and not followed yet (very many
    /// are left to the next call); and, with `first`, these codes and events. False when there was nothing to read.
    pub(super) async fn connections(
        &mut self,
        first: Option<Unread>,
        events: &BTreeSet<EventId>,
    ) -> Result<bool, StoreError> {
        let new = self.keys.without(&self.done, KEYS_PER_STATEMENT);
        if new == Keys::default() && first.is_none() {
            return Ok(false);
        }
        let mut ask = Ask::new(self.txn);
        let events = first.as_ref().map(|_| events).filter(|events| !events.is_empty());
        let of_events = events.map(|events| OfEvents::ask(&mut ask, events));
        let unread = first.filter(|unread| *unread != Unread::default());
        let of_codes = unread.as_ref().map(|unread| OfCodes::ask(&mut ask, unread));
        let of_payments = (!new.payments.is_empty()).then(|| OfPayments::ask(&mut ask, &new));
        let of_invoices = (!new.invoices.is_empty()).then(|| OfInvoices::ask(&mut ask, &new));
        let is_about_parties = !(new.customers.is_empty() && new.users.is_empty());
        let of_parties = is_about_parties.then(|| OfParties::ask(&mut ask, &new));
        let answers = ask.send(self.txn).await?;
        self.done.extend(&new);
        if let (Some(events), Some(places)) = (events, of_events) {
            self.book.inbox = events.iter().map(|id| (id.clone(), None)).collect();
            let known = answers.take(places.known)?.into_iter();
            self.book.inbox.extend(known.map(|(id, event_type)| (EventId::new(id), Some(event_type))));
        }
        if let (Some(unread), Some(places)) = (unread, of_codes) {
            self.take_codes(&answers, places, unread)?;
        }
        if let Some(places) = of_payments {
            self.take_payments(&answers, places)?;
        }
        if let Some(places) = of_invoices {
            self.take_invoices(&answers, places)?;
        }
        if let Some(places) = of_parties {
            self.take_parties(&answers, places)?;
        }
        Ok(true)
    }

    fn take_payments(&mut self, answers: &Answers, places: OfPayments) -> Result<(), StoreError> {
        let (by_id, by_intent) = (answers.take(places.by_id)?, answers.take(places.by_intent)?);
        for (id, facts) in by_id.into_iter().chain(by_intent).map(rows::payment_facts) {
            self.keys.payments.extend(facts.payment_intent.clone());
            self.keys.payments.insert(id.clone());
            self.book.graph.merge_payment(&id, facts);
        }
        self.take_links(answers.take(places.links)?);
        for row in answers.take(places.refunds)? {
            let (id, facts) = rows::refund_facts(row)?;
            self.book.graph.merge_refund(&id, facts);
        }
        for row in answers.take(places.disputes)? {
            let (id, facts) = rows::dispute_facts(row)?;
            self.book.graph.merge_dispute(&id, facts);
        }
        for (event, payment) in answers.take(places.parked)? {
            let waiting = self.book.parked.entry(PaymentId::new(payment)).or_default();
            waiting.insert(EventId::new(event));
        }
        Ok(())
    }

    fn take_links(&mut self, links: Vec<payment_link::Model>) {
        for row in links {
            let (invoice, payment) = (InvoiceId::new(row.invoice_id), PaymentId::new(row.payment_id));
            self.book.graph.merge_link(&invoice, &payment, row.amount_minor);
            self.keys.invoices.insert(invoice);
            self.keys.payments.insert(payment);
        }
    }

    fn take_invoices(&mut self, answers: &Answers, places: OfInvoices) -> Result<(), StoreError> {
        for row in answers.take(places.by_id)? {
            let (id, invoice) = rows::paid_invoice(row)?;
            self.keys.customers.extend(invoice.claim.customer.clone());
            self.book.take_invoice(id, invoice);
        }
        self.take_links(answers.take(places.links)?);
        for row in answers.take(places.credit_notes)? {
            let (id, facts) = rows::credit_note_facts(row);
            self.book.graph.merge_credit_note(&id, facts);
        }
        for (invoice, promoter, currency, kind, available_at, total_minor) in answers.take(places.posted)? {
            let kind = Kind::parse(&kind).ok_or_else(|| rows::corrupt("ledger_entry", &invoice, &kind))?;
            let currency = rows::currency("ledger_entry", &invoice, &currency)?;
            let key = (PromoterId::new(promoter), currency, kind, Timestamp::from_unix(available_at));
            self.book.posted.entry(InvoiceId::new(invoice)).or_default().insert(key, total_minor);
        }
        Ok(())
    }

    fn take_parties(&mut self, answers: &Answers, places: OfParties) -> Result<(), StoreError> {
        for row in answers.take(places.customers)? {
            let id = CustomerId::new(row.id);
            self.keys.customers.insert(id.clone());
            if let Some(customer) = row.alias_of.map(CustomerId::new) {
                self.keys.customers.insert(customer.clone());
                self.book.parties.identify(&id, &customer);
            }
            if let Some(user) = row.user_id.map(UserId::new) {
                self.keys.users.insert(user.clone());
                self.book.parties.bind(id, user);
            }
        }
        self.take_claims(answers.take(places.claims)?)?;
        for row in answers.take(places.used_up)? {
            self.book.used_up.insert(ClaimId::new(row.claim_id));
        }
        for row in answers.take(places.emails)? {
            let (party, email) = rows::email(&row)?;
            self.book.parties.add_email(party, email);
        }
        for row in answers.take(places.uses)? {
            let (party, code, grant) = rows::grant(row)?;
            self.book.grants.entry(party).or_default().insert(code, grant);
        }
        for row in answers.take(places.rulings)? {
            let (party, promoter, ruling) = rows::ruling(row)?;
            self.book.rulings.insert((party, promoter), ruling);
        }
        self.referrals.extend(answers.take(places.referrals)?);
        Ok(())
    }

    pub(super) fn take_claims(&mut self, claims: Vec<claim::Model>) -> Result<(), StoreError> {
        for row in claims {
            let claim = rows::claim(row)?;
            self.keys.customers.extend(claim.customer.clone());
            self.keys.users.extend(claim.user.clone());
            self.book.parties.add(claim);
        }
        Ok(())
    }
}

struct OfEvents {
    /// Event and type.
    known: Place<(String, String)>,
}

impl OfEvents {
    fn ask(ask: &mut Ask, events: &BTreeSet<EventId>) -> Self {
        let events = ask.texts(events.iter().map(EventId::as_str));
        let is_known = ask.is_in("id", events);
        Self { known: ask.tuples("event", "id, event_type", &format!("event WHERE {is_known}")) }
    }
}

struct OfPayments {
    by_id: Place<payment::Model>,
    by_intent: Place<payment::Model>,
    links: Place<payment_link::Model>,
    refunds: Place<refund::Model>,
    disputes: Place<dispute::Model>,
    /// Event and payment.
    parked: Place<(String, String)>,
}

impl OfPayments {
    fn ask(ask: &mut Ask, keys: &Keys) -> Self {
        let payments = ask.texts(keys.payments.iter().map(PaymentId::as_str));
        let is_parked = ask.is_in("parked_on", payments);
        Self {
            by_id: ask.rows_in::<payment::Entity>(payment::Column::Id, payments),
            by_intent: ask.rows_in::<payment::Entity>(payment::Column::PaymentIntent, payments),
            links: ask.rows_in::<payment_link::Entity>(payment_link::Column::PaymentId, payments),
            refunds: ask.rows_in::<refund::Entity>(refund::Column::PaymentId, payments),
            disputes: ask.rows_in::<dispute::Entity>(dispute::Column::PaymentId, payments),
            parked: ask.tuples("event", "id, parked_on", &format!("event WHERE {is_parked}")),
        }
    }
}

/// Invoice, promoter, currency, kind, `available_at`, and the sum of these entries.
type PostedSum = (String, String, String, String, i64, i64);

struct OfInvoices {
    by_id: Place<invoice::Model>,
    links: Place<payment_link::Model>,
    credit_notes: Place<credit_note::Model>,
    posted: Place<PostedSum>,
}

impl OfInvoices {
    fn ask(ask: &mut Ask, keys: &Keys) -> Self {
        let invoices = ask.texts(keys.invoices.iter().map(InvoiceId::as_str));
        let group = "invoice_id, promoter_id, currency, kind, available_at";
        let sums = format!(
            "(SELECT {group}, CAST(SUM(amount_minor) AS BIGINT) AS total_minor FROM ledger_entry WHERE {} \
             GROUP BY {group}) AS sums",
            ask.is_in("invoice_id", invoices),
        );
        Self {
            by_id: ask.rows_in::<invoice::Entity>(invoice::Column::Id, invoices),
            links: ask.rows_in::<payment_link::Entity>(payment_link::Column::InvoiceId, invoices),
            credit_notes: ask.rows_in::<credit_note::Entity>(credit_note::Column::InvoiceId, invoices),
            posted: ask.tuples("ledger_entry", &format!("{group}, total_minor"), &sums),
        }
    }
}

struct OfParties {
    customers: Place<customer::Model>,
    claims: Place<claim::Model>,
    used_up: Place<claim_used_up::Model>,
    emails: Place<party_email::Model>,
    uses: Place<code_use::Model>,
    rulings: Place<ruling::Model>,
    referrals: Place<referral::Model>,
}

impl OfParties {
    fn ask(ask: &mut Ask, keys: &Keys) -> Self {
        let customers = ask.texts(keys.customers.iter().map(CustomerId::as_str));
        let users = ask.texts(keys.users.iter().map(UserId::as_str));
        let of_customers = keys.customers.iter().map(|id| Party::Customer(id.clone()).to_string());
        let of_users = keys.users.iter().map(|id| Party::User(id.clone()).to_string());
        let names: Vec<String> = of_customers.chain(of_users).collect();
        let names = ask.texts(names.iter().map(String::as_str));
        let is_about = |ask: &Ask, columns: [(&str, List); 2]| {
            columns.map(|(column, list)| ask.is_in(column, list)).join(" OR ")
        };
        let is_name = is_about(ask, [("id", customers), ("alias_of", customers)]);
        let is_name = format!("{is_name} OR {}", ask.is_in("user_id", users));
        let is_claim = is_about(ask, [("customer_id", customers), ("user_id", users)]);
        let is_used_up = ask.is_among("claim_id", &format!("SELECT id FROM claim WHERE {is_claim}"));
        Self {
            customers: ask.rows::<customer::Entity>(&is_name),
            claims: ask.rows::<claim::Entity>(&is_claim),
            used_up: ask.rows::<claim_used_up::Entity>(&is_used_up),
            emails: ask.rows_in::<party_email::Entity>(party_email::Column::Party, names),
            uses: ask.rows_in::<code_use::Entity>(code_use::Column::Party, names),
            rulings: ask.rows_in::<ruling::Entity>(ruling::Column::Party, names),
            referrals: ask.rows_in::<referral::Entity>(referral::Column::Party, names),
        }
    }
}
