//! scratch
pub mod domain;
pub mod stripe;
pub mod store;
pub mod service;
pub mod settings;
