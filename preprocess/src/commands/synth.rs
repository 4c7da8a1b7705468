//! Floor 5: `suw-preprocess synth`: renders a street world.

use crate::progress::{Loudness, Progress};
use crate::synth::world::{self, WorldCount, WorldPlan};
use anyhow::{Context, Result};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use suw_shared::atomic_file;
use suw_shared::class::{InstanceClass, SemanticClass};
use suw_shared::exit::{Exit, Failure};
use suw_shared::image_size::ImageSize;
use suw_shared::seed::Seed;

/// The file that marks a folder as a street world, and says how it was made.
const MARK: &str = "street-world.json";

/// Render driving scenes with exact depth, semantics, instances and poses in KITTI raw layout.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: suw-preprocess synth --out data/street --drives 6 --frames 60 --size 416x128 --seed 7"
)]
pub struct SynthArgs {
    /// Folder to make; an older street world there is replaced as a whole
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Number of drives; each has a street of its own
    #[arg(long, default_value_t = 6)]
    pub drives: usize,
    /// Pictures a drive, ten a second
    #[arg(long, default_value_t = 60)]
    pub frames: usize,
    /// Size of the pictures
    #[arg(long, default_value = "1242x375", value_name = "WxH")]
    pub size: ImageSize,
    /// Everything follows from it
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// No progress on standard error
    #[arg(short, long)]
    pub quiet: bool,
    /// Say also how each drive is made up
    #[arg(short, long, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Print the closing figures as JSON
    #[arg(long)]
    pub json: bool,
}

/// Renders beside `--out` and puts the result in its place when all of it is there.
pub fn run(args: &SynthArgs) -> Result<Exit> {
    let plan = checked(args)?;
    let out = args.out.as_path();
    let old = existing(out)?;
    if let Some(parent) = out.parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    let unfinished = atomic_file::unfinished_path(out);
    let started = Instant::now();
    let total = plan.drives * plan.frames;
    let loudness = match (args.quiet, args.verbose) {
        (true, _) => Loudness::Quiet,
        (_, true) => Loudness::Verbose,
        _ => Loudness::Normal,
    };
    if loudness == Loudness::Verbose {
        for drive in 1..=plan.drives {
            let scene = world::drive_scene(&plan, drive);
            let [persons, bicycles, cars] = InstanceClass::ALL.map(|class| scene.objects(class));
            let name = world::drive_name(drive);
            eprintln!(
                "{name}: {persons} persons, {bicycles} bicycles, {cars} cars along {:.0} m",
                scene.path.end()
            );
        }
    }
    let progress = Progress::new("frames", loudness);
    let finished = AtomicUsize::new(0);
    let done = || progress.set(finished.fetch_add(1, Ordering::Relaxed) + 1, total);
    let count = world::render(&plan, &unfinished, &done).inspect_err(|_| {
        // The first error is the one that matters.
        let _ = fs::remove_dir_all(&unfinished);
    })?;
    progress.finish();
    let mark = serde_json::json!({
        "format": "suw-street-world", "version": 1, "drives": plan.drives, "frames": plan.frames,
        "size": plan.size.to_string(), "seed": plan.seed.0,
    });
    fs::write(unfinished.join(MARK), format!("{mark:#}\n"))
        .with_context(|| format!("cannot write {MARK} in {}", unfinished.display()))?;
    publish(&unfinished, out, old)?;

    report(args, &plan, &count, count.frames as f64 / started.elapsed().as_secs_f64());
    Ok(Exit::Done)
}

fn report(args: &SynthArgs, plan: &WorldPlan, count: &WorldCount, rate: f64) {
    let names: Vec<&str> = count
        .classes
        .iter()
        .filter_map(|&id| SemanticClass::from_id(id))
        .map(SemanticClass::name)
        .collect();
    let [persons, bicycles, cars] = count.tracks;
    let [large_persons, large_bicycles, large_cars] = count.large_objects;
    if args.json {
        let figures = serde_json::json!({
            "classes": names, "drives": plan.drives, "frames": count.frames, "frames_per_second": rate,
            "lidar_points": count.points, "size": plan.size.to_string(),
            "tracks": {"bicycle": bicycles, "car": cars, "person": persons},
            "objects_of_100_pixels": {"bicycle": large_bicycles, "car": large_cars, "person": large_persons},
        });
        println!("{figures}");
        return;
    }
    let (frames, size, drives, out) = (count.frames, plan.size, plan.drives, args.out.display());
    println!("{frames} frames of {size} in {drives} drives, {rate:.1} frames/s: {out}");
    println!("classes: {}", names.join(", "));
    println!("tracks: {persons} persons, {bicycles} bicycles, {cars} cars");
    println!(
        "seen with 100 pixels or more: {large_persons} persons, {large_bicycles} bicycles, {large_cars} cars"
    );
    println!("LiDAR points: {}", count.points);
}

fn checked(args: &SynthArgs) -> Result<WorldPlan> {
    let limit = |name: &str, value: usize, range: std::ops::RangeInclusive<usize>| {
        if range.contains(&value) {
            return Ok(());
        }
        let (low, high) = (range.start(), range.end());
        Err(Failure::usage(format!("cannot use --{name}: expected {low} to {high}, got {value}")))
    };
    limit("drives", args.drives, 1..=9999)?;
    limit("frames", args.frames, 1..=100_000)?;
    limit("size", args.size.width as usize, 16..=8192)?;
    limit("size", args.size.height as usize, 16..=8192)?;
    Ok(WorldPlan {
        drives: args.drives,
        frames: args.frames,
        size: args.size,
        seed: Seed(args.seed),
    })
}

/// What lies at the goal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Old {
    Nothing,
    EmptyFolder,
    StreetWorld,
}

fn existing(out: &Path) -> Result<Old> {
    let mut entries = match fs::read_dir(out) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Old::Nothing),
        Err(error) => {
            return Err(Failure::usage(format!(
                "cannot use --out {}: {error}; expected a folder",
                out.display()
            ))
            .into());
        }
    };
    if out.join(MARK).is_file() {
        Ok(Old::StreetWorld)
    } else if entries.next().is_none() {
        Ok(Old::EmptyFolder)
    } else {
        Err(Failure::usage(format!(
            "cannot replace {}: expected an older street world (with {MARK}) or an empty folder, got other files",
            out.display()
        ))
        .into())
    }
}

fn publish(unfinished: &Path, out: &Path, old: Old) -> Result<()> {
    let context = || format!("cannot publish {}", out.display());
    match old {
        Old::Nothing => {}
        Old::EmptyFolder => fs::remove_dir(out).with_context(context)?,
        Old::StreetWorld => fs::remove_dir_all(out).with_context(context)?,
    }
    atomic_file::publish(unfinished, out).with_context(context)
}
