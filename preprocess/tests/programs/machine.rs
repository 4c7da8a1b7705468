//! A machine that gives out: a full disk, a read-only one, a path below a file, no more open files. The run says so with
//! the contract's code, blames no input for it, and ends with the same bytes once the cause is mended.
//!
//! The disks are small tmpfs mounts in a mount namespace of one shell (`unshare -m`), so that nothing stays mounted
//! whatever happens. Where that is not allowed these tests say so and skip. Rights of folders do not bind root, hence a
//! read-only mount instead of `chmod`.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::disturbed::{as_words, calm};
use crate::kit::{expect, files, program};

/// The words of a shell that runs the program, e.g. `'.../suw-preprocess' 'run' ...`.
fn shell_words(arguments: &[String]) -> String {
    let program = program().get_program().to_str().unwrap().to_owned();
    let quoted = |word: &String| format!("'{}'", word.replace('\'', "'\\''"));
    [&[program], arguments].concat().iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// Runs a script in the project, as `program` does.
fn shell(command: &mut Command, script: &str) -> Output {
    command.args(["sh", "-c", script]).current_dir(suw_tests::root()).output().unwrap()
}

/// A command in a mount namespace of its own; `None` where that is not allowed.
fn with_mounts() -> Option<Command> {
    for flags in [&["-m"][..], &["-r", "-m"]] {
        let mut command = Command::new("unshare");
        command.args(flags);
        let try_it = "mount -t tmpfs -o size=64k tmpfs /mnt";
        let tried = Command::new("unshare").args(flags).args(["sh", "-c", try_it]).output();
        if tried.is_ok_and(|output| output.status.success()) {
            return Some(command);
        }
    }
    println!("SKIPPED: this machine allows no mounts, not even in a namespace (unshare -r -m)");
    None
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_full_disk_ends_with_1_and_room_on_it_with_the_same_bytes() {
    let calm = calm();
    let bytes: u64 = calm.files.values().map(|file| file.len() as u64).sum();
    for (threads, share) in [(1, 2), (2, 30), (4, 55), (1, 80), (2, 97)] {
        let Some(mut command) = with_mounts() else { return };
        let folder = tempfile::tempdir().unwrap();
        let [disk, left, copy] = ["disk", "left", "copy"].map(|name| folder.path().join(name));
        fs::create_dir(&disk).unwrap();
        let out = disk.join("out");
        let run = shell_words(&calm.arguments(&out, threads));
        let kib = bytes * share / 100 / 1024;
        let script = format!(
            "mount -t tmpfs -o size={kib}k tmpfs {disk:?} || exit 99\n\
             {run}; echo full $?\n\
             cp -r {out:?} {left:?} 2>&1\n\
             mount -o remount,size=64m {disk:?} || exit 99\n\
             {run}; echo room $?\n\
             cp -r {out:?} {copy:?}",
        );
        let output = shell(&mut command, &script);
        let (out_text, said) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{out_text} {said}");
        assert!(
            out_text.contains("full 1\n") && out_text.contains("room 0\n"),
            "{out_text} {said}"
        );
        let first: Vec<&str> =
            said.lines().filter(|line| line.starts_with("suw-preprocess: ")).collect();
        assert_eq!(first.len(), 1, "one line for one cause: {said}");
        for words in [out.to_str().unwrap(), "No space left on device", "make room on that disk"] {
            assert!(first[0].contains(words), "{words}: {said}");
        }
        let seen = calm.assert_whole(&left);
        assert!(!seen.manifest && seen.unfinished == 0, "{seen:?}");
        calm.assert_same(&copy);
    }
}

#[test]
fn a_read_only_output_ends_with_2_before_any_work() {
    let calm = calm();
    let Some(mut command) = with_mounts() else { return };
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let new = disk.join("out");
    let script = format!(
        "mount -t tmpfs -o size=64m tmpfs {disk:?} || exit 99\n\
         mkdir {there:?} || exit 99\n\
         mount -o remount,ro {disk:?} || exit 99\n\
         {run}; echo new $?\n\
         {again}; echo there $?\n\
         ls {there:?}",
        run = shell_words(&calm.arguments(&new, 2)),
        again = shell_words(&calm.arguments(&disk.join("there"), 2)),
        there = disk.join("there"),
    );
    let output = shell(&mut command, &script);
    let said = text(&output.stderr);
    assert_eq!(text(&output.stdout), "new 2\nthere 2\n", "{said}");
    for place in [&new, &disk.join("there")] {
        let line = said.lines().find(|line| line.contains(place.to_str().unwrap())).unwrap();
        assert!(line.contains("Read-only file system") && line.contains("writable"), "{line}");
    }
}

#[test]
fn an_output_below_a_file_ends_with_2_before_any_work() {
    let calm = calm();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "in the way").unwrap();
    for out in [file.join("out"), file.clone()] {
        let (_, said) = expect(2, &as_words(&calm.arguments(&out, 2)));
        assert!(said.contains(out.to_str().unwrap()) && said.contains("in the way"), "{said}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "in the way");
}

#[test]
fn too_few_open_files_blame_no_input() {
    let calm = calm();
    let folder = tempfile::tempdir().unwrap();
    let (mut refused, mut done) = (0, 0);
    for limit in 3..16 {
        let out = folder.path().join(limit.to_string());
        let run = shell_words(&calm.arguments(&out, 4));
        let output = shell(&mut Command::new("env"), &format!("ulimit -n {limit}; exec {run}"));
        let said = text(&output.stderr);
        match output.status.code() {
            Some(0) => done += 1,
            Some(1 | 2) if said.contains("Too many open files") => refused += 1,
            // With hardly any, the program cannot even be loaded.
            Some(127) if limit < 5 => {}
            other => panic!("limit {limit}: {other:?} {said}"),
        }
        calm.assert_whole(&out);
        calm.finish(&out, 4);
    }
    println!("{refused} limits were too low, {done} were enough");
    assert!(refused > 0 && done > 0, "{refused} refused, {done} done");
}

#[test]
fn too_few_open_files_are_no_fault_of_a_set() {
    let calm = calm();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("set");
    calm.finish(&out, 2);
    let manifest = out.join("manifest.json");
    let arguments = ["validate", "--deep", manifest.to_str().unwrap()];
    let validate = shell_words(&arguments.map(str::to_owned));
    let (mut refused, mut done) = (0, 0);
    for limit in 4..20 {
        let output =
            shell(&mut Command::new("env"), &format!("ulimit -n {limit}; exec {validate}"));
        let said = text(&output.stderr);
        match output.status.code() {
            Some(0) => done += 1,
            Some(1 | 2) if said.contains("Too many open files") => refused += 1,
            Some(127) if limit < 5 => {}
            other => panic!("limit {limit}: {other:?} {said} {}", text(&output.stdout)),
        }
    }
    assert!(refused > 0 && done > 0, "{refused} refused, {done} done");
}

#[test]
fn a_full_disk_for_masks_ends_with_1_and_leaves_whole_masks() {
    let calm = calm();
    let Some(mut command) = with_mounts() else { return };
    let folder = tempfile::tempdir().unwrap();
    let [disk, left] = ["disk", "left"].map(|name| folder.path().join(name));
    fs::create_dir(&disk).unwrap();
    let mut arguments = calm.arguments(&folder.path().join("out"), 2);
    let store = disk.join("store");
    let root = format!("masks.root={}", store.to_str().unwrap());
    arguments.extend(["--set", "masks.source=models", "--set", &root].map(str::to_owned));
    let run = shell_words(&arguments);
    let script = format!(
        "mount -t tmpfs -o size=40k tmpfs {disk:?} || exit 99\n\
         {run}; echo full $?\n\
         cp -r {store:?} {left:?}",
    );
    let output = shell(&mut command, &script);
    let said = text(&output.stderr);
    assert!(text(&output.stdout).contains("full 1\n"), "{said}");
    assert!(said.contains(store.to_str().unwrap()), "{said}");
    assert!(said.contains("No space left on device") && said.contains("make room"), "{said}");
    let names = whole_masks(&left);
    assert!(names > 0, "some masks fit");
    // No shard was begun, and no clip set aside for want of masks.
    assert!(!folder.path().join("out/manifest.json").exists());
}

/// Looks at every file of a store; gives how many there are.
fn whole_masks(store: &Path) -> usize {
    let files = files(store);
    for (name, bytes) in &files {
        assert!(!name.ends_with(".unfinished"), "{name}");
        if name.ends_with(".json") {
            serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
        } else {
            image::load_from_memory(bytes).unwrap();
        }
    }
    files.len()
}
