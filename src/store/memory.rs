//! What a process remembers of the ledger from one transaction to the next: codes, terms and promoters, which every claim is
//! judged by. True as long as the head of the ledger says that nobody else has written since (`head.rs`).

use std::collections::HashMap;

use entity::ledger_head::Model as Head;

use crate::domain::codes::CodeFacts;
use crate::domain::ledger::{CatalogChanges, Changes, Fetched, Group, Needs, PromoterFacts};
use crate::domain::{Code, ProgramKey, PromoterId, TermsVersion};

/// Codes, terms and promoters as they were read or written last. What does not exist is remembered as `None`.
#[derive(Debug)]
pub struct Memory {
    /// The head after the last transaction of this process; none while one is under way, or after one that broke off.
    head: Option<Head>,
    rows_limit: usize,
    codes: HashMap<Code, Option<CodeFacts>>,
    promotion_codes: HashMap<Code, Option<Code>>,
    programs: HashMap<ProgramKey, Vec<TermsVersion>>,
    promoters: HashMap<PromoterId, (Option<PromoterFacts>, HashMap<ProgramKey, u32>)>,
}

impl Memory {
    /// An empty memory of at most so many codes, programs and promoters from one transaction to the next: with one more,
    /// all are forgotten.
    pub fn bounded(rows_limit: usize) -> Self {
        Self {
            head: None,
            rows_limit,
            codes: HashMap::new(),
            promotion_codes: HashMap::new(),
            programs: HashMap::new(),
            promoters: HashMap::new(),
        }
    }

    /// Begins a transaction with this head: forgets everything when somebody else has written since this process did, or
    /// when more is remembered than the settings allow. Until the next [`Self::set_head`] the memory is not trusted, so a
    /// transaction that breaks off leaves nothing behind.
    pub(super) fn begin(&mut self, head: &Head) {
        let is_true = self.head.take().is_some_and(|known| known == *head);
        if !is_true || self.is_full() {
            self.clear();
        }
    }

    /// The memory is true as long as this is the head.
    pub(super) fn set_head(&mut self, head: Head) {
        self.head = Some(head);
    }

    fn is_full(&self) -> bool {
        let tables =
            [self.codes.len(), self.promotion_codes.len(), self.programs.len(), self.promoters.len()];
        tables.into_iter().fold(0_usize, usize::saturating_add) > self.rows_limit
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::bounded(self.rows_limit);
    }

    /// Takes out of `needs` what is remembered.
    pub(super) fn recall(&self, needs: &mut Needs) -> Fetched {
        let mut found = Fetched::default();
        needs.codes.retain(|code| match self.codes.get_key_value(code) {
            None => true,
            // The code itself is shown as it was made, not as it was named.
            Some((shown, known)) => {
                found.codes.extend(known.clone().map(|facts| (shown.clone(), facts)));
                false
            }
        });
        needs.promotion_codes.retain(|promotion| match self.promotion_codes.get(promotion) {
            None => true,
            Some(known) => {
                found.promotion_codes.extend(known.clone().map(|code| (promotion.clone(), code)));
                false
            }
        });
        needs.programs.retain(|program| match self.programs.get(program) {
            None => true,
            Some(versions) => {
                found.versions.extend(versions.iter().cloned());
                false
            }
        });
        needs.promoters.retain(|promoter| match self.promoters.get(promoter) {
            None => true,
            Some((facts, last_numbers)) => {
                found.promoters.extend(facts.clone().map(|facts| (promoter.clone(), facts)));
                let groups =
                    last_numbers.iter().map(|(program, last)| ((promoter.clone(), program.clone()), *last));
                found.last_referral_numbers.extend(groups);
                false
            }
        });
        found
    }

    /// Remembers what was fetched for `needs`.
    pub(super) fn remember(&mut self, needs: &Needs, fetched: &Fetched) {
        for code in &needs.codes {
            self.codes.entry(code.clone()).or_default();
        }
        for (code, facts) in &fetched.codes {
            // The key is replaced, too: it is the code as it was made.
            self.codes.remove(code);
            self.codes.insert(code.clone(), Some(facts.clone()));
        }
        for promotion in &needs.promotion_codes {
            self.promotion_codes.entry(promotion.clone()).or_default();
        }
        for (promotion, code) in &fetched.promotion_codes {
            self.promotion_codes.insert(promotion.clone(), Some(code.clone()));
        }
        for program in &needs.programs {
            self.programs.entry(program.clone()).or_default();
        }
        for version in &fetched.versions {
            let versions = self.programs.entry(version.program.clone()).or_default();
            if versions.iter().all(|known| known.id != version.id) {
                versions.push(version.clone());
            }
        }
        for promoter in &needs.promoters {
            self.promoters.entry(promoter.clone()).or_default();
        }
        for (promoter, facts) in &fetched.promoters {
            if let Some(known) = self.promoters.get_mut(promoter) {
                known.0 = Some(facts.clone());
            }
        }
        for (group, last) in &fetched.last_referral_numbers {
            self.remember_number(group, *last);
        }
    }

    /// Follows what a transaction of this process has written; what operators change is read again.
    pub(super) fn follow(&mut self, changes: &Changes) {
        if changes.catalog != CatalogChanges::default() {
            self.clear();
            return;
        }
        for (code, uses) in &changes.code_uses {
            if let Some(Some(facts)) = self.codes.get_mut(code) {
                facts.uses = *uses;
            }
        }
        for (group, last) in &changes.last_referral_numbers {
            self.remember_number(group, *last);
        }
    }

    fn remember_number(&mut self, (promoter, program): &Group, last: u32) {
        if let Some((_, last_numbers)) = self.promoters.get_mut(promoter) {
            last_numbers.insert(program.clone(), last);
        }
    }

    /// The remembered terms of a program.
    pub(super) fn versions(&self, program: &ProgramKey) -> Option<&[TermsVersion]> {
        self.programs.get(program).map(Vec::as_slice)
    }
}
