//! HTTP, thin: a handler checks, does, answers. The whole route table stands in `routes.rs`; bodies are read by the
//! extractors of `body.rs`, tokens checked by the one of `auth.rs`, and whatever goes wrong is a [`Problem`].

mod api;
mod auth;
mod body;
mod clicks;
mod close_unread;
mod control_characters;
mod health;
mod idle;
mod problem;
mod routes;
mod state;
mod webhook;

pub use close_unread::close_unread;
pub use control_characters::refuse_control_characters;
pub use idle::{IdleLimits, close_idle};
pub use problem::Problem;
pub use routes::routes;
pub use state::HttpState;
