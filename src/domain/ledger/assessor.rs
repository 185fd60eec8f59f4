//! What a commission depends on beside its own invoice: the number of the invoice among those of its referral, and whether
//! the reward slots of its promoter are taken by others.

use std::collections::BTreeMap;

use super::state::{Loaded, State};
use crate::domain::assess::{InvoiceNumber, is_counted, is_of_before};
use crate::domain::attribution::Qualified;
use crate::domain::payments::Loss;
use crate::domain::{
    Assessment, Customer, InvoiceContext, InvoiceId, MoneyError, NoCommission, PaidInvoice, Referral,
    Timestamp, assess,
};

/// The counted invoices of one referral.
#[derive(Debug, Default)]
struct Calendar {
    /// The customer paid before the referral, and the terms are for new customers only.
    existing: bool,
    first_paid_at: Option<Timestamp>,
    numbers: BTreeMap<InvoiceId, u32>,
}

/// The invoice that qualifies a referral for a reward slot.
#[derive(Debug)]
pub(super) enum Qualifying {
    /// This one.
    By(Qualified),
    /// Another one than before, which only all invoices of the customer can tell.
    Lost,
}

impl Qualifying {
    pub(super) fn qualified(self) -> Option<Qualified> {
        match self {
            Self::By(qualified) => Some(qualified),
            Self::Lost => None,
        }
    }
}

/// Assesses loaded invoices; counts the invoices of each customer once.
#[derive(Debug)]
pub struct Assessor<'s> {
    state: &'s State,
    calendars: BTreeMap<Customer, Calendar>,
    /// Why customers have no referral.
    reasons: BTreeMap<Customer, NoCommission>,
}

impl<'s> Assessor<'s> {
    /// An assessor of the loaded facts.
    pub const fn new(state: &'s State) -> Self {
        Self { state, calendars: BTreeMap::new(), reasons: BTreeMap::new() }
    }

    /// What the ledger should hold for an invoice, and its referral; `None` while it is not known as paid.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit.
    pub fn assess(
        &mut self,
        id: &InvoiceId,
    ) -> Result<Option<(Assessment, Option<&'s Referral>)>, MoneyError> {
        let Some(invoice) = self.state.invoice(id) else { return Ok(None) };
        let loss = self.state.loss_of(id)?;
        let referral = match &invoice.snapshot.stripe_customer {
            Some(stripe_customer) => self.referral_of(&self.state.customers.customer_named(stripe_customer)),
            None => Err(NoCommission::NotReferred),
        };
        let context =
            referral.map_or_else(|_| InvoiceContext::default(), |referral| self.context(id, referral));
        Ok(Some((assess(invoice, referral, context, loss)?, referral.ok())))
    }

    fn referral_of(&mut self, customer: &Customer) -> Result<&'s Referral, NoCommission> {
        if let Some(reason) = self.reasons.get(customer) {
            return Err(*reason);
        }
        self.state.referral_of(customer).inspect_err(|reason| {
            self.reasons.insert(customer.clone(), *reason);
        })
    }

    /// True when an invoice has no reason to earn nothing, unless the reward slots are taken.
    fn qualifies(
        &mut self,
        id: &InvoiceId,
        invoice: &PaidInvoice,
        referral: &Referral,
    ) -> Result<bool, MoneyError> {
        let context = InvoiceContext { exhausted: false, ..self.context(id, referral) };
        Ok(assess(invoice, Ok(referral), context, Loss::default())?.reason.is_none())
    }

    fn context(&mut self, id: &InvoiceId, referral: &Referral) -> InvoiceContext {
        let exhausted = self.state.exhausted.contains(&referral.customer);
        if !referral.terms.counts_invoices() {
            return InvoiceContext { exhausted, ..InvoiceContext::default() };
        }
        let calendar =
            self.calendars.entry(referral.customer.clone()).or_insert_with(|| self.state.calendar(referral));
        let number = calendar.numbers.get(id).copied().zip(calendar.first_paid_at);
        let number = number.map(|(number, first_paid_at)| InvoiceNumber { first_paid_at, number });
        InvoiceContext { number, exhausted, existing: calendar.existing }
    }
}

impl State {
    /// Assesses loaded invoices.
    pub const fn assessor(&self) -> Assessor<'_> {
        Assessor::new(self)
    }

    fn calendar(&self, referral: &Referral) -> Calendar {
        let paid = self.paid_invoices_of(&referral.customer);
        let existing = referral.terms.new_customers_only
            && paid.iter().any(|(_, invoice)| is_of_before(invoice, referral));
        let counted: Vec<_> = paid.into_iter().filter(|(_, invoice)| is_counted(invoice, referral)).collect();
        Calendar {
            existing,
            first_paid_at: counted.first().map(|(_, invoice)| invoice.paid_at),
            numbers: counted.into_iter().map(|(id, _)| id.clone()).zip(1..).collect(),
        }
    }

    /// The first invoice of a referral that has no other reason. While not all invoices of the customer are loaded, the
    /// stored one stands for the rest; it is lost when it is loaded and does not qualify any more.
    pub(super) fn qualified(&self, referral: &Referral) -> Result<Option<Qualifying>, MoneyError> {
        let mut assessor = Assessor::new(self);
        let stored = referral.qualified.as_ref();
        let complete = self.loaded(&referral.customer) == Loaded::All;
        let (mut first, mut stored_qualifies) = (None, false);
        for (id, invoice) in self.paid_invoices_of(&referral.customer) {
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
                Some(Qualifying::Lost)
            }
            Some(stored) if !complete && !self.invoices.contains_key(&stored.1) => {
                Some(Qualifying::By(first.map_or(stored.clone(), |first| first.min(stored.clone()))))
            }
            Some(_) | None => first.map(Qualifying::By),
        })
    }

    /// True when the invoice that is stored as qualifying a referral is not the one that the facts say; also false where
    /// the facts loaded cannot say.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit.
    pub fn qualified_differs(&self, referral: &Referral) -> Result<bool, MoneyError> {
        if self.loaded(&referral.customer) < Loaded::All {
            return Ok(false);
        }
        Ok(self.qualified(referral)?.and_then(Qualifying::qualified) != referral.qualified)
    }
}
