//! Floor 5: from what a human typed to a plan: files opened, models compared with their specs, the fingerprint taken.

use std::path::Path;

use serde_json::{Value, json};
use suw_shared::checksum::{blake3_of_bytes, blake3_of_file};
use suw_shared::depth_source::DepthSource;
use suw_shared::exit::Failure;
use suw_shared::manifest::{ModelEntry, ModelRole};
use suw_shared::seed::Seed;
use suw_shared::shard::{Contents, DepthUnit, ShardHeader};

use crate::align::AlignParams;
use crate::config::{MaskSourceName, RunConfig, usage};
use crate::datasets::manifest::{DataSetKind, DataSetManifest};
use crate::mask_store::MaskStore;
use crate::onnx::{Device, Models, SessionOptions};
use crate::pairs::rules::Rules;
use crate::plan::{Partition, Plan, assign};
use crate::rules_file;
use crate::stages::assemble::AssembleParams;
use crate::stages::listed::has_beginning;
use crate::stages::load::{LoadParams, check_params};

/// A plan, and the networks that fill its mask store (none for imported masks).
pub struct Opened {
    /// The plan.
    pub plan: Plan,
    /// The networks and how to run them.
    pub networks: Option<(Models, SessionOptions)>,
}

/// Opens everything that a run names and checks it. Writes nothing.
///
/// # Errors
/// Whatever is wrong with the configuration or the files that it names: exit code 2.
pub fn open_plan(config: &RunConfig, partition: Partition) -> anyhow::Result<Opened> {
    let size = config.image_size().map_err(usage)?;
    let manifest = DataSetManifest::read(&config.input.manifest).map_err(Failure::from)?;
    if !config.input.root.is_dir() {
        return Err(usage(format!(
            "cannot read input.root {:?}: expected the folder that was scanned for {:?}",
            config.input.root, config.input.manifest
        )));
    }
    // Some of it is enough here: what is missing of the rest is set aside, file by file.
    if !manifest.files.iter().any(|file| has_beginning(&config.input.root, &file.path)) {
        return Err(usage(format!(
            "cannot read input.root {:?}: expected {:?} and {} more files of {:?}, got none of the folders that they lie in",
            config.input.root,
            manifest.files.first().map_or("", |file| &file.path),
            manifest.files.len().saturating_sub(1),
            config.input.manifest
        )));
    }
    let load =
        LoadParams { fit: config.fit, size, depth: config.depth.source, gt: config.depth.gt };
    check_params(&manifest, &load).map_err(usage)?;
    let (store, networks, models) = open_masks(config)?;
    let (rules, pairs) = open_rules(config)?;
    let resolved = json!({
        "align": config.align,
        "depth": config.depth,
        "fit": config.fit,
        "input": digest(&config.input.manifest)?,
        "masks": {
            "device": config.masks.device,
            "intra_threads": config.masks.intra_threads,
            "models": models,
            "source": config.masks.source,
            "specs": networks.as_ref().map(|(networks, _)| {
                let identity = networks.identity();
                [identity.instance.spec, identity.semantic.spec]
            }),
        },
        "pairs": pairs,
        "samples_per_shard": config.output.samples_per_shard,
        "seed": config.seed,
        "size": config.size,
        "tool_version": env!("CARGO_PKG_VERSION"),
    });
    let fingerprint = blake3_of_bytes(resolved.to_string().as_bytes());
    let provenance = json!({
        "align": config.align,
        "config_fingerprint": fingerprint,
        "fit": config.fit,
        "models": models,
        "pairs": pairs,
        "seed": config.seed,
        "tool_version": env!("CARGO_PKG_VERSION"),
    });
    let header = ShardHeader {
        dataset: manifest.dataset.name().to_owned(),
        split: manifest.split.clone(),
        frames: manifest.frames,
        stride: manifest.stride,
        size,
        depth_unit: depth_unit(manifest.dataset, config.depth.source),
        depth_source: config.depth.source,
        gt_source: config.depth.gt,
        provenance: provenance.to_string(),
        contents: contents_of(config, &manifest),
    };
    let contents = header.contents;
    let clips = manifest.clips();
    let per_shard = config.output.samples_per_shard as usize;
    let [above, of] = config.align.iou_above;
    let plan = Plan {
        root: config.input.root.clone(),
        out: config.output.dir.clone(),
        shards: assign(&header.dataset, &header.split, clips.len(), per_shard),
        clips,
        manifest,
        header,
        load,
        assemble: AssembleParams {
            size,
            align: AlignParams {
                score_min: config.align.score_min,
                iou_num: above,
                iou_den: of,
                min_area: config.align.min_area,
            },
            contents,
            rules,
            per_rule: config.pairs.per_rule as usize,
            seed: Seed(config.seed),
        },
        store,
        models,
        fingerprint,
        partition,
    };
    Ok(Opened { plan, networks })
}

/// The parts that every sample of the set has.
fn contents_of(config: &RunConfig, manifest: &DataSetManifest) -> Contents {
    let masks = config.masks.source != MaskSourceName::None;
    // Semantic maps are for the rules; without a rules file imported masks are objects alone.
    let rules = masks && config.pairs.rules.is_some();
    // On KITTI a missing camera is a fault of the scene; elsewhere cameras may be unknown to the whole set.
    let intrinsics = manifest.dataset == DataSetKind::Kitti || manifest.has_intrinsics();
    let ordinal = manifest.dataset == DataSetKind::Megadepth;
    Contents {
        depth: config.depth.source != DepthSource::None,
        intrinsics,
        pose: manifest.frames == 3 && manifest.has_poses(),
        semantic: rules,
        objects: masks && manifest.frames == 3,
        pairs: rules || ordinal,
        ordinal,
        gt: config.depth.gt != DepthSource::None,
    }
}

/// Structure from motion knows no metre.
fn depth_unit(dataset: DataSetKind, source: DepthSource) -> DepthUnit {
    match (dataset, source) {
        (DataSetKind::Mannequin | DataSetKind::Megadepth, _) => DepthUnit::Scene,
        (_, DepthSource::Sfm | DepthSource::Mvs) => DepthUnit::Scene,
        _ => DepthUnit::Metre,
    }
}

/// The rules where masks are used, and what the provenance says about pairs.
fn open_rules(config: &RunConfig) -> anyhow::Result<(Option<Rules>, Value)> {
    let per_rule = config.pairs.per_rule;
    match &config.pairs.rules {
        Some(path) if config.masks.source != MaskSourceName::None => {
            let rules = rules_file::read(path).map_err(usage)?;
            let named = json!({"blake3": digest(path)?, "file": file_name(path)});
            Ok((Some(rules), json!({"per_rule": per_rule, "rules": named})))
        }
        _ => Ok((None, json!({"per_rule": per_rule}))),
    }
}

type Masks = (Option<MaskStore>, Option<(Models, SessionOptions)>, Vec<ModelEntry>);

fn open_masks(config: &RunConfig) -> anyhow::Result<Masks> {
    let masks = &config.masks;
    // `RunConfig::check` asks for a root where there are masks.
    let root = masks.root.as_deref().unwrap_or(Path::new(""));
    match (masks.source, &masks.instance, &masks.semantic) {
        (MaskSourceName::None, ..) => Ok((None, None, Vec::new())),
        (MaskSourceName::Models, Some(instance), Some(semantic)) => {
            let device: Device = masks.device.parse().map_err(usage)?;
            let options = SessionOptions { device, intra_threads: masks.intra_threads as usize };
            let models = Models::open(instance, semantic).map_err(Failure::from)?;
            let identity = models.identity();
            let store = MaskStore::open_for_models(root, &identity).map_err(Failure::from)?;
            let entry = |role, name, blake3| ModelEntry { role, name, blake3 };
            let entries = vec![
                entry(ModelRole::Instance, identity.instance.name, identity.instance.blake3),
                entry(ModelRole::Semantic, identity.semantic.name, identity.semantic.blake3),
            ];
            Ok((Some(store), Some((models, options)), entries))
        }
        (MaskSourceName::Models, ..) => {
            Err(usage("masks.source = \"models\" needs masks.instance and masks.semantic"))
        }
        (MaskSourceName::Import, ..) => {
            let store = MaskStore::open_import(root).map_err(Failure::from)?;
            let blake3 = store.imported_digest().map_err(Failure::from)?;
            let entry = ModelEntry { role: ModelRole::Import, name: store.import_name(), blake3 };
            Ok((Some(store), None, vec![entry]))
        }
    }
}

fn digest(path: &Path) -> anyhow::Result<String> {
    blake3_of_file(path).map_err(|error| usage(format!("cannot read {path:?}: {error}")))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
