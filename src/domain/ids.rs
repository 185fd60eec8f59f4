//! Names of things. A payment id cannot be passed where an invoice id is wanted. A copy shares the text of its original: a unit
//! of work copies the names of an event some twenty times.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::time::Timestamp;

macro_rules! ids {
    ($($(#[$doc:meta])+ $name:ident;)+) => {$(
        $(#[$doc])+
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps a name that was checked where it came in.
            pub fn new(name: impl AsRef<str>) -> Self {
                Self(Arc::from(name.as_ref()))
            }

            /// The name as it is stored and shown.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The name as a text of its own.
            pub fn into_string(self) -> String {
                self.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

/// A referral code as it is shown, compared without case: two codes that differ only so are the same code.
#[derive(Debug, Clone)]
pub struct Code {
    shown: Arc<str>,
    folded: Arc<str>,
}

impl Code {
    /// A code as a person wrote it; checked and trimmed where it came in.
    pub fn new(shown: impl AsRef<str>) -> Self {
        let shown = shown.as_ref();
        let folded: String =
            if shown.is_ascii() { shown.to_ascii_lowercase() } else { shown.chars().map(fold).collect() };
        Self { shown: Arc::from(shown), folded: folded.into() }
    }

    /// A promotion code of Stripe (`promo_…`), whose case counts: claims name it in the place of a code.
    pub fn promotion(id: impl AsRef<str>) -> Self {
        let shown: Arc<str> = Arc::from(id.as_ref());
        Self { folded: Arc::clone(&shown), shown }
    }

    /// A code as it was made, or as a claim names it.
    pub fn as_str(&self) -> &str {
        &self.shown
    }

    /// The code as a text of its own.
    pub fn into_string(self) -> String {
        self.shown.as_ref().to_owned()
    }

    /// What codes are compared by, and stored under.
    pub fn folded(&self) -> &str {
        &self.folded
    }
}

/// Simple case folding: by way of upper case, so that letters with two small forms are one. Only the dotless i, whose upper
/// case is that of another letter, stays itself.
pub(super) fn fold(c: char) -> char {
    if c == 'ı' {
        return c;
    }
    let upper = only(c.to_uppercase()).unwrap_or(c);
    only(upper.to_lowercase()).unwrap_or(upper)
}

fn only(mut letters: impl Iterator<Item = char>) -> Option<char> {
    letters.next().filter(|_| letters.next().is_none())
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.folded == other.folded
    }
}

impl Eq for Code {}

impl PartialOrd for Code {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Code {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded.cmp(&other.folded)
    }
}

impl Hash for Code {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded.hash(state);
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// What the test button of Stripe's Dashboard sends for everything.
const TEST_BUTTON: &str = "evt_00000000000000";

impl EventId {
    /// True for the one id that Stripe gives to many different events: those are told apart by their bodies.
    pub fn is_of_the_test_button(&self) -> bool {
        *self.0 == *TEST_BUTTON
    }

    /// The id under which a signed body without a usable id of its own is kept: the SHA-256 of the raw body.
    pub fn of_body(body: &[u8]) -> Self {
        Self(format!("body_{}", hex::encode(Sha256::digest(body))).into())
    }
}

impl ClaimId {
    /// The event that made the claim; none for a claim of the API.
    pub fn event(&self) -> Option<&str> {
        // `clm_<event>_<precedence>_<of which code>`
        let (of_event, _of_code) = self.0.strip_prefix("clm_")?.rsplit_once('_')?;
        let (event, _precedence) = of_event.rsplit_once('_')?;
        Some(event)
    }
}

/// Crockford's alphabet in lower case: 32 letters whose order is that of their values.
const BASE32: [char; 32] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'j', 'k', 'm',
    'n', 'p', 'q', 'r', 's', 't', 'v', 'w', 'x', 'y', 'z',
];

/// An id of ours: a prefix, and the 128 bits of a `UUIDv7` in 26 characters of base32. It sorts by the time, then by the
/// number of the commit, then by `index` within that commit.
pub fn sortable_id(prefix: &str, at: Timestamp, seq: i64, index: u32) -> String {
    let millis = u128::try_from(at.unix()).unwrap_or(0).saturating_mul(1_000) & 0xffff_ffff_ffff;
    let seq = u128::try_from(seq).unwrap_or(0) & 0xff_ffff_ffff;
    // 74 bits that are ours: 12 before the variant of the UUID and 62 after it.
    let own = seq << 34 | u128::from(index);
    let uuid = millis << 80 | 0x7 << 76 | (own >> 62) << 64 | 0b10 << 62 | own & 0x3fff_ffff_ffff_ffff;
    encoded(prefix, uuid)
}

/// An id of ours made of a `UUIDv7`.
pub fn encoded(prefix: &str, uuid: u128) -> String {
    let letter = |place: u8| {
        let value = usize::try_from(uuid >> u32::from(place) & 31).unwrap_or(0);
        BASE32.get(value).copied().unwrap_or('0')
    };
    let letters: String = (0..126_u8).step_by(5).rev().map(letter).collect();
    format!("{prefix}_{letters}")
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
    /// A movement on a Stripe balance: `txn_…`.
    BalanceTransactionId;
    /// A Stripe credit note: `cn_…`.
    CreditNoteId;
    /// A Stripe customer: `cus_…`.
    StripeCustomerId;
    /// A user of the host application, as that application names it.
    UserId;
    /// A promoter of ours: `prm_…`.
    PromoterId;
    /// The public name of a program.
    ProgramKey;
    /// One claim: `clm_…`.
    ClaimId;
    /// One referral: `ref_…`.
    ReferralId;
    /// A Stripe subscription: `sub_…`.
    SubscriptionId;
    /// An operator's review of a held referral: `rev_…`.
    ReviewId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_differ_only_in_case_are_one() {
        for (code, spelt) in [
            ("Anna", "aNNA"),
            ("KELVIN", "\u{212a}elvin"),
            ("STRA\u{df}E", "stra\u{1e9e}e"),
            ("\u{3a3}\u{3a3}", "\u{3c3}\u{3c2}"),
        ] {
            assert_eq!(Code::new(code), Code::new(spelt), "{code}");
        }
        // CaseFolding.txt has U+0131 under T (Turkic) only.
        assert_ne!(Code::new("KISS"), Code::new("K\u{131}SS"));
        assert_ne!(Code::promotion("promo_a"), Code::promotion("promo_A"));
    }
}
