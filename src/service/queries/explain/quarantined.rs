//! Events that name an object of Stripe and could not be used: nothing else knows of them.

use crate::service::ServiceError;
use crate::store::events::{self, StoredEvent};
use crate::store::{Database, packing};

/// Quarantined events whose bodies are read; there are few, or something is wrong at large.
const SEARCHED: usize = 1_000;
/// Of them read at a time.
const PAGE: u64 = 100;
/// Of those that name an object told one by one.
const TOLD: usize = 20;
/// What the ids of Stripe's objects begin with: anything else may stand in any event.
const PREFIXES: [&str; 14] = [
    "in_", "pi_", "ch_", "py_", "re_", "pyr_", "du_", "dp_", "cn_", "sub_", "cus_", "acct_", "promo_", "cs_",
];

/// The quarantined events whose body has `id` as a text, in sentences.
///
/// # Errors
/// [`ServiceError`] when the database is away, or a body cannot be read.
pub async fn naming(db: &Database, id: &str) -> Result<Vec<String>, ServiceError> {
    if !PREFIXES.iter().any(|prefix| id.starts_with(prefix)) {
        return Ok(Vec::new());
    }
    let quoted = format!("\"{id}\"");
    let (mut told, mut found, mut searched) = (Vec::new(), 0_usize, 0_usize);
    let mut after = 0;
    'pages: loop {
        let page = events::stored_with(db.reader(), "quarantined", after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.kept.number;
        for event in &page {
            if searched == SEARCHED {
                told.push(format!(
                    "Of the quarantined events only the first {SEARCHED} to arrive were searched; there are more."
                ));
                break 'pages;
            }
            searched = searched.saturating_add(1);
            if names(event, &quoted)? {
                found = found.saturating_add(1);
                if found <= TOLD {
                    told.push(sentence(event));
                }
            }
        }
    }
    if found > TOLD {
        told.push(format!("… and {} more quarantined events name it.", found.saturating_sub(TOLD)));
    }
    Ok(told)
}

fn names(event: &StoredEvent, quoted: &str) -> Result<bool, ServiceError> {
    let Some(body) = &event.body else { return Ok(false) };
    let body = packing::unpack(body).map_err(|error| error.of(&event.kept.telling))?;
    Ok(String::from_utf8_lossy(&body).contains(quoted))
}

fn sentence(event: &StoredEvent) -> String {
    let kind = if event.kept.event_type.is_empty() { "no type" } else { event.kept.event_type.as_str() };
    let reason = event.kept.reason.as_deref().unwrap_or_default();
    format!(
        "Event {} ({kind}) names it and is quarantined, so its facts are missing: {reason}.",
        event.kept.telling.id
    )
}
