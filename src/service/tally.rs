//! How many events came in and what became of them, for the line of the log that sums up a minute.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::post_events::Answer;
use crate::domain::Outcome;

/// Answers since the last look.
#[derive(Debug, Default)]
pub struct Tally(Mutex<BTreeMap<Cow<'static, str>, u64>>);

impl Tally {
    /// Counts an answer: by its word, and one that was ignored by its reason, too.
    pub fn count(&self, answer: &Answer) {
        let word = match answer {
            Answer::New(ignored @ (Outcome::Ignored(_) | Outcome::NoInvoice(_))) => {
                Cow::Owned(ignored.to_string())
            }
            Answer::New(_) | Answer::Duplicate => Cow::Borrowed(answer.as_str()),
        };
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(word).or_default();
        *count = count.saturating_add(1);
    }

    /// What was counted, as `posted 12, duplicate 1`, and begins anew; `None` when nothing was.
    pub fn take(&self) -> Option<String> {
        let counts = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let words: Vec<String> = counts.iter().map(|(word, count)| format!("{word} {count}")).collect();
        (!words.is_empty()).then(|| words.join(", "))
    }
}
