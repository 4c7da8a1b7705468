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

use crate::config::usage;
use crate::launch::{loudness, open_finished};
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
    let chosen = spread(set.len(), args.samples);
    let mut totals = Totals::default();
    let (mut articles, mut thumbnails) = (String::new(), String::new());
    let progress = Progress::new("samples", loudness(args.quiet, args.verbose));
    for index in 0..set.len() {
        let sample = set.read(index).map_err(|error| Failure::integrity(error.to_string()))?;
        totals.add(context.size, &sample);
        if chosen.binary_search(&index).is_ok() {
            write_pictures(&args.out, index, &sample, &context)?;
            articles.push_str(&article(&sample, index, &context));
            thumbnails.push_str(&thumbnail(&sample, index, set.header().frames as usize));
        }
        progress.set(index + 1, set.len());
    }
    progress.finish();
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
    let provenance: Value = serde_json::from_str(&header.provenance).unwrap_or(Value::Null);
    let align = &provenance["align"];
    let share = |value: &Value| Some(value[0].as_f64()? / value[1].as_f64()?);
    let metric = header.depth_unit == DepthUnit::Metre;
    ArticleContext {
        size: header.size,
        unit: if metric { "m" } else { "units" },
        metric,
        terms: AlignTerms {
            // What the provenance does not state has the format's default.
            iou_above: share(&align["iou_above"]).unwrap_or(0.3),
            min_area: align["min_area"].as_u64().unwrap_or(100),
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
