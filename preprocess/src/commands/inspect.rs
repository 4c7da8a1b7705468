//! Floor 5: `suw-preprocess inspect`: a page to look through the samples of a shard set.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};
use suw_shared::atomic_file;
use suw_shared::exit::{Exit, Failure};
use suw_shared::image_size::ImageSize;
use suw_shared::manifest::ShardSetManifest;
use suw_shared::sample::Sample;
use suw_shared::shard::{DepthUnit, ShardHeader, ShardSet};

use crate::align::explain::{Unaligned, unaligned};
use crate::align::{AlignInput, AlignParams};
use crate::config::usage;
use crate::launch::{loudness, open_finished};
use crate::mask_store::{MaskStore, Needs};
use crate::page::gallery::article::{ArticleContext, article, frame_name, picture_name, ramp};
use crate::page::gallery::layers::{depth_layer, ordinal_layer, semantic_layer};
use crate::page::gallery::objects::AlignTerms;
use crate::page::gallery::overview::{SetFacts, Totals, filters, navigation, overview, thumbnail};
use crate::page::html::page_with;
use crate::page::sample_pictures::plain_frame;
use crate::picture_bytes::{jpeg, layer_png};
use crate::progress::Progress;
use crate::quality::GROUPS;

const STYLE: &str = include_str!("../page/gallery/gallery.css");
const SCRIPT: &str = include_str!("../page/gallery/gallery.js");

/// Arguments of `inspect`.
#[derive(Args)]
#[command(after_help = "Example: suw-preprocess inspect shards/demo/train --out gallery\n\n\
    Open gallery/index.html in a browser. Left and right arrow keys go from sample to sample, / searches, a click enlarges a \
    picture, pointing at an object or a pair tells about it. The folder needs nothing from outside and can be moved.")]
pub struct InspectArgs {
    /// Folder of a shard set.
    #[arg(value_name = "SHARDS")]
    pub shards: PathBuf,
    /// Folder of the gallery.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Samples to show, spread evenly over the set; 0 shows all. The figures on top are of the whole set.
    #[arg(long, value_name = "N", default_value_t = 24)]
    pub samples: usize,
    /// The mask store that the set was made from: says of each detection why it is no aligned object.
    #[arg(long, value_name = "DIR")]
    pub masks: Option<PathBuf>,
    /// Print the counts as JSON.
    #[arg(long)]
    pub json: bool,
    /// Say more.
    #[arg(short, long)]
    pub verbose: bool,
    /// Say nothing but errors and the page's path.
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
}

/// Writes pictures, then the page.
pub fn run(args: &InspectArgs) -> anyhow::Result<Exit> {
    let (manifest, set) = open_finished(&args.shards)?;
    let Some(set) = set else {
        return Err(usage(format!(
            "cannot show {:?}: expected a set with samples, got none; see its quarantine.jsonl",
            args.shards
        )));
    };
    let pictures = args.out.join("pictures");
    fs::create_dir_all(&pictures).with_context(|| format!("cannot make folder {pictures:?}"))?;
    outside(&args.out, &args.shards)?;
    let context = context_of(set.header());
    let store = args.masks.as_deref().map(MaskStore::open_import).transpose();
    let store = store.map_err(|error| usage(error.to_string()))?;
    let mut unexplained = 0;
    let chosen = spread(set.len(), args.samples);
    let mut totals = Totals::default();
    let (mut articles, mut thumbnails) = (String::new(), String::new());
    let progress = Progress::new("samples", loudness(args.quiet, args.verbose));
    for index in 0..set.len() {
        let sample = set.read(index).map_err(|error| Failure::integrity(error.to_string()))?;
        totals.add(context.size, &sample);
        if chosen.binary_search(&index).is_ok() {
            write_pictures(&args.out, index, &sample, &context)?;
            let left = match &store {
                Some(store) => left_over(store, &sample, set.header())?,
                None => None,
            };
            unexplained += usize::from(store.is_some() && left.is_none());
            articles.push_str(&article(&sample, index, &context, left.as_deref()));
            thumbnails.push_str(&thumbnail(&sample, index, set.header().frames as usize));
        }
        progress.set(index + 1, set.len());
    }
    progress.finish();
    if unexplained > 0 {
        eprintln!(
            "inspect: the mask store lacks frames of {unexplained} of {} samples; their pages give no reasons",
            chosen.len()
        );
    }
    let present: Vec<&str> = GROUPS
        .iter()
        .zip(&totals.quality.tallies)
        .filter(|(_, tally)| tally.pairs > 0)
        .map(|(group, _)| group.rule)
        .collect();
    let body = [
        overview(&facts_of(&manifest), &totals, chosen.len()),
        navigation(&thumbnails),
        filters(&present),
        articles,
        footer(&set),
    ]
    .concat();
    let title = format!("{} {}", manifest.dataset, manifest.split);
    let path = args.out.join("index.html");
    atomic_file::write(&path, page_with(&title, STYLE, &body, SCRIPT).as_bytes())
        .with_context(|| format!("cannot write {path:?}"))?;
    if args.json {
        println!("{}", json!({"page": path, "samples": chosen.len()}));
    } else {
        println!("{}", path.display());
    }
    Ok(Exit::Done)
}

/// The detections of a sample's target frame that are no objects; `None` where the store lacks one of its frames or the
/// set has no clips. The neighbors are found by number, as KITTI names frames.
fn left_over(
    store: &MaskStore,
    sample: &Sample,
    header: &ShardHeader,
) -> anyhow::Result<Option<Vec<Unaligned>>> {
    let (scene, stem) = (sample.key.scene(), sample.key.stem());
    let Some(number) = stem.parse::<u64>().ok().filter(|_| header.frames == 3) else {
        return Ok(None);
    };
    let stride = u64::from(header.stride);
    let mut frames = Vec::new();
    for number in [number.checked_sub(stride), Some(number), number.checked_add(stride)] {
        let stem = number.map(|number| format!("{number:0width$}", width = stem.len()));
        let Some(stem) = stem.filter(|stem| store.has_frame(scene, stem, Needs::INSTANCES)) else {
            return Ok(None);
        };
        let masks = store.read_frame(scene, &stem, sample.native_size, Needs::INSTANCES);
        frames.push(masks.map_err(|error| Failure::integrity(error.to_string()))?.detections);
    }
    let input = AlignInput {
        frames: [&frames[0], &frames[1], &frames[2]],
        native: sample.native_size,
        window: sample.native_window,
        size: header.size,
    };
    let left = unaligned(&input, &align_params(header));
    Ok(Some(left.map_err(|error| Failure::integrity(error.to_string()))?))
}

/// The thresholds of the set; what its provenance does not state has the format's default.
fn align_params(header: &ShardHeader) -> AlignParams {
    let provenance: Value = serde_json::from_str(&header.provenance).unwrap_or(Value::Null);
    let align = &provenance["align"];
    let number = |value: &Value| value.as_u64().and_then(|value| u32::try_from(value).ok());
    let usual = AlignParams::CONTRACT;
    AlignParams {
        score_min: align["score_min"].as_f64().map_or(usual.score_min, |score| score as f32),
        iou_num: number(&align["iou_above"][0]).unwrap_or(usual.iou_num),
        iou_den: number(&align["iou_above"][1]).unwrap_or(usual.iou_den),
        min_area: number(&align["min_area"]).unwrap_or(usual.min_area),
    }
}

/// A shard set holds shards and nothing else.
fn outside(out: &Path, shards: &Path) -> anyhow::Result<()> {
    let real = |path: &Path| {
        fs::canonicalize(path).with_context(|| format!("cannot find folder {path:?}"))
    };
    if real(out)?.starts_with(real(shards)?) {
        // Only what was just made, and only while it is empty.
        let _ = fs::remove_dir(out.join("pictures"));
        let _ = fs::remove_dir(out);
        return Err(usage(format!(
            "cannot write the gallery into {out:?}: expected a folder outside of the shard set {shards:?}"
        )));
    }
    Ok(())
}

fn facts_of(manifest: &ShardSetManifest) -> SetFacts {
    SetFacts {
        dataset: manifest.dataset.clone(),
        split: manifest.split.clone(),
        shards: manifest.shards.len(),
        frames: manifest.frames,
        size: ImageSize::new(manifest.width, manifest.height),
        masks: manifest.models.iter().map(|model| model.name.clone()).collect(),
        samples: manifest.samples,
        objects: manifest.counts.objects,
        set_aside: manifest.quarantined.values().sum(),
    }
}

fn context_of(header: &ShardHeader) -> ArticleContext {
    let align = align_params(header);
    let metric = header.depth_unit == DepthUnit::Metre;
    ArticleContext {
        size: header.size,
        unit: if metric { "m" } else { "units" },
        metric,
        terms: AlignTerms {
            iou_above: f64::from(align.iou_num) / f64::from(align.iou_den),
            min_area: u64::from(align.min_area),
        },
        depth_source: header.depth_source.to_string(),
    }
}

/// Positions spread evenly over a set, rising; all of them for 0.
fn spread(len: usize, n: usize) -> Vec<usize> {
    let n = if n == 0 { len } else { n.min(len) };
    (0..n).map(|i| (2 * i + 1) * len / (2 * n)).collect()
}

fn write_pictures(
    out: &Path,
    index: usize,
    sample: &Sample,
    context: &ArticleContext,
) -> anyhow::Result<()> {
    let size = context.size;
    let frames = sample.image.len() / (3 * size.area());
    let mut files: Vec<(String, Vec<u8>)> = (0..frames)
        .map(|frame| (frame_name(index, frame), jpeg(&plain_frame(sample, size, frame))))
        .collect();
    let mut layer = |what: &str, layer| {
        files.push((picture_name(index, what), layer_png(&layer)));
    };
    if let Some(semantic) = semantic_layer(sample, size) {
        layer("semantic.png", semantic);
    }
    if let Some(depth) = &sample.depth
        && let Some((near, far)) = ramp(depth, context.metric)
    {
        layer("depth.png", depth_layer(depth, size, near, far));
    }
    if let Some(ordinal) = ordinal_layer(sample, size) {
        layer("ordinal.png", ordinal);
    }
    for (name, bytes) in files {
        let path = out.join(name);
        fs::write(&path, bytes).with_context(|| format!("cannot write {path:?}"))?;
    }
    Ok(())
}

fn footer(set: &ShardSet) -> String {
    let manifest = set.manifest();
    format!(
        "<footer>Made by suw-preprocess {} from shards of configuration {}. Objects: paper, section 2.1.1; pairs: section 2.1.2 \
         (Ren, Raj, El-Khamy, Lee: SUW-Learn, CVPR Workshops 2020).</footer>",
        env!("CARGO_PKG_VERSION"),
        &manifest.config_fingerprint[..12.min(manifest.config_fingerprint.len())]
    )
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn samples_are_spread_over_the_set_and_none_comes_twice() {
        assert_eq!(spread(10, 2), [2, 7]);
        assert_eq!(spread(3, 24), [0, 1, 2]);
        assert_eq!(spread(5, 0), [0, 1, 2, 3, 4]);
    }
}
