//! Floor 5: `suw-preprocess export-coco`: aligned objects as a COCO results file.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use serde_json::json;
use suw_shared::atomic_file;
use suw_shared::exit::{Exit, Failure};
use suw_shared::shard::ShardSet;

use crate::aligned_masks::{MaskPlace, aligned_masks};
use crate::import::rows::{CocoRow, FrameName, text_of_rows};
use crate::launch::{loudness, open_finished};
use crate::progress::Progress;

/// Arguments of `export-coco`.
#[derive(Args)]
#[command(
    after_help = "Example: suw-preprocess export-coco shards/demo/train --out instances.json\n\n\
    One row for each aligned object in the target frame of its sample: category_id 1 person, 2 bicycle, 3 car; \
    segmentation as compressed run lengths; score and bbox of that frame. image_id is the frame's file stem where all \
    samples are of one scene, so that the file can stand in a mask store as that scene's instances.json; else it is the \
    whole sample key, <scene>/<stem>, which import-masks --from coco takes apart again."
)]
pub struct ExportCocoArgs {
    /// Folder of a shard set.
    #[arg(value_name = "SHARDS")]
    pub shards: PathBuf,
    /// The file.
    #[arg(long, value_name = "FILE.json")]
    pub out: PathBuf,
    /// Size of the masks: native is that of the picture on disk, as a mask store wants it; network that of the shards.
    #[arg(long, value_enum, default_value_t = At::Native)]
    pub at: At,
    /// Print the counts as JSON.
    #[arg(long)]
    pub json: bool,
    /// Say more.
    #[arg(short, long)]
    pub verbose: bool,
    /// Say nothing but errors.
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
}

/// See `ExportCocoArgs::at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[allow(missing_docs)] // the names say it
pub enum At {
    Native,
    Network,
}

/// Writes the file.
pub fn run(args: &ExportCocoArgs) -> anyhow::Result<Exit> {
    let (_, set) = open_finished(&args.shards)?;
    let rows = match &set {
        Some(set) => rows_of(set, args)?,
        None => Vec::new(),
    };
    if let Some(folder) = args.out.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make folder {folder:?}"))?;
    }
    atomic_file::write(&args.out, text_of_rows(&rows).as_bytes())
        .with_context(|| format!("cannot write {:?}", args.out))?;
    let samples = set.as_ref().map_or(0, ShardSet::len);
    if args.json {
        println!("{}", json!({"objects": rows.len(), "samples": samples}));
    } else if !args.quiet {
        println!("{}: {} objects of {samples} samples", args.out.display(), rows.len());
    }
    Ok(Exit::Done)
}

fn rows_of(set: &ShardSet, args: &ExportCocoArgs) -> anyhow::Result<Vec<CocoRow>> {
    let header = set.header();
    if !header.contents.objects {
        let message = format!(
            "cannot export {:?}: expected a set of three frames with aligned objects, got one of {} without",
            args.shards, header.frames
        );
        return Err(Failure::usage(message).into());
    }
    let broken = |error: &dyn std::fmt::Display| Failure::integrity(error.to_string());
    let mut scenes = BTreeSet::new();
    for index in 0..set.len() {
        scenes.insert(set.key(index).map_err(|error| broken(&error))?.scene().to_owned());
    }
    let place = match args.at {
        At::Native => MaskPlace::Native,
        At::Network => MaskPlace::Network,
    };
    let progress = Progress::new("samples", loudness(args.quiet, args.verbose));
    let mut rows = Vec::new();
    for index in 0..set.len() {
        let sample = set.read(index).map_err(|error| broken(&error))?;
        let name = if scenes.len() == 1 { sample.key.stem() } else { sample.key.as_str() };
        let masks = aligned_masks(&sample, header.size, place);
        rows.extend(masks.iter().map(|one| CocoRow::new(FrameName::Stem(name.to_owned()), one)));
        progress.set(index + 1, set.len());
    }
    progress.finish();
    Ok(rows)
}
