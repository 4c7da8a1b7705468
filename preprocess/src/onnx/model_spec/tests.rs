//! Floor 2: tests of model specs.

use std::fs;

use super::{Element, ModelSpec, OutputSpec, Role, SemanticOutput};
use crate::onnx::OnnxError;
use crate::tensors::ResizePolicy;

const INSTANCE: &str = r#"
role = "instance"
name = "finder"
file = "finder.onnx"
blake3 = "0000000000000000000000000000000000000000000000000000000000000000"
classes = "coco91"
[input]
name = "image"
layout = "chw"
element = "f32"
scale = 0.00392156862745098
mean = [0.0, 0.0, 0.0]
deviation = [1.0, 1.0, 1.0]
[input.resize]
policy = "fixed"
width = 416
height = 128
[output]
boxes = "boxes"
labels = "labels"
scores = "scores"
masks = "masks"
mask_form = "roi"
"#;

const SEMANTIC_OUTPUT: &str = "[output]\nlogits = \"logits\"\n";

fn semantic() -> String {
    let (head, _) = INSTANCE.split_once("[output]").unwrap();
    head.replace("\"instance\"", "\"semantic\"").replace("coco91", "cityscapes") + SEMANTIC_OUTPUT
}

fn read(text: &str, role: Role) -> Result<ModelSpec, OnnxError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spec.toml");
    fs::write(&path, text).unwrap();
    ModelSpec::read(&path, role)
}

fn check_refused(text: &str, role: Role, cause: &str) {
    let message = read(text, role).expect_err(text).to_string();
    assert!(message.contains(cause), "{message} should say {cause}");
}

#[test]
fn complete_specs_are_read() {
    let spec = read(INSTANCE, Role::Instance).unwrap();
    assert_eq!((spec.name.as_str(), spec.file.to_str()), ("finder", Some("finder.onnx")));
    assert!(matches!(spec.input.resize, ResizePolicy::Fixed { size } if size.width == 416));
    assert!(matches!(spec.input.element, Element::F32(n) if n.scale == 1.0 / 255.0));
    let spec = read(&semantic(), Role::Semantic).unwrap();
    let OutputSpec::Semantic { name, kind, .. } = spec.output else { panic!("semantic") };
    assert_eq!((name.as_str(), kind), ("logits", SemanticOutput::Logits));
}

#[test]
fn the_digest_is_about_what_decides_the_masks() {
    let digest = |text: &str| read(text, Role::Instance).unwrap().digest;
    let first = digest(INSTANCE);
    assert_eq!(digest(&format!("# a remark\n{INSTANCE}")), first);
    assert_eq!(digest(&INSTANCE.replace("finder.onnx", "models/finder.onnx")), first);
    for (from, to) in [
        ("coco91", "coco80"),
        ("[1.0, 1.0, 1.0]", "[1.0, 1.0, 2.0]"),
        ("\"fixed\"", "\"letterbox\""),
        ("\"roi\"", "\"full\""),
    ] {
        assert_ne!(digest(&INSTANCE.replace(from, to)), first, "{from} -> {to}");
    }
}

#[test]
fn every_policy_has_its_own_keys() {
    let with = |resize: &str| {
        let (head, rest) =
            INSTANCE.split_once("policy = \"fixed\"\nwidth = 416\nheight = 128\n").unwrap();
        format!("{head}{resize}\n{rest}")
    };
    let policy = |resize: &str| read(&with(resize), Role::Instance).unwrap().input.resize;
    assert!(matches!(
        policy("policy = \"letterbox\"\nwidth = 10\nheight = 20"),
        ResizePolicy::Letterbox { .. }
    ));
    assert!(matches!(
        policy("policy = \"multiple-of\"\nmultiple = 32\nlong_side = 800"),
        ResizePolicy::MultipleOf { multiple: 32, long_side: Some(800) }
    ));
    for (resize, cause) in [
        ("policy = \"fixed\"\nwidth = 10", "height"),
        ("policy = \"fixed\"\nwidth = 0\nheight = 10", "expected 1 to"),
        ("policy = \"fixed\"\nwidth = 4000000000\nheight = 10", "expected 1 to"),
        ("policy = \"fixed\"\nwidth = 10\nheight = 10\nmultiple = 2", "multiple"),
        ("policy = \"multiple-of\"\nmultiple = 0", "expected 1 to"),
        ("policy = \"stretch\"\nwidth = 10\nheight = 10", "stretch"),
        ("policy = \"fixed\"\nwidht = 10\nheight = 10", "did you mean \"width\""),
        (
            "policy = \"sliding-window\"\nwidth = 10\nheight = 10\nstride_x = 5\nstride_y = 5",
            "needs logits",
        ),
        (
            "policy = \"sliding-window\"\nwidth = 10\nheight = 10\nstride_x = 11\nstride_y = 5",
            "gaps",
        ),
    ] {
        check_refused(&with(resize), Role::Instance, cause);
    }
    let sliding = semantic().replace(
        "policy = \"fixed\"",
        "policy = \"sliding-window\"\nstride_x = 208\nstride_y = 64",
    );
    assert!(read(&sliding, Role::Semantic).is_ok());
}

#[test]
fn specs_that_contradict_themselves_are_refused() {
    let instance = |from: &str, to: &str| INSTANCE.replace(from, to);
    for (text, cause) in [
        (instance("\"instance\"", "\"panoptic\""), "panoptic"),
        (instance("\"finder\"", "\"\""), "name"),
        (instance("blake3 = \"00", "blake3 = \"0G"), "64 lower-case hex digits"),
        (instance("coco91", "ade20k"), "coco91 or coco80"),
        (instance("scores = \"scores\"\n", ""), "boxes, labels, scores, masks"),
        (format!("{INSTANCE}logits = \"logits\"\n"), "boxes, labels, scores, masks"),
        (instance("[1.0, 1.0, 1.0]", "[1.0, 0.0, 1.0]"), "deviation not 0"),
        (instance("[1.0, 1.0, 1.0]", "[1.0, 1.0]"), "deviation"),
        (instance("\"f32\"", "\"u8\""), "scale 1, mean 0, deviation 1"),
        (instance("[input]\n", "[input]\nbatch = 1\n"), "unknown key \"batch\""),
    ] {
        check_refused(&text, Role::Instance, cause);
    }
    check_refused(INSTANCE, Role::Semantic, "expected \"semantic\", got \"instance\"");
    let both = semantic() + "labels = \"labels\"\n";
    check_refused(&both, Role::Semantic, "exactly one of logits, labels");
    check_refused(
        &semantic().replace("cityscapes", "coco80"),
        Role::Semantic,
        "cityscapes or ade20k",
    );
}
