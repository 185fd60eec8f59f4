//! What the host application and operators do to a book.

use std::collections::{BTreeMap, BTreeSet};

use super::{Book, Cause, Claim, ClaimId, Code, CustomerId, MoneyError, Party, PromoterId, Touched, UserId};
use crate::domain::attribution::Ruling;
use crate::domain::{EmailHash, Fact, Timestamp};

impl Book {
    /// Takes in a claim that came through the API or the command line, with the e-mail that it names.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit; the book is then half-done and must be thrown away.
    pub fn refer(&mut self, claim: Claim, email: Option<EmailHash>) -> Result<(), MoneyError> {
        let cause = Cause::Claim(claim.id.clone());
        let mut facts = Vec::new();
        if let (Some(email), Some(party)) = (email, claim.named_party()) {
            facts.push(Fact::Email { party, email });
        }
        facts.push(Fact::Claim(claim));
        let touched = self.merge(&facts);
        self.settle(&touched, &cause)?;
        Ok(())
    }

    /// A customer turns out to be one of a user.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit; the book is then half-done and must be thrown away.
    pub fn bind(&mut self, customer: CustomerId, user: UserId) -> Result<(), MoneyError> {
        let mut touched = Touched::default();
        self.merge_bond(&customer, user, &mut touched);
        self.attribute_touched(&mut touched);
        self.settle(&touched, &Cause::Customer(customer))?;
        Ok(())
    }

    /// An operator speaks about (party, promoter); what was said first stays.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit; the book is then half-done and must be thrown away.
    pub fn rule(&mut self, party: &Party, promoter: &PromoterId, ruling: Ruling) -> Result<(), MoneyError> {
        let (key, cause) = ((party.clone(), promoter.clone()), Cause::Ruling(ruling.id.clone()));
        if self.rulings.contains_key(&key) {
            return Ok(());
        }
        self.changes.rulings.insert(key.clone());
        self.rulings.insert(key, ruling);
        let mut touched = Touched { changed: true, ..Touched::default() };
        // Also where no referral is left, or comes of it, the reason is another one now.
        touched.claimed.insert(party.clone());
        self.attribute_touched(&mut touched);
        self.settle(&touched, &cause)?;
        Ok(())
    }

    /// More became known of a promoter: every referral of it at hand is looked at again.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit; the book is then half-done and must be thrown away.
    pub fn learn_of_promoter(&mut self, promoter: &PromoterId, email: EmailHash) -> Result<(), MoneyError> {
        if let Some(facts) = self.promoters.get_mut(promoter) {
            facts.emails.insert(email);
        }
        let of_promoter = self.referrals.iter().filter(|(_, referral)| referral.promoter == *promoter);
        let mut touched = Touched { changed: true, ..Touched::default() };
        touched.named.extend(of_promoter.map(|(party, _)| party.clone()));
        self.attribute_touched(&mut touched);
        self.settle(&touched, &Cause::Promoter(promoter.clone()))?;
        Ok(())
    }

    /// Judges claims again, after a code that they name was made, changed, or given a promotion code. Returns how many
    /// referrals came of it or changed.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit; the book is then half-done and must be thrown away.
    pub fn judge_again(&mut self, code: &Code) -> Result<usize, MoneyError> {
        self.judge_all(self.claims_naming(code))
    }

    /// Judges claims again that were made then or later: what they are judged by has a new version from then on.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit; the book is then half-done and must be thrown away.
    pub fn judge_since(&mut self, since: Timestamp) -> Result<usize, MoneyError> {
        let later = self.parties.claims().filter(|claim| claim.claimed_at >= since);
        let named = later.filter_map(|claim| Some((claim.named_party()?, claim.id.clone())));
        let claims = named.map(|(party, claim)| (self.parties.present(&party), claim)).collect();
        self.judge_all(claims)
    }

    fn judge_all(&mut self, claims: Vec<(Party, ClaimId)>) -> Result<usize, MoneyError> {
        let mut concerned: BTreeMap<Party, BTreeSet<ClaimId>> = BTreeMap::new();
        for (party, claim) in claims {
            concerned.entry(party).or_default().insert(claim);
        }
        let before = self.changes.referrals.len();
        for (party, claims) in concerned {
            let Some(claim) = claims.into_iter().next() else { continue };
            let mut touched = Touched { changed: true, ..Touched::default() };
            // The reason of an invoice changes even where no referral comes of it.
            touched.parties.insert(party.clone());
            touched.named.insert(party);
            self.attribute_touched(&mut touched);
            self.settle(&touched, &Cause::Claim(claim))?;
        }
        Ok(self.changes.referrals.len().saturating_sub(before))
    }
}
