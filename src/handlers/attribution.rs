//! The attribution handler: claims that events carry, in a checkout session, a customer, a discount, or an invoice; and
//! what else events report of customers.

use sha2::{Digest, Sha256};

use super::policy::{Policy, Rejection};
use crate::domain::lines::UnreadDiscounts;
use crate::domain::{
    Claim, ClaimId, ClaimSource, Code, Customer, EmailHash, EventId, Extracted, Fact, InvoiceId,
    StripeCustomerId, SubscriptionId, Timestamp,
};
use crate::stripe::fields::{Id, PLACES, PromotionCodes, Text, is_name, read};
use crate::stripe::objects::{self, CheckoutSession, Discount, Invoice, Metadata, Subscription};
use crate::stripe::{EventBody, words};

/// The reason of an ignored checkout session without a customer: nobody can be referred by it.
const NO_CUSTOMER: &str = "no_customer";
const CUSTOMER_PREFIX: &str = "cus_";
/// So much of a code's hash tells it from others in the same place of the same event.
const CODE_HASH_BYTES: usize = 4;

/// One claim for every metadata key of the settings that has a value: first of the subscription (its snapshot on
/// the invoice, in the newer form and in the older), then of the invoice itself; then one for every promotion code that
/// its discounts show. None hides another.
pub fn claims_of_invoice<'c>(
    event: &'c EventBody<'_>,
    invoice: &'c Invoice,
    customer: &'c StripeCustomerId,
    policy: &'c Policy,
) -> impl Iterator<Item = Claim> + 'c {
    let newer = invoice.parent.as_ref().and_then(|parent| parent.subscription_details.as_ref());
    let newer = newer.and_then(|details| details.metadata.as_ref());
    let older = invoice.subscription_details.as_ref().and_then(|details| details.metadata.as_ref());
    let of_newer = codes(newer, policy, ClaimSource::SubscriptionSnapshot);
    let of_older = codes(older, policy, ClaimSource::SubscriptionSnapshot);
    let of_invoice = codes(invoice.metadata.as_ref(), policy, ClaimSource::InvoiceMetadata);
    let promotions = invoice.discount.codes.iter().chain(&invoice.discounts.codes);
    let promotions =
        promotions.map(|(place, id)| (ClaimSource::InvoiceDiscount(*place), Code::promotion(id)));
    let codes = of_newer.chain(of_older).chain(of_invoice).chain(promotions);
    codes.map(|(source, code)| claim(event, customer, policy, source, code))
}

/// The discounts of an invoice that an event names by their ids only; Stripe may be asked what stands behind them.
pub fn unread_discounts(
    event: &EventBody<'_>,
    invoice: &Invoice,
    customer: &StripeCustomerId,
) -> Option<Fact> {
    let is_unread = invoice.discounts.unshown > 0 && invoice.discount.shown == 0;
    is_unread.then(|| {
        Fact::UnreadDiscounts(UnreadDiscounts {
            invoice: InvoiceId::new(&invoice.id.0),
            event: event.id.clone(),
            stripe_customer: customer.clone(),
            told_at: event.created,
        })
    })
}

/// The claims that an event would have made, had it shown its discounts.
pub fn claims_of_discounts<'c>(
    unread: &'c UnreadDiscounts,
    found: &'c PromotionCodes,
    lookback_s: i64,
) -> impl Iterator<Item = Claim> + 'c {
    found.codes.iter().map(move |(place, id)| {
        let (source, code) = (ClaimSource::InvoiceDiscount(*place), Code::promotion(id));
        new_claim((&unread.event, unread.told_at), &unread.stripe_customer, lookback_s, source, code)
    })
}

/// `checkout.session.completed`: the host's own reference, then the metadata of the session.
///
/// # Errors
/// [`Rejection`] when a field that a rule needs is wrong, or the session has no customer.
pub fn handle_checkout(event: &EventBody<'_>, policy: &Policy) -> Result<Extracted, Rejection> {
    let session: CheckoutSession = read(event.object, "data.object")?;
    let (named, account) = (session.customer.as_ref(), session.customer_account.as_ref());
    let Some(customer) = customer_of(named, account) else { return Err(Rejection::Ignored(NO_CUSTOMER)) };
    let typed_in = session.customer_details.as_ref().map(|details| &details.email);
    let emails = typed_in.into_iter().chain([&session.customer_email]);
    let mut facts: Vec<Fact> = same_customer(named, account).into_iter().collect();
    facts.extend(emails.filter_map(|email| email_of(&customer, email)));
    let reference = session.client_reference_id.as_deref().map(str::trim).filter(|code| is_name(code));
    let reference = reference.map(|code| (ClaimSource::CheckoutReference, Code::new(code)));
    let metadata = codes(session.metadata.as_ref(), policy, ClaimSource::CheckoutMetadata);
    let promotions = session.discounts.iter().flatten().zip(PLACES).filter_map(|(discount, place)| {
        let Id(promotion) = discount.promotion_code.as_ref()?;
        Some((ClaimSource::CheckoutDiscount(place), Code::promotion(promotion)))
    });
    let codes = reference.into_iter().chain(metadata).chain(promotions);
    facts.extend(claims(event, &customer, policy, codes));
    Ok(Extracted { facts, ..Extracted::default() })
}

/// `customer.discount.created`: the promotion code that a discount came of, if any.
///
/// # Errors
/// [`Rejection`] when a field that a rule needs is wrong, or the discount is of no customer.
pub fn handle_discount(event: &EventBody<'_>, policy: &Policy) -> Result<Extracted, Rejection> {
    let discount: Discount = read(event.object, "data.object")?;
    let (named, account) = (discount.customer.as_ref(), discount.customer_account.as_ref());
    let Some(customer) = customer_of(named, account) else { return Err(Rejection::Ignored(NO_CUSTOMER)) };
    let mut facts: Vec<Fact> = same_customer(named, account).into_iter().collect();
    let promotion = discount.promotion_code.as_ref();
    let promotion =
        promotion.map(|Id(promotion)| (ClaimSource::CustomerDiscount, Code::promotion(promotion)));
    facts.extend(claims(event, &customer, policy, promotion.into_iter()));
    Ok(Extracted { facts, ..Extracted::default() })
}

/// `customer.created`, `customer.updated`: the metadata of the customer.
///
/// # Errors
/// [`Rejection`] when a field that a rule needs is missing or wrong.
pub fn handle_customer(event: &EventBody<'_>, policy: &Policy) -> Result<Extracted, Rejection> {
    let customer: objects::Customer = read(event.object, "data.object")?;
    let id = StripeCustomerId::new(&customer.id.0);
    let metadata = codes(customer.metadata.as_ref(), policy, ClaimSource::CustomerMetadata);
    let mut facts = facts_of_customer(&customer);
    facts.extend(claims(event, &id, policy, metadata));
    Ok(Extracted { facts, ..Extracted::default() })
}

/// `customer.deleted`: tells its e-mail a last time; what it had claimed before stays.
///
/// # Errors
/// [`Rejection`] when a field that a rule needs is missing or wrong.
pub fn handle_customer_deleted(event: &EventBody<'_>, _: &Policy) -> Result<Extracted, Rejection> {
    let customer: objects::Customer = read(event.object, "data.object")?;
    Ok(Extracted { facts: facts_of_customer(&customer), ..Extracted::default() })
}

/// `customer.subscription.created`, `updated`: whether a subscription is alive, and its metadata.
///
/// # Errors
/// [`Rejection`] when a field that a rule needs is missing or wrong.
pub fn handle_subscription(event: &EventBody<'_>, policy: &Policy) -> Result<Extracted, Rejection> {
    let subscription: Subscription = read(event.object, "data.object")?;
    let mut extracted = facts_of_subscription(&subscription, false)?;
    let (named, account) = (subscription.customer.as_ref(), subscription.customer_account.as_ref());
    if let Some(customer) = customer_of(named, account) {
        let metadata = codes(subscription.metadata.as_ref(), policy, ClaimSource::SubscriptionMetadata);
        extracted.facts.extend(claims(event, &customer, policy, metadata));
    }
    Ok(extracted)
}

/// What else happens to a subscription: whether it is alive.
///
/// # Errors
/// [`Rejection`] when a field that a rule needs is missing or wrong.
pub fn handle_subscription_status(event: &EventBody<'_>, _: &Policy) -> Result<Extracted, Rejection> {
    facts_of_subscription(&read(event.object, "data.object")?, false)
}

/// `customer.subscription.deleted`: it has ended, whatever its status says.
///
/// # Errors
/// [`Rejection`] when a field that a rule needs is missing or wrong.
pub fn handle_subscription_deleted(event: &EventBody<'_>, _: &Policy) -> Result<Extracted, Rejection> {
    facts_of_subscription(&read(event.object, "data.object")?, true)
}

/// The customer, else its account.
pub fn customer_of(customer: Option<&Id>, account: Option<&Id>) -> Option<StripeCustomerId> {
    customer.or(account).map(|Id(name)| StripeCustomerId::new(name))
}

/// A `customer_account` named beside a customer is the same customer; by names of their kinds, so no name can stand for
/// another that stands for a third.
pub fn same_customer(customer: Option<&Id>, account: Option<&Id>) -> Option<Fact> {
    let (Id(customer), Id(account)) = (customer?, account?);
    let fits = customer.starts_with(CUSTOMER_PREFIX) && !account.starts_with(CUSTOMER_PREFIX);
    let (account, customer) = (StripeCustomerId::new(account), StripeCustomerId::new(customer));
    fits.then_some(Fact::SameCustomer { account, stripe_customer: customer })
}

/// The e-mail of a customer, when it is one.
pub fn email_of(customer: &StripeCustomerId, email: &Text) -> Option<Fact> {
    let email = EmailHash::of(email.0.as_deref()?)?;
    Some(Fact::Email { customer: Customer::Stripe(customer.clone()), email })
}

fn facts_of_customer(customer: &objects::Customer) -> Vec<Fact> {
    let same = same_customer(Some(&customer.id), customer.customer_account.as_ref());
    same.into_iter().chain(email_of(&StripeCustomerId::new(&customer.id.0), &customer.email)).collect()
}

fn facts_of_subscription(subscription: &Subscription, deleted: bool) -> Result<Extracted, Rejection> {
    let (named, account) = (subscription.customer.as_ref(), subscription.customer_account.as_ref());
    let Some(customer) = customer_of(named, account) else { return Err(Rejection::Ignored(NO_CUSTOMER)) };
    let has_ended = words::has_ended(subscription.status.as_deref());
    let mut facts: Vec<Fact> = same_customer(named, account).into_iter().collect();
    let subscription = SubscriptionId::new(&subscription.id.0);
    facts.push(Fact::Subscription { subscription, stripe_customer: customer, ended: deleted || has_ended });
    Ok(Extracted { facts, ..Extracted::default() })
}

fn claims<'c>(
    event: &'c EventBody<'_>,
    customer: &'c StripeCustomerId,
    policy: &'c Policy,
    codes: impl Iterator<Item = (ClaimSource, Code)> + 'c,
) -> impl Iterator<Item = Fact> + 'c {
    codes.map(|(source, code)| Fact::Claim(claim(event, customer, policy, source, code)))
}

fn claim(
    event: &EventBody<'_>,
    customer: &StripeCustomerId,
    policy: &Policy,
    source: ClaimSource,
    code: Code,
) -> Claim {
    new_claim((&event.id, event.created), customer, policy.lookback_s, source, code)
}

fn new_claim(
    (event, claimed_at): (&EventId, Timestamp),
    customer: &StripeCustomerId,
    lookback_s: i64,
    source: ClaimSource,
    code: Code,
) -> Claim {
    // Several codes may stand in one place: in both forms of a snapshot, or in two tellings of one event.
    let digest = Sha256::digest(code.folded());
    let of_code = hex::encode(digest.first_chunk::<CODE_HASH_BYTES>().unwrap_or(&[0; CODE_HASH_BYTES]));
    Claim {
        id: ClaimId::new(format!("clm_{event}_{}_{of_code}", source.precedence())),
        stripe_customer: Some(customer.clone()),
        user: None,
        code,
        source,
        claimed_at,
        moved_at: None,
        lookback_s,
        invitation_method: None,
    }
}

fn codes<'c>(
    metadata: Option<&'c Metadata>,
    policy: &'c Policy,
    source: fn(u16) -> ClaimSource,
) -> impl Iterator<Item = (ClaimSource, Code)> + 'c {
    let keys = policy.metadata_keys.iter().zip(0_u16..);
    keys.filter_map(move |(key, place)| {
        let code = metadata?.get(key)?.as_str()?.trim();
        is_name(code).then(|| (source(place), Code::new(code)))
    })
}
