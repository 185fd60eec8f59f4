//! `Stripe-Signature`: `t=<unix s>,v1=<hex>[,v1=<hex>…]`, HMAC-SHA256 over `t`, a dot and the raw body.

use hmac::digest::CtOutput;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use thiserror::Error;

use crate::domain::Timestamp;

/// A header longer than this is refused unread. Stripe's is under 300 bytes with two secrets.
const HEADER_LIMIT_BYTES: usize = 4_096;
/// More `v1` than this are refused: Stripe sends one for each secret that is live while one is rolled.
const SIGNATURES_LIMIT: usize = 16;
/// Hex digits of a SHA-256 HMAC.
const SIGNATURE_BYTES: usize = 32;

type HmacSha256 = Hmac<Sha256>;

/// A raw body that Stripe signed. Only [`Verifier::verify`] makes one.
#[derive(Clone)]
pub struct SignedEvent {
    body: Vec<u8>,
}

impl SignedEvent {
    /// The raw bytes, as they were signed.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

/// Why a request is not Stripe's. The text names the rule, never a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// There is no `Stripe-Signature` header.
    #[error("the Stripe-Signature header is missing")]
    Missing,
    /// The header is not `t=…,v1=…`, or too long.
    #[error("the Stripe-Signature header is not of the form t=<unix seconds>,v1=<hex> with one t")]
    Malformed,
    /// `t` is too far from now, in either direction.
    #[error("the timestamp of the signature is outside the tolerance")]
    Stale,
    /// No `v1` fits any configured secret.
    #[error("no signature in the header fits the body and a configured secret")]
    Mismatch,
}

/// Checks signatures against the configured secrets.
#[derive(Clone)]
pub struct Verifier {
    keyed: Vec<HmacSha256>,
    tolerance_s: u64,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("secrets", &self.keyed.len()).finish_non_exhaustive()
    }
}

impl Verifier {
    /// A verifier for these secrets; each is a key as a whole, `whsec_` included.
    pub fn new(secrets: &[SecretString], tolerance_s: u64) -> Self {
        let keyed = secrets.iter().map(|secret| keyed(secret.expose_secret())).collect();
        Self { keyed, tolerance_s }
    }

    /// Checks the signature of a raw body: every `v1` against every secret, in constant time.
    ///
    /// # Errors
    /// [`SignatureError`], by the first rule that does not hold.
    pub fn verify(
        &self,
        header: Option<&[u8]>,
        body: Vec<u8>,
        now: Timestamp,
    ) -> Result<SignedEvent, SignatureError> {
        let header = Header::parse(header.ok_or(SignatureError::Missing)?)?;
        if now.unix().abs_diff(header.timestamp) > self.tolerance_s {
            return Err(SignatureError::Stale);
        }
        let mut fits = false;
        for keyed in &self.keyed {
            let expected = signature(keyed.clone(), header.timestamp_text, &body);
            for given in &header.signatures {
                fits |= expected == CtOutput::new((*given).into());
            }
        }
        if fits { Ok(SignedEvent { body }) } else { Err(SignatureError::Mismatch) }
    }
}

/// The header that signs `body` at `timestamp`, as Stripe would: for samples and tests.
pub fn sign(secret: &SecretString, timestamp: Timestamp, body: &[u8]) -> String {
    let timestamp = timestamp.unix().to_string();
    let signature = signature(keyed(secret.expose_secret()), &timestamp, body);
    format!("t={timestamp},v1={}", hex::encode(signature.into_bytes()))
}

fn keyed(secret: &str) -> HmacSha256 {
    // HMAC takes keys of any length, so this cannot fail; and a key that nobody knows would verify nothing.
    HmacSha256::new_from_slice(secret.as_bytes())
        .unwrap_or_else(|_| HmacSha256::new(&hmac::digest::Key::<HmacSha256>::default()))
}

fn signature(keyed: HmacSha256, timestamp: &str, body: &[u8]) -> CtOutput<HmacSha256> {
    keyed.chain_update(timestamp).chain_update(".").chain_update(body).finalize()
}

struct Header<'h> {
    /// `t` as it stands in the header: these bytes are signed.
    timestamp_text: &'h str,
    timestamp: i64,
    signatures: Vec<[u8; SIGNATURE_BYTES]>,
}

impl<'h> Header<'h> {
    fn parse(header: &'h [u8]) -> Result<Self, SignatureError> {
        if header.len() > HEADER_LIMIT_BYTES {
            return Err(SignatureError::Malformed);
        }
        let text = std::str::from_utf8(header).or(Err(SignatureError::Malformed))?;
        let (mut timestamp_text, mut signatures) = (None, Vec::new());
        for item in text.split(',') {
            // Proxies that fold several headers into one put a blank behind the comma.
            match item.trim_matches([' ', '\t']).split_once('=') {
                Some(("t", value)) if timestamp_text.is_none() => timestamp_text = Some(value),
                Some(("v1", value)) => signatures.extend(decode(value)),
                Some(("t", _)) | None => return Err(SignatureError::Malformed),
                Some(_) => {}
            }
        }
        let timestamp_text = timestamp_text.ok_or(SignatureError::Malformed)?;
        let digits = timestamp_text.bytes().all(|byte| byte.is_ascii_digit());
        let timestamp = timestamp_text.parse().ok().filter(|_| digits).ok_or(SignatureError::Malformed)?;
        if signatures.is_empty() || signatures.len() > SIGNATURES_LIMIT {
            return Err(SignatureError::Malformed);
        }
        Ok(Self { timestamp_text, timestamp, signatures })
    }
}

/// A `v1` that is not 64 hex digits fits nothing; the others of the header still count.
fn decode(hex_digits: &str) -> Option<[u8; SIGNATURE_BYTES]> {
    let mut bytes = [0; SIGNATURE_BYTES];
    hex::decode_to_slice(hex_digits, &mut bytes).ok().map(|()| bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BODY: &[u8] = br#"{"id":"evt_test_1","object":"event","type":"invoice.paid"}"#;
    const OLD: &str = "be788830588af8c5a9bdac21f75ae6745189f99711a230506aaf0ad0fd6771c9";
    const NEW: &str = "e281de80a43f2f6076020490996f784839927e3744c8283894cafc13e738efdb";
    const AT: i64 = 1_700_000_000;

    fn verify(secrets: &[&str], header: &str, now: i64) -> Result<(), SignatureError> {
        let secrets: Vec<_> = secrets.iter().map(|secret| SecretString::from(*secret)).collect();
        let verifier = Verifier::new(&secrets, 300);
        verifier.verify(Some(header.as_bytes()), BODY.to_vec(), Timestamp::from_unix(now)).map(|_| ())
    }

    #[test]
    fn the_published_vector_fits() {
        assert_eq!(BODY.len(), 58);
        assert_eq!(verify(&["whsec_test_old"], &format!("t={AT},v1={OLD}"), AT), Ok(()));
        assert_eq!(verify(&["whsec_test_new"], &format!("t={AT},v1={NEW}"), AT), Ok(()));
        let signed = sign(&SecretString::from("whsec_test_old"), Timestamp::from_unix(AT), BODY);
        assert_eq!(signed, format!("t={AT},v1={OLD}"));
    }

    #[test]
    fn every_signature_is_tried_against_every_secret() {
        let both = format!("t={AT},v1={OLD},v1={NEW},v0={OLD}");
        for secrets in [
            &["whsec_test_old"][..],
            &["whsec_test_new"],
            &["whsec_other", "whsec_test_new"],
            &["whsec_test_old", "whsec_other"],
        ] {
            assert_eq!(verify(secrets, &both, AT), Ok(()), "{secrets:?}");
        }
        assert_eq!(verify(&["whsec_other"], &both, AT), Err(SignatureError::Mismatch));
        assert_eq!(verify(&[], &both, AT), Err(SignatureError::Mismatch));
    }

    #[test]
    fn the_tolerance_holds_in_both_directions() {
        let header = format!("t={AT},v1={OLD}");
        for (now, expected) in [
            (AT + 300, Ok(())),
            (AT - 300, Ok(())),
            (AT + 301, Err(SignatureError::Stale)),
            (AT - 301, Err(SignatureError::Stale)),
            (i64::MIN, Err(SignatureError::Stale)),
            (i64::MAX, Err(SignatureError::Stale)),
        ] {
            assert_eq!(verify(&["whsec_test_old"], &header, now), expected, "now {now}");
        }
    }

    #[test]
    fn only_v1_counts_and_t_is_signed_as_it_stands() {
        let old = &["whsec_test_old"];
        assert_eq!(verify(old, &format!("t={AT},v0={OLD}"), AT), Err(SignatureError::Malformed));
        assert_eq!(verify(old, &format!("t=0{AT},v1={OLD}"), AT), Err(SignatureError::Mismatch));
        assert_eq!(verify(old, &format!("v1={OLD}"), AT), Err(SignatureError::Malformed));
        assert_eq!(verify(old, &format!("t={AT},t={AT},v1={OLD}"), AT), Err(SignatureError::Malformed));
        assert_eq!(verify(old, &format!("t=+{AT},v1={OLD}"), AT), Err(SignatureError::Malformed));
    }

    #[test]
    fn blanks_around_items_do_not_matter() {
        let old = &["whsec_test_old"];
        for header in [
            format!("t={AT}, v1={OLD}"),
            format!(" t={AT} ,\tv0={NEW},  v1={NEW} , v1={OLD} "),
            format!("v1={OLD}, t={AT}"),
        ] {
            assert_eq!(verify(old, &header, AT), Ok(()), "{header:?}");
        }
        for header in [
            format!("t ={AT},v1={OLD}"),
            format!("t= {AT},v1={OLD}"),
            format!("t={AT}, v1={OLD}, t={AT}"),
            format!("t={AT},,v1={OLD}"),
        ] {
            assert_eq!(verify(old, &header, AT), Err(SignatureError::Malformed), "{header:?}");
        }
        assert_eq!(verify(old, &format!("t={AT},v1= {OLD}"), AT), Err(SignatureError::Malformed));
    }

    #[test]
    fn the_header_is_bounded() {
        let many = format!("t={AT}{}", format!(",v1={NEW}").repeat(SIGNATURES_LIMIT + 1));
        assert_eq!(verify(&["whsec_test_new"], &many, AT), Err(SignatureError::Malformed));
        let long = format!("t={AT},v1={OLD},v0={}", "0".repeat(HEADER_LIMIT_BYTES));
        assert_eq!(verify(&["whsec_test_old"], &long, AT), Err(SignatureError::Malformed));
    }

    proptest! {
        #[test]
        fn no_header_panics_and_none_but_the_right_one_fits(header in "\\PC{0,200}") {
            prop_assert!(verify(&["whsec_test_old"], &header, AT).is_err());
        }

        #[test]
        fn one_changed_bit_of_the_body_does_not_fit(position in 0..58_usize, bit in 0..8_u32) {
            let mut body = BODY.to_vec();
            body[position] ^= 1 << bit;
            let verifier = Verifier::new(&[SecretString::from("whsec_test_old")], 300);
            let header = format!("t={AT},v1={OLD}");
            let verified = verifier.verify(Some(header.as_bytes()), body, Timestamp::from_unix(AT));
            prop_assert_eq!(verified.map(|_| ()), Err(SignatureError::Mismatch));
        }
    }
}
