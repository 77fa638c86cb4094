//! The Cartwright server: configuration, wiring, subcommands.
//!
//! Reading order: `cli`, `config`, `wiring`, `serve`; then one module per subcommand.

mod cli;
mod config;
mod demo;
mod doctor;
mod edge;
mod guard;
mod import;
mod left_alone;
mod load;
mod maintenance;
mod migrate;
mod one_line;
mod out;
mod people;
mod progress;
mod seed;
mod serve;
mod sockets;
mod telemetry;
mod token;
mod wiring;
mod worker;
mod workers;

use std::process::ExitCode;

use clap::Parser;

use crate::{
    cli::{Cli, Subcommand},
    config::{LogFormat, Settings},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Before anything opens a TLS connection. It fails when there is a provider already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            out::error(format_args!("error: {}", describe(&error)));
            ExitCode::FAILURE
        }
    }
}

/// The whole chain of causes, without those that repeat what was said.
fn describe(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let command = cli.command.unwrap_or(Subcommand::Serve);
    match command {
        // These need no configuration.
        Subcommand::Openapi => {
            out::line(cartwright_http::openapi());
            return Ok(ExitCode::SUCCESS);
        }
        Subcommand::Load(ref options) if options.is_remote() => {
            telemetry::init_log(LogFormat::Text)?;
            return runtime()?.block_on(load::remote(options)).map(|()| ExitCode::SUCCESS);
        }
        Subcommand::Zipf(ref options) => {
            telemetry::init_log(LogFormat::Text)?;
            return runtime()?.block_on(load::zipf(options)).map(|()| ExitCode::SUCCESS);
        }
        _ => {}
    }
    let settings = Settings::load(cli.config.as_deref());
    if matches!(command, Subcommand::Doctor) {
        // A broken configuration is one of the things it finds.
        return runtime()?.block_on(doctor::run(settings));
    }
    let settings = settings?;
    telemetry::init_log(settings.server.log_format)?;
    runtime()?.block_on(async {
        match command {
            Subcommand::Serve => serve::run(settings).await?,
            Subcommand::Worker => worker::run(&settings).await?,
            Subcommand::Migrate => migrate::run(&settings).await?,
            Subcommand::Seed(options) => seed::run(&settings, &options).await?,
            Subcommand::Import(options) => return import::run(&settings, &options).await,
            Subcommand::Load(options) => load::local(&settings, cli.config.as_deref(), &options).await?,
            Subcommand::Token(options) => token::run(&settings, options)?,
            Subcommand::Openapi | Subcommand::Doctor | Subcommand::Zipf(_) => {} // returned above
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Connections live on this runtime, but for those that actix's workers read the cache over: theirs end with them.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    Ok(builder.worker_threads(config::half_the_cores()).thread_name("cartwright").enable_all().build()?)
}
