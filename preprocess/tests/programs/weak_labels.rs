//! How true the weak labels are, by the whole program: real frames with LiDAR, and a rendered street with exact masks.
//!
//! More pairs are drawn than a run keeps by default, so that chance plays no part in the shares.

use serde_json::Value;

use crate::kit::expect;

/// Makes shards with some keys of a run file changed; gives what `quality` counts in them.
fn quality(run: &str, out: &str, sets: &[String]) -> Value {
    let dir = format!("output.dir={out}");
    let mut words = vec!["run", run, "-q", "--set", &dir];
    for set in sets {
        words.extend(["--set", set]);
    }
    expect(0, &words);
    let (text, _) = expect(0, &["quality", out, "--json", "-q"]);
    serde_json::from_str(&text).unwrap()
}

/// What was counted of the patches of a rule.
fn patches<'a>(quality: &'a Value, rule: &str) -> &'a Value {
    let mut groups = quality["groups"].as_array().unwrap().iter();
    groups.find(|group| group["rule"] == rule && group["kind"] == "patch").unwrap()
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("no number {key} in {value}"))
}

/// Whether depth confirms at least such a share of a rule's patches, of which at least `measured` have depth at both ends.
fn assert_confirmed(quality: &Value, rule: &str, share: f64, measured: f64) {
    let group = patches(quality, rule);
    assert!(number(group, "measured") >= measured, "{group}");
    assert!(number(group, "confirmed") >= share, "{group}");
}

#[test]
fn lidar_confirms_the_driving_rules_and_refutes_the_literal_ones() {
    let data = suw_tests::root().join("../shared/data");
    for folder in ["kitti", "kitti-labels"].map(|name| data.join(name)) {
        if !folder.is_dir() {
            println!("skipped: no {}", folder.display());
            return;
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let text = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (root, manifest) = (data.join("kitti").to_str().unwrap().to_owned(), text("excerpt.json"));
    expect(0, &["scan", "--dataset", "kitti", "--root", &root, "--out", &manifest, "-q"]);
    let make = |out: &str, more: &[&str]| {
        let mut sets = vec![format!("input.manifest={manifest}"), format!("input.root={root}")];
        sets.extend(more.iter().map(|&set| set.to_owned()));
        quality("data-manifests/runs/kitti-excerpt.toml", &text(out), &sets)
    };

    let shipped = make("shipped", &[]);
    assert_eq!(shipped["samples"], 28);
    for rule in ["B", "C", "same"] {
        let group = patches(&shipped, rule);
        assert!(number(group, "samples_with_16_pairs") >= 0.8, "{group}");
    }
    assert!(number(&shipped, "samples_with_16_patches_of_b_c_same") >= 0.8, "{shipped}");

    let many = "pairs.per_rule=2000";
    let driving = make("driving", &[many]);
    // Far ends of B lie above most beams.
    assert_confirmed(&driving, "B", 0.995, 50.0);
    assert_confirmed(&driving, "C", 0.99, 2000.0);
    assert_confirmed(&driving, "same", 0.994, 2000.0);

    let literal = make("literal", &[many, "pairs.rules=data-manifests/rules/literal.toml"]);
    let objects = patches(&literal, "C");
    assert!(number(objects, "measured") >= 2000.0, "{objects}");
    assert!(number(objects, "confirmed") < 0.9, "{objects}");
}

#[test]
fn exact_depth_confirms_the_driving_rules_on_streets_with_exact_masks() {
    // A street that nothing was fitted to, and two on which rule B failed before it looked at whole crowns (decision 0010).
    for seed in ["6174", "3", "2357"] {
        exact_depth_confirms_the_driving_rules(seed);
    }
}

fn exact_depth_confirms_the_driving_rules(seed: &str) {
    let street = ["--drives", "6", "--frames", "8", "--size", "416x128", "--seed", seed, "-q"];
    let folder = tempfile::tempdir().unwrap();
    let text = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (world, manifest) = (text("world"), text("street.json"));
    expect(0, &[&["synth", "--out", &world], &street[..]].concat());
    expect(0, &["scan", "--dataset", "kitti", "--root", &world, "--out", &manifest, "-q"]);
    let sets = [
        format!("input.manifest={manifest}"),
        format!("input.root={world}"),
        format!("masks.root={world}/masks"),
        "masks.source=import".to_owned(),
        "depth.source=exact".to_owned(),
        "size=\"416x128\"".to_owned(),
        "pairs.per_rule=200".to_owned(),
    ];
    let found = quality("data-manifests/runs/demo.toml", &text("shards"), &sets);
    assert_eq!(found["samples"], 36);
    for rule in ["B", "C", "same"] {
        assert_confirmed(&found, rule, 0.995, 5000.0);
    }
    // Sky alone has no depth: a far end of rule A on anything else would be measured.
    let sky = patches(&found, "A");
    assert!(number(sky, "pairs") >= 5000.0 && sky["measured"] == 0, "{sky}");
}
