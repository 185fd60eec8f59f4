//! What Stripe tells in the histories, in the model's own words; `stripe.rs` writes it down as Stripe does, and the
//! daemon's handlers read it from there.

/// API versions of events; the empty one stands for an event that names none.
pub const VERSIONS: [&str; 5] = ["", "2020-08-27", "2024-06-20", "2025-06-30.basil", "2026-09-30.endive"];
const BASIL: &str = "2025-03-31";

/// One telling of one event.
#[derive(Clone, Debug)]
pub struct Event {
    pub id: String,
    pub version: &'static str,
    pub created: i64,
    pub said: Said,
}

#[derive(Clone, Debug)]
pub enum Said {
    Invoice(Box<Invoice>),
    Link(Link),
    Charge(Charge),
    Refund(Refund),
    Dispute(Dispute),
    CreditNote(CreditNote),
    Customer(Customer),
    Checkout(Checkout),
    Discount { named: Named, promotion: String },
    Subscription(Subscription),
}

/// How an object names its customer.
#[derive(Clone, Debug, Default)]
pub struct Named {
    pub customer: Option<String>,
    pub account: Option<String>,
}

/// How an object names a payment.
#[derive(Clone, Debug, Default)]
pub struct PaidBy {
    pub charge: Option<String>,
    pub intent: Option<String>,
}

/// (place of the key in the setting, value).
pub type Metadata = Vec<(u16, String)>;

/// Whose mailbox, and in which of its spellings.
#[derive(Clone, Copy, Debug)]
pub struct Address {
    pub mailbox: usize,
    pub spelling: usize,
}

#[derive(Clone, Debug, Default)]
pub struct Invoice {
    pub id: String,
    /// `invoice.payment_succeeded`, and whether its status is `paid`.
    pub payment_succeeded: Option<bool>,
    pub named: Named,
    pub currency: &'static str,
    /// All that was paid, in whatever way.
    pub amount_paid: i64,
    /// The part of it that was paid by hand, which older versions leave out of `amount_paid`.
    pub by_hand: i64,
    pub total: i64,
    pub excluding_tax: Option<i64>,
    /// In one of the three places where versions show it.
    pub tax: Option<i64>,
    pub tax_place: usize,
    /// Shipping with its tax, and that tax where it is told.
    pub shipping: Option<(i64, Option<i64>)>,
    pub lines: Vec<Line>,
    pub more_lines: bool,
    pub paid_at: Option<i64>,
    /// Older versions name it.
    pub paid_by: PaidBy,
    pub subscription: Option<String>,
    pub metadata: Metadata,
    pub snapshot: Metadata,
    pub older_snapshot: Metadata,
    /// By one discount alone, or by a list.
    pub promotions: Vec<String>,
    pub email: Option<Address>,
}

#[derive(Clone, Debug)]
pub struct Line {
    pub price: Option<&'static str>,
    pub product: Option<&'static str>,
    pub amount: i64,
    pub discounts: Vec<i64>,
}

#[derive(Clone, Debug)]
pub struct Link {
    pub invoice: String,
    pub by: PaidBy,
    pub record: Option<String>,
    pub amount: Option<i64>,
    pub is_paid: bool,
}

#[derive(Clone, Debug)]
pub struct Charge {
    pub event_type: &'static str,
    pub id: String,
    pub intent: Option<String>,
    pub customer: bool,
    /// Older versions name it, or say that there is none.
    pub invoice: Option<String>,
    pub says_no_invoice: bool,
    pub amount: i64,
    pub captured: Option<i64>,
    /// As it is told, with a released rest before basil.
    pub refunded: i64,
    pub succeeded: bool,
    pub refunds: Vec<Refund>,
}

#[derive(Clone, Debug)]
pub struct Refund {
    pub id: String,
    pub by: PaidBy,
    pub amount: i64,
    pub status: &'static str,
    pub created: i64,
}

#[derive(Clone, Debug)]
pub struct Dispute {
    pub id: String,
    pub by: PaidBy,
    pub amount: i64,
    pub currency: &'static str,
    pub status: &'static str,
    /// (id, amount, currency).
    pub transactions: Vec<(String, i64, &'static str)>,
}

#[derive(Clone, Debug)]
pub struct CreditNote {
    pub id: String,
    pub invoice: String,
    pub out_of_band: i64,
    pub of_records: i64,
    pub void: bool,
}

#[derive(Clone, Debug)]
pub struct Customer {
    pub named: Named,
    pub metadata: Metadata,
    pub email: Option<Address>,
}

#[derive(Clone, Debug)]
pub struct Checkout {
    pub named: Named,
    pub reference: Option<String>,
    pub metadata: Metadata,
    pub promotions: Vec<String>,
    pub email: Option<Address>,
}

#[derive(Clone, Debug)]
pub struct Subscription {
    pub id: String,
    pub named: Named,
    pub status: &'static str,
    pub deleted: bool,
    pub metadata: Metadata,
}

impl Event {
    pub fn is_before_basil(&self) -> bool {
        self.version < BASIL
    }

    /// The payment, as named, whose invoice an event wants to know.
    pub fn waits_for(&self) -> Option<&String> {
        match &self.said {
            Said::Charge(charge) if charge.event_type == "charge.refunded" => {
                Some(charge.intent.as_ref().unwrap_or(&charge.id))
            }
            Said::Refund(refund) => refund.by.name(),
            Said::Dispute(dispute) => dispute.by.name(),
            _ => None,
        }
    }

    /// The same event in another version: it leaves out what that version does not show.
    pub fn in_version(mut self, version: &'static str) -> Self {
        self.version = version;
        let is_older = self.is_before_basil();
        match &mut self.said {
            Said::Invoice(invoice) if is_older => {
                // A price names its product there, and a product alone is not shown.
                for line in &mut invoice.lines {
                    line.product = line.product.filter(|_| line.price.is_some());
                }
            }
            Said::Invoice(invoice) => invoice.paid_by = PaidBy::default(),
            Said::Charge(charge) if !is_older => {
                charge.invoice = None;
                charge.says_no_invoice = false;
                charge.refunds.clear();
            }
            Said::Charge(_)
            | Said::Link(_)
            | Said::Refund(_)
            | Said::Dispute(_)
            | Said::CreditNote(_)
            | Said::Customer(_)
            | Said::Checkout(_)
            | Said::Discount { .. }
            | Said::Subscription(_) => {}
        }
        self
    }
}

impl Named {
    /// The customer, else its account.
    pub fn name(&self) -> Option<&String> {
        self.customer.as_ref().or(self.account.as_ref())
    }
}

impl PaidBy {
    /// The payment intent, else the charge.
    pub fn name(&self) -> Option<&String> {
        self.intent.as_ref().or(self.charge.as_ref())
    }
}

impl Invoice {
    /// False for a telling that says nothing at all.
    pub fn is_paid(&self) -> bool {
        self.payment_succeeded != Some(false)
    }
}

impl Address {
    pub fn text(self) -> String {
        let Self { mailbox, spelling } = self;
        match spelling {
            0 => format!("mail_{mailbox}@example.com"),
            1 => format!(" Mail_{mailbox}@Example.com"),
            _ => format!("mail_{mailbox}+shop@example.com"),
        }
    }
}
