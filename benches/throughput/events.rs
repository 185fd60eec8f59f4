//! What is sent: distinct signed events of made-up sales, written as whole HTTP requests into one file, and what they
//! earn by the rules of the semantics, worked out here without the daemon's code.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use referrald::domain::Timestamp;
use referrald::stripe::sign;
use secrecy::SecretString;

use crate::template::Template;

pub const SECRET: &str = "whsec_of_the_benchmark_0123456789";
/// Codes, each of a promoter of its own.
pub const CODES: usize = 50;
/// What all codes earn, in basis points of what was paid net of tax.
pub const RATE_BPS: i64 = 1_000;

/// Sales of a block, and its customers: each customer buys four times, so every fourth sale of a referred customer is a
/// new referral, wherever a stream is cut.
const BLOCK: usize = 400;
const CUSTOMERS_OF_BLOCK: usize = 100;
/// Sales whose events are shuffled among each other, where events of several types are mixed.
const SHUFFLED: usize = 40;
/// Of so many sales one is refunded; every other of these in part.
const ONE_REFUND_IN: usize = 7;

pub fn code(number: usize) -> String {
    format!("BENCH{number:02}")
}

/// Events that Stripe makes for one account in a second of the stream: as many as its API takes requests. They come faster
/// than that when a backlog is delivered.
const EVENTS_OF_SECOND: u64 = 100;
/// How long ago the backlog began.
const BACKLOG_S: i64 = 3_600;
/// The seconds from which Stripe's ids seem to count.
const IDS_SINCE: i64 = 1_000_000_000;

/// What is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mix {
    /// `invoice.paid` only.
    Sales,
    /// `invoice.paid` only, with ids that tell no time: new rows go everywhere in an index, which is the harder case.
    Scattered,
    /// `invoice.paid`, `invoice_payment.paid`, and for one sale in seven `charge.refunded` and `refund.created`; the
    /// events of neighbours in any order.
    All,
}

/// What the ledger gains.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gain {
    pub events: u64,
    pub commission_minor: i64,
    pub refund_minor: i64,
}

impl Gain {
    pub fn add(&mut self, other: Self) {
        self.events += other.events;
        self.commission_minor += other.commission_minor;
        self.refund_minor += other.refund_minor;
    }
}

/// Requests of one thread: where they begin in the file, and what each adds.
#[derive(Debug, Default)]
struct Slice {
    offset: u64,
    gains: Vec<Gain>,
}

/// A file of requests.
#[derive(Debug)]
pub struct Stream {
    path: PathBuf,
    bytes: u64,
    slices: Vec<Slice>,
    pub mean_body_bytes: usize,
}

/// The first requests of each slice.
#[derive(Debug)]
pub struct Part<'s> {
    pub path: &'s Path,
    pub bytes: u64,
    /// Offset and number, by thread.
    pub slices: Vec<(u64, usize)>,
    pub gain: Gain,
}

impl Stream {
    /// Signs and writes about so many events, a slice for each thread of the generator; equal seeds make equal events but
    /// for their times.
    pub fn write(
        path: PathBuf,
        mix: Mix,
        events: usize,
        threads: usize,
        seed: u64,
        now: Timestamp,
    ) -> anyhow::Result<Self> {
        let file = File::create(&path).with_context(|| format!("{} cannot be written", path.display()))?;
        let mut writer = Writer { out: BufWriter::with_capacity(1 << 20, file), bytes: 0, bodies: 0 };
        let sales = match mix {
            Mix::Sales | Mix::Scattered => events,
            Mix::All => events * ONE_REFUND_IN / (2 * ONE_REFUND_IN + 2),
        };
        let blocks_of_slice = sales.div_ceil(BLOCK * threads).max(1);
        let mut maker = Maker::new(seed, now, mix);
        let mut slices = Vec::new();
        for thread in 0..threads {
            let mut slice = Slice { offset: writer.bytes, gains: Vec::new() };
            for block in 0..blocks_of_slice {
                for request in maker.block(thread * blocks_of_slice + block) {
                    writer.request(&request.body, now)?;
                    slice.gains.push(request.gain);
                }
            }
            slices.push(slice);
        }
        writer.out.flush()?;
        let count = slices.iter().map(|slice| slice.gains.len()).sum::<usize>();
        Ok(Self { path, bytes: writer.bytes, slices, mean_body_bytes: writer.bodies / count.max(1) })
    }

    pub fn len(&self) -> usize {
        self.slices.iter().map(|slice| slice.gains.len()).sum()
    }

    pub fn all(&self) -> Part<'_> {
        self.first(usize::MAX)
    }

    /// About so many events of the stream. Gains are exact for a part of a stream of sales only: of a mixed one it could
    /// hold a refund without its sale.
    pub fn first(&self, events: usize) -> Part<'_> {
        let (mut slices, mut gain) = (Vec::new(), Gain::default());
        for slice in &self.slices {
            let taken = slice.gains.len().min((events / self.slices.len()).max(1));
            slices.push((slice.offset, taken));
            slice.gains[..taken].iter().for_each(|of_one| gain.add(*of_one));
        }
        Part { path: &self.path, bytes: self.bytes, slices, gain }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        std::fs::remove_file(&self.path).ok();
    }
}

struct Writer {
    out: BufWriter<File>,
    bytes: u64,
    bodies: usize,
}

impl Writer {
    /// Length (four bytes, little-endian) and request.
    fn request(&mut self, body: &str, now: Timestamp) -> anyhow::Result<()> {
        let signature = sign(&SecretString::from(SECRET), now, body.as_bytes());
        let request = format!(
            "POST /webhooks/stripe HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*; q=0.5, application/xml\r\n\
             User-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\n\
             Content-Type: application/json; charset=utf-8\r\nCache-Control: no-cache\r\n\
             Stripe-Signature: {signature}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len(),
        );
        self.out.write_all(&u32::try_from(request.len())?.to_le_bytes())?;
        self.out.write_all(request.as_bytes())?;
        self.bytes += 4 + u64::try_from(request.len())?;
        self.bodies += body.len();
        Ok(())
    }
}

struct Request {
    body: String,
    gain: Gain,
}

struct Maker {
    random: Random,
    now: Timestamp,
    mix: Mix,
    /// Events so far.
    made: u64,
    paid: Template,
    link: Template,
    charge: Template,
    refund: Template,
}

impl Maker {
    fn new(seed: u64, now: Timestamp, mix: Mix) -> Self {
        Self {
            random: Random(seed),
            now,
            mix,
            made: 0,
            paid: Template::new(include_str!("templates/invoice_paid.json")),
            link: Template::new(include_str!("templates/invoice_payment_paid.json")),
            charge: Template::new(include_str!("templates/charge_refunded.json")),
            refund: Template::new(include_str!("templates/refund_created.json")),
        }
    }

    /// The events of a block of sales.
    fn block(&mut self, block: usize) -> Vec<Request> {
        let customers: Vec<(String, String)> = (0..CUSTOMERS_OF_BLOCK)
            .map(|_| (self.random.id("cus_", 14), self.random.id("sub_1", 23)))
            .collect();
        let (mut requests, mut among) = (Vec::new(), Vec::new());
        for place in 0..BLOCK {
            let of_block = place % CUSTOMERS_OF_BLOCK;
            let customer = block * CUSTOMERS_OF_BLOCK + of_block;
            let code = (customer.is_multiple_of(2)).then(|| code(customer / 2 % CODES));
            let (customer, subscription) = &customers[of_block];
            // One second a row of customers: the first sale of each customer makes the claim.
            let created =
                self.now.unix() - BACKLOG_S + i64::try_from(place / CUSTOMERS_OF_BLOCK).unwrap_or(0);
            among.extend(self.sale(customer, subscription, code.as_deref(), created, place));
            if (place + 1) % SHUFFLED == 0 {
                if self.mix == Mix::All {
                    self.random.shuffle(&mut among);
                }
                requests.append(&mut among);
            }
        }
        requests
    }

    fn sale(
        &mut self,
        customer: &str,
        subscription: &str,
        code: Option<&str>,
        created: i64,
        place: usize,
    ) -> Vec<Request> {
        let net_minor = 900 + i64::try_from(self.random.below(49_000)).unwrap_or(0);
        let tax_minor = net_minor * 19 / 100;
        let gross_minor = net_minor + tax_minor;
        let refund = (self.mix == Mix::All && place % ONE_REFUND_IN == 3)
            .then(|| if place % (2 * ONE_REFUND_IN) == 3 { gross_minor } else { gross_minor * 3 / 10 });
        let metadata =
            code.map_or_else(|| "{}".to_owned(), |code| format!("{{\"referral_code\": \"{code}\"}}"));
        let earned_minor = code.map_or(0, |_| half_up(net_minor * RATE_BPS, 10_000));
        let values = [
            ("created", created.to_string()),
            ("customer", customer.to_owned()),
            ("email", format!("{}@example.com", customer.to_lowercase())),
            ("gross", gross_minor.to_string()),
            ("invoice", self.id("in_1")),
            ("line", self.id("1")),
            ("metadata", metadata),
            ("net", net_minor.to_string()),
            ("number", format!("{place:04}")),
            ("payment", self.id("3")),
            ("refunded", refund.unwrap_or(0).to_string()),
            ("subscription", subscription.to_owned()),
            ("tax", tax_minor.to_string()),
            ("whole", (refund == Some(gross_minor)).to_string()),
        ];
        let mut requests = vec![self.request(Which::Paid, &values, earned_minor, 0)];
        if self.mix == Mix::All {
            requests.push(self.request(Which::Link, &values, 0, 0));
        }
        if let Some(refunded_minor) = refund {
            let lost_minor = if refunded_minor == gross_minor {
                earned_minor
            } else {
                half_up(earned_minor * refunded_minor, gross_minor)
            };
            requests.push(self.request(Which::Charge, &values, 0, -lost_minor));
            requests.push(self.request(Which::Refund, &values, 0, 0));
        }
        requests
    }

    /// An id as Stripe makes them: behind the first digit five digits of base 62 that count seconds, twelve that are the
    /// account's, and six at random.
    fn id(&mut self, prefix: &str) -> String {
        if self.mix == Mix::Scattered {
            return self.random.id(prefix, 23);
        }
        // The backlog ends now.
        let mut second = self.now.unix() - BACKLOG_S - IDS_SINCE
            + i64::try_from(self.made / EVENTS_OF_SECOND).unwrap_or(0);
        let mut digits = [b'0'; 5];
        for digit in digits.iter_mut().rev() {
            *digit = ALPHABET[usize::try_from(second % 62).unwrap_or(0)];
            second /= 62;
        }
        let seconds = String::from_utf8_lossy(&digits);
        self.random.id(&format!("{prefix}{seconds}LkdIwHu7ixra"), 6)
    }

    fn request(
        &mut self,
        which: Which,
        values: &[(&str, String)],
        commission_minor: i64,
        refund_minor: i64,
    ) -> Request {
        let event = self.id("evt_1");
        self.made += 1;
        let mut values: Vec<(&str, &str)> =
            values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        values.push(("event", &event));
        let template = match which {
            Which::Paid => &self.paid,
            Which::Link => &self.link,
            Which::Charge => &self.charge,
            Which::Refund => &self.refund,
        };
        Request { body: template.fill(&values), gain: Gain { events: 1, commission_minor, refund_minor } }
    }
}

#[derive(Debug, Clone, Copy)]
enum Which {
    Paid,
    Link,
    Charge,
    Refund,
}

/// Of amounts that are not negative.
const fn half_up(dividend: i64, divisor: i64) -> i64 {
    (2 * dividend + divisor) / (2 * divisor)
}

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `SplitMix64`: small, fast, and the same everywhere.
#[derive(Debug)]
struct Random(u64);

impl Random {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> usize {
        usize::try_from(self.next() % bound).unwrap_or(0)
    }

    /// An id of letters and digits.
    fn id(&mut self, prefix: &str, letters: usize) -> String {
        let mut id = String::with_capacity(prefix.len() + letters);
        id.push_str(prefix);
        id.extend((0..letters).map(|_| char::from(ALPHABET[self.below(62)])));
        id
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(u64::try_from(last + 1).unwrap_or(1));
            items.swap(last, other);
        }
    }
}
