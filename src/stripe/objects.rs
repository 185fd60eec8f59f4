//! Stripe's objects, narrowed to the fields that the rules need. Older and newer forms stand side by side.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::fields::{Amount, CurrencyCode, Id, Nullable, PriceRef, PromotionCodes, SignedAmount, Text};
use super::list::{List, list};

/// Metadata: any value is taken, only texts are used.
pub type Metadata = BTreeMap<String, serde_json::Value>;

/// `invoice`.
#[derive(Debug, Deserialize)]
pub struct Invoice {
    /// `in_…`.
    pub id: Id,
    /// `paid` once it is.
    pub status: Option<String>,
    /// The customer.
    pub customer: Option<Id>,
    /// The same customer, as newer accounts name it.
    pub customer_account: Option<Id>,
    /// Currency of all amounts.
    pub currency: CurrencyCode,
    /// What was paid, tax included.
    pub amount_paid: Amount,
    /// It was marked paid by hand, until 2025-03-31.
    pub paid_out_of_band: Option<bool>,
    /// What was not paid through Stripe; negative where more was paid than was due.
    pub amount_remaining: Option<SignedAmount>,
    /// What was due before customer credit; negative for a credit.
    pub total: SignedAmount,
    /// `total` less exclusive and inclusive tax.
    pub total_excluding_tax: Option<SignedAmount>,
    /// Tax until 2025-03-31.
    pub tax: Option<SignedAmount>,
    /// Taxes until 2025-03-31.
    #[serde(default, deserialize_with = "list")]
    pub total_tax_amounts: Option<List<TaxAmount>>,
    /// Taxes since 2025-03-31.
    #[serde(default, deserialize_with = "list")]
    pub total_taxes: Option<List<TaxAmount>>,
    /// The payment until 2025-03-31.
    pub payment_intent: Option<Id>,
    /// The charge until 2025-03-31.
    pub charge: Option<Id>,
    /// Carries `paid_at`.
    pub status_transitions: Option<StatusTransitions>,
    /// Subscription details since 2025-03-31.
    pub parent: Option<Parent>,
    /// Subscription details until 2025-03-31.
    pub subscription_details: Option<SubscriptionDetails>,
    /// Metadata of the invoice itself.
    pub metadata: Option<Metadata>,
    /// Where it was sent to.
    #[serde(default)]
    pub customer_email: Text,
    /// Its subscription until 2025-03-31.
    pub subscription: Option<Id>,
    /// The discount, in older versions.
    #[serde(default)]
    pub discount: PromotionCodes,
    /// The discounts: ids, unless they were expanded.
    #[serde(default)]
    pub discounts: PromotionCodes,
    /// What it sold.
    #[serde(default, deserialize_with = "list")]
    pub lines: Option<List<Line>>,
    /// What was paid for shipping.
    pub shipping_cost: Option<ShippingCost>,
}

/// A line of an invoice. Only rates of products need it.
#[derive(Debug, Deserialize)]
pub struct Line {
    /// What it adds to the total; negative for a proration that gives back.
    pub amount: Option<SignedAmount>,
    /// What its discounts take off that.
    #[serde(default, deserialize_with = "list")]
    pub discount_amounts: Option<List<DiscountAmount>>,
    /// Price and product until 2025-03-31.
    pub price: Option<PriceRef>,
    /// Price and product before prices had an object of their own.
    pub plan: Option<PriceRef>,
    /// Price and product since 2025-03-31.
    pub pricing: Option<Pricing>,
    /// The subscription until 2025-03-31.
    pub subscription: Option<Id>,
    /// The subscription since 2025-03-31.
    pub parent: Option<LineParent>,
}

/// A discount of a line.
#[derive(Debug, Deserialize)]
pub struct DiscountAmount {
    /// What it takes off.
    pub amount: SignedAmount,
}

/// `invoice.shipping_cost`.
#[derive(Debug, Deserialize)]
pub struct ShippingCost {
    /// With tax.
    pub amount_total: Option<SignedAmount>,
    /// The tax in it.
    pub amount_tax: Option<SignedAmount>,
}

/// `line.pricing`.
#[derive(Debug, Deserialize)]
pub struct Pricing {
    /// Price and product.
    pub price_details: Option<PriceDetails>,
}

/// `line.pricing.price_details`.
#[derive(Debug, Deserialize)]
pub struct PriceDetails {
    /// `price_…`.
    pub price: Option<Id>,
    /// `prod_…`.
    pub product: Option<Id>,
}

/// `line.parent`.
#[derive(Debug, Deserialize)]
pub struct LineParent {
    /// Present for lines of a subscription.
    pub subscription_item_details: Option<SubscriptionItemDetails>,
}

/// `line.parent.subscription_item_details`.
#[derive(Debug, Deserialize)]
pub struct SubscriptionItemDetails {
    /// The subscription.
    pub subscription: Option<Id>,
}

/// An amount of tax; negative on a credit.
#[derive(Debug, Deserialize)]
pub struct TaxAmount {
    /// Minor units.
    pub amount: SignedAmount,
}

/// `invoice.status_transitions`.
#[derive(Debug, Deserialize)]
pub struct StatusTransitions {
    /// When it was paid, Unix seconds.
    pub paid_at: Option<i64>,
}

/// `invoice.parent`.
#[derive(Debug, Deserialize)]
pub struct Parent {
    /// Present for invoices of a subscription.
    pub subscription_details: Option<SubscriptionDetails>,
}

/// `subscription_details`: a snapshot of the subscription when the invoice was finalized.
#[derive(Debug, Deserialize)]
pub struct SubscriptionDetails {
    /// Metadata of the subscription.
    pub metadata: Option<Metadata>,
    /// The subscription.
    pub subscription: Option<Id>,
}

/// `subscription`.
#[derive(Debug, Deserialize)]
pub struct Subscription {
    /// `sub_…`.
    pub id: Id,
    /// Its customer.
    pub customer: Option<Id>,
    /// The same customer, as newer accounts name it.
    pub customer_account: Option<Id>,
    /// `active`, `canceled`, `incomplete_expired` and others.
    pub status: Option<String>,
    /// Metadata of the subscription.
    pub metadata: Option<Metadata>,
}

/// `discount`.
#[derive(Debug, Deserialize)]
pub struct Discount {
    /// The customer that has it.
    pub customer: Option<Id>,
    /// The same customer, as newer accounts name it.
    pub customer_account: Option<Id>,
    /// `promo_…`, when it came of a promotion code.
    pub promotion_code: Option<Id>,
}

/// `invoice_payment`.
#[derive(Debug, Deserialize)]
pub struct InvoicePayment {
    /// The invoice.
    pub invoice: Id,
    /// `open`, `paid` or `canceled`.
    pub status: Option<String>,
    /// The part of the invoice that was paid.
    pub amount_paid: Option<Amount>,
    /// What paid it.
    pub payment: InvoicePaymentSource,
}

/// `invoice_payment.payment`.
#[derive(Debug, Deserialize)]
pub struct InvoicePaymentSource {
    /// For type `payment_intent`.
    pub payment_intent: Option<Id>,
    /// For type `charge`.
    pub charge: Option<Id>,
    /// For type `payment_record`: money that did not go through Stripe.
    pub payment_record: Option<Id>,
}

/// `charge`.
#[derive(Debug, Deserialize)]
pub struct Charge {
    /// `ch_…`.
    pub id: Id,
    /// `succeeded`, `pending` or `failed`.
    pub status: Option<String>,
    /// The payment intent, when there is one.
    pub payment_intent: Option<Id>,
    /// The customer; payments of invoices always have one.
    pub customer: Option<Id>,
    /// The same customer, as newer accounts name it.
    pub customer_account: Option<Id>,
    /// The invoice, until 2025-03-31; null then says that there is none.
    #[serde(default)]
    pub invoice: Nullable<Id>,
    /// What was authorized.
    pub amount: Amount,
    /// What was captured; absent in older versions.
    pub amount_captured: Option<Amount>,
    /// Cumulative.
    pub amount_refunded: Amount,
    /// Present before 2022-11-15, or when expanded.
    #[serde(default, deserialize_with = "list")]
    pub refunds: Option<List<Refund>>,
}

/// `refund`.
#[derive(Debug, Deserialize)]
pub struct Refund {
    /// `re_…`.
    pub id: Id,
    /// What it takes.
    pub amount: Amount,
    /// `pending`, `requires_action`, `succeeded`, `failed` or `canceled`.
    pub status: Option<String>,
    /// The charge.
    pub charge: Option<Id>,
    /// The payment intent.
    pub payment_intent: Option<Id>,
    /// When it was made, Unix seconds.
    pub created: Option<i64>,
}

/// `dispute`.
#[derive(Debug, Deserialize)]
pub struct Dispute {
    /// `du_…`.
    pub id: Id,
    /// What is disputed.
    pub amount: Amount,
    /// Its currency, that of the cardholder's bank where it differs.
    pub currency: CurrencyCode,
    /// `needs_response`, `under_review`, `won`, `lost`, `warning_…`, `prevented`, `charge_refunded`.
    pub status: Option<String>,
    /// The charge.
    pub charge: Option<Id>,
    /// The payment intent.
    pub payment_intent: Option<Id>,
    /// What it has moved on the balance so far.
    #[serde(default, deserialize_with = "list")]
    pub balance_transactions: Option<List<DisputeTransaction>>,
}

/// One of `dispute.balance_transactions`.
#[derive(Debug, Deserialize)]
pub struct DisputeTransaction {
    /// `txn_…`.
    pub id: Id,
    /// What it moved, negative when it was taken from the balance; fees stand apart.
    pub amount: Option<SignedAmount>,
    /// Its currency.
    pub currency: Option<CurrencyCode>,
}

/// `credit_note`.
#[derive(Debug, Deserialize)]
pub struct CreditNote {
    /// `cn_…`.
    pub id: Id,
    /// The invoice that it credits.
    pub invoice: Id,
    /// `issued` or `void`.
    pub status: Option<String>,
    /// What was paid back outside Stripe.
    pub out_of_band_amount: Option<Amount>,
    /// Its refunds, since 2025-03-31.
    #[serde(default, deserialize_with = "list")]
    pub refunds: Option<List<CreditNoteRefund>>,
}

/// One refund of a credit note.
#[derive(Debug, Deserialize)]
pub struct CreditNoteRefund {
    /// What it paid back.
    pub amount_refunded: Option<Amount>,
    /// `refund` or `payment_record_refund`.
    #[serde(rename = "type")]
    pub refund_type: Option<String>,
}

/// `checkout.session`.
#[derive(Debug, Deserialize)]
pub struct CheckoutSession {
    /// The customer that paid, or was made by the session.
    pub customer: Option<Id>,
    /// The same customer, as newer accounts name it.
    pub customer_account: Option<Id>,
    /// The host's own reference.
    pub client_reference_id: Option<String>,
    /// Metadata of the session.
    pub metadata: Option<Metadata>,
    /// What the customer typed in.
    pub customer_details: Option<CustomerDetails>,
    /// What the host filled in.
    #[serde(default)]
    pub customer_email: Text,
    /// The discounts that were applied.
    #[serde(default, deserialize_with = "list")]
    pub discounts: Option<List<CheckoutDiscount>>,
}

/// `checkout.session.customer_details`.
#[derive(Debug, Deserialize)]
pub struct CustomerDetails {
    /// The e-mail.
    #[serde(default)]
    pub email: Text,
}

/// One of `checkout.session.discounts`.
#[derive(Debug, Deserialize)]
pub struct CheckoutDiscount {
    /// `promo_…`.
    pub promotion_code: Option<Id>,
}

/// `customer`.
#[derive(Debug, Deserialize)]
pub struct Customer {
    /// `cus_…`.
    pub id: Id,
    /// The same customer, as newer accounts name it.
    pub customer_account: Option<Id>,
    /// Metadata of the customer.
    pub metadata: Option<Metadata>,
    /// Its e-mail.
    #[serde(default)]
    pub email: Text,
}
