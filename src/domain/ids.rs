//! Names of things. A payment id cannot be passed where an invoice id is wanted.

use std::fmt;

macro_rules! ids {
    ($($(#[$doc:meta])+ $name:ident;)+) => {$(
        $(#[$doc])+
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Wraps a name that was checked where it came in.
            pub fn new(name: impl Into<String>) -> Self {
                Self(name.into())
            }

            /// The name as it is stored and shown.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The name itself, without a copy.
            pub fn into_string(self) -> String {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

impl PaymentId {
    /// True for a payment intent; anything else names a charge.
    pub fn is_payment_intent(&self) -> bool {
        self.0.starts_with("pi_")
    }
}

ids! {
    /// One signed Stripe event: `evt_…`, or `body_<sha256>` for a signed body that has no usable id.
    EventId;
    /// A Stripe invoice: `in_…`.
    InvoiceId;
    /// A payment: its `pi_…`, or its `ch_…` (older `py_…`) when no payment intent is named.
    PaymentId;
    /// A Stripe refund: `re_…` (older `pyr_…`).
    RefundId;
    /// A Stripe dispute: `du_…` (older `dp_…`).
    DisputeId;
    /// A Stripe credit note: `cn_…`.
    CreditNoteId;
    /// A Stripe customer: `cus_…`.
    CustomerId;
    /// A user of the host application, as that application names it.
    UserId;
    /// A promoter of ours: `prm_…`.
    PromoterId;
    /// The public name of a program.
    ProgramKey;
    /// A referral code, case-sensitive, as the promoter shares it.
    Code;
    /// One claim: `clm_…`.
    ClaimId;
    /// One referral: `ref_…`.
    ReferralId;
    /// A Stripe subscription: `sub_…`.
    SubscriptionId;
    /// An operator's word on a held referral: `rul_…`.
    RulingId;
}
