//! What the host application and operators do to customers and their referrals.

use super::merge::Touched;
use super::unit::UnitOfWork;
use crate::domain::{
    Cause, Claim, Customer, EmailHash, Fact, MoneyError, PromoterId, Review, ReviewDecision,
    StripeCustomerId, UserId,
};

impl UnitOfWork {
    /// Takes in a claim that came through the API or the command line, with the e-mail that it names.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit; the unit is then half-done and must be thrown away.
    pub fn refer(&mut self, claim: Claim, email: Option<EmailHash>) -> Result<(), MoneyError> {
        let cause = Cause::Claim(claim.id.clone());
        // A claim that says nothing new is not kept, and cannot be named.
        let told_by = if self.state.is_redundant(&claim) { "api".to_owned() } else { claim.id.to_string() };
        let mut facts = Vec::new();
        if let (Some(email), Some(customer)) = (email, claim.named_customer()) {
            facts.push(Fact::Email { customer, email });
        }
        facts.push(Fact::Claim(claim));
        let touched = self.merge(&facts, &told_by);
        self.settle(&touched, &cause)?;
        Ok(())
    }

    /// A customer turns out to be one of a user.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit; the unit is then half-done and must be thrown away.
    pub fn bind(&mut self, stripe_customer: StripeCustomerId, user: UserId) -> Result<(), MoneyError> {
        let mut touched = Touched::default();
        self.merge_bond(&stripe_customer, user, &mut touched);
        self.attribute_touched(&mut touched);
        self.settle(&touched, &Cause::Customer(stripe_customer))?;
        Ok(())
    }

    /// An operator speaks about (customer, promoter); what was said last holds. A release covers the ways in which the two
    /// are known to look alike now, whatever `review` says of that.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit; the unit is then half-done and must be thrown away.
    pub fn review(
        &mut self,
        customer: &Customer,
        promoter: &PromoterId,
        review: Review,
    ) -> Result<(), MoneyError> {
        let (key, cause) = ((customer.clone(), promoter.clone()), Cause::Review(review.id.clone()));
        let likeness = self.state.likeness(customer, promoter);
        let is_release = review.decision == ReviewDecision::Released;
        let review = Review {
            covers_user: is_release && likeness.user,
            covers_email: is_release && likeness.email,
            // Another replica's clock may be ahead of ours: what is said last holds.
            reviewed_at: review
                .reviewed_at
                .max(self.state.last_said_at(customer).unwrap_or(review.reviewed_at)),
            ..review
        };
        self.changed.reviews.entry(key.clone()).or_default().push(review.clone());
        if self.state.reviews.get(&key).is_none_or(|known| known.order() < review.order()) {
            self.state.reviews.insert(key, review);
        }
        let mut touched = Touched { changed: true, ..Touched::default() };
        // Also where no referral is left, or comes of it, the reason is another one now.
        touched.claimed.insert(customer.clone());
        self.attribute_touched(&mut touched);
        self.settle(&touched, &cause)?;
        Ok(())
    }

    /// An e-mail of a promoter became known: whether its referrals are held is decided again.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit; the unit is then half-done and must be thrown away.
    pub fn learn_of_promoter(&mut self, promoter: &PromoterId, email: EmailHash) -> Result<(), MoneyError> {
        if let Some(facts) = self.state.promoters.get_mut(promoter) {
            facts.emails.insert(email);
        }
        let of_promoter = self.state.referrals.iter().filter(|(_, referral)| referral.promoter == *promoter);
        let mut touched = Touched { changed: true, ..Touched::default() };
        touched.named.extend(of_promoter.map(|(customer, _)| customer.clone()));
        self.attribute_touched(&mut touched);
        self.settle(&touched, &Cause::Promoter(promoter.clone()))?;
        Ok(())
    }
}
