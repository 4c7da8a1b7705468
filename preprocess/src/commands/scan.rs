//! Floor 5: `suw-preprocess scan`: a data set to its manifest.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;
use suw_shared::exit::{Exit, Failure};
use suw_shared::problem::{Problem, count_by_kind};

use crate::datasets::manifest::{DataSetKind, DataSetManifest};
use crate::datasets::manifest_file::check_split_name;
use crate::datasets::split::{self, SplitEntry};
use crate::measured_files::ScanError;
use crate::progress::{Loudness, Progress};
use crate::scan::{ScanPlan, Scanned, scan};
use crate::scan_pictures::{PicturesPlan, parse_targets, scan_pictures};

/// Problems that are printed one by one; all of them stand in the manifest.
const PROBLEMS_SHOWN: usize = 10;

/// Walk a data set and write its manifest: clips, sizes, checksums, what is missing.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: suw-preprocess scan --dataset kitti --root data/kitti --split kitti-train.txt --out kitti-train.json"
)]
pub struct ScanArgs {
    /// Layout of the data set
    #[arg(long, value_enum)]
    pub dataset: Layout,
    /// The folder that holds the data set; for KITTI the one with the date folders. docs/data-sets.md draws each layout
    #[arg(long, value_name = "DIR")]
    pub root: PathBuf,
    /// Only what this list names: lines "date/drive frame l|r" for KITTI, else scenes, folders of scenes or pictures
    #[arg(long, value_name = "FILE")]
    pub split: Option<PathBuf>,
    /// Name of the split in shards; default: the list's name without folder and extension, or "all"
    #[arg(long)]
    pub name: Option<String>,
    /// A clip is the frames numbered t - N, t and t + N
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub stride: u32,
    /// Frames of a clip: 3, or 1 for single pictures; default: 3, but 1 for folder and megadepth
    #[arg(long, value_parser = parse_frames)]
    pub frames: Option<u32>,
    /// KITTI: leave out clips between whose first and last frame the car moved less; needs oxts/data of every drive
    #[arg(long, value_name = "METRES", value_parser = parse_motion)]
    pub min_motion: Option<f64>,
    /// Where the manifest goes
    #[arg(long, value_name = "FILE.json")]
    pub out: PathBuf,
    /// Print the counts as JSON
    #[arg(long)]
    pub json: bool,
    /// No progress
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Every problem
    #[arg(short, long)]
    pub verbose: bool,
}

/// Layouts that can be scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Layout {
    /// KITTI raw, and the street world
    Kitti,
    /// Own pictures, with or without depth and cameras
    Folder,
    /// Mannequin Challenge: camera files, pictures from the videos, COLMAP workspaces
    Mannequin,
    /// MegaDepth v1
    Megadepth,
}

impl Layout {
    fn kind(self) -> DataSetKind {
        match self {
            Self::Kitti => DataSetKind::Kitti,
            Self::Folder => DataSetKind::Folder,
            Self::Mannequin => DataSetKind::Mannequin,
            Self::Megadepth => DataSetKind::Megadepth,
        }
    }

    fn usual_frames(self) -> u32 {
        match self {
            Self::Kitti | Self::Mannequin => 3,
            Self::Folder | Self::Megadepth => 1,
        }
    }
}

fn parse_motion(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(least) if least > 0.0 && least.is_finite() => Ok(least),
        _ => Err("expected meters above 0".to_owned()),
    }
}

fn parse_frames(text: &str) -> Result<u32, String> {
    match text {
        "1" => Ok(1),
        "3" => Ok(3),
        _ => Err("expected 1 or 3".to_owned()),
    }
}

/// Writes the manifest. Problems are listed in it and do not fail the command; a data set without any clip does.
pub fn run(args: &ScanArgs) -> Result<Exit> {
    if !args.root.is_dir() {
        let message = format!("cannot scan {:?}: expected a folder, got none", args.root);
        return Err(Failure::usage(message).into());
    }
    if args.dataset == Layout::Megadepth && args.frames == Some(3) {
        let message =
            "cannot scan megadepth with --frames 3: expected 1, its pictures are no video";
        return Err(Failure::usage(message.to_owned()).into());
    }
    let frames = args.frames.unwrap_or(args.dataset.usual_frames());
    if args.min_motion.is_some() && (args.dataset != Layout::Kitti || frames != 3) {
        let message = "cannot use --min-motion here: expected clips of three frames of KITTI, whose drives have oxts/data";
        return Err(Failure::usage(message.to_owned()).into());
    }
    let name = split_name(args)?;
    let loudness = if args.quiet { Loudness::Quiet } else { Loudness::Normal };
    let progress = Progress::new("files", loudness);
    let count = |done, total| progress.set(done, total);
    let Scanned { manifest, left_out } = match args.dataset {
        Layout::Kitti => scan_drives(args, &name, frames, &count)?,
        other => {
            let manifest = scan_others(args, other, &name, frames, &count)?;
            Scanned { manifest, left_out: 0 }
        }
    };
    progress.finish();
    if let Some(folder) = args.out.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make folder {folder:?}"))?;
    }
    manifest.write(&args.out)?;
    report(args, &manifest, left_out);
    Ok(Exit::Done)
}

fn scan_drives(
    args: &ScanArgs,
    name: &str,
    frames: u32,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Scanned> {
    let targets: Option<Vec<SplitEntry>> = match &args.split {
        Some(path) => Some(read_split(path, split::parse)?),
        None => None,
    };
    let plan = ScanPlan {
        root: &args.root,
        split: name,
        targets: targets.as_deref(),
        stride: args.stride,
        frames,
        min_motion: args.min_motion,
    };
    scan(&plan, progress).map_err(|error| failure(error, args.verbose))
}

fn scan_others(
    args: &ScanArgs,
    layout: Layout,
    name: &str,
    frames: u32,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<DataSetManifest> {
    let targets: Option<Vec<String>> = match &args.split {
        Some(path) => Some(read_split(path, parse_targets)?),
        None => None,
    };
    let plan = PicturesPlan {
        dataset: layout.kind(),
        root: &args.root,
        split: name,
        targets: targets.as_deref(),
        stride: args.stride,
        frames,
    };
    scan_pictures(&plan, progress).map_err(|error| failure(error, args.verbose))
}

/// Without a clip there is no manifest that could hold the problems: they are listed here.
fn failure(error: ScanError, verbose: bool) -> anyhow::Error {
    if let ScanError::NoClips { problems, .. } = &error {
        list(problems, verbose, "");
    }
    match error {
        ScanError::Read { .. } => error.into(),
        ScanError::Walk(_) | ScanError::NoClips { .. } => Failure::usage(error.to_string()).into(),
    }
}

fn read_split<T, E: std::fmt::Display>(
    path: &Path,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<T> {
    let cannot = |cause: String| Failure::usage(format!("cannot use split {path:?}: {cause}"));
    let text = fs::read_to_string(path).map_err(|error| cannot(error.to_string()))?;
    Ok(parse(&text).map_err(|error| cannot(error.to_string()))?)
}

fn split_name(args: &ScanArgs) -> Result<String> {
    let stem = args.split.as_ref().and_then(|path| path.file_stem()?.to_str());
    let name = args.name.as_deref().or(stem).unwrap_or("all").to_owned();
    check_split_name(&name)
        .map_err(|cause| Failure::usage(format!("{cause}; set it by --name")))?;
    Ok(name)
}

fn report(args: &ScanArgs, manifest: &DataSetManifest, left_out: usize) {
    let problems = count_by_kind(&manifest.problems);
    if args.json {
        let counts = json!({
            "counts": manifest.counts, "problems": problems, "static_clips_left_out": left_out,
        });
        println!("{counts:#}");
        return;
    }
    let counts = manifest.counts;
    println!(
        "{} {:?}: {} clips of {} frames in {} scenes, {} files, {:.1} MB: {}",
        manifest.dataset.name(),
        manifest.split,
        counts.clips,
        counts.frames,
        counts.scenes,
        manifest.files.len(),
        counts.bytes as f64 / 1e6,
        args.out.display()
    );
    match manifest.dataset {
        DataSetKind::Kitti => {
            println!("laser scans: {}, depth pictures: {}", counts.lidar, counts.ground_truth);
            list_without_scans(manifest, args.verbose);
        }
        _ => println!("depth maps: {}", counts.depth_maps),
    }
    if args.min_motion.is_some() {
        println!("static clips left out: {left_out}");
    }
    for (kind, count) in &problems {
        println!("{kind}: {count}");
    }
    list(&manifest.problems, args.verbose, " in the manifest");
}

fn list(problems: &[Problem], verbose: bool, place: &str) {
    let shown = if verbose { usize::MAX } else { PROBLEMS_SHOWN };
    for problem in problems.iter().take(shown) {
        eprintln!("{}: {}: {}", problem.kind.name(), problem.item, problem.reason);
    }
    if problems.len() > shown {
        eprintln!("and {} more{place}; --verbose lists all", problems.len() - shown);
    }
}

/// Drives of which some frames have a laser scan and some have none, as KITTI's drive 0009 of 2011_09_26. No fault:
/// their samples have no depth from scans.
fn list_without_scans(manifest: &DataSetManifest, verbose: bool) {
    let lacking: Vec<String> = manifest
        .scenes
        .iter()
        .filter_map(|scene| {
            let without: Vec<&str> = scene
                .frames
                .iter()
                .filter(|frame| frame.lidar.is_none())
                .map(|frame| frame.stem.as_str())
                .collect();
            let some = !without.is_empty() && without.len() < scene.frames.len();
            some.then(|| {
                let (name, all) = (&scene.name, scene.frames.len());
                let stems =
                    if verbose { without.join(" ") } else { format!("first {}", without[0]) };
                format!("no laser scan: {name}: {} of {all} frames, {stems}", without.len())
            })
        })
        .collect();
    let shown = if verbose { usize::MAX } else { PROBLEMS_SHOWN };
    for line in lacking.iter().take(shown) {
        eprintln!("{line}");
    }
    if lacking.len() > shown {
        eprintln!("and {} more such drives; --verbose lists all", lacking.len() - shown);
    }
}
