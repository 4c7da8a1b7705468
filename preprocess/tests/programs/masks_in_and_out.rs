//! Masks from and to other tools: COCO results in and out, KITTI MOTS in.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use suw_shared::shard::ShardSet;

use crate::kit::{DRIVE, Place, expect, files};

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// All samples as text: equal texts are equal samples.
fn samples(folder: &Path) -> Vec<String> {
    let set = ShardSet::open(folder).unwrap();
    (0..set.len()).map(|index| format!("{:?}", set.read(index).unwrap())).collect()
}

/// The world's instance masks as one list of COCO results whose rows name whole keys; some counts are written out.
fn coco_results(place: &Place) -> Value {
    let scene = format!("{DRIVE}/image_02");
    let folder = place.path("world/masks").join(&scene).join("instances");
    let mut rows = Vec::new();
    for (name, bytes) in files(&folder) {
        for mut row in serde_json::from_slice::<Vec<Value>>(&bytes).unwrap() {
            row["image_id"] = json!(format!("{scene}/{}", name.replace(".json", ".png")));
            rows.push(row);
        }
    }
    rows.push(json!({"image_id": 3, "category_id": 62, "segmentation": [[1, 2, 3]], "score": 0.9}));
    Value::Array(rows)
}

#[test]
fn coco_results_make_the_shards_that_the_same_masks_make_directly() {
    let place = Place::new();
    place.make(0, "direct", &[]);
    let results = coco_results(&place);
    let n_rows = results.as_array().unwrap().len();
    assert!(n_rows > 20, "the drive has traffic: {n_rows} rows");
    fs::create_dir(place.path("tool")).unwrap();
    fs::write(place.path("tool/results.json"), results.to_string()).unwrap();
    let (root, store) = (place.text("tool"), place.text("store"));
    let import = ["import-masks", "--from", "coco", "--root", &root, "--out", &store, "--json"];
    let (told, _) = expect(0, &import);
    let told: Value = serde_json::from_str(&told).unwrap();
    let objects = told["objects"].as_object().unwrap().values();
    assert_eq!(objects.map(|n| n.as_u64().unwrap()).sum::<u64>(), n_rows as u64 - 1);
    assert_eq!(told["scenes"], 1);
    assert_eq!(told["passed_over"].as_object().unwrap().len(), 1);
    expect(0, &import); // the same again changes nothing

    let semantic = format!("{DRIVE}/image_02/semantic");
    let to = place.path("store").join(&semantic);
    fs::create_dir_all(&to).unwrap();
    for (name, bytes) in files(&place.path("world/masks").join(&semantic)) {
        fs::write(to.join(name), bytes).unwrap();
    }
    place.make(0, "imported", &["--set", &format!("masks.root={store}")]);
    assert_eq!(samples(&place.path("direct")), samples(&place.path("imported")));
}

#[test]
fn a_bad_row_leaves_no_store() {
    let place = Place::new();
    let text = "0 1001 1 2 3 123\n1 1001 1 2 3 1x\n";
    fs::create_dir(place.path("mots")).unwrap();
    fs::write(place.path("mots/0002.txt"), text).unwrap();
    let (root, store) = (place.text("mots"), place.text("store"));
    let import = ["import-masks", "--from", "mots", "--root", &root, "--out", &store];
    let (_, error) = expect(2, &import);
    assert!(
        error.contains("0002.txt\", line 2:") && error.contains("nothing was written"),
        "{error}"
    );
    assert!(!place.path("store").exists());

    fs::write(place.path("mots/0002.txt"), text.replace("1x", "123")).unwrap();
    let (told, _) = expect(0, &import);
    assert!(told.contains("2 cars"), "{told}");
    let rows = json_of(&place.path("store/0002/instances.json"));
    assert_eq!(rows[1]["image_id"], 1);
    assert_eq!(rows[1]["category_id"], 3);
    // Two columns of two rows: "123" is 1 empty, 2 full, 3 empty pixels, column by column.
    assert_eq!(rows[1]["bbox"], json!([0, 0, 2, 2]));
    let (_, error) =
        expect(2, &["import-masks", "--from", "mots", "--root", &store, "--out", &store]);
    assert!(error.contains("expected KITTI MOTS text files"), "{error}");
}

#[test]
fn exported_objects_are_what_pycocotools_and_h5py_find_in_the_shards() {
    let place = Place::new();
    // A third of the picture's size, so that native and network masks differ.
    place.make(0, "out", &["--set", "size=\"72x20\"", "--set", "align.min_area=10"]);
    let shards: Vec<PathBuf> =
        (0..3).map(|n| place.path("out").join(format!("kitti-all-{n:05}.h5"))).collect();
    for at in ["native", "network"] {
        let file = place.path("export").join(format!("{at}.json"));
        let out = file.to_str().unwrap();
        let (told, _) =
            expect(0, &["export-coco", &place.text("out"), "--out", out, "--at", at, "--json"]);
        let told: Value = serde_json::from_str(&told).unwrap();
        let manifest = json_of(&place.path("out/manifest.json"));
        let counts = manifest["counts"]["objects"].as_object().unwrap().values();
        let n: u64 = counts.map(|n| n.as_u64().unwrap()).sum();
        assert!(n > 0 && told["objects"] == n, "{told} {n}");

        let Some(mut python) = suw_tests::python() else { continue };
        let script = suw_tests::root().join("tests/python/check_coco_export.py");
        let output = python.arg(script).arg(out).arg(at).args(&shards).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(found["rows"], n);
    }
    // The default is native, and the file can stand in a mask store as it is.
    let (out, scene) = (place.text("export/default.json"), format!("{DRIVE}/image_02"));
    expect(0, &["export-coco", &place.text("out"), "--out", &out, "-q"]);
    assert_eq!(fs::read(&out).unwrap(), fs::read(place.path("export/native.json")).unwrap());
    let store = place.text("again");
    expect(
        0,
        &["import-masks", "--from", "coco", "--root", &out, "--out", &store, "--scene", &scene],
    );
    let again = json_of(&place.path("again").join(&scene).join("instances.json"));
    assert_eq!(again, json_of(Path::new(&out)));
}

#[test]
fn objects_without_semantic_maps_make_shards_where_no_rules_ask_for_maps() {
    let place = Place::new();
    place.make(0, "both", &[]);
    fs::remove_dir_all(place.path("world/masks").join(DRIVE).join("image_02/semantic")).unwrap();
    // Rules need semantic maps: every clip is set aside, and says why.
    place.make(1, "with-rules", &[]);
    let lines = place.quarantine("with-rules");
    assert!(lines.len() == 8 && lines.iter().all(|(kind, _)| kind == "mask-missing"), "{lines:?}");
    // No rules, no maps: objects and depth for S and U.
    let run = format!(
        "seed = 1\nsize = \"208x64\"\nfit = \"resize\"\n[input]\nmanifest = {:?}\nroot = {:?}\n[output]\ndir = {:?}\nsamples_per_shard = 3\n\
         [depth]\nsource = \"lidar\"\n[masks]\nroot = {:?}\nsource = \"import\"\n",
        place.path("all.json"),
        place.path("world"),
        place.path("objects"),
        place.path("world/masks")
    );
    fs::write(place.path("run.toml"), run).unwrap();
    expect(0, &["run", &place.text("run.toml")]);
    expect(0, &["validate", "--deep", &place.text("objects/manifest.json")]);
    let (both, objects) = (
        ShardSet::open(&place.path("both")).unwrap(),
        ShardSet::open(&place.path("objects")).unwrap(),
    );
    assert_eq!(objects.len(), 8);
    let mut rows = 0;
    for index in 0..8 {
        let (expected, got) = (both.read(index).unwrap(), objects.read(index).unwrap());
        assert!(got.semantic.is_none() && got.pairs.is_none());
        assert_eq!((&got.image, &got.depth), (&expected.image, &expected.depth));
        assert_eq!(format!("{:?}", got.objects), format!("{:?}", expected.objects));
        rows += got.objects.unwrap().rows.len();
    }
    assert!(rows > 8, "the drive has traffic: {rows} rows");
}
