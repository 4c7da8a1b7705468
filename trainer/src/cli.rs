//! Floor 5: the command line of `suw-trainer`: sub-commands, one error chain, exit codes.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use suw_shared::exit::{Exit, Failure};

use crate::commands;

/// Trains and evaluates depth networks of SUW-Learn on shards.
#[derive(Parser)]
#[command(name = "suw-trainer", version, propagate_version = true, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train as a run file says; resume what was stopped.
    Train(commands::train::TrainArgs),
    /// Measure a checkpoint, or a constant baseline, by the Eigen protocol.
    Eval(commands::eval::EvalArgs),
    /// Predict depth of pictures.
    Predict(commands::predict::PredictArgs),
    /// Write a checkpoint's depth network as TorchScript.
    Export(commands::export::ExportArgs),
    /// Measure a training step, or the reading of shards.
    Bench(commands::bench::BenchArgs),
    /// Compare every loss term and gradient with a reference case.
    Conformance(commands::conformance::ConformanceArgs),
    /// Print the versions of the native libraries and whether there is CUDA.
    Doctor(commands::doctor::DoctorArgs),
}

/// Reads the arguments, runs one command, prints one error chain.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; clap knows which stream each goes to.
            let _ = error.print();
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            return exit.into();
        }
    };
    let ended = match &cli.command {
        Command::Train(args) => commands::train::run(args),
        Command::Eval(args) => commands::eval::run(args),
        Command::Predict(args) => commands::predict::run(args),
        Command::Export(args) => commands::export::run(args),
        Command::Bench(args) => commands::bench::run(args),
        Command::Conformance(args) => commands::conformance::run(args),
        Command::Doctor(args) => commands::doctor::run(args),
    };
    match ended {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("suw-trainer: {error:#}");
            error.downcast_ref::<Failure>().map_or(Exit::Failed, |failure| failure.exit).into()
        }
    }
}
