//! The command `keng`: arguments, telemetry, runtime, signals, exit codes; no logic.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use keng::command::{acl, audit, camera, check, demo, probe, replay, report, run, tune, user};
use keng::telemetry;
use tokio_util::sync::CancellationToken;

/// 1: it failed while it ran.
const FAILED: u8 = 1;
/// 64 (`EX_USAGE`): wrong usage.
const USAGE: u8 = 64;
/// 78 (`EX_CONFIG`): wrong configuration.
const CONFIG: u8 = 78;

/// Watches a ward's street cameras for fire, smoke and loitering; alerts over MQTT.
#[derive(Debug, Parser)]
#[command(name = "keng", version, arg_required_else_help = true)]
struct Arguments {
    /// The way in which traces are written to standard error; the filter is in $KENG_LOG.
    #[arg(long, global = true, value_enum, default_value_t)]
    log: telemetry::Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The daemon; SIGHUP or a changed file reloads, SIGTERM drains.
    Run(run::Args),
    /// The whole system on this machine, with nothing configured.
    Demo(demo::Args),
    /// All faults of a configuration at once, then each camera's effective settings.
    Check(check::Args),
    /// Connects to a camera once and says what it gives.
    Probe(probe::Args),
    /// Recorded clips through the very same core, faster than real time.
    Replay(replay::Args),
    /// Shows what other thresholds would have told, on what was really detected, held against what
    /// people answered. Never writes the configuration.
    Tune(tune::Args),
    /// Reports what happened in some days, against as many days before: text, CSV, JSON or a page
    /// to print.
    Report(report::Args),
    /// Serves clips as endless RTSP cameras.
    Camera(camera::Args),
    /// Manages who may sign in at the page.
    User(user::Args),
    /// Writes who may read and write what at the broker, as a file for it.
    Acl(acl::Args),
    /// Verifies that the audit log is as it was written, and shows what stands in it.
    Audit(audit::Args),
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let filter = std::env::var(telemetry::FILTER_ENV).ok();
    if let Err(error) = telemetry::init(arguments.log, filter.as_deref()) {
        return failed(&error, USAGE);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error, FAILED),
    };
    let code = runtime.block_on(execute(arguments.command));
    // Whatever still blocks has been waited for long enough by its own command.
    runtime.shutdown_background();
    code
}

async fn execute(command: Command) -> ExitCode {
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    let shutdown = match signals() {
        Ok(shutdown) => shutdown,
        Err(error) => return failed(&error, FAILED),
    };
    match command {
        Command::Run(args) => match run::run(&args, shutdown).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error, if error.is_config() { CONFIG } else { FAILED }),
        },
        Command::Demo(args) => match demo::run(&args, &mut out, shutdown).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error, FAILED),
        },
        Command::Check(args) => match check::run(&args, &mut out, &mut err) {
            Ok(check::CheckOutcome::Good) => ExitCode::SUCCESS,
            Ok(check::CheckOutcome::Faulty) => ExitCode::from(CONFIG),
            Ok(check::CheckOutcome::Damaged) => ExitCode::from(FAILED),
            Err(error) => failed(&error, FAILED),
        },
        Command::Probe(args) => {
            let clock = std::sync::Arc::new(keng::clock::SystemClock::new());
            let env = |name: &str| std::env::var(name).ok();
            tokio::select! {
                probed = probe::run(args, &mut out, clock, env) => match probed {
                    Ok(()) => ExitCode::SUCCESS,
                    Err(error) => failed(&error, FAILED),
                },
                () = shutdown.cancelled() => ExitCode::from(FAILED),
            }
        }
        Command::Replay(args) => match replay::run(&args, &mut out, shutdown) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error, if error.is_config() { CONFIG } else { FAILED }),
        },
        Command::Tune(args) => match tune::run(&args, &mut out, &shutdown) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error, if error.is_config() { CONFIG } else { FAILED }),
        },
        Command::Report(args) => {
            let now = keng::time::Clock::now(&keng::clock::SystemClock::new()).wall;
            match report::run(&args, &mut out, &mut err, now) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) if error.is_usage() => failed(&error, USAGE),
                Err(error) => failed(&error, if error.is_config() { CONFIG } else { FAILED }),
            }
        }
        Command::Acl(args) => match acl::run(&args, &mut out) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error, if error.is_config() { CONFIG } else { FAILED }),
        },
        Command::Audit(args) => match audit::run(&args, &mut out) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error, if error.is_config() { CONFIG } else { FAILED }),
        },
        Command::User(args) => match user::run(&args, &mut out, &keng::clock::SystemClock::new()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error, if error.is_config() { CONFIG } else { FAILED }),
        },
        Command::Camera(args) => match camera::run(args, shutdown).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error, FAILED),
        },
    }
}

/// SIGTERM or SIGINT asks for an orderly end; the second one ends at once, which loses nothing.
fn signals() -> std::io::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let shutdown = token.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if token.is_cancelled() {
                std::process::exit(i32::from(FAILED));
            }
            token.cancel();
        }
    });
    Ok(shutdown)
}

/// Help and version are no mistakes.
fn usage(error: &clap::Error) -> ExitCode {
    let code = if error.use_stderr() { USAGE } else { 0 };
    // Nowhere is left to complain to.
    drop(error.print());
    ExitCode::from(code)
}

/// Prints an error with all its causes, once.
#[expect(clippy::print_stderr, reason = "the one place where errors reach the user")]
fn failed(error: &dyn std::error::Error, code: u8) -> ExitCode {
    let mut text = format!("keng: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Errors that show their cause themselves are not told twice.
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    eprintln!("{text}");
    ExitCode::from(code)
}
