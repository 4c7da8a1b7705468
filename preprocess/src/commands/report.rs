//! Floor 5: `suw-preprocess report`: one self-contained page about a shard set and a network trained on it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::Value;
use suw_shared::atomic_file;
use suw_shared::exit::Exit;
use suw_shared::manifest::{MANIFEST_FILE, QUARANTINE_FILE, ShardSetManifest};
use suw_shared::pair::{Origin, Rule};
use suw_shared::sample::Sample;
use suw_shared::sample_key::SampleKey;
use suw_shared::shard::ShardSet;

use crate::config::usage;
use crate::decode::rgb_png;
use crate::page::curves::curve;
use crate::page::html::{cards, figure, legend, page, row, section, table};
use crate::page::sample_pictures::{
    DEPTH_RANGE_M, FAR, NEAR, frame_with_objects, measured_depth, pairs_of_rule, semantics,
};
use crate::predicted::{Comparison, compare};

/// Arguments of `report`.
#[derive(Args)]
#[command(
    after_help = "Example: suw-preprocess report --shards demo/out/shards/train --test demo/out/shards/test \
    --predictions demo/out/predictions --run runs/demo --eval network=demo/out/eval.json \
    --quality demo/out/quality.json --out demo/out/report.html"
)]
pub struct ReportArgs {
    /// Shard set that was trained on.
    #[arg(long)]
    pub shards: PathBuf,
    /// Shard set that was evaluated on.
    #[arg(long, requires = "predictions")]
    pub test: Option<PathBuf>,
    /// Folder that `suw-trainer eval --predictions` wrote.
    #[arg(long, requires = "test")]
    pub predictions: Option<PathBuf>,
    /// Run directory of the trainer.
    #[arg(long)]
    pub run: Option<PathBuf>,
    /// Result of `suw-trainer eval --json`, with a name; may be given several times, the best is set in bold.
    #[arg(long = "eval", value_name = "NAME=FILE")]
    pub evals: Vec<String>,
    /// Result of `suw-preprocess quality --json`.
    #[arg(long)]
    pub quality: Option<PathBuf>,
    /// Samples to show of each set.
    #[arg(long, default_value_t = 3)]
    pub samples: usize,
    /// The page.
    #[arg(long)]
    pub out: PathBuf,
}

/// Loss terms that are drawn: name in the log, title, color.
const CURVES: [(&str, &str, &str); 9] = [
    ("total", "total", "#c2410c"),
    ("cls", "L_cls: soft classification (S)", "#2563eb"),
    ("depth", "L_depth: regression, m (S)", "#2563eb"),
    ("ego", "L_u,ego: photometric, camera (U)", "#0d9488"),
    ("obj", "L_u,obj: photometric, objects (U)", "#0d9488"),
    ("smooth", "L_sm: smoothness (U)", "#0d9488"),
    ("w", "L_w: ordinal pairs (W)", "#9333ea"),
    ("s", "L_s", "#2563eb"),
    ("u", "L_u", "#0d9488"),
];

/// Writes the page and prints its path.
pub fn run(args: &ReportArgs) -> anyhow::Result<Exit> {
    let evals =
        args.evals.iter().map(|text| read_eval(text)).collect::<anyhow::Result<Vec<_>>>()?;
    let set = ShardSet::open(&args.shards)?;
    let manifest = ShardSetManifest::read(&args.shards.join(MANIFEST_FILE))?;
    let mut body =
        String::from("<h1>Depth from joint supervised, unsupervised and weak learning</h1>\n");
    body.push_str(
        "<p>From street pictures to masks, objects aligned over three frames, ordinal pairs and shards; \
         from shards to a depth network; and how well both do.</p>\n",
    );
    body.push_str(&headline(&manifest, &evals));
    if let (Some(test), Some(predictions)) = (&args.test, &args.predictions) {
        body.push_str(&depth_section(test, predictions, args.samples)?);
    }
    if !evals.is_empty() {
        body.push_str(&error_section(&evals));
    }
    body.push_str(&object_section(&set, args.samples)?);
    body.push_str(&pair_section(&set, args.samples)?);
    if let Some(path) = &args.quality {
        body.push_str(&quality_section(&read_json(path)?));
    }
    if let Some(run) = &args.run {
        body.push_str(&curve_section(run)?);
    }
    body.push_str(&set_aside_section(&args.shards, &manifest)?);
    body.push_str(&format!(
        "<footer>Made by suw-preprocess {}. Method: Ren, Raj, El-Khamy, Lee: SUW-Learn, CVPR Workshops 2020.</footer>",
        env!("CARGO_PKG_VERSION")
    ));
    atomic_file::write(&args.out, page("SUW-Learn report", &body).as_bytes())
        .with_context(|| format!("cannot write {:?}", args.out))?;
    println!("{}", args.out.display());
    Ok(Exit::Done)
}

struct Eval {
    name: String,
    values: Value,
}

impl Eval {
    fn number(&self, key: &str) -> f64 {
        self.values[key].as_f64().unwrap_or(f64::NAN)
    }
}

fn read_eval(text: &str) -> anyhow::Result<Eval> {
    let (name, path) = text
        .split_once('=')
        .ok_or_else(|| usage(format!("cannot use --eval {text:?}: expected NAME=FILE")))?;
    Ok(Eval { name: name.to_owned(), values: read_json(Path::new(path))? })
}

fn read_json(path: &Path) -> anyhow::Result<Value> {
    let text = fs::read_to_string(path).map_err(|e| usage(format!("cannot read {path:?}: {e}")))?;
    serde_json::from_str(&text).map_err(|e| usage(format!("cannot parse {path:?}: {e}")))
}

fn headline(manifest: &ShardSetManifest, evals: &[Eval]) -> String {
    let mut figures: Vec<(String, String)> = evals
        .iter()
        .map(|eval| (format!("{:.3}", eval.number("abs_rel")), format!("abs_rel, {}", eval.name)))
        .collect();
    let objects = manifest.counts.objects;
    let pairs = manifest.counts.pairs;
    let n_pairs = pairs.sky + pairs.tree_or_building + pairs.object + pairs.same_class;
    let aside: u64 = manifest.quarantined.values().sum();
    figures.push((manifest.samples.to_string(), "three-frame clips".to_owned()));
    let n_objects = objects.car + objects.person + objects.bicycle;
    figures.push((n_objects.to_string(), "aligned objects".to_owned()));
    figures.push((n_pairs.to_string(), "pairs from rules".to_owned()));
    figures.push((aside.to_string(), "inputs set aside".to_owned()));
    cards(&figures)
}

/// One sample with some truth of each of `n` equal parts of a set, where the part has one: sparse data sets measure few
/// frames.
fn with_truth(set: &ShardSet, n: usize) -> anyhow::Result<Vec<Sample>> {
    let n = n.min(set.len());
    let mut found = Vec::new();
    for part in 0..n {
        for i in part * set.len() / n..(part + 1) * set.len() / n {
            let sample = set.read(i)?;
            let measured = sample.depth.iter().flatten().any(|metres| *metres > 0.0);
            if measured || sample.gt.as_ref().is_some_and(|points| !points.is_empty()) {
                found.push(sample);
                break;
            }
        }
    }
    Ok(found)
}

/// Pictures are made about this wide.
const PICTURE_WIDTH: u32 = 830;

fn factor(width: u32) -> u32 {
    (PICTURE_WIDTH / width).max(1)
}

fn depth_section(test: &Path, predictions: &Path, n: usize) -> anyhow::Result<String> {
    let set = ShardSet::open(test)?;
    let mut out = section(
        "Depth, predicted beside true",
        &format!(
            "Frames of drives that were never trained on. Near is bright, {} m; far is dark, {} m; gray is not measured. \
             The last picture is the relative error, from black (none) to bright (half of the true depth and more).",
            DEPTH_RANGE_M.0, DEPTH_RANGE_M.1
        ),
    );
    for sample in with_truth(&set, n)? {
        let Comparison { frame, predicted, truth, error, abs_rel } =
            compare(&sample, set.header().size, predictions)?;
        out.push_str(&row(
            "two",
            &[
                figure(&rgb_png(&frame), &short_key(&sample.key)),
                figure(&rgb_png(&predicted), "predicted"),
                figure(&rgb_png(&truth), "true"),
                figure(&rgb_png(&error), &format!("relative error, mean {abs_rel:.3}")),
            ],
        ));
    }
    Ok(out)
}

fn error_section(evals: &[Eval]) -> String {
    const COLUMNS: [&str; 9] =
        ["abs_rel", "sq_rel", "rmse", "rmse_log", "log10", "silog", "a1", "a2", "a3"];
    let rows: Vec<Vec<String>> = evals
        .iter()
        .map(|eval| {
            let mut cells = vec![eval.name.clone()];
            cells.extend(COLUMNS.iter().map(|key| format!("{:.4}", eval.number(key))));
            cells
        })
        .collect();
    let best = (0..evals.len())
        .min_by(|&a, &b| evals[a].number("abs_rel").total_cmp(&evals[b].number("abs_rel")));
    let mut head = vec!["prediction"];
    head.extend(COLUMNS);
    let header = &evals[0].values["header"];
    let text = format!(
        "Protocol: {} images; ground truth {}; crop {}; cap {} m; scaling {}. Errors per image, then averaged over images; \
         smaller is better but for a1, a2, a3.",
        header["images"],
        plain(&header["ground_truth"]),
        plain(&header["crop"]),
        header["cap"],
        plain(&header["scaling"])
    );
    section("Errors", &text) + &table(&head, &rows, best)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Samples worth showing: those with the most aligned objects, from different places of the set.
fn showcase(set: &ShardSet, n: usize) -> anyhow::Result<Vec<usize>> {
    let n = n.max(1);
    let share = set.len().div_ceil(n).max(1);
    let mut chosen = Vec::new();
    for start in (0..set.len()).step_by(share) {
        let mut best = (start, 0);
        for i in start..(start + share).min(set.len()) {
            let objects = set.read(i)?.objects.map_or(0, |objects| objects.rows.len() + 1);
            if objects > best.1 {
                best = (i, objects);
            }
        }
        chosen.push(best.0);
    }
    Ok(chosen)
}

fn object_section(set: &ShardSet, n: usize) -> anyhow::Result<String> {
    let size = set.header().size;
    if set.header().frames != 3 {
        return Ok(String::new());
    }
    let mut out = section(
        "Objects aligned over three frames",
        "Frames t-1, t and t+1. An object keeps its color and number where masks of the same class overlap by more than 0.3 IoU \
         in both steps (paper, section 2.1.1); each gets a motion of its own in the unsupervised loss.",
    );
    for i in showcase(set, n)? {
        let sample = set.read(i)?;
        let here = short_key(&sample.key);
        let names = ["t-1", here.as_str(), "t+1"];
        let pictures: Vec<String> = (0..3)
            .map(|frame| {
                let picture = frame_with_objects(&sample, size, frame, factor(size.width));
                let caption =
                    if frame == 1 { format!("t: {}", sample.key) } else { names[frame].to_owned() };
                figure(&rgb_png(&picture), &caption)
            })
            .collect();
        out.push_str(&row("three", &pictures));
    }
    Ok(out)
}

/// The last two parts of a scene and the frame: enough to find a sample again.
fn short_key(key: &SampleKey) -> String {
    let parts: Vec<&str> = key.as_str().rsplit('/').collect();
    let drive = parts.get(2).map_or("", |drive| drive.trim_end_matches("_sync"));
    format!("{drive}, frame {}", key.stem().trim_start_matches('0').parse::<u32>().unwrap_or(0))
}

fn pair_section(set: &ShardSet, n: usize) -> anyhow::Result<String> {
    let size = set.header().size;
    let factor = factor(size.width);
    let mut out = section(
        "Ordinal pairs from semantic rules",
        "Each line joins two patches of equal size; the rule says which is farther (paper, section 2.1.2). The trainer draws one pair \
         per picture and iteration.",
    );
    out.push_str(&legend(&[(FAR, "farther"), (NEAR, "nearer")]));
    let rules = [
        (Origin::DifferentClass, Rule::Sky, "A: sky is farther than anything"),
        (Origin::DifferentClass, Rule::TreeOrBuilding, "B: tree or building above ground"),
        (Origin::DifferentClass, Rule::Object, "C: object above road"),
        (Origin::SameClass, Rule::None, "same class: higher on the ground"),
    ];
    for i in showcase(set, n)? {
        let sample = set.read(i)?;
        let mut pictures = Vec::new();
        if let Some(picture) = semantics(&sample, size, factor) {
            pictures.push(figure(
                &rgb_png(&picture),
                &format!("semantics; {}", short_key(&sample.key)),
            ));
        }
        if let Some(picture) = measured_depth(&sample, size, factor) {
            pictures.push(figure(&rgb_png(&picture), "measured depth"));
        }
        for (origin, rule, caption) in rules {
            let picture = pairs_of_rule(&sample, size, origin, rule, 12, factor);
            pictures.push(figure(&rgb_png(&picture), caption));
        }
        out.push_str(&row("two", &pictures));
    }
    Ok(out)
}

fn quality_section(quality: &Value) -> String {
    let groups = quality["groups"].as_array().map(Vec::as_slice).unwrap_or_default();
    let percent = |value: &Value| {
        value.as_f64().map_or_else(|| "-".to_owned(), |share| format!("{:.2} %", 100.0 * share))
    };
    let rows: Vec<Vec<String>> = groups
        .iter()
        .map(|group| {
            let gap = group["median_gap"].as_f64();
            vec![
                format!("{}, {}", plain(&group["rule"]), plain(&group["kind"])),
                group["pairs"].to_string(),
                percent(&group["confirmed"]),
                percent(&group["contradicted"]),
                group["unmeasured"].to_string(),
                gap.map_or_else(|| "-".to_owned(), |gap| format!("{gap:.1} m")),
            ]
        })
        .collect();
    section(
        "How true the rules are",
        "Pairs held against the stored depth. Confirmed and contradicted are shares of the pairs that both ends of which are \
         measured; sky has no depth and cannot be judged.",
    ) + &table(
        &["rule", "pairs", "confirmed", "contradicted", "unmeasured", "median gap"],
        &rows,
        None,
    )
}

fn curve_section(run: &Path) -> anyhow::Result<String> {
    let path = run.join("metrics.jsonl");
    let text =
        fs::read_to_string(&path).map_err(|e| usage(format!("cannot read {path:?}: {e}")))?;
    let lines: Vec<Value> =
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let points = |name: &str| -> Vec<(f64, f64)> {
        lines
            .iter()
            .filter_map(|line| {
                let value = if name == "total" {
                    line["total"].as_f64()?
                } else {
                    let term = &line["terms"][name];
                    (term["count"].as_i64()? > 0).then(|| term["raw"].as_f64())??
                };
                Some((line["step"].as_f64()?, value))
            })
            .collect()
    };
    let pictures: Vec<String> = CURVES
        .iter()
        .map(|(name, title, color)| (points(name), title, color))
        .filter(|(points, ..)| points.len() > 1)
        .map(|(points, title, color)| curve(title, &points, color))
        .collect();
    let steps = lines.last().map_or(0, |line| line["step"].as_u64().unwrap_or(0));
    let text = format!(
        "Each loss term over {steps} steps, before weighting: faint every logged step, strong the running mean. A step in which a \
         term had no labels is left out."
    );
    Ok(section("Training", &text) + &row("three", &pictures))
}

fn set_aside_section(shards: &Path, manifest: &ShardSetManifest) -> anyhow::Result<String> {
    const AT_MOST: usize = 20;
    let path = shards.join(QUARANTINE_FILE);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path:?}"))?;
    let rows: Vec<Vec<String>> = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .map(|line| vec![plain(&line["kind"]), plain(&line["item"]), plain(&line["reason"])])
        .collect();
    let n: u64 = manifest.quarantined.values().sum();
    if n == 0 {
        return Ok(section("Set aside", "Nothing: every input became a sample."));
    }
    let shown = rows.len().min(AT_MOST);
    let text = format!("{n} inputs were set aside and are no part of the shards; {shown} of them:");
    Ok(section("Set aside", &text) + &table(&["kind", "item", "reason"], &rows[..shown], None))
}
