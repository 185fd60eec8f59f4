//! `serve`: the daemon.

use std::process::ExitCode;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::App;
use crate::settings::Settings;

/// Runs until SIGTERM or SIGINT.
pub async fn run(settings: &Settings) -> anyhow::Result<ExitCode> {
    settings.validate_for_serve()?;
    let mut terminated = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupted = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let app = App::build(settings).await?;
    app.run_until_stopped(async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
    })
    .await?;
    Ok(ExitCode::SUCCESS)
}
