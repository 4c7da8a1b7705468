//! What these tests share: a rendered drive, run files, the binary, folders read as bytes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use suw_shared::image_size::ImageSize;
use suw_tests::kitti_drive::{KittiDrive, kitti_drive};
use tempfile::TempDir;

/// The drive that most tests use: one drive of ten frames with exact masks beside it.
pub const DRIVE: &str = "2026_01_01/2026_01_01_drive_0001_sync";

/// A drive of two clips whose pictures are large enough for the crop; its content means nothing.
pub const LARGE: KittiDrive = KittiDrive {
    frames: 4,
    size: ImageSize::new(1242, 375),
    scans: &[1],
    ground_truth: &[],
    ..KittiDrive::SMALL
};

/// The binary.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_suw-preprocess"));
    // Run files name rules and models relative to the project.
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    command
}

/// Runs it to the end.
pub fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

/// Runs it and expects an exit code; gives standard output and error.
pub fn expect(code: i32, arguments: &[&str]) -> (String, String) {
    let output = run(arguments);
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\nstdout: {out}\nstderr: {err}");
    (out, err)
}

/// Renders a drive of ten frames with `synth`, once per test process.
pub fn world() -> &'static Path {
    static WORLD: OnceLock<TempDir> = OnceLock::new();
    WORLD.get_or_init(|| rendered(10)).path()
}

/// A drive of so many frames.
fn rendered(frames: u32) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (out, frames) = (folder.path().to_str().unwrap(), frames.to_string());
    let drive = ["--drives", "1", "--frames", &frames, "--size", "208x64", "--seed", "7"];
    expect(0, &[&["synth", "--out", out], &drive[..]].concat());
    folder
}

/// A folder with a copy of the world and a run file; everything goes when it is dropped.
pub struct Place {
    folder: TempDir,
}

impl Place {
    /// A place with a rendered drive of so many frames, scanned.
    pub fn with_frames(frames: u32) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        copy(rendered(frames).path(), &place.path("world"));
        place.scan();
        place
    }

    /// A place with a drive written by plain loops, scanned.
    pub fn with_drive(drive: &KittiDrive) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        kitti_drive(&place.path("world"), drive);
        place.scan();
        place
    }

    /// A place with a copy of the rendered drive, scanned.
    pub fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        copy(world(), &place.path("world"));
        place.scan();
        place
    }

    /// A path inside.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as text.
    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// A file of the drive.
    pub fn of_drive(&self, name: &str) -> PathBuf {
        self.path("world").join(DRIVE).join(name)
    }

    /// Writes the data-set manifest anew.
    pub fn scan(&self) {
        let (root, out) = (self.text("world"), self.text("all.json"));
        let scanned = run(&["scan", "--dataset", "kitti", "--root", &root, "--out", &out]);
        assert!(scanned.status.code().is_some_and(|code| code != 1), "{scanned:?}");
    }

    /// Arguments of a run with exact masks into `out`, more of them in `more`.
    pub fn arguments(&self, command: &str, out: &str, more: &[&str]) -> Vec<String> {
        let mut arguments: Vec<String> =
            [command, "data-manifests/runs/demo.toml"].map(str::to_owned).into();
        let sets = [
            format!("input.manifest={}", self.text("all.json")),
            format!("input.root={}", self.text("world")),
            format!("output.dir={}", self.text(out)),
            "output.samples_per_shard=3".to_owned(),
            format!("masks.root={}", self.text("world/masks")),
            "masks.source=import".to_owned(),
            "size=\"208x64\"".to_owned(),
        ];
        for set in sets {
            arguments.extend(["--set".to_owned(), set]);
        }
        arguments.extend(more.iter().map(|&word| word.to_owned()));
        arguments
    }

    /// Makes shards and expects an exit code; gives standard error.
    pub fn make(&self, code: i32, out: &str, more: &[&str]) -> String {
        let arguments = self.arguments("run", out, more);
        expect(code, &arguments.iter().map(String::as_str).collect::<Vec<_>>()).1
    }

    /// Every file of a folder, by name.
    pub fn files(&self, folder: &str) -> BTreeMap<String, Vec<u8>> {
        files(&self.path(folder))
    }

    /// `(kind, item)` of every line of a shard set's quarantine.
    pub fn quarantine(&self, out: &str) -> Vec<(String, String)> {
        let text = fs::read_to_string(self.path(out).join("quarantine.jsonl")).unwrap();
        let field = |line: &serde_json::Value, key: &str| line[key].as_str().unwrap().to_owned();
        text.lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .map(|line| (field(&line, "kind"), field(&line, "item")))
            .collect()
    }
}

/// Every file below a folder, by path relative to it.
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    for (name, bytes) in files(from) {
        let path = to.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}
