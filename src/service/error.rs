//! What a business act answers when it does not do what it was asked.

use thiserror::Error;

use crate::domain::MoneyError;
use crate::store::StoreError;

/// An error of a business act. Nothing has changed when it is returned.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// The request breaks a rule; `code` is stable, the text is for the client.
    #[error("{message}")]
    Refused {
        /// The stable name of the rule.
        code: RefusalCode,
        /// A sentence that names the field and the rule.
        message: String,
    },
    /// The database did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An amount does not fit.
    #[error(transparent)]
    Money(#[from] MoneyError),
}

/// The rules that a request can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalCode {
    /// A field is missing or not of the form that it must have.
    InvalidField,
    /// The code does not exist.
    UnknownCode,
    /// The program does not exist.
    UnknownProgram,
    /// The promoter does not exist.
    UnknownPromoter,
    /// The customer would refer itself.
    SelfReferral,
    /// The code is switched off.
    CodeInactive,
    /// The code has expired.
    CodeExpired,
    /// The code has no use left.
    CodeUsedUp,
    /// The program takes no new referrals.
    ProgramInactive,
    /// An operator has refused this customer to this promoter.
    ReferralRefused,
    /// The referral does not exist.
    UnknownReferral,
    /// The referral is not held and was never reviewed: there is nothing to say of it.
    NotHeld,
    /// The customer already belongs to another user.
    CustomerOfAnotherUser,
    /// Something of that name exists with other properties.
    AlreadyExists,
}

impl RefusalCode {
    /// The word that clients match on.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidField => "invalid_field",
            Self::UnknownCode => "unknown_code",
            Self::UnknownProgram => "unknown_program",
            Self::UnknownPromoter => "unknown_promoter",
            Self::SelfReferral => "self_referral",
            Self::CodeInactive => "code_inactive",
            Self::CodeExpired => "code_expired",
            Self::CodeUsedUp => "code_used_up",
            Self::ProgramInactive => "program_inactive",
            Self::ReferralRefused => "referral_refused",
            Self::UnknownReferral => "unknown_referral",
            Self::NotHeld => "not_held",
            Self::CustomerOfAnotherUser => "customer_of_another_user",
            Self::AlreadyExists => "already_exists",
        }
    }
}

impl ServiceError {
    /// What to tell a client whose request may succeed later: the database was away, or somebody else held the ledger.
    /// `None` for an error that stays.
    pub const fn passing(&self) -> Option<&'static str> {
        match self {
            Self::Store(StoreError::Busy(_)) => Some("the ledger is busy: another process holds its lock"),
            Self::Store(StoreError::NotMigrated) => Some("the database is not migrated"),
            Self::Store(
                StoreError::Unavailable(_)
                | StoreError::Lost(_)
                | StoreError::Unanswered(_)
                | StoreError::Closed
                | StoreError::Thread(_),
            ) => Some("the database is not available"),
            Self::Store(
                StoreError::Rejected(_)
                | StoreError::Endless
                | StoreError::Corrupt { .. }
                | StoreError::NoDatabase(_)
                | StoreError::NotDurable(_),
            )
            | Self::Refused { .. }
            | Self::Money(_) => None,
        }
    }

    /// A refusal.
    pub fn refused(code: RefusalCode, message: impl Into<String>) -> Self {
        Self::Refused { code, message: message.into() }
    }
}

/// An error with its sources, on one line, for the log. The store's errors name tables and codes, never values.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Many libraries print the cause with the error.
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
