//! Claims that events carry: who referred the customer, as the metadata of an invoice says.

use super::policy::Policy;
use crate::domain::{Claim, ClaimId, ClaimSource, Code, CustomerId};
use crate::stripe::EventBody;
use crate::stripe::fields::is_name;
use crate::stripe::objects::{Invoice, Metadata};

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
    of_subscription.chain(of_older).chain(of_invoice).map(|(source, code)| Claim {
        id: ClaimId::new(format!("clm_{}_{}", event.id, source.precedence())),
        customer: Some(customer.clone()),
        user: None,
        code,
        source,
        claimed_at: event.created,
        lookback_s: policy.lookback_s,
        invitation_method: None,
    })
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
