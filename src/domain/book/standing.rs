//! What an invoice's commission depends on beside itself: its place among the invoices of its referral, and whether its
//! promoter's rewarded places are taken by others.

use std::collections::{BTreeMap, BTreeSet};

use super::{Book, Group, InvoiceId, MoneyError, Party, Seat};
use crate::domain::assess::{Place, is_counted};
use crate::domain::attribution::Qualified;
use crate::domain::payments::Loss;
use crate::domain::{Assessment, NoCommission, PaidInvoice, Referral, Standing, Timestamp, assess};

/// The counted invoices of one referral.
#[derive(Debug, Default)]
struct Calendar {
    first_paid_at: Option<Timestamp>,
    positions: BTreeMap<InvoiceId, u32>,
}

/// The invoice that qualifies a referral.
#[derive(Debug)]
enum Found {
    /// This one.
    Seat(Qualified),
    /// Another one than before, which only all invoices of the party can tell.
    Lost,
}

impl Found {
    fn seat(self) -> Option<Qualified> {
        match self {
            Self::Seat(qualified) => Some(qualified),
            Self::Lost => None,
        }
    }
}

/// Assesses invoices of one book; counts the invoices of each party once.
#[derive(Debug)]
pub struct Assessor<'b> {
    book: &'b Book,
    calendars: BTreeMap<Party, Calendar>,
    /// Why parties have no referral.
    reasons: BTreeMap<Party, NoCommission>,
}

impl<'b> Assessor<'b> {
    /// An assessor of the facts at hand.
    pub const fn new(book: &'b Book) -> Self {
        Self { book, calendars: BTreeMap::new(), reasons: BTreeMap::new() }
    }

    /// What the ledger should hold for an invoice, and its referral; `None` while it is not known as paid.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit.
    pub fn assess(
        &mut self,
        id: &InvoiceId,
    ) -> Result<Option<(Assessment, Option<&'b Referral>)>, MoneyError> {
        let Some(invoice) = self.book.invoice(id) else { return Ok(None) };
        let loss = self.book.loss_of(id)?;
        let referral = match &invoice.claim.customer {
            Some(customer) => self.referral_of(&self.book.parties.party_of(customer)),
            None => Err(NoCommission::NotReferred),
        };
        let standing = referral.map_or_else(|_| Standing::default(), |referral| self.standing(id, referral));
        Ok(Some((assess(invoice, referral, standing, loss)?, referral.ok())))
    }

    fn referral_of(&mut self, party: &Party) -> Result<&'b Referral, NoCommission> {
        if let Some(reason) = self.reasons.get(party) {
            return Err(*reason);
        }
        self.book.referral_of_party(party).inspect_err(|reason| {
            self.reasons.insert(party.clone(), *reason);
        })
    }

    /// True when an invoice has no reason to earn nothing, unless the rewarded places are taken.
    fn qualifies(
        &mut self,
        id: &InvoiceId,
        invoice: &PaidInvoice,
        referral: &Referral,
    ) -> Result<bool, MoneyError> {
        let standing = Standing { exhausted: false, ..self.standing(id, referral) };
        Ok(assess(invoice, Ok(referral), standing, Loss::default())?.reason.is_none())
    }

    fn standing(&mut self, id: &InvoiceId, referral: &Referral) -> Standing {
        let exhausted = self.book.exhausted.contains(&referral.party);
        if !referral.terms.counts_invoices() {
            return Standing { place: None, exhausted };
        }
        let calendar =
            self.calendars.entry(referral.party.clone()).or_insert_with(|| self.book.calendar(referral));
        let position = calendar.positions.get(id).copied();
        let place = position.zip(calendar.first_paid_at);
        let place = place.map(|(position, first_paid_at)| Place { first_paid_at, position });
        Standing { place, exhausted }
    }
}

impl Book {
    /// What was taken from an invoice; nothing from one that is not known as paid.
    ///
    /// # Errors
    /// [`MoneyError`] when a sum does not fit.
    pub fn loss_of(&self, id: &InvoiceId) -> Result<Loss, MoneyError> {
        let Some(invoice) = self.invoice(id) else { return Ok(Loss::default()) };
        let amount_paid = |id: &InvoiceId| self.invoice(id).map(|invoice| invoice.claim.amount_paid_minor);
        self.graph.loss(id, invoice.claim.currency, &amount_paid)
    }

    /// The paid invoices of a party, by (`paid_at`, id).
    pub fn paid_invoices_of(&self, party: &Party) -> Vec<(&InvoiceId, &PaidInvoice)> {
        let ids = self.invoices_of_party(party).into_iter();
        let paid = ids.filter_map(|id| self.invoices.get_key_value(&id));
        // A later telling may have given an invoice to another customer.
        let is_own = |(id, _): &(&InvoiceId, &PaidInvoice)| self.party_of_invoice(id).as_ref() == Some(party);
        let mut paid: Vec<_> = paid.filter(is_own).collect();
        paid.sort_by_key(|(id, invoice)| (invoice.paid_at, *id));
        paid
    }

    fn calendar(&self, referral: &Referral) -> Calendar {
        let paid = self.paid_invoices_of(&referral.party).into_iter();
        let counted: Vec<_> = paid.filter(|(_, invoice)| is_counted(invoice, referral)).collect();
        Calendar {
            first_paid_at: counted.first().map(|(_, invoice)| invoice.paid_at),
            positions: counted.into_iter().map(|(id, _)| id.clone()).zip(1..).collect(),
        }
    }

    /// True when a program limits the rewarded referrals of a promoter, in any of its versions: referrals of other
    /// versions take places, too.
    pub fn limits_rewards(&self, group: &Group) -> bool {
        self.versions
            .iter()
            .any(|version| version.program == group.1 && version.terms.max_rewards_per_promoter.is_some())
    }

    /// Finds the qualifying invoice of a party anew, and gives its referral the seat that follows from it. True when
    /// somebody's place may have moved by it.
    pub(super) fn seat(&mut self, party: &Party) -> Result<bool, MoneyError> {
        let referral = self.referrals.get(party).filter(|referral| !referral.void);
        let group = referral.map(|referral| (referral.promoter.clone(), referral.program.clone()));
        let qualified = match referral {
            Some(referral) => self.qualified(referral)?,
            None => None,
        };
        if let Some(Found::Lost) = qualified {
            self.need_all_of(party);
        }
        let qualified = qualified.and_then(Found::seat);
        if let Some(referral) = self.referrals.get_mut(party)
            && referral.qualified != qualified
        {
            referral.qualified.clone_from(&qualified);
            self.changes.referrals.insert(party.clone());
        }
        if self.standings.is_empty() {
            return Ok(false);
        }
        let limit = self.referrals.get(party).and_then(|referral| referral.terms.max_rewards_per_promoter);
        let seat = qualified.map(|qualified| Seat { qualified, limit });
        for standing in self.standings.values_mut() {
            standing.remove(party);
        }
        if let (Some(group), Some(seat)) = (group, seat)
            && let Some(standing) = self.standings.get_mut(&group)
        {
            standing.insert(party.clone(), seat);
        }
        Ok(true)
    }

    /// The first invoice of a referral that has no other reason. While not all invoices of the party are at hand, the
    /// stored one stands for the rest; it is lost when it is at hand and does not qualify any more.
    fn qualified(&self, referral: &Referral) -> Result<Option<Found>, MoneyError> {
        let mut assessor = Assessor::new(self);
        let stored = referral.qualified.as_ref();
        let complete = self.is_complete(&referral.party);
        let (mut first, mut stored_qualifies) = (None, false);
        for (id, invoice) in self.paid_invoices_of(&referral.party) {
            if assessor.qualifies(id, invoice, referral)? {
                stored_qualifies |= stored.is_some_and(|(_, stored)| stored == id);
                first = first.or_else(|| Some((invoice.paid_at, id.clone())));
                if complete {
                    break;
                }
            }
        }
        Ok(match stored {
            Some((_, id)) if !complete && self.invoices.contains_key(id) && !stored_qualifies => {
                Some(Found::Lost)
            }
            Some(stored) if !complete && !self.invoices.contains_key(&stored.1) => {
                Some(Found::Seat(first.map_or(stored.clone(), |first| first.min(stored.clone()))))
            }
            Some(_) | None => first.map(Found::Seat),
        })
    }

    /// True when the invoice that is stored as qualifying a referral is not the one that the facts say; also false where
    /// the facts at hand cannot say.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit.
    pub fn qualified_differs(&self, referral: &Referral) -> Result<bool, MoneyError> {
        if !self.is_complete(&referral.party) {
            return Ok(false);
        }
        Ok(self.qualified(referral)?.and_then(Found::seat) != referral.qualified)
    }

    /// True when all invoices of a party are at hand.
    pub(super) fn is_complete(&self, party: &Party) -> bool {
        self.incomplete.is_empty() || self.parties.customers_of(party).is_disjoint(&self.incomplete)
    }

    /// Notes that all invoices of a party are needed.
    pub(super) fn need_all_of(&mut self, party: &Party) {
        if self.strangers.contains(party) {
            self.lacking.parties.insert(party.clone());
        }
        if !self.incomplete.is_empty() {
            let customers = self.parties.customers_of(party);
            self.lacking.customers.extend(customers.intersection(&self.incomplete).cloned());
        }
    }

    /// The parties that compete for a rewarded place and come too late: each is judged by the limit of its own terms.
    pub(super) fn find_exhausted(&self) -> BTreeSet<Party> {
        let mut exhausted = BTreeSet::new();
        for standing in self.standings.values() {
            let mut seats: Vec<(&Party, &Seat)> = standing.iter().collect();
            seats.sort_by_key(|(_, seat)| &seat.qualified);
            for (before, (party, seat)) in (0_u32..).zip(seats) {
                if seat.limit.is_some_and(|limit| before >= limit) {
                    exhausted.insert(party.clone());
                }
            }
        }
        exhausted
    }
}
