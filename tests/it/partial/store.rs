//! The same acts on the real store and on the whole ledger in memory, and what both then hold.

use std::collections::BTreeSet;
use std::sync::Arc;

use referrald::domain::attribution::Review;
use referrald::domain::catalog::{NewCode, NewPromoter};
use referrald::domain::codes::CodeVersion;
use referrald::domain::inbox::{NewEvent, PackedBody, Telling};
use referrald::domain::ledger::{Loaded, Needs, Stamp, State, UnitOfWork};
use referrald::domain::{
    Code, CodeFacts, Customer, EventId, Extracted, InvoiceId, ProgramKey, PromoterId, ReviewId, TermsVersion,
    Timestamp, UserId,
};
use referrald::service::codes::{CodeChange, create_code, update_code};
use referrald::service::error::ServiceError;
use referrald::service::fields::Limit;
use referrald::service::inbound::InboundEvent;
use referrald::service::queries::verify::verify;
use referrald::service::{ledger, promoters};
use referrald::settings::DatabaseSettings;
use referrald::store::snapshot::Snapshot;
use referrald::store::{Database, codes, entries};
use secrecy::SecretString;

use crate::history::{History, Step};
use crate::reading::{facts_of_lines, hash, read, telling_of};
use crate::setup::{LATE, LATE_PROMOTION, PROMOTION_CODES, Setup};
use crate::told::{Address, Event};

/// The whole ledger in memory.
pub struct Whole {
    pub state: State,
    pub posted: Vec<String>,
    pub acts: usize,
}

impl Whole {
    pub fn act(&mut self, now: i64, act: impl FnOnce(&mut UnitOfWork)) {
        self.acts += 1;
        let at = Timestamp::from_unix(now);
        let mut unit = UnitOfWork::over(&self.state, Stamp { now: at, at, seq: 1 });
        act(&mut unit);
        for entry in unit.entries() {
            let (kind, amount, currency) = (entry.kind.as_str(), entry.amount_minor, entry.currency);
            let (invoice, promoter, at) = (&entry.invoice, &entry.promoter, entry.available_at.unix());
            let cause = &entry.cause;
            self.posted.push(format!("{invoice} {promoter} {kind} {amount} {currency} at {at} by {cause}"));
        }
        self.state = unit.state().clone();
    }
}

pub async fn connect(url: &str, memory_rows: usize) -> Database {
    let settings = DatabaseSettings {
        url: SecretString::from(url),
        migrate_on_start: false,
        max_connections: 2,
        read_connections: 1,
        acquire_timeout_ms: 60_000,
        lock_timeout_ms: 60_000,
        memory_rows,
        statement_timeout_ms: 60_000,
        accept_loss_of_acknowledged_events: true,
    };
    Database::connect(&settings).await.unwrap()
}

/// An event of a history, as the handlers read it.
pub fn heard(event: &Event) -> InboundEvent {
    of_telling(telling_of(event), read(event))
}

pub fn inbound(id: &EventId, extracted: &Extracted) -> InboundEvent {
    of_telling(id.clone().into(), extracted.clone())
}

fn of_telling(telling: Telling, extracted: Extracted) -> InboundEvent {
    let event = NewEvent {
        telling,
        event_type: "of.the.test".to_owned(),
        created_at: None,
        body: PackedBody { dictionary: 0, zstd: vec![0] },
    };
    InboundEvent { event: Arc::new(event), extraction: Ok(extracted), body_bytes: 1 }
}

/// The same calls for both.
pub async fn set_up(db: &Database, whole: &mut Whole, setup: &Setup) {
    for (id, promoter) in &setup.promoters {
        let new = NewPromoter {
            id: PromoterId::new(*id),
            user: UserId::new(&promoter.user),
            email: promoter.addresses.first().map(|address| as_stored(*address)),
            created_at: Timestamp::from_unix(setup.now),
        };
        both(db, whole, setup.now, &Needs::default(), |unit| unit.create_promoter(new.clone()))
            .await
            .unwrap();
    }
    for program in ["default", "other"].map(ProgramKey::new) {
        let of_program = setup.versions.iter().filter(|version| version.program == program);
        for (number, version) in of_program.enumerate() {
            add_terms(db, whole, version, number == 0).await.unwrap();
        }
    }
    for (code, facts) in setup.codes.iter().filter(|(code, _)| **code != LATE) {
        let code = Code::new(*code);
        make_code(db, whole, &code, &facts.facts(), None).await.unwrap();
        for version in &facts.versions[1..] {
            add_code_version(db, whole, &code, version).await.unwrap();
        }
    }
    for (promotion, code) in PROMOTION_CODES.into_iter().filter(|(_, code)| *code != LATE) {
        let change = CodeChange { promotion_code: Some(promotion.to_owned()), ..CodeChange::default() };
        update_code(db, code, &change, Timestamp::from_unix(setup.now)).await.unwrap();
        whole.act(setup.now, |unit| assert!(unit.carry(&Code::promotion(promotion), &Code::new(code))));
    }
}

/// One act on the store and on the whole.
pub async fn both<T>(
    db: &Database,
    whole: &mut Whole,
    now: i64,
    needs: &Needs,
    act: impl Fn(&mut UnitOfWork) -> T,
) -> Result<T, ServiceError> {
    let done = ledger::change(db, needs, Timestamp::from_unix(now), |unit| Ok(act(unit))).await?;
    whole.act(now, |unit| drop(act(unit)));
    Ok(done)
}

pub async fn add_terms(
    db: &Database,
    whole: &mut Whole,
    version: &TermsVersion,
    first: bool,
) -> Result<(), ServiceError> {
    let (key, terms, now) = (&version.program, &version.terms, version.valid_from);
    // As `update_program` needs them.
    let needs =
        Needs { programs: [key.clone()].into(), claims_in: [(key.clone(), now)].into(), ..Needs::default() };
    both(db, whole, now.unix(), &needs, |unit| {
        if first {
            assert!(unit.create_program(key, terms.as_ref().clone()));
        } else {
            unit.add_terms(key, terms.as_ref().clone()).unwrap();
        }
    })
    .await
}

pub async fn make_code(
    db: &Database,
    whole: &mut Whole,
    code: &Code,
    facts: &CodeFacts,
    promotion: Option<&str>,
) -> Result<(), ServiceError> {
    let first = facts.versions[0];
    let change = CodeChange {
        active: Some(first.active),
        expires_at: Some(Limit(first.expires_at)),
        max_uses: Some(Limit(facts.max_uses)),
        promotion_code: promotion.map(str::to_owned),
        made_at: Some(facts.made_at),
    };
    let (promoter, program) = (facts.owner.promoter.as_str(), facts.owner.program.as_str());
    if whole.state.codes.contains_key(code) {
        return Ok(());
    }
    create_code(db, code.as_str(), promoter, program, &change, first.valid_from).await?;
    whole.act(first.valid_from.unix(), |unit| {
        let facts = CodeFacts { versions: vec![CodeVersion { id: 1, ..first }], ..facts.clone() };
        let new = NewCode { code: code.clone(), facts };
        unit.create_code(new, promotion.map(Code::promotion).as_ref()).unwrap().unwrap();
    });
    Ok(())
}

pub async fn add_code_version(
    db: &Database,
    whole: &mut Whole,
    code: &Code,
    version: &CodeVersion,
) -> Result<(), ServiceError> {
    let expires_at = version.expires_at;
    let change = CodeChange {
        active: Some(version.active),
        expires_at: Some(Limit(expires_at)),
        ..CodeChange::default()
    };
    update_code(db, code.as_str(), &change, version.valid_from).await?;
    whole.act(version.valid_from.unix(), |unit| {
        unit.add_code_version(code, Some(version.active), Some(expires_at)).unwrap();
    });
    Ok(())
}

/// What the services do, with what they say that they need.
pub async fn act(db: &Database, whole: &mut Whole, setup: &Setup, step: &Step) -> Result<(), ServiceError> {
    let now = setup.now;
    match step {
        Step::Event(..) => {}
        Step::Claim(claim, email) => {
            let mut needs = Needs::default();
            needs.add_claim(claim);
            both(db, whole, now, &needs, |unit| unit.refer(claim.clone(), email.map(hash)).unwrap()).await?;
        }
        Step::Bind(customer, user) => {
            let names = [Customer::Stripe(customer.clone()), Customer::User(user.clone())];
            let needs = Needs { customers: names.into(), ..Needs::default() };
            both(db, whole, now, &needs, |unit| unit.bind(customer.clone(), user.clone()).unwrap()).await?;
        }
        Step::Review(customer, promoter, review) => {
            // One that is said again has an id of its own.
            let id = ReviewId::new(format!("{}_{}", review.id, whole.acts));
            let review = Review { id, ..review.clone() };
            let needs = Needs { customers: [customer.clone()].into(), ..Needs::default() };
            let say = |unit: &mut UnitOfWork| {
                let customer = unit.state().customers.present(customer);
                unit.review(&customer, promoter, review.clone()).unwrap();
            };
            let said = ledger::change(db, &needs, Timestamp::from_unix(now), |unit| {
                let knows = unit.state().promoters.contains_key(promoter);
                if knows {
                    say(unit);
                }
                Ok(knows)
            });
            if said.await? {
                whole.act(now, say);
            }
        }
        Step::LearnOfPromoter(promoter, email) => {
            let address = as_stored(*email);
            promoters::change_email(db, promoter.as_str(), &address, Timestamp::from_unix(now)).await?;
            whole.act(now, |unit| unit.change_promoter_email(promoter, &address).unwrap());
        }
        Step::MakeLateCode => {
            make_code(db, whole, &Code::new(LATE), &setup.codes[LATE].facts(), Some(LATE_PROMOTION)).await?;
        }
        Step::AddTerms(version) => add_terms(db, whole, version, false).await?,
        Step::AddCodeVersion(code, version) => add_code_version(db, whole, code, version).await?,
        Step::Carry(promotion, code) => {
            let change =
                CodeChange { promotion_code: Some((*promotion).to_owned()), ..CodeChange::default() };
            update_code(db, code.as_str(), &change, Timestamp::from_unix(now)).await?;
            whole.act(now, |unit| {
                assert!(unit.carry(&Code::promotion(*promotion), code));
                unit.judge_again(code).unwrap();
            });
        }
        Step::Limit(code, max_uses) => {
            let change = CodeChange { max_uses: Some(Limit(*max_uses)), ..CodeChange::default() };
            update_code(db, code.as_str(), &change, Timestamp::from_unix(now)).await?;
            whole.act(now, |unit| unit.limit_code(code, *max_uses));
        }
        Step::ReadLines(invoice, lines) => {
            let id = InvoiceId::new(invoice);
            let read = facts_of_lines(id.clone(), lines);
            both(db, whole, now, &Needs::of(&read), |unit| {
                let known = unit.state().invoice(&id).map(|known| known.snapshot.event.clone());
                known.map(|event| unit.apply(&event.into(), &read).unwrap())
            })
            .await?;
        }
    }
    Ok(())
}

/// An address as a promoter's is stored.
fn as_stored(address: Address) -> String {
    address.text().trim().to_lowercase()
}

/// All entries in order, without holes in their numbers.
pub async fn posted(db: &Database) -> Vec<String> {
    let rows = entries::list(db.reader(), None, 0, 100_000).await.unwrap();
    for (number, row) in (1..).zip(&rows) {
        assert_eq!(row.id, number);
    }
    assert!(rows.is_sorted_by_key(|row| row.posted_at));
    let shown = |row: &entries_view::Row| {
        let (kind, amount, currency) = (row.kind.as_str(), row.amount_minor, row.currency);
        let (promoter, at, cause) = (&row.promoter, row.available_at.unix(), &row.cause);
        let invoice = row.invoice.as_ref().unwrap();
        format!("{invoice} {promoter} {kind} {amount} {currency} at {at} by {cause}")
    };
    rows.iter().map(shown).collect()
}

mod entries_view {
    pub type Row = referrald::domain::entries::PostedEntry;
}

/// What else differs at the end: the referrals, the commissions, what is parked; and whether `verify` praises it.
pub async fn wrong_end(db: &Database, whole: &Whole, history: &History) -> Option<String> {
    let report = verify(db, |_| ()).await.unwrap();
    if !report.holds() {
        return Some(format!("verify: {:?}", report.violations));
    }
    for (code, facts) in &whole.state.codes {
        let stored = codes::one(db.reader(), code).await.unwrap().unwrap();
        if stored.facts.uses != facts.uses {
            return Some(format!(
                "{code} has {} uses in parts, {} as a whole",
                stored.facts.uses, facts.uses
            ));
        }
    }
    let invoices: BTreeSet<InvoiceId> = whole.state.invoice_ids().cloned().collect();
    let customers: BTreeSet<Customer> = whole
        .state
        .referrals
        .keys()
        .cloned()
        .chain(invoices.iter().filter_map(|id| whole.state.customer_of_invoice(id)))
        .collect();
    let needs = Needs { invoices: invoices.clone(), all_invoices_of: customers.clone(), ..Needs::default() };
    let mut snapshot = Snapshot::of(db).await.unwrap();
    let state = snapshot.load(needs).await.unwrap();
    snapshot.end().await.unwrap();
    for customer in &customers {
        let of = |state: &State| {
            let referral = state.referrals.get(customer)?;
            let (void, held, number) = (referral.void, referral.held, referral.referral_number);
            let (claim, qualified) = (referral.claim.clone(), referral.qualified.clone());
            Some(format!("{} {claim} {void} {held} {number:?} {qualified:?}", referral.promoter))
        };
        if of(&state) != of(&whole.state) {
            return Some(format!("{customer}: in parts {:?}, as a whole {:?}", of(&state), of(&whole.state)));
        }
        if state.loaded(customer) != Loaded::All {
            return Some(format!("{customer} is not loaded as a whole though it was asked for"));
        }
    }
    for invoice in &invoices {
        let of = |state: &State| {
            let commission = state.commissions.get(invoice)?;
            let promoter = commission.earner.as_ref().map(|earner| earner.promoter.clone());
            Some((promoter, commission.assessment))
        };
        if of(&state) != of(&whole.state) {
            return Some(format!("{invoice}: in parts {:?}, as a whole {:?}", of(&state), of(&whole.state)));
        }
        if state.invoice(invoice) != whole.state.invoice(invoice) {
            return Some(format!("{invoice} is stored otherwise"));
        }
    }
    assert!(!history.steps.is_empty());
    None
}
