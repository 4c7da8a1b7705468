//! Floor 5: `suw-preprocess quality`: pairs per rule, and what the stored depth says about them.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use suw_shared::exit::{Exit, Failure};
use suw_shared::pair::PairKind;

use crate::launch::{loudness, open_finished};
use crate::progress::Progress;
use crate::quality::{GROUPS, Group, PAIRS_ENOUGH, Quality, STREET_RULES, Tally};

/// Arguments of `quality`.
#[derive(Args)]
#[command(after_help = "Example: suw-preprocess quality shards/demo/train\n\n\
    A patch has the median of its measured pixels. confirmed: far > near; contradicted: near > 1.02 far; tie: between; \
    all three are shares of the measured pairs. unmeasured: share of all pairs without a measured pixel on one side. \
    16 or more: share of the samples that have at least 16 such pairs.\n\n\
    In JSON, samples_with_16_pairs of a group is that share, samples_with_16_pairs beside the groups counts pairs of all groups \
    together, and samples_with_16_patches_of_b_c_same is the share of the samples with at least 16 patches of B and \
    16 of C and 16 of one class (same).")]
pub struct QualityArgs {
    /// Folder of a shard set.
    #[arg(value_name = "SHARDS")]
    pub shards: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Say more.
    #[arg(short, long)]
    pub verbose: bool,
    /// Say nothing but results.
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
}

/// Counts the pairs of all samples and prints a table.
pub fn run(args: &QualityArgs) -> anyhow::Result<Exit> {
    let (_, set) = open_finished(&args.shards)?;
    let mut quality = Quality::default();
    if let Some(set) = &set {
        let progress = Progress::new("quality", loudness(args.quiet, args.verbose));
        for index in 0..set.len() {
            let sample = set.read(index).map_err(|error| Failure::integrity(error.to_string()))?;
            let pairs = sample.pairs.as_deref().unwrap_or_default();
            quality.add(set.header().size, pairs, sample.depth.as_deref());
            progress.set(index + 1, set.len());
        }
        progress.finish();
    }
    if args.json {
        println!("{}", report(&quality));
    } else {
        print_table(&quality);
    }
    Ok(Exit::Done)
}

/// Shares and medians that stand on no pair are null.
fn report(quality: &Quality) -> Value {
    let groups = GROUPS.iter().zip(&quality.tallies).map(|(group, tally)| {
        json!({
            "rule": group.rule,
            "kind": kind_name(group.kind),
            "pairs": tally.pairs,
            "pairs_per_sample": per_sample(tally.pairs, quality),
            "samples_with_16_pairs": per_sample(tally.samples_with_enough, quality),
            "measured": tally.measured(),
            "unmeasured": tally.unmeasured,
            "confirmed": tally.share(tally.confirmed),
            "contradicted": tally.share(tally.contradicted),
            "tie": tally.share(tally.tie),
            "median_gap": tally.median_gap(),
        })
    });
    json!({
        "samples": quality.samples,
        "samples_with_16_pairs": per_sample(quality.samples_with_enough, quality),
        "samples_with_16_patches_of_b_c_same": per_sample(quality.samples_with_enough_patches, quality),
        "groups": groups.collect::<Vec<Value>>(),
    })
}

fn print_table(quality: &Quality) {
    println!(
        "{:8} {:6} {:>9} {:>10} {:>10} {:>10} {:>12} {:>7} {:>11} {:>10}",
        "rule",
        "kind",
        "pairs",
        "per sample",
        "16 or more",
        "confirmed",
        "contradicted",
        "tie",
        "unmeasured",
        "median gap"
    );
    for (group, tally) in GROUPS.iter().zip(&quality.tallies).filter(|(_, tally)| tally.pairs > 0) {
        println!("{}", table_line(group, tally, quality));
    }
    println!(
        "{} samples; {:.3} of them with at least {PAIRS_ENOUGH} pairs, \
         {:.3} with at least {PAIRS_ENOUGH} patches of each of {}",
        quality.samples,
        per_sample(quality.samples_with_enough, quality),
        per_sample(quality.samples_with_enough_patches, quality),
        STREET_RULES.join(", ")
    );
}

fn table_line(group: &Group, tally: &Tally, quality: &Quality) -> String {
    let share = |count| tally.share(count).map_or("-".to_owned(), |share| format!("{share:.4}"));
    format!(
        "{:8} {:6} {:>9} {:>10.1} {:>10.3} {:>10} {:>12} {:>7} {:>11.4} {:>10}",
        group.rule,
        kind_name(group.kind),
        tally.pairs,
        per_sample(tally.pairs, quality),
        per_sample(tally.samples_with_enough, quality),
        share(tally.confirmed),
        share(tally.contradicted),
        share(tally.tie),
        tally.unmeasured as f64 / tally.pairs.max(1) as f64,
        tally.median_gap().map_or("-".to_owned(), |gap| format!("{gap:.2}")),
    )
}

fn per_sample(count: usize, quality: &Quality) -> f64 {
    count as f64 / quality.samples.max(1) as f64
}

fn kind_name(kind: PairKind) -> &'static str {
    match kind {
        PairKind::Pixel => "pixel",
        PairKind::Patch => "patch",
    }
}
