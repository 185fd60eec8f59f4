//! What differs from event to event: ids, amounts, times, people. Drawn from a number, so that samples can be made again.

use std::collections::BTreeMap;

use serde_json::Value;

const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
const HEX: &[u8] = b"0123456789abcdef";

const CURRENCIES: [&str; 8] = ["usd", "usd", "usd", "usd", "eur", "eur", "gbp", "jpy"];
const COUNTRIES: [&str; 8] = ["US", "US", "US", "DE", "GB", "FR", "NL", "CA"];
const BRANDS: [&str; 5] = ["visa", "visa", "mastercard", "mastercard", "amex"];
const STATES: [&str; 5] = ["CA", "NY", "TX", "WA", "FL"];
const MAILERS: [&str; 5] = ["gmail.com", "gmail.com", "outlook.com", "icloud.com", "yahoo.com"];
const PLANS: [&str; 6] = ["Pro", "Team", "Business", "Starter", "Premium", "Basic"];

/// Of an item of a list, not of the whole event.
const OF_ITEM: [&str; 8] = ["il", "si", "price", "prod", "unit", "unit_text", "line_text", "quantity"];
/// Not the same twice.
const OF_NOTHING: [&str; 13] = [
    "fresh",
    "small",
    "code",
    "uuid",
    "digits4",
    "digits6",
    "digits8",
    "digits9",
    "digits15",
    "letters8",
    "letters15",
    "month",
    "url_token",
];

/// Numbers that look random and follow from the first one (`SplitMix64`).
pub struct Draw(u64);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xa076_1d64_78bd_642f))
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 16).unwrap_or(0) % bound
    }

    pub fn one_of<'c, T>(&mut self, choices: &'c [T]) -> &'c T {
        &choices[self.below(choices.len())]
    }

    fn letters(&mut self, alphabet: &[u8], length: usize) -> String {
        (0..length).map(|_| char::from(*self.one_of(alphabet))).collect()
    }

    /// A word that begins with a capital.
    fn word(&mut self) -> String {
        let length = 3 + self.below(7);
        let (first, rest) = (self.letters(UPPER.get(..26).unwrap_or(UPPER), 1), self.letters(LOWER, length));
        first + &rest
    }
}

/// The values of one event by their names.
pub struct Values {
    pub draw: Draw,
    known: BTreeMap<String, Value>,
}

impl Values {
    pub fn new(draw: Draw) -> Self {
        Self { draw, known: BTreeMap::new() }
    }

    /// Sets a value.
    pub fn set(&mut self, name: &str, value: Value) {
        self.known.insert(name.to_owned(), value);
    }

    /// What comes now is another item of a list.
    pub fn next_item(&mut self) {
        for name in OF_ITEM {
            self.known.remove(name);
        }
    }

    /// A text with its values; a value alone keeps its type.
    pub fn fill(&mut self, text: &str) -> Value {
        let name = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        if let Some(name) = name.filter(|name| is_name(name)) {
            return self.value(name);
        }
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, from)) = rest.split_once('{') {
            filled.push_str(before);
            match from.split_once('}') {
                Some((name, after)) if is_name(name) => {
                    filled.push_str(&self.text(name));
                    rest = after;
                }
                _ => {
                    filled.push('{');
                    rest = from;
                }
            }
        }
        filled.push_str(rest);
        filled.into()
    }

    /// A value as text.
    pub fn text(&mut self, name: &str) -> String {
        match self.value(name) {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }

    /// The value of this name: the same throughout the event, or the item.
    pub fn value(&mut self, name: &str) -> Value {
        if OF_NOTHING.contains(&name) {
            return self.new_value(name);
        }
        if let Some(known) = self.known.get(name) {
            return known.clone();
        }
        let value = self.new_value(name);
        self.set(name, value.clone());
        value
    }

    fn number(&mut self, name: &str) -> usize {
        self.value(name).as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or(0)
    }

    /// An id of an object: time, account, and what is its own.
    fn id(&mut self, prefix: &str, first: char) -> Value {
        let (account, time) = (self.text("of_account"), self.draw.letters(BASE62, 6));
        format!("{prefix}_{first}{time}{account}{}", self.draw.letters(BASE62, 8)).into()
    }

    fn short_id(&mut self, prefix: &str) -> Value {
        format!("{prefix}_{}", self.draw.letters(BASE62, 14)).into()
    }

    fn new_value(&mut self, name: &str) -> Value {
        match name {
            "of_account" => self.draw.letters(BASE62, 10).into(),
            "account" => format!("1{}{}", self.draw.letters(BASE62, 5), self.text("of_account")).into(),
            "fresh" => self.id("", '1').as_str().unwrap_or_default().trim_start_matches('_').into(),
            "in" | "pm" | "il" | "price" | "txr" | "sub" | "evt" => self.id(name, '1'),
            "du" | "pi" | "ch" | "re" | "txn" => self.id(name, '3'),
            "cus" | "prod" | "si" | "req" => self.short_id(name),
            "cs" => format!("cs_{}_{}", self.text("mode"), self.draw.letters(BASE62, 58)).into(),
            "secret" => self.draw.letters(BASE62, 25).into(),
            "url_token" => {
                format!("YWNjdF8x{},{}", self.draw.letters(BASE62, 84), self.draw.letters(BASE62, 12)).into()
            }
            "receipt_token" => format!("CAcaFwoVYWNjdF8x{}", self.draw.letters(BASE62, 64)).into(),
            "uuid" => {
                let part = |draw: &mut Draw, length| draw.letters(HEX, length);
                let draw = &mut self.draw;
                let (head, tail) = (part(draw, 8), part(draw, 12));
                format!("{head}-{}-4{}-a{}-{tail}", part(draw, 4), part(draw, 3), part(draw, 3)).into()
            }
            "mode" => if self.value("livemode") == Value::Bool(true) { "live" } else { "test" }.into(),
            "livemode" => (self.draw.below(3) > 0).into(),
            "now" => (1_600_000_000 + self.draw.below(200_000_000)).into(),
            "start" => (self.number("now") - self.draw.below(40_000_000)).into(),
            "end" => (self.number("now") + 2_592_000).into(),
            "net" | "unit" => (100 * (1 + self.draw.below(400)) - self.draw.below(2)).into(),
            "tax" => (self.number("net") * 19 / 100).into(),
            "gross" => (self.number("net") + self.number("tax")).into(),
            "minus_gross" => format!("-{}", self.number("gross")).parse::<i64>().unwrap_or(0).into(),
            "part" => (1 + self.draw.below(50_000)).into(),
            "refunded" => if self.draw.below(2) == 0 { 0 } else { self.number("gross") }.into(),
            "is_refunded" => (self.number("refunded") > 0).into(),
            "unit_text" => self.text("unit").into(),
            "part_text" => self.text("part").into(),
            "quantity" => (1 + self.draw.below(5) * self.draw.below(3)).into(),
            "lines" => 1.into(),
            "small" => self.draw.below(1_000).into(),
            "month" => (1 + self.draw.below(12)).into(),
            "year" => (2_024 + self.draw.below(9)).into(),
            "interval" => (*self.draw.one_of(&["month", "month", "month", "year"])).into(),
            "currency" => (*self.draw.one_of(&CURRENCIES)).into(),
            "country" | "card_country" => (*self.draw.one_of(&COUNTRIES)).into(),
            "state" => (*self.draw.one_of(&STATES)).into(),
            "brand" => (*self.draw.one_of(&BRANDS)).into(),
            "email" => {
                let (user, mailer) = (self.draw.word().to_lowercase(), *self.draw.one_of(&MAILERS));
                if self.draw.below(2) == 0 {
                    format!("{user}@{mailer}")
                } else {
                    format!("{user}@{}", self.text("domain"))
                }
                .into()
            }
            "domain" => format!("{}.com", self.draw.word().to_lowercase()).into(),
            "person" => format!("{} {}", self.draw.word(), self.draw.word()).into(),
            "company" => {
                format!("{} {}", self.draw.word(), self.draw.one_of(&["Inc.", "GmbH", "Ltd", "LLC"])).into()
            }
            "bank" | "city" => self.draw.word().into(),
            "street" => format!("{} {} Street", self.text("small"), self.draw.word()).into(),
            "zip" | "digits5" => self.draw.letters(b"0123456789", 5).into(),
            "phone" => format!("+1{}", self.draw.letters(b"0123456789", 10)).into(),
            "plan" => format!("{} plan", self.draw.one_of(&PLANS)).into(),
            "plan_key" => format!("{}_monthly", self.draw.word().to_lowercase()).into(),
            "line_text" => self.line_text().into(),
            "descriptor" => self.draw.word().to_uppercase().into(),
            "code" => format!("{}{}", self.draw.word().to_uppercase(), self.draw.below(100)).into(),
            "fingerprint" => self.draw.letters(BASE62, 16).into(),
            _ => self.letters(name).into(),
        }
    }

    /// `digits4` is four digits, `letters8` eight capitals and digits.
    fn letters(&mut self, name: &str) -> String {
        let kind = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
        let length = name[kind.len()..].parse().unwrap_or_else(|_| panic!("nothing stands for {{{name}}}"));
        match kind {
            "digits" => self.draw.letters(b"0123456789", length),
            "letters" => self.draw.letters(UPPER, length),
            _ => panic!("nothing stands for {{{name}}}"),
        }
    }

    fn line_text(&mut self) -> String {
        let (plan, quantity) = (self.draw.word(), self.text("quantity"));
        let price = format!("${}.00", self.draw.below(200));
        match self.draw.below(6) {
            0 => format!("Remaining time on {plan} after 01 Oct 2025"),
            1 => format!("Unused time on {plan} after 01 Oct 2025"),
            2 => format!("Trial period for {plan}"),
            _ => format!("{quantity} × {plan} (at {price} / {})", self.text("interval")),
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
}
