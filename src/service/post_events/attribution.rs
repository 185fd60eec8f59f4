//! The attribution handler: claims that events carry, in a checkout session, a customer, or an invoice.

use super::policy::{Policy, Rejection};
use crate::domain::{Claim, ClaimId, ClaimSource, Code, CustomerId, Fact, Reduced};
use crate::stripe::EventBody;
use crate::stripe::fields::{Id, is_name, read};
use crate::stripe::objects::{CheckoutSession, Customer, Invoice, Metadata};

/// The reason of an ignored checkout session without a customer: nobody can be referred by it.
const NO_CUSTOMER: &str = "no_customer";

/// One claim for every metadata key of the settings that has a value: first of the subscription (its snapshot on
/// the invoice, in the newer place and in the older), then of the invoice itself. None hides another.
pub fn claims_of_invoice<'c>(
    event: &'c EventBody<'_>,
    invoice: &'c Invoice,
    customer: &'c CustomerId,
    policy: &'c Policy,
) -> impl Iterator<Item = Claim> + 'c {
    let newer = invoice.parent.as_ref().and_then(|parent| parent.subscription_details.as_ref());
    let newer = newer.and_then(|details| details.metadata.as_ref());
    let older = invoice.subscription_details.as_ref().and_then(|details| details.metadata.as_ref());
    let of_subscription = codes(newer, policy, ClaimSource::SubscriptionMetadata);
    let of_older = codes(older, policy, ClaimSource::OlderSubscriptionMetadata);
    let of_invoice = codes(invoice.metadata.as_ref(), policy, ClaimSource::InvoiceMetadata);
    let codes = of_subscription.chain(of_older).chain(of_invoice);
    codes.map(|(source, code)| claim(event, customer, policy, source, code))
}

/// `checkout.session.completed`: the host's own reference, then the metadata of the session.
///
/// # Errors
/// [`Rejection`] when a field that a rule needs is wrong, or the session has no customer.
pub fn handle_checkout(event: &EventBody<'_>, policy: &Policy) -> Result<Reduced, Rejection> {
    let session: CheckoutSession = read(event.object, "data.object")?;
    let Some(Id(customer)) = session.customer.or(session.customer_account) else {
        return Err(Rejection::Ignored(NO_CUSTOMER));
    };
    let reference = session.client_reference_id.as_deref().map(str::trim).filter(|code| is_name(code));
    let reference = reference.map(|code| (ClaimSource::CheckoutReference, Code::new(code)));
    let metadata = codes(session.metadata.as_ref(), policy, ClaimSource::CheckoutMetadata);
    Ok(claims(event, &CustomerId::new(customer), policy, reference.into_iter().chain(metadata)))
}

/// `customer.created`, `customer.updated`: the metadata of the customer.
///
/// # Errors
/// [`Rejection`] when a field that a rule needs is missing or wrong.
pub fn handle_customer(event: &EventBody<'_>, policy: &Policy) -> Result<Reduced, Rejection> {
    let customer: Customer = read(event.object, "data.object")?;
    let metadata = codes(customer.metadata.as_ref(), policy, ClaimSource::CustomerMetadata);
    Ok(claims(event, &CustomerId::new(customer.id.0), policy, metadata))
}

fn claims(
    event: &EventBody<'_>,
    customer: &CustomerId,
    policy: &Policy,
    codes: impl Iterator<Item = (ClaimSource, Code)>,
) -> Reduced {
    let facts = codes.map(|(source, code)| Fact::Claim(claim(event, customer, policy, source, code)));
    Reduced { facts: facts.collect(), ..Reduced::default() }
}

fn claim(
    event: &EventBody<'_>,
    customer: &CustomerId,
    policy: &Policy,
    source: ClaimSource,
    code: Code,
) -> Claim {
    Claim {
        id: ClaimId::new(format!("clm_{}_{}", event.id, source.precedence())),
        customer: Some(customer.clone()),
        user: None,
        code,
        source,
        claimed_at: event.created,
        lookback_s: policy.lookback_s,
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
