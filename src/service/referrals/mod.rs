//! What the host application and operators do to referrals: [`create`] makes them, [`change`] adds a customer, reviews and
//! moves.

pub mod change;
pub mod create;
