//! The API of the host application, under `/v1`: one file a resource.

pub mod codes;
pub mod commissions;
pub mod entries;
pub mod events;
pub mod page;
pub mod promoters;
pub mod referrals;
