//! All reading, for the API and the commands: what is shown is derived anew from the facts.

pub mod codes;
pub mod commissions;
pub mod events;
pub mod evidence;
pub mod explain;
pub mod promoters;
pub mod referrals;
pub mod shown;
pub mod verify;
