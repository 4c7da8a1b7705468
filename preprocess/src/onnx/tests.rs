//! Floor 2: tests of sessions on tiny models (tests/python/make_tiny_models.py).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use suw_shared::class::InstanceClass;
use suw_shared::exit::{Exit, Failure};
use suw_shared::image_size::ImageSize;
use suw_shared::rgb_image::RgbImage;

use super::model_spec::Role;
use super::{Device, MaskRcnn, ModelFile, OnnxError, PspNet, Runtime, SessionOptions};
use crate::detected::Detection;
use crate::segmenter::{InstanceSegmenter, SemanticSegmenter};

const OPTIONS: SessionOptions = SessionOptions { device: Device::Cpu, intra_threads: 1 };

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::load().unwrap())
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// What a test wants of a spec.
struct Spec<'a> {
    model: &'a str,
    role: Role,
    classes: &'a str,
    input: &'a str,
    resize: &'a str,
    output: &'a str,
}

const PLAIN: &str = "layout = \"chw\"\nelement = \"f32\"\nscale = 0.00392156862745098";
const SMALL: &str = "policy = \"fixed\"\nwidth = 16\nheight = 12";
const ROI: &str = "boxes = \"boxes\"\nlabels = \"labels\"\nscores = \"scores\"\nmasks = \"masks\"\n\
                   mask_form = \"roi\"";

const FINDER: Spec = Spec {
    model: "instance-roi",
    role: Role::Instance,
    classes: "coco91",
    input: PLAIN,
    resize: SMALL,
    output: ROI,
};

const PAINTER: Spec = Spec {
    model: "semantic-logits",
    role: Role::Semantic,
    classes: "cityscapes",
    input: "layout = \"nchw\"\nelement = \"f32\"\nscale = 0.00392156862745098",
    resize: "policy = \"multiple-of\"\nmultiple = 4",
    output: "logits = \"logits\"",
};

/// Writes a spec for a fixture and opens it.
fn model(spec: &Spec) -> Result<ModelFile, OnnxError> {
    let folder = tempfile::tempdir().unwrap();
    let file = fixture(&format!("{}.onnx", spec.model));
    let digest = blake3::hash(&fs::read(&file).unwrap()).to_hex().to_string();
    let text = format!(
        "role = \"{}\"\nname = \"tiny\"\nfile = {file:?}\nblake3 = \"{digest}\"\nclasses = \"{}\"\n\
         [input]\nname = \"image\"\n{}\nmean = [0, 0, 0]\ndeviation = [1, 1, 1]\n\
         [input.resize]\n{}\n[output]\n{}\n",
        spec.role.name(),
        spec.classes,
        spec.input,
        spec.resize,
        spec.output,
    );
    let path = folder.path().join("tiny.toml");
    fs::write(&path, text).unwrap();
    ModelFile::open(&path, spec.role)
}

fn finder(spec: &Spec) -> MaskRcnn {
    MaskRcnn::open(runtime(), &model(spec).unwrap(), OPTIONS).unwrap()
}

fn painter(spec: &Spec) -> PspNet {
    PspNet::open(runtime(), &model(spec).unwrap(), OPTIONS).unwrap()
}

fn gray(size: ImageSize, value: u8) -> RgbImage {
    RgbImage::new(size, vec![value; 3 * size.area()])
}

fn area_near(detection: &Detection, expected: f64) {
    let area = detection.mask.area() as f64;
    assert!((area / expected - 1.0).abs() < 0.05, "area {area}, expected about {expected}");
}

#[test]
fn an_instance_network_finds_cars_at_native_size() {
    // Twice the input; a white picture has mean 1, so the scores are those of the script.
    let size = ImageSize::new(32, 24);
    let found = finder(&FINDER).detect(&gray(size, 255)).unwrap();
    let classes: Vec<_> = found.iter().map(|d| (d.class, d.score)).collect();
    assert_eq!(classes, [(InstanceClass::Car, 0.9), (InstanceClass::Car, 0.6)]);
    // The probabilities reach 0.5 at 0.9 of the half axes: an ellipse in each box, twice the box of the script. By hand:
    // 4..20 by 6..18 grows to 3..=20 by 5..=18 whole pixels, 28/30 of them the map; the second to 15..=30 by 1..=10.
    let ellipse = |width: f64, height: f64| std::f64::consts::FRAC_PI_4 * 0.81 * width * height;
    area_near(&found[0], ellipse(18.0, 14.0) * (28.0 / 30.0f64).powi(2));
    area_near(&found[1], ellipse(16.0, 10.0) * (28.0 / 30.0f64).powi(2));
    let [x, y, width, height] = found[0].mask.bbox();
    assert!(x >= 4 && y >= 6 && x + width <= 20 && y + height <= 18, "box of the script, doubled");
}

#[test]
fn pixels_reach_the_network_and_low_scores_stay_out() {
    let size = ImageSize::new(16, 12);
    let mut finder = finder(&FINDER);
    assert_eq!(finder.detect(&gray(size, 0)).unwrap(), []);
    // Mean 0.2: scores 0.18 and 0.12.
    let found = finder.detect(&gray(size, 51)).unwrap();
    assert!((found[0].score - 0.18).abs() < 1e-6 && (found[1].score - 0.12).abs() < 1e-6);
    // An empty answer does not spoil the next.
    assert_eq!(finder.detect(&gray(size, 255)).unwrap().len(), 2);
}

#[test]
fn a_letterbox_changes_the_scale_of_boxes() {
    let spec = Spec { resize: &SMALL.replace("fixed", "letterbox"), ..FINDER };
    // 32 x 6 scales by 1/2 to 16 x 3: the network sees a fourth of the input white, the rest 0.
    let size = ImageSize::new(32, 6);
    let found = finder(&spec).detect(&gray(size, 255)).unwrap();
    // The first box starts at row 3 of the input, below the picture; what is left is the upper half of the second.
    assert_eq!(found.len(), 1);
    assert!((found[0].score - 0.15).abs() < 1e-6, "{}", found[0].score);
    let [x, _, width, _] = found[0].mask.bbox();
    assert!(x >= 16 && x + width <= 30);
}

#[test]
fn full_size_masks_are_read() {
    let spec =
        Spec { model: "instance-full", output: &ROI.replace("\"roi\"", "\"full\""), ..FINDER };
    let found = finder(&spec).detect(&gray(ImageSize::new(32, 24), 255)).unwrap();
    assert_eq!(found.len(), 2);
    // Here every mask is the ellipse of the whole input.
    area_near(&found[0], std::f64::consts::FRAC_PI_4 * 0.81 * 32.0 * 24.0);
}

/// Left half red, right half blue.
fn halves(size: ImageSize) -> RgbImage {
    let row =
        (0..size.width).flat_map(|x| if 2 * x < size.width { [255, 0, 0] } else { [0, 0, 255] });
    RgbImage::new(size, row.collect::<Vec<u8>>().repeat(size.height as usize))
}

#[test]
fn a_semantic_network_paints_classes_out_of_pixels() {
    // Channel 0 is red, 2 is blue, 13 is 0.55 of the sum: white gives 13 (1.65 against 1).
    for policy in [
        "policy = \"multiple-of\"\nmultiple = 4",
        "policy = \"fixed\"\nwidth = 64\nheight = 32",
        "policy = \"letterbox\"\nwidth = 64\nheight = 64",
        "policy = \"sliding-window\"\nwidth = 16\nheight = 8\nstride_x = 12\nstride_y = 4",
    ] {
        let mut painter = painter(&Spec { resize: policy, ..PAINTER });
        let size = ImageSize::new(40, 20);
        let map = painter.segment(&halves(size)).unwrap();
        assert_eq!(map.size(), size);
        for y in 0..20 {
            assert_eq!((map.at(y, 0), map.at(y, 15)), (0, 0), "{policy}");
            assert_eq!((map.at(y, 25), map.at(y, 39)), (2, 2), "{policy}");
        }
        let map = painter.segment(&gray(size, 255)).unwrap();
        assert!(map.data().iter().all(|&id| id == 13), "{policy}");
    }
}

#[test]
fn a_network_that_wants_blue_first_gets_it() {
    // Its channel 0 is blue now, and 2 is red.
    let input = format!("{}\nchannels = \"bgr\"", PAINTER.input);
    let mut painter = painter(&Spec { input: &input, ..PAINTER });
    let map = painter.segment(&halves(ImageSize::new(40, 20))).unwrap();
    assert_eq!((map.at(10, 5), map.at(10, 35)), (2, 0));
}

#[test]
fn pspnets_crop_slides_over_a_picture_of_kitti() {
    // 713 is taller than the picture: two windows side by side, 0..713 and 529..1242, each padded below.
    let mut painter = painter(&Spec {
        resize: "policy = \"sliding-window\"\nwidth = 713\nheight = 713\nstride_x = 713\nstride_y = 713",
        ..PAINTER
    });
    let size = ImageSize::new(1242, 375);
    let map = painter.segment(&halves(size)).unwrap();
    assert_eq!(map.size(), size);
    // The border of red and blue, column 621, lies where the windows overlap.
    for y in 0..375 {
        for x in (0..1242).filter(|x| (*x as i64 - 621).abs() > 1) {
            assert_eq!(map.at(y, x), if x < 621 { 0 } else { 2 }, "row {y}, column {x}");
        }
    }
}

#[test]
fn overlapping_windows_count_alike_whatever_they_say_at_a_place() {
    // Channel 1 is 0 on black. Channel 0 is a number for the column of the window, -3.5 -2 -2 1 1 1 3 3, and one for its row,
    // 0 0 3 -3.5. Windows begin at columns 0 and 5 and at rows 0 and 2 of the picture. Averages by hand: columns
    //   -3.5 -2 -2 1 1 | (1 - 3.5)/2 = -1.25, (3 - 2)/2 = 0.5, (3 - 2)/2 = 0.5 | 1 1 1 3 3, rows
    //   0 0 | (3 + 0)/2 = 1.5, (-3.5 + 0)/2 = -1.75 | 3 -3.5.
    // Class 0 is where both together are above 0. Columns 5 to 7 of the first row come out differently where one of two windows
    // counts alone (the first 0 0 0, the last 1 1 1), where the higher or lower does (0 0 0, 1 1 1), or the middle of a window
    // more than its edge (0 0 1, weights that rise evenly).
    let spec = Spec {
        model: "semantic-ramp",
        resize: "policy = \"sliding-window\"\nwidth = 8\nheight = 4\nstride_x = 5\nstride_y = 2",
        ..PAINTER
    };
    let mut painter = painter(&spec);
    let mut rows = |height: u32| -> Vec<String> {
        let map = painter.segment(&gray(ImageSize::new(13, height), 0)).unwrap();
        map.data().chunks(13).map(|row| row.iter().map(u8::to_string).collect()).collect()
    };
    let expected = [
        "1110010000000",
        "1110010000000",
        "1110000000000",
        "1111111111100",
        "1000000000000",
        "1111111111111",
    ];
    assert_eq!(rows(6), expected);
    // A picture lower than a window: the window's last row is padding, and the picture's last row has the number 3.
    assert_eq!(rows(3), ["1110010000000", "1110010000000", "1000000000000"]);
}

#[test]
fn a_label_map_is_read() {
    let spec = Spec {
        model: "semantic-labels",
        input: "layout = \"nhwc\"\nelement = \"u8\"\nscale = 1",
        resize: "policy = \"fixed\"\nwidth = 8\nheight = 4",
        output: "labels = \"labels\"",
        ..PAINTER
    };
    let mut painter = painter(&spec);
    let size = ImageSize::new(16, 8);
    // Red 160 / 16 is label 10.
    assert!(painter.segment(&gray(size, 160)).unwrap().data().iter().all(|&id| id == 10));
    // 240 / 16 = 15 is one too,.
    assert!(painter.segment(&gray(size, 240)).unwrap().data().iter().all(|&id| id == 15));
}

#[test]
fn adding_intra_threads_or_sessions_changes_no_mask() {
    let image = halves(ImageSize::new(40, 20));
    let first = finder(&FINDER).detect(&image).unwrap();
    for intra_threads in [1, 2, 4] {
        let options = SessionOptions { intra_threads, ..OPTIONS };
        let mut again = MaskRcnn::open(runtime(), &model(&FINDER).unwrap(), options).unwrap();
        assert_eq!(again.detect(&image).unwrap(), first);
        assert_eq!(again.detect(&image).unwrap(), first);
    }
}

fn check_tensors(spec: &Spec, expected: &str, got: &str) {
    let file = model(spec).unwrap();
    let error = match spec.role {
        Role::Instance => MaskRcnn::open(runtime(), &file, OPTIONS).err(),
        Role::Semantic => PspNet::open(runtime(), &file, OPTIONS).err(),
    };
    let error = error.unwrap_or_else(|| panic!("{} is refused", spec.model));
    assert!(matches!(error, OnnxError::OtherTensors { .. }), "{error}");
    let failure = Failure::from(error);
    assert_eq!(failure.exit, Exit::Usage);
    for side in [format!("spec says {expected}"), format!("model has {got}")] {
        assert!(failure.message.contains(&side), "{failure} should say {side}");
    }
}

#[test]
fn models_with_other_tensors_are_refused_with_both_sides() {
    let finder = |model| Spec { model, ..FINDER };
    check_tensors(
        &finder("instance-labels-i32"),
        "output \"labels\" i64 [?]",
        "outputs \"labels\" i32 [1]",
    );
    check_tensors(
        &finder("instance-other-names"),
        "output \"labels\" i64 [?]",
        "outputs \"boxes\" f32 [1, 4], \"classes\" i64 [1]",
    );
    check_tensors(
        &finder("instance-boxes-5"),
        "output \"boxes\" f32 [?, 4]",
        "outputs \"boxes\" f32 [1, 5]",
    );
    check_tensors(
        &finder("instance-full"),
        "output \"masks\" f32 [?, 1, 28, 28]",
        "outputs \"masks\" f32 [4, 1, 12, 16]",
    );
    check_tensors(
        &Spec { resize: "policy = \"fixed\"\nwidth = 16\nheight = 8", ..FINDER },
        "one input \"image\" f32 [3, 8, 16]",
        "inputs \"image\" f32 [3, 12, 16]",
    );
    check_tensors(
        &Spec { input: &PLAIN.replace("chw", "nchw"), ..FINDER },
        "one input \"image\" f32 [1, 3, 12, 16]",
        "inputs \"image\" f32 [3, 12, 16]",
    );
    check_tensors(
        &Spec { model: "semantic-21", ..PAINTER },
        "output \"logits\" f32 [1, 19, ?, ?]",
        "outputs \"logits\" f32 [1, 21, ?, ?]",
    );
    check_tensors(
        &Spec { model: "semantic-labels", ..PAINTER },
        "one input \"image\" f32 [1, 3, ?, ?]",
        "inputs \"image\" u8 [1, ?, ?, 3]",
    );
    check_tensors(
        &Spec {
            model: "semantic-fixed",
            resize: "policy = \"letterbox\"\nwidth = 32\nheight = 8",
            ..PAINTER
        },
        "one input \"image\" f32 [1, 3, 8, 32]",
        "inputs \"image\" f32 [1, 3, 8, 16]",
    );
}

#[test]
fn outputs_that_do_not_agree_fail_the_frame_only() {
    // Two boxes, two labels, two scores, one mask.
    let error = finder(&Spec { model: "instance-count", ..FINDER })
        .detect(&gray(ImageSize::new(4, 4), 255));
    let message = error.unwrap_err().to_string();
    assert!(message.contains("expected a tensor [2, 1, 28, 28], got [1, 1, 28, 28]"), "{message}");
}

#[test]
fn a_missing_or_changed_model_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spec.toml");
    let text = |file: &str, digest: &str| {
        format!(
            "role = \"instance\"\nname = \"tiny\"\nfile = {file:?}\nblake3 = \"{digest}\"\n\
             classes = \"coco91\"\n[input]\nname = \"image\"\n{PLAIN}\nmean = [0, 0, 0]\n\
             deviation = [1, 1, 1]\n[input.resize]\n{SMALL}\n[output]\n{ROI}\n"
        )
    };
    let wanted = "0".repeat(64);
    fs::write(&path, text("absent.onnx", &wanted)).unwrap();
    let error = ModelFile::open(&path, Role::Instance).unwrap_err();
    assert!(matches!(error, OnnxError::ModelUnreadable { .. }), "{error}");
    assert_eq!(Failure::from(error).exit, Exit::Usage);

    fs::write(folder.path().join("other.onnx"), "other").unwrap();
    fs::write(&path, text("other.onnx", &wanted)).unwrap();
    let error = ModelFile::open(&path, Role::Instance).unwrap_err();
    assert!(matches!(error, OnnxError::OtherDigest { .. }), "{error}");
    let failure = Failure::from(error);
    assert_eq!(failure.exit, Exit::Usage);
    let got = blake3::hash(b"other").to_hex().to_string();
    assert!(failure.message.contains(&wanted) && failure.message.contains(&got), "{failure}");

    // The right digest of something that is no model.
    fs::write(&path, text("other.onnx", &got)).unwrap();
    let file = ModelFile::open(&path, Role::Instance).unwrap();
    let error = MaskRcnn::open(runtime(), &file, OPTIONS).err().unwrap();
    assert!(matches!(error, OnnxError::Session { .. }), "{error}");
    assert_eq!(Failure::from(error).exit, Exit::Usage);
}

#[test]
fn a_device_that_is_not_there_is_refused_not_replaced() {
    if runtime().providers().len() > 1 {
        println!("skipped: this library has the CUDA provider");
        return;
    }
    let options = SessionOptions { device: Device::Cuda(0), intra_threads: 1 };
    let error = MaskRcnn::open(runtime(), &model(&FINDER).unwrap(), options).err().unwrap();
    assert!(error.to_string().contains("on cuda:0"), "{error}");
}
