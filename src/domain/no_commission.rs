//! The reasons for which an invoice earns nothing.

/// Why an invoice earns nothing; the first that fits, in the order of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoCommission {
    /// Nobody claimed that this customer was referred.
    NotReferred,
    /// The customer was referred by a code that does not exist (yet).
    UnknownCode,
    /// The code was switched off when the customer was referred by it.
    CodeInactive,
    /// The code had expired.
    CodeExpired,
    /// The code had no use left.
    CodeUsedUp,
    /// The program took no new referrals.
    ProgramInactive,
    /// An operator refused the referral.
    Refused,
    /// Nothing was paid, or nothing but tax and excluded shipping.
    ZeroAmount,
    /// Paid before the referral, beyond the lookback.
    BeforeReferral,
    /// Less was paid than the program asks for.
    BelowMinimum,
    /// The customer has paid an invoice before its referral, and the program is for new customers only.
    ExistingCustomer,
    /// The promoter has as many earning referrals as the program allows.
    RewardExhausted,
    /// The first invoice was paid too long after the claim.
    ConversionWindow,
    /// It comes after the last invoice, or month, that earns.
    DurationOver,
    /// A flat reward is in another currency.
    CurrencyMismatch,
    /// The customer looks like its own promoter, and no operator has released the referral.
    SelfReferral,
}

impl NoCommission {
    /// All reasons, in their order.
    pub const ALL: [Self; 16] = [
        Self::NotReferred,
        Self::UnknownCode,
        Self::CodeInactive,
        Self::CodeExpired,
        Self::CodeUsedUp,
        Self::ProgramInactive,
        Self::Refused,
        Self::ZeroAmount,
        Self::BeforeReferral,
        Self::BelowMinimum,
        Self::ExistingCustomer,
        Self::RewardExhausted,
        Self::ConversionWindow,
        Self::DurationOver,
        Self::CurrencyMismatch,
        Self::SelfReferral,
    ];

    /// The word in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotReferred => "not_referred",
            Self::UnknownCode => "unknown_code",
            Self::CodeInactive => "code_inactive",
            Self::CodeExpired => "code_expired",
            Self::CodeUsedUp => "code_used_up",
            Self::ProgramInactive => "program_inactive",
            Self::Refused => "refused",
            Self::ZeroAmount => "zero_amount",
            Self::BeforeReferral => "before_referral",
            Self::BelowMinimum => "below_minimum",
            Self::ExistingCustomer => "existing_customer",
            Self::RewardExhausted => "reward_exhausted",
            Self::ConversionWindow => "conversion_window",
            Self::DurationOver => "duration_over",
            Self::CurrencyMismatch => "currency_mismatch",
            Self::SelfReferral => "self_referral",
        }
    }

    /// The reason of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}
