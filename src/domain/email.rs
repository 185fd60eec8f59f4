//! E-mails, of which only equality matters: whether a customer is its own promoter.

use sha2::{Digest, Sha256};

use super::ids::fold;

/// Bytes of the hash that are kept: 128 bits tell any two addresses apart.
const KEPT_BYTES: usize = 16;

/// The hash of an address, trimmed, without case (as codes are compared) and without the `+tag` that its owner may add to
/// it: enough to compare, and nothing to leak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmailHash([u8; KEPT_BYTES]);

impl EmailHash {
    /// The hash of an address; `None` for a text without an `@`.
    pub fn of(email: &str) -> Option<Self> {
        let folded: String = email.trim().chars().map(fold).collect();
        let (local, domain) = folded.rsplit_once('@')?;
        let mailbox = match local.split_once('+') {
            // A name that is all tag is kept: without it all such addresses would be one.
            None | Some(("", _)) => local,
            Some((mailbox, _tag)) => mailbox,
        };
        let digest = Sha256::digest(format!("{mailbox}@{domain}").as_bytes());
        digest.first_chunk().copied().map(Self)
    }

    /// The hash of stored bytes; `None` when they are not as many as a hash has.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes to store.
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_same_with_spaces_in_capitals_and_with_a_tag() {
        let hash = EmailHash::of("anna@example.com").unwrap();
        assert_eq!(EmailHash::of(" Anna@EXAMPLE.com "), Some(hash));
        assert_eq!(EmailHash::of("anna+shop@example.com"), Some(hash));
        assert_eq!(EmailHash::of("Anna+a+b@example.com"), Some(hash));
        // The Greek sigma has two small forms.
        assert_eq!(
            EmailHash::of("\u{39a}\u{39f}\u{3a3}@example.com"),
            EmailHash::of("\u{3ba}\u{3bf}\u{3c2}@example.com")
        );
        assert_eq!(
            EmailHash::of("\u{39a}\u{39f}\u{3a3}@example.com"),
            EmailHash::of("\u{3ba}\u{3bf}\u{3c3}@example.com")
        );
        assert_ne!(EmailHash::of("anna@example.com+shop"), Some(hash));
        assert_ne!(EmailHash::of("+anna@example.com"), EmailHash::of("+bert@example.com"));
        assert_ne!(EmailHash::of("bert@example.com"), Some(hash));
        assert_eq!(EmailHash::of("anna"), None);
        assert_eq!(EmailHash::from_bytes(hash.as_bytes()), Some(hash));
        assert_eq!(EmailHash::from_bytes(&[1, 2]), None);
    }
}
