//! Referral codes: whose they are, and whether a claim that names one counts. Codes, like programs, have versions.

use super::attribution::Claim;
use super::ids::{ProgramKey, PromoterId};
use super::no_commission::NoCommission;
use super::terms::{TermsVersion, valid_at, version_at};
use super::time::Timestamp;

/// Whom a code belongs to; it never changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CodeOwner {
    /// The promoter who shares it.
    pub promoter: PromoterId,
    /// The program whose terms it earns.
    pub program: ProgramKey,
}

/// One version of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeVersion {
    /// The row of this version.
    pub id: i64,
    /// From when on claims are judged by it; the first version counts for all earlier times too.
    pub valid_from: Timestamp,
    /// False while it is switched off.
    pub active: bool,
    /// From then on it makes no referral.
    pub expires_at: Option<Timestamp>,
}

/// A code, as far as claims are judged by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeFacts {
    /// Whose it is.
    pub owner: CodeOwner,
    /// When it was made, or the earlier time that its maker gave: the host's own references of before do not mean it.
    pub made_at: Timestamp,
    /// All versions.
    pub versions: Vec<CodeVersion>,
    /// Referrals that it may make; any number without.
    pub max_uses: Option<u32>,
    /// Uses given so far: by arrival, never given back.
    pub uses: u32,
}

impl CodeFacts {
    /// A code that has made any number of referrals for ever.
    pub const fn unlimited(owner: CodeOwner) -> Self {
        let made_at = Timestamp::from_unix(0);
        Self { owner, made_at, versions: Vec::new(), max_uses: None, uses: 0 }
    }

    /// The version that holds at a time.
    pub fn version_at(&self, at: Timestamp) -> Option<&CodeVersion> {
        valid_at(&self.versions, |version| (version.valid_from, version.id), at)
    }

    /// True when no use is left.
    pub fn is_used_up(&self) -> bool {
        self.max_uses.is_some_and(|max_uses| self.uses >= max_uses)
    }

    /// Judges a claim at its `claimed_at`; a move is not judged. The terms that its referral is frozen to.
    ///
    /// # Errors
    /// The reason why the claim makes no referral: `code_inactive`, `code_expired`, `program_inactive`.
    pub fn judge<'v>(
        &self,
        claim: &Claim,
        versions: &'v [TermsVersion],
    ) -> Result<&'v TermsVersion, NoCommission> {
        if claim.moved_at.is_some() {
            let terms = version_at(versions, &self.owner.program, claim.claimed_at);
            return terms.ok_or(NoCommission::ProgramInactive);
        }
        self.judge_at(claim.claimed_at, versions)
    }

    /// Judges a claim made at that time.
    ///
    /// # Errors
    /// The reason why it makes no referral.
    pub fn judge_at<'v>(
        &self,
        at: Timestamp,
        versions: &'v [TermsVersion],
    ) -> Result<&'v TermsVersion, NoCommission> {
        let of_code = self.version_at(at);
        let terms = version_at(versions, &self.owner.program, at).ok_or(NoCommission::ProgramInactive)?;
        if of_code.is_some_and(|version| !version.active) {
            return Err(NoCommission::CodeInactive);
        }
        if of_code.and_then(|version| version.expires_at).is_some_and(|expires_at| at >= expires_at) {
            return Err(NoCommission::CodeExpired);
        }
        if !terms.terms.active {
            return Err(NoCommission::ProgramInactive);
        }
        Ok(terms)
    }
}
