//! Floor 5: `suw-preprocess merge`: joins finished partitions.

use std::path::PathBuf;

use clap::Args;
use suw_shared::exit::{Exit, Failure};

use crate::config::usage;
use crate::launch::set_aside;
use crate::run::{merge, part_files};

/// Arguments of `merge`.
#[derive(Args)]
#[command(after_help = "Example: suw-preprocess merge shards/kitti-train")]
pub struct MergeArgs {
    /// Folder of the shard set.
    pub shards: PathBuf,
    /// End with 0 instead of 3 when inputs were set aside.
    #[arg(long)]
    pub allow_quarantine: bool,
}

/// Joins.
pub fn run(args: &MergeArgs) -> anyhow::Result<Exit> {
    if !args.shards.is_dir() {
        return Err(usage(format!(
            "cannot merge {:?}: expected the folder of a shard set",
            args.shards
        )));
    }
    let found = part_files(&args.shards).map_err(Failure::from)?;
    match merge(&args.shards, None).map_err(Failure::from)? {
        Some(manifest) => {
            println!("{} samples in {} shards", manifest.samples, manifest.shards.len());
            Ok(set_aside(manifest.quarantined.values().sum(), args.allow_quarantine))
        }
        None => {
            let list: Vec<String> = found.iter().map(|(i, n)| format!("{i} of {n}")).collect();
            Err(Failure::integrity(format!(
                "cannot merge {:?}: expected every part, got {}; finish the missing ones first",
                args.shards,
                if list.is_empty() { "none".to_owned() } else { list.join(", ") }
            ))
            .into())
        }
    }
}
