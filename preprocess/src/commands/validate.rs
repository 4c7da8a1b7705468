//! Floor 5: `suw-preprocess validate`: whether what lies on disk is what manifests say.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use suw_shared::exit::{Exit, Failure};
use suw_shared::manifest::SHARDS_FORMAT;

use crate::datasets::manifest::{self, DataSetManifest};
use crate::machine_fault::{advice, names_machine};
use crate::progress::{Loudness, Progress};
use crate::validation::data_set::data_set_findings;
use crate::validation::finding::{Depth, Finding};
use crate::validation::shard_set::shard_set_findings;

/// Arguments of `validate`.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    suw-preprocess validate shards/demo/train/manifest.json --deep\n  \
    suw-preprocess validate kitti.json --root /data/kitti\n\n\
    Ends with 4 and every fault by name when something is not what its manifest says, with 1 when this machine does not\n\
    let it look at everything.")]
pub struct ValidateArgs {
    /// Manifests of shard sets and data sets.
    #[arg(required = true, value_name = "MANIFEST.json")]
    pub manifests: Vec<PathBuf>,
    /// Open every shard and check every rule of the format on every sample.
    #[arg(long)]
    pub deep: bool,
    /// Where a data set lies; without it, the folder of its manifest, then the current folder.
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Say more.
    #[arg(short, long)]
    pub verbose: bool,
    /// Say nothing but faults.
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
}

/// Checks all of them, prints every fault.
pub fn run(args: &ValidateArgs) -> anyhow::Result<Exit> {
    let depth = if args.deep { Depth::Samples } else { Depth::Files };
    let loudness = match (args.quiet, args.verbose) {
        (true, _) => Loudness::Quiet,
        (_, true) => Loudness::Verbose,
        _ => Loudness::Normal,
    };
    // Files that are not there at all are wrong usage, told before anything is read.
    for path in &args.manifests {
        if !path.is_file() {
            return Err(Failure::usage(format!("cannot validate {path:?}: expected a file")).into());
        }
    }
    let mut reports = Vec::new();
    let mut n_findings = 0;
    let (mut machines, mut faults) = (None, 0);
    for path in &args.manifests {
        let findings = findings_of(path, args.root.as_deref(), depth, loudness)?;
        n_findings += findings.len();
        // What could not be looked at says nothing about the set.
        let (unseen, real): (Vec<_>, Vec<_>) =
            findings.iter().map(|finding| &finding.message).partition(|m| names_machine(m));
        machines = machines.or_else(|| unseen.first().map(|message| message.to_string()));
        faults += real.len();
        if !args.json {
            print_report(path, &findings, args.quiet);
        }
        reports.push(json!({"findings": findings, "manifest": path}));
    }
    if args.json {
        println!("{}", json!({"findings": n_findings, "manifests": reports}));
    }
    if let Some(message) = machines.filter(|_| faults == 0) {
        let message = format!("cannot validate everything: {message}; {}", advice(&message));
        return Err(Failure { exit: Exit::Failed, message }.into());
    }
    Ok(if n_findings == 0 { Exit::Done } else { Exit::Integrity })
}

fn print_report(path: &Path, findings: &[Finding], quiet: bool) {
    for finding in findings {
        println!("{}: {finding}", path.display());
    }
    match findings.len() {
        0 if quiet => {}
        0 => println!("{}: as its manifest says", path.display()),
        n => println!("{}: {n} fault{}", path.display(), if n == 1 { "" } else { "s" }),
    }
}

fn findings_of(
    path: &Path,
    root: Option<&Path>,
    depth: Depth,
    loudness: Loudness,
) -> anyhow::Result<Vec<Finding>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let told = |message: String| Ok(vec![Finding::new(&name, message)]);
    let format = match format_of(path) {
        Ok(format) => format,
        Err(message) => return told(message),
    };
    match format.as_str() {
        SHARDS_FORMAT => {
            let progress = Progress::new("shards validated", loudness);
            Ok(shard_set_findings(path, depth, &progress))
        }
        manifest::FORMAT => {
            let manifest = match DataSetManifest::read(path) {
                Ok(manifest) => manifest,
                Err(error) => return told(error.to_string()),
            };
            let root = match root {
                Some(root) => root.to_owned(),
                None => root_of(path, &manifest)?,
            };
            let progress = Progress::new("files validated", loudness);
            Ok(data_set_findings(&manifest, &root, &progress))
        }
        _ => told(format!(
            "format; expected {SHARDS_FORMAT:?} or {:?}, got {format:?}",
            manifest::FORMAT
        )),
    }
}

/// The folder of the manifest or the current one, whichever holds a file that is listed.
fn root_of(path: &Path, manifest: &DataSetManifest) -> anyhow::Result<PathBuf> {
    let beside = path.parent().unwrap_or(Path::new("")).to_owned();
    let holds = |root: &Path| manifest.files.iter().any(|file| root.join(&file.path).is_file());
    let found = [beside.clone(), PathBuf::from(".")].into_iter().find(|root| holds(root));
    found.or_else(|| manifest.files.is_empty().then_some(beside)).ok_or_else(|| {
        let message = format!(
            "cannot validate data-set manifest {path:?}: expected its files beside it or in the current folder, got \
             none of {}; say where the data set lies with --root DIR",
            manifest.files.len()
        );
        Failure::usage(message).into()
    })
}

fn format_of(path: &Path) -> Result<String, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("cannot read it: {error}"))?;
    let value: Value =
        serde_json::from_str(&text).map_err(|error| format!("cannot parse it: {error}"))?;
    match value.get("format") {
        Some(Value::String(format)) => Ok(format.clone()),
        other => Err(format!("format; expected text, got {}", json!(other))),
    }
}
