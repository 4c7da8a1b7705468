//! Floor 5: the command line of `suw-preprocess`: sub-commands, one error chain, exit codes.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use suw_shared::exit::{Exit, Failure};

use crate::commands;

/// Prepares data for SUW-Learn: masks, objects aligned over three frames, weak labels, shards.
#[derive(Parser)]
#[command(name = "suw-preprocess", version, propagate_version = true, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Render driving scenes with exact depth, semantics, instances and poses in KITTI raw layout.
    Synth(commands::synth::SynthArgs),
    /// Walk a data set and write its manifest: clips, sizes, checksums, what is missing.
    Scan(commands::scan::ScanArgs),
    /// Show what a run would do: clips, shards, bytes, models, skips. Writes nothing.
    Plan(commands::plan::PlanArgs),
    /// Run Mask R-CNN and PSPNet on every frame that the mask store lacks.
    Masks(commands::masks::MasksArgs),
    /// Bring masks of other tools to a mask store: struct2depth strips, KITTI MOTS text, COCO results.
    ImportMasks(commands::import_masks::ImportMasksArgs),
    /// Make a shard set: start, or resume.
    Run(commands::run::RunArgs),
    /// Join finished partitions of a shard set.
    Merge(commands::merge::MergeArgs),
    /// Check data sets and shard sets against their manifests.
    Validate(commands::validate::ValidateArgs),
    /// Write a page to look through the samples of a shard set.
    Inspect(commands::inspect::InspectArgs),
    /// Count the pairs of a shard set and compare them with its depth.
    Quality(commands::quality::QualityArgs),
    /// Write the aligned objects of a shard set as a COCO results file.
    ExportCoco(commands::export_coco::ExportCocoArgs),
    /// Write one self-contained page about a shard set and a network trained on it.
    Report(commands::report::ReportArgs),
    /// Print the versions of the native libraries and the execution providers.
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
        Command::Synth(args) => commands::synth::run(args),
        Command::Scan(args) => commands::scan::run(args),
        Command::Plan(args) => commands::plan::run(args),
        Command::Masks(args) => commands::masks::run(args),
        Command::ImportMasks(args) => commands::import_masks::run(args),
        Command::Run(args) => commands::run::run(args),
        Command::Merge(args) => commands::merge::run(args),
        Command::Validate(args) => commands::validate::run(args),
        Command::Inspect(args) => commands::inspect::run(args),
        Command::Quality(args) => commands::quality::run(args),
        Command::ExportCoco(args) => commands::export_coco::run(args),
        Command::Report(args) => commands::report::run(args),
        Command::Doctor(args) => commands::doctor::run(args),
    };
    match ended {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("suw-preprocess: {error:#}");
            error.downcast_ref::<Failure>().map_or(Exit::Failed, |failure| failure.exit).into()
        }
    }
}
