//! Floor 5: `suw-trainer conformance`: every loss term and gradient of a reference case, and how far it is off; with
//! `--networks` also networks and updates, a device against the CPU.

use std::path::PathBuf;

use anyhow::Context;
use serde_json::{Value, json};
use suw_shared::exit::{Exit, Failure};

use crate::conformance::{
    Comparison, TOLERANCE_FLOAT32, TOLERANCE_FLOAT32_GRADIENT, TOLERANCE_FLOAT64, TermKind,
    compare, unknown_names,
};
use crate::device::{DeviceChoice, name as device_name};
use crate::device_check::{Agreement, against_the_cpu};
use crate::reference_case::read_case;

/// Arguments of `suw-trainer conformance`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: suw-trainer conformance case.safetensors --json\n\n\
    Exit code 0 when every value agrees (float64 1e-9; float32 1e-4, gradients 1e-3), 1 otherwise.")]
pub struct ConformanceArgs {
    /// Reference case: inputs, expected terms and gradients.
    pub case: PathBuf,
    /// Where to compute: auto, cpu or cuda:N.
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Compare networks, gradients and ten updates on that device with the CPU too.
    #[arg(long)]
    pub networks: bool,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// Compares and prints.
///
/// # Errors
/// The case cannot be read.
pub fn run(args: &ConformanceArgs) -> anyhow::Result<Exit> {
    let case = read_case(&args.case).context("no comparison was made")?;
    let usage = |message: String| Failure::usage(message);
    let choice = DeviceChoice::parse(&args.device).ok_or_else(|| {
        usage(format!("cannot use --device: expected auto, cpu or cuda:N, got {:?}", args.device))
    })?;
    let device = choice.open().map_err(|error| usage(error.to_string()))?;
    let compared = compare(&case.on(device));
    let unknown = unknown_names(&case, &compared);
    let networks = if args.networks { against_the_cpu(device) } else { Vec::new() };
    let agrees = unknown.is_empty()
        && compared.iter().all(Comparison::agrees)
        && networks.iter().all(Agreement::agrees);
    if args.json {
        let mut report = report(args, &compared, &unknown, agrees);
        report["device"] = device_name(device).into();
        if args.networks {
            report["networks"] = networks.iter().map(network_line).collect();
        }
        println!("{report:#}");
    } else {
        for agreement in &networks {
            println!("{}", network_text(agreement));
        }
        print_table(&compared, &unknown, agrees);
    }
    Ok(if agrees { Exit::Done } else { Exit::Failed })
}

fn report(
    args: &ConformanceArgs,
    compared: &[Comparison],
    unknown: &[String],
    agrees: bool,
) -> Value {
    let terms: Vec<Value> = compared
        .iter()
        .map(|c| {
            json!({
                "name": c.name,
                "kind": kind_name(c.kind),
                "expected": c.expected,
                "float64": c.float64,
                "float32": c.float32,
                "difference_float64": c.difference64,
                "difference_float32": c.difference32,
                "agrees": c.agrees(),
            })
        })
        .collect();
    let largest = |of: &dyn Fn(&Comparison) -> Option<f64>, kind: Option<TermKind>| {
        largest(compared, of, kind)
            .map(|(name, difference)| json!({"name": name, "difference": difference}))
    };
    json!({
        "case": args.case,
        "agrees": agrees,
        "terms": terms,
        "unknown": unknown,
        "largest": {
            "float64": largest(&|c| c.difference64, None),
            "float32": largest(&|c| c.difference32, Some(TermKind::Scalar)),
            "float32_gradient": largest(&|c| c.difference32, Some(TermKind::Gradient)),
        },
        "tolerance": {
            "float64": TOLERANCE_FLOAT64,
            "float32": TOLERANCE_FLOAT32,
            "float32_gradient": TOLERANCE_FLOAT32_GRADIENT,
        },
    })
}

fn network_line(of: &Agreement) -> Value {
    json!({
        "name": of.name,
        "difference": of.difference,
        "tolerance": of.tolerance,
        "agrees": of.agrees(),
    })
}

fn network_text(of: &Agreement) -> String {
    let mark = if of.agrees() { "" } else { "  <- too far" };
    format!("{:<48} off by {:.1e}, at most {:.0e}{mark}", of.name, of.difference, of.tolerance)
}

fn print_table(compared: &[Comparison], unknown: &[String], agrees: bool) {
    println!(
        "{:<24} {:>20} {:>20} {:>16} {:>9} {:>9}",
        "term", "expected", "float64", "float32", "off by 64", "off by 32"
    );
    let number = |value: Option<f64>| value.map_or("-".into(), |v| format!("{v:.12}"));
    let off = |value: Option<f64>| value.map_or("-".into(), |v| format!("{v:.1e}"));
    for c in compared {
        println!(
            "{:<24} {:>20} {:>20.12} {:>16.8} {:>9} {:>9}{}",
            c.name,
            number(c.expected),
            c.float64,
            c.float32,
            off(c.difference64),
            off(c.difference32),
            if c.agrees() { "" } else { "  <- too far" }
        );
    }
    for name in unknown {
        println!("{name:<24} is in the file, but nothing here answers to it  <- unknown");
    }
    if let Some((name, difference)) = largest(compared, &|c| c.difference64, None) {
        println!("largest relative difference in float64: {difference:.1e} ({name})");
    }
    for (what, kind) in [("terms", TermKind::Scalar), ("gradients", TermKind::Gradient)] {
        if let Some((name, difference)) = largest(compared, &|c| c.difference32, Some(kind)) {
            println!("largest relative difference in float32, {what}: {difference:.1e} ({name})");
        }
    }
    println!("{}", if agrees { "agrees" } else { "does not agree" });
}

fn largest<'a>(
    compared: &'a [Comparison],
    difference: &dyn Fn(&Comparison) -> Option<f64>,
    kind: Option<TermKind>,
) -> Option<(&'a str, f64)> {
    compared
        .iter()
        .filter(|c| kind.is_none_or(|kind| c.kind == kind))
        .filter_map(|c| Some((c.name.as_str(), difference(c)?)))
        .max_by(|a, b| a.1.total_cmp(&b.1))
}

fn kind_name(kind: TermKind) -> &'static str {
    match kind {
        TermKind::Scalar => "scalar",
        TermKind::Gradient => "gradient",
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_reference_cases_agree() {
        tch::set_num_threads(1);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/reference");
        for name in ["losses-0.safetensors", "losses-1.safetensors"] {
            let path = folder.join(name);
            if !path.exists() {
                println!("skipped: {} is not there", path.display());
                continue;
            }
            let case = read_case(&path).unwrap();
            let compared = compare(&case);
            // 9 terms, 8 weak, 3 regressions, 3 gradients; hourglass 8 terms and a gradient.
            assert_eq!(compared.len(), 32);
            assert!(compared.iter().all(|c| c.expected.is_some()));
            assert_eq!(unknown_names(&case, &compared), Vec::<String>::new());
            for c in &compared {
                assert!(c.agrees(), "{name}: {c:?}");
            }
        }
    }

    #[test]
    fn a_missing_file_and_a_broken_one_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none.safetensors");
        let error = read_case(&missing).err().unwrap().to_string();
        assert!(
            error.starts_with("cannot read reference case") && error.contains("none.safetensors")
        );
        let broken = folder.path().join("broken.safetensors");
        std::fs::write(&broken, b"not a case").unwrap();
        let error = read_case(&broken).err().unwrap().to_string();
        assert!(error.contains("broken.safetensors"), "{error}");
    }
}
