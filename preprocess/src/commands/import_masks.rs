//! Floor 5: `suw-preprocess import-masks`: masks of other tools to a mask store.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::json;
use suw_shared::class::InstanceClass;
use suw_shared::exit::{Exit, Failure};
use suw_shared::image_size::ImageSize;

use crate::import::rows::Imported;
use crate::import::struct2depth::StripParams;
use crate::import::{ImportError, coco, mots, struct2depth, write};

/// Arguments of `import-masks`.
#[derive(Args)]
#[command(
    after_help = "Example: suw-preprocess import-masks --from mots --root mots/instances_txt --out masks\n\n\
    coco: *.json, lists of rows with image_id (a number, a file name, or a whole sample key), category_id, segmentation \
    (run lengths, compressed or not) and score.\n\
    mots: *.txt of KITTI MOTS; 0002.txt becomes scene 0002.\n\
    struct2depth: <scene>/<number>-fseg.png, three frames side by side, one color per object; strip n shows frames n-1, n, \
    n+1, and 2011_09_26_drive_0001_sync_02 becomes KITTI's 2011_09_26/2011_09_26_drive_0001_sync/image_02.\n\n\
    The store gets one instances.json a scene; a run takes it with masks.source = \"import\". A run also \
    asks for the semantic map of each target frame: put <scene>/semantic/<stem>.png (8-bit train ids) beside it."
)]
pub struct ImportMasksArgs {
    /// The tool that made the masks.
    #[arg(long, value_enum)]
    pub from: Tool,
    /// Folder that holds its files, or one file.
    #[arg(long, value_name = "DIR")]
    pub root: PathBuf,
    /// The mask store.
    #[arg(long, value_name = "STORE")]
    pub out: PathBuf,
    /// Scene of rows that name none themselves, instead of the file's own name.
    #[arg(long)]
    pub scene: Option<String>,
    /// Class of the objects of struct2depth strips, which do not say.
    #[arg(long, value_enum, default_value_t = Class::Car)]
    pub class: Class,
    /// Size of the pictures, for struct2depth strips that were made smaller; masks are enlarged by nearest neighbor.
    #[arg(long, value_name = "WxH")]
    pub size: Option<ImageSize>,
    /// Print the counts as JSON.
    #[arg(long)]
    pub json: bool,
    /// Say more: every scene.
    #[arg(short, long)]
    pub verbose: bool,
    /// Say nothing but errors.
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
}

/// Tools whose masks can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
pub enum Tool {
    /// Strips of three frames, one color per object.
    Struct2depth,
    /// KITTI MOTS text.
    Mots,
    /// COCO results.
    Coco,
}

/// See `ImportMasksArgs::class`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)] // the names say it
pub enum Class {
    Person,
    Bicycle,
    Car,
}

/// Reads everything, then writes.
pub fn run(args: &ImportMasksArgs) -> Result<Exit> {
    if !args.root.exists() {
        let message = format!("cannot import {:?}: expected a folder, got none", args.root);
        return Err(Failure::usage(message).into());
    }
    let scene = args.scene.as_deref().map(|scene| scene.trim_matches('/'));
    let imported = match args.from {
        Tool::Coco => coco::read(&args.root, scene),
        Tool::Mots => mots::read(&args.root, scene),
        Tool::Struct2depth => {
            let class = match args.class {
                Class::Person => InstanceClass::Person,
                Class::Bicycle => InstanceClass::Bicycle,
                Class::Car => InstanceClass::Car,
            };
            struct2depth::read(&args.root, scene, &StripParams { class, size: args.size })
        }
    }
    .map_err(failure)?;
    if scene.is_some() && imported.files > 1 && args.from == Tool::Mots {
        let message = format!(
            "cannot use --scene for {} files: expected one file, since each is a scene of its own",
            imported.files
        );
        return Err(Failure::usage(message).into());
    }
    write::write(&args.out, &imported).map_err(failure)?;
    report(args, &imported);
    Ok(Exit::Done)
}

fn failure(error: ImportError) -> anyhow::Error {
    match error {
        ImportError::Io { .. } => error.into(),
        ImportError::Store { .. } => {
            Failure::usage(format!("{error}. Choose another --out, or delete what is there")).into()
        }
        _ => Failure::usage(format!("{error}; nothing was written")).into(),
    }
}

fn report(args: &ImportMasksArgs, imported: &Imported) {
    let detections = || imported.scenes.values().flat_map(|frames| frames.values().flatten());
    let of = |class: InstanceClass| detections().filter(|one| one.class == class).count();
    let frames: usize = imported.scenes.values().map(|frames| frames.len()).sum();
    let [persons, bicycles, cars] = InstanceClass::ALL.map(of);
    if args.json {
        let counts = json!({
            "files": imported.files,
            "scenes": imported.scenes.len(),
            "frames": frames,
            "objects": {"person": persons, "bicycle": bicycles, "car": cars},
            "passed_over": imported.passed_over,
        });
        println!("{counts:#}");
        return;
    }
    if args.quiet {
        return;
    }
    if args.verbose {
        for (scene, frames) in &imported.scenes {
            let masks: usize = frames.values().map(Vec::len).sum();
            println!("{scene}: {masks} masks in {} frames", frames.len());
        }
    }
    println!(
        "{}: {} scenes, {frames} frames with objects: {cars} cars, {persons} persons, {bicycles} bicycles",
        args.out.display(),
        imported.scenes.len()
    );
    for (why, count) in &imported.passed_over {
        println!("passed over: {count} {why}");
    }
    if args.from == Tool::Struct2depth {
        println!(
            "struct2depth strips do not say what their objects are: all of them count as {:?}; --class changes that",
            args.class
        );
    }
}
