//! What the daemon makes of the tellings of a history.

use referrald::domain::inbox::Telling;
use referrald::domain::lines::Weights;
use referrald::domain::{EmailHash, EventId, Extracted, Fact, InvoiceId, Outcome};
use referrald::handlers::{Policy, parse};

use crate::setup::LOOKBACK_S;
use crate::stripe::{METADATA_KEYS, body};
use crate::told::{Address, Event, Line};

/// What lines sold, as the daemon's reader of Stripe's API hands it over.
pub fn facts_of_lines(invoice: InvoiceId, lines: &[Line]) -> Extracted {
    let mut weights = Weights::new();
    for line in lines {
        let weight = (line.amount - line.discounts.iter().sum::<i64>()).max(0);
        if weight > 0 {
            let key = (line.price.map(str::to_owned), line.product.map(str::to_owned));
            *weights.entry(key).or_default() += weight;
        }
    }
    let facts = vec![Fact::InvoiceLines { invoice, weights }];
    Extracted { facts, ..Extracted::default() }
}

pub fn telling_of(event: &Event) -> Telling {
    let version = Some(event.version).filter(|version| !version.is_empty());
    Telling::new(EventId::new(&event.id), version.map(str::to_owned))
}

pub fn hash(address: Address) -> EmailHash {
    EmailHash::of(&address.text()).unwrap()
}

/// What the daemon's handlers make of an event. What they ignore brings nothing, and nothing may be quarantined.
pub fn read(event: &Event) -> Extracted {
    let policy = Policy {
        livemode: false,
        account: None,
        metadata_keys: METADATA_KEYS.map(str::to_owned).to_vec(),
        lookback_s: LOOKBACK_S,
    };
    match parse(&body(event), &policy).extraction {
        Ok(extracted) => extracted,
        Err(Outcome::Ignored(_)) => Extracted::default(),
        Err(outcome) => panic!("{outcome:?} became of {event:?}"),
    }
}
