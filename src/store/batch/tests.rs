//! The text of the two statements that are put together here, with every table in them, held by `shapes/*.sql`: one table a
//! line. `REFERRALD_TEST_WRITE_SHAPES=1` writes the files anew.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::{env, fs};

use entity::ledger_head::Model as Head;
use sea_orm::DatabaseBackend::{self, Postgres, Sqlite};

use super::{BatchSelect, BatchUpsert, json};
use crate::domain::catalog::{NewCode, NewPromoter};
use crate::domain::codes::CodeVersion;
use crate::domain::entries::{Cause, Earner};
use crate::domain::inbox::{NewEvent, PackedBody, Telling};
use crate::domain::ledger::{CatalogChanges, Changes, Needs};
use crate::domain::lines::UnreadDiscounts;
use crate::domain::{
    Assessment, BasisPoints, Claim, ClaimId, ClaimSource, Code, CodeFacts, CodeOwner, Commission,
    CommissionBase, CreditNoteFacts, CreditNoteId, Currency, Customer, DisputeFacts, DisputeId, DisputeState,
    EmailHash, EventId, InvoiceId, InvoiceSnapshot, Kind, LedgerEntry, Lines, Outcome, PaidInvoice,
    PaymentFacts, PaymentId, ProgramKey, PromoterId, Referral, ReferralId, RefundFacts, RefundId,
    RefundState, Review, ReviewDecision, ReviewId, StripeCustomerId, SubscriptionId, Terms, TermsVersion,
    Timestamp, UserId,
};
use crate::store::fetch::Selected;
use crate::store::head::Next;
use crate::store::save::collect;
use crate::store::sqlite::statements::{selection, writing};

const AT: Timestamp = Timestamp::from_unix(1_800_000_000);

/// Of every kind one key; a new field does not compile before it is here.
fn every_need() -> Needs {
    let customers = [Customer::Stripe(StripeCustomerId::new("cus_1")), Customer::User(UserId::new("u1"))];
    Needs {
        events: [Telling::from(EventId::new("evt_1"))].into(),
        payments: [PaymentId::new("pi_1")].into(),
        refunds: [RefundId::new("re_1")].into(),
        disputes: [DisputeId::new("du_1")].into(),
        credit_notes: [CreditNoteId::new("cn_1")].into(),
        invoices: [InvoiceId::new("in_1")].into(),
        postings: [InvoiceId::new("in_1")].into(),
        customers: customers.clone().into(),
        subscriptions: [(StripeCustomerId::new("cus_1"), SubscriptionId::new("sub_1"))].into(),
        all_invoices_of: customers.into(),
        codes: [Code::new("ANNA")].into(),
        promotion_codes: [Code::promotion("promo_1")].into(),
        programs: [ProgramKey::new("default")].into(),
        promoters: [PromoterId::new("prm_1")].into(),
        promoters_by_user: [UserId::new("u1")].into(),
        claims_naming: [("anna".to_owned(), AT)].into(),
        claims_in: [(ProgramKey::new("default"), AT)].into(),
        customers_of: [PromoterId::new("prm_1")].into(),
        slots: [((PromoterId::new("prm_1"), ProgramKey::new("default")), 1)].into(),
        // Selects nothing.
        new_claims: Vec::new(),
    }
}

/// Of every table one row; a new field does not compile before it is here.
fn every_change() -> Changes {
    let (invoice, payment) = (InvoiceId::new("in_1"), PaymentId::new("pi_1"));
    let (promoter, program) = (PromoterId::new("prm_1"), ProgramKey::new("default"));
    let (code, claim, referral) = (Code::new("ANNA"), ClaimId::new("clm_1"), ReferralId::new("ref_1"));
    let stripe_customer = StripeCustomerId::new("cus_1");
    let customer = Customer::Stripe(stripe_customer.clone());
    let state = DisputeState::parse("lost").unwrap();
    Changes {
        events: vec![(Arc::new(event()), Outcome::Posted)],
        outcomes: vec![(Telling::from(EventId::new("evt_2")), Outcome::Recorded)],
        invoices: vec![(invoice.clone(), PaidInvoice::new(snapshot(), AT))],
        payments: vec![(payment.clone(), PaymentFacts::default())],
        links: vec![(invoice.clone(), payment.clone(), None)],
        refunds: vec![(
            RefundId::new("re_1"),
            RefundFacts {
                payment: payment.clone(),
                amount_minor: 1,
                state: RefundState::Succeeded,
                created: None,
            },
        )],
        disputes: vec![(
            DisputeId::new("du_1"),
            DisputeFacts {
                payment,
                amount_minor: 1,
                currency: usd(),
                state,
                closed_at: Some(AT),
                transactions: BTreeMap::new(),
            },
        )],
        credit_notes: vec![(
            CreditNoteId::new("cn_1"),
            CreditNoteFacts { invoice: invoice.clone(), amount_minor: 1, void: false },
        )],
        subscriptions: vec![(stripe_customer.clone(), SubscriptionId::new("sub_1"), false)],
        unread_discounts: vec![unread_discounts()],
        stripe_customers: vec![(stripe_customer.clone(), Some(UserId::new("u1")), None)],
        emails: vec![(customer.clone(), EmailHash::of("a@example.com").unwrap(), "evt_1".to_owned())],
        claims: vec![new_claim(claim.clone(), code.clone())],
        used_up: vec![claim.clone()],
        redemptions: vec![(customer.clone(), code.clone())],
        code_uses: vec![(code.clone(), 1)],
        referral_numbers: vec![(customer.clone(), (promoter.clone(), program.clone()), 1)],
        last_referral_numbers: vec![((promoter.clone(), program.clone()), 1)],
        reviews: vec![(
            customer.clone(),
            promoter.clone(),
            Review {
                id: ReviewId::new("rev_1"),
                decision: ReviewDecision::Released,
                reviewed_at: AT,
                reviewed_by: None,
                reason: None,
                covers_user: false,
                covers_email: true,
            },
        )],
        referrals: vec![Referral {
            id: referral.clone(),
            customer,
            claim,
            source: ClaimSource::Api,
            code: code.clone(),
            promoter: promoter.clone(),
            program: program.clone(),
            terms_version: 1,
            terms: terms(),
            referral_number: Some(1),
            claimed_at: AT,
            lookback_s: 0,
            void: false,
            held: false,
            qualified: None,
        }],
        merged: vec![(ReferralId::new("ref_2"), referral)],
        commissions: vec![(invoice.clone(), commission())],
        entries: vec![LedgerEntry {
            promoter: promoter.clone(),
            invoice,
            kind: Kind::Commission,
            amount_minor: 10,
            currency: usd(),
            available_at: AT,
            cause: Cause::Event(EventId::new("evt_1")),
        }],
        catalog: every_change_of_the_catalog(),
    }
}

fn every_change_of_the_catalog() -> CatalogChanges {
    let (promoter, program) = (PromoterId::new("prm_1"), ProgramKey::new("default"));
    let code = Code::new("ANNA");
    let version = CodeVersion { id: 1, valid_from: AT, active: true, expires_at: None };
    let owner = CodeOwner { promoter: promoter.clone(), program: program.clone() };
    CatalogChanges {
        programs: vec![program.clone()],
        versions: vec![TermsVersion { id: 1, program, valid_from: AT, terms: terms() }],
        promoters: vec![NewPromoter {
            id: promoter.clone(),
            user: UserId::new("u1"),
            email: None,
            created_at: AT,
        }],
        promoter_emails: vec![(promoter, "a@example.com".to_owned())],
        codes: vec![NewCode { code: code.clone(), facts: CodeFacts::unlimited(owner) }],
        code_versions: vec![(code.clone(), version)],
        code_limits: vec![(code.clone(), None)],
        promotion_codes: vec![(Code::promotion("promo_1"), code)],
    }
}

fn event() -> NewEvent {
    NewEvent {
        telling: Telling::from(EventId::new("evt_1")),
        event_type: "invoice.paid".to_owned(),
        created_at: None,
        body: PackedBody { dictionary: 0, zstd: Vec::new() },
    }
}

fn new_claim(id: ClaimId, code: Code) -> Claim {
    Claim {
        id,
        stripe_customer: Some(StripeCustomerId::new("cus_1")),
        user: None,
        code,
        source: ClaimSource::Api,
        claimed_at: AT,
        moved_at: None,
        lookback_s: 0,
        invitation_method: None,
    }
}

fn unread_discounts() -> UnreadDiscounts {
    let stripe_customer = StripeCustomerId::new("cus_1");
    let (invoice, event) = (InvoiceId::new("in_1"), EventId::new("evt_1"));
    UnreadDiscounts { invoice, event, stripe_customer, told_at: AT }
}

fn snapshot() -> InvoiceSnapshot {
    InvoiceSnapshot {
        event: EventId::new("evt_1"),
        api_version: String::new(),
        stripe_customer: Some(StripeCustomerId::new("cus_1")),
        currency: usd(),
        amount_paid_minor: 100,
        total_minor: 100,
        total_excluding_tax_minor: None,
        tax_minor: None,
        shipping_minor: 0,
        shipping_tax_minor: 0,
        lines: Lines::default(),
    }
}

fn commission() -> Commission {
    let assessment = Assessment {
        base_minor: 100,
        rate: None,
        commission_minor: 10,
        refund_minor: 0,
        dispute_minor: 0,
        available_at: AT,
        reason: None,
        unseen_lines: false,
    };
    let (referral, promoter) = (ReferralId::new("ref_1"), PromoterId::new("prm_1"));
    let earner = Earner { referral, promoter, program: ProgramKey::new("default") };
    Commission { earner: Some(earner), currency: usd(), assessment }
}

fn terms() -> Arc<Terms> {
    Arc::new(Terms::percentage(BasisPoints::new(1_000).unwrap(), CommissionBase::NetOfTax, 30))
}

fn usd() -> Currency {
    Currency::parse("usd").unwrap()
}

fn select_on(backend: DatabaseBackend) -> String {
    let mut batch = BatchSelect::new(backend);
    Selected::of(&mut batch, &every_need());
    if backend == Sqlite {
        return batch.into_parts().0.iter().map(|table| selection(table) + "\n").collect();
    }
    // One selection a line.
    let sql = json::selection(batch).unwrap().sql.replace("SELECT (SELECT json_", "SELECT\n(SELECT json_");
    sql.replace(", (SELECT json_", ",\n(SELECT json_") + "\n"
}

fn upsert_on(backend: DatabaseBackend) -> String {
    let mut batch = BatchUpsert::new(backend);
    let head = Head {
        id: 1,
        seq: 1,
        writer: String::new(),
        last_entry_id: 0,
        last_event_number: 0,
        last_posted_at: 0,
    };
    collect(&mut batch, &every_change(), &mut Next::after(&head, "writer", AT));
    let statements = batch.into_statements().into_iter();
    if backend == Sqlite {
        return statements.flatten().map(|write| writing(&write) + "\n").collect();
    }
    let statements = statements.map(|writes| {
        // One table a line, and an empty line between two statements.
        let sql = json::writing(&writes).unwrap().sql.replace("WITH t0 AS", "WITH\nt0 AS");
        let sql = (1..99)
            .fold(sql, |sql, place| sql.replace(&format!(", t{place} AS ("), &format!(",\nt{place} AS (")));
        sql.replace(") UPDATE", ")\nUPDATE").replace(") INSERT", ")\nINSERT").trim_end().to_owned() + "\n"
    });
    statements.collect::<Vec<_>>().join("\n")
}

/// Compares a statement with its file, or writes the file.
fn has_shape(name: &str, sql: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/batch/shapes").join(name);
    if env::var_os("REFERRALD_TEST_WRITE_SHAPES").is_some() {
        fs::write(&file, sql).unwrap();
    }
    let held = fs::read_to_string(&file).unwrap_or_default();
    for (line, (is, was)) in (1..).zip(sql.lines().zip(held.lines())) {
        assert_eq!(is, was, "{name}:{line}: REFERRALD_TEST_WRITE_SHAPES=1 writes it anew");
    }
    assert_eq!(sql, held, "{name}: REFERRALD_TEST_WRITE_SHAPES=1 writes it anew");
}

#[test]
fn every_table_is_selected_in_this_shape() {
    has_shape("select.sqlite.sql", &select_on(Sqlite));
    has_shape("select.postgres.sql", &select_on(Postgres));
}

#[test]
fn every_table_is_written_in_this_shape_and_order() {
    has_shape("upsert.sqlite.sql", &upsert_on(Sqlite));
    has_shape("upsert.postgres.sql", &upsert_on(Postgres));
}
