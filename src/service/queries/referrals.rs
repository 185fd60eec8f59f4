//! Referrals as they are shown: with everything that is derived.

use std::collections::{BTreeMap, BTreeSet};

use super::evidence::{self, About, Evidence, ReviewView};
use crate::domain::ledger::{Needs, State};
use crate::domain::payments::Loss;
use crate::domain::{
    Currency, Customer, InvoiceId, Referral, ReferralId, ReferralStatus, StripeCustomerId, SubscriptionId,
    UserId,
};
use crate::service::error::ServiceError;
use crate::service::fields::{invalid, stripe_customer};
use crate::service::{programs, promoters};
use crate::store::referrals::{self, Filter, Found};
use crate::store::snapshot::Snapshot;
use crate::store::{Database, customers};

/// Referrals looked at for one page of a list that is filtered by a status that is derived.
const SCAN_LIMIT: u64 = 500;

/// A referral as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferralView {
    /// The referral.
    pub referral: Referral,
    /// Its promoter as a user of the host.
    pub promoter_user: Option<UserId>,
    /// The Stripe customers of its customer, under all their names.
    pub stripe_customers: BTreeSet<StripeCustomerId>,
    /// How the customer was invited, as the winning claim says.
    pub invitation_method: Option<String>,
    /// Where it stands.
    pub status: ReferralStatus,
    /// What makes the status `refund`; none with another one.
    pub lost: Option<Lost>,
    /// Why it looks as if the customer were its own promoter; none where it does not.
    pub evidence: Vec<Evidence>,
    /// Everything that operators said of the customer and any promoter, oldest first.
    pub reviews: Vec<ReviewView>,
}

/// What was taken from the latest paid invoice of a referral.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The invoice.
    pub invoice: InvoiceId,
    /// Its currency, and that of all amounts.
    pub currency: Currency,
    /// `amount_paid` of the invoice, > 0.
    pub amount_paid_minor: i64,
    /// What refunds and credit notes took, and what disputes took beyond that.
    pub loss: Loss,
}

/// Which referrals to list, as it was asked.
#[derive(Debug, Clone, Default)]
pub struct ReferralFilter {
    /// Only those of this promoter, by id or user id.
    pub promoter: Option<String>,
    /// Only those in this program.
    pub program: Option<String>,
    /// Only those with this status, a word of [`ReferralStatus::WORDS`].
    pub status: Option<String>,
    /// Only that of this Stripe customer.
    pub customer: Option<String>,
    /// Only that of this user of the host.
    pub user_id: Option<String>,
}

/// The referral of an id, or the one that it became one with; `None` when there is none.
///
/// # Errors
/// [`ServiceError::Store`] when the database is away.
pub async fn one(db: &Database, id: &str) -> Result<Option<ReferralView>, ServiceError> {
    let mut snapshot = Snapshot::of(db).await?;
    let found = referrals::find(&snapshot.txn, id).await?;
    Ok(views(&mut snapshot, found.into_iter().collect()).await?.pop())
}

/// The referral of a user of the host; `None` when nobody referred it.
///
/// # Errors
/// [`ServiceError::Store`] when the database is away.
pub async fn of_user(db: &Database, user: &str) -> Result<Option<ReferralView>, ServiceError> {
    let mut snapshot = Snapshot::of(db).await?;
    let found = referrals::of_customer(&snapshot.txn, &Customer::User(UserId::new(user))).await?;
    Ok(views(&mut snapshot, found.into_iter().collect()).await?.pop())
}

/// A page of referrals, by id. The second is the one after which to go on, when there may be more: with a status that few
/// have, a page may be short, or empty, and not the last.
///
/// # Errors
/// [`ServiceError::Refused`] for a promoter or program that does not exist, and for words that mean nothing;
/// [`ServiceError::Store`] when the database is away.
pub async fn list(
    db: &Database,
    asked: &ReferralFilter,
    after: Option<ReferralId>,
    limit: u64,
) -> Result<(Vec<ReferralView>, Option<ReferralId>), ServiceError> {
    let filter = checked(db, asked).await?;
    let mut snapshot = Snapshot::of(db).await?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut page, mut after, mut scanned) = (Vec::new(), after, 0_u64);
    while scanned < SCAN_LIMIT {
        // One more tells whether there is a next page.
        let one_more = limit.saturating_add(1);
        let found = page_of(&mut snapshot, asked, &filter, after.as_ref(), one_more).await?;
        let is_last = found.len() <= wanted;
        let found: Vec<Found> = found.into_iter().take(wanted).collect();
        scanned = scanned.saturating_add(limit);
        let mut views = views(&mut snapshot, found).await?.into_iter().peekable();
        while let Some(view) = views.next() {
            after = Some(view.referral.id.clone());
            if asked.status.as_ref().is_none_or(|status| view.status.as_str() == status) {
                page.push(view);
            }
            if page.len() == wanted {
                let is_end = is_last && views.peek().is_none();
                return Ok((page, after.filter(|_| !is_end)));
            }
        }
        if is_last {
            return Ok((page, None));
        }
    }
    Ok((page, after))
}

/// What the store can filter by.
async fn checked(db: &Database, asked: &ReferralFilter) -> Result<Filter, ServiceError> {
    if let Some(status) = &asked.status
        && !ReferralStatus::WORDS.contains(&status.as_str())
    {
        return Err(invalid(format!("status: one of {}", ReferralStatus::WORDS.join(", "))));
    }
    let promoter = promoters::named_id(db, asked.promoter.as_deref()).await?;
    let program = programs::named_key(db, asked.program.as_deref()).await?;
    Ok(Filter { promoter, program, held: asked.status.as_deref() == Some(ReferralStatus::Held.as_str()) })
}

async fn page_of(
    snapshot: &mut Snapshot,
    asked: &ReferralFilter,
    filter: &Filter,
    after: Option<&ReferralId>,
    limit: u64,
) -> Result<Vec<Found>, ServiceError> {
    if asked.customer.is_none() && asked.user_id.is_none() {
        return Ok(referrals::list(&snapshot.txn, filter, after, limit).await?);
    }
    let user = asked.user_id.as_ref().map(|user| Customer::User(UserId::new(user.trim())));
    let of_stripe = match &asked.customer {
        Some(customer) => {
            let named = Customer::Stripe(StripeCustomerId::new(stripe_customer("customer", customer)?));
            let needs = Needs { customers: [named.clone()].into(), ..Needs::default() };
            Some(snapshot.load(needs).await?.customers.present(&named))
        }
        None => None,
    };
    let customer = match (of_stripe, user) {
        (Some(of_stripe), Some(user)) if of_stripe != user => return Ok(Vec::new()),
        (Some(customer), _) | (None, Some(customer)) => customer,
        (None, None) => return Ok(Vec::new()),
    };
    let found = referrals::of_customer(&snapshot.txn, &customer).await?;
    let fits = |found: &Found| {
        filter.promoter.as_ref().is_none_or(|promoter| found.promoter == *promoter)
            && filter.program.as_ref().is_none_or(|program| found.program == *program)
            && after.is_none_or(|after| found.id > *after)
    };
    Ok(found.into_iter().filter(fits).collect())
}

async fn views(snapshot: &mut Snapshot, found: Vec<Found>) -> Result<Vec<ReferralView>, ServiceError> {
    let whole = found.iter().map(|found| found.customer.clone()).collect();
    let state = snapshot.load(Needs { all_invoices_of: whole, ..Needs::default() }).await?;
    let found: Vec<&Referral> =
        found.iter().filter_map(|found| state.referrals.get(&found.customer)).collect();
    let about = evidence::about(snapshot, &state, &found).await?;
    let subscriptions = subscriptions(snapshot, &state, &found).await?;
    found.into_iter().map(|referral| view(&state, referral, &about, &subscriptions)).collect()
}

/// By Stripe customer; whether each has ended, as it was told under that name.
type Subscriptions = BTreeMap<StripeCustomerId, Vec<(SubscriptionId, bool)>>;

/// The subscriptions of all these referrals, in one statement.
async fn subscriptions(
    snapshot: &Snapshot,
    state: &State,
    referrals: &[&Referral],
) -> Result<Subscriptions, ServiceError> {
    let of_one = |referral: &&Referral| state.customers.stripe_customers_of(&referral.customer);
    let stripe_customers = referrals.iter().flat_map(of_one).collect();
    let mut subscriptions = Subscriptions::new();
    for (name, id, has_ended) in customers::subscriptions(&snapshot.txn, &stripe_customers).await? {
        subscriptions.entry(name).or_default().push((id, has_ended));
    }
    Ok(subscriptions)
}

/// The view of a loaded referral, all of whose invoices are loaded.
fn view(
    state: &State,
    referral: &Referral,
    about: &About,
    subscriptions: &Subscriptions,
) -> Result<ReferralView, ServiceError> {
    let stripe_customers = state.customers.stripe_customers_of(&referral.customer);
    // It has ended by whichever of its customer's names that was told.
    let mut ended = BTreeMap::new();
    for (id, has_ended) in stripe_customers.iter().filter_map(|name| subscriptions.get(name)).flatten() {
        *ended.entry(id).or_default() |= *has_ended;
    }
    let ended: Vec<bool> = ended.into_values().collect();
    let status = ReferralStatus::of(state, referral, &ended)?;
    let lost = status.lost(state, referral)?.map(|(invoice, paid, loss)| Lost {
        invoice: invoice.clone(),
        currency: paid.snapshot.currency,
        amount_paid_minor: paid.snapshot.amount_paid_minor,
        loss,
    });
    Ok(ReferralView {
        promoter_user: about.user(&referral.promoter).cloned(),
        invitation_method: state
            .customers
            .claim(&referral.claim)
            .and_then(|claim| claim.invitation_method.clone()),
        evidence: about.evidence(state, referral),
        reviews: about.reviews(state, &referral.customer),
        referral: referral.clone(),
        stripe_customers,
        status,
        lost,
    })
}

/// The view of a loaded referral, all of whose invoices are loaded.
///
/// # Errors
/// [`ServiceError`] when the database is away.
pub async fn of_state(
    snapshot: &Snapshot,
    state: &State,
    referral: &Referral,
) -> Result<ReferralView, ServiceError> {
    let about = evidence::about(snapshot, state, &[referral]).await?;
    view(state, referral, &about, &subscriptions(snapshot, state, &[referral]).await?)
}
