//! SIGKILL and SIGTERM at random moments: what counts is whole, and the resumed run ends with the bytes of an
//! undisturbed one. `SUW_KILLS=200` runs the whole series, `SUW_SEED` another one.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use suw_shared::seed::Seed;

use crate::disturbed::{Moment, Seen, as_words, calm, number, start, wait_for};
use crate::kit::{Place, expect, files, program};

/// Kills between a start from nothing and the run that is left alone.
const KILLS_PER_LIFE: u64 = 4;

#[test]
fn whatever_the_moment_of_a_kill_what_counts_is_whole_and_resumes_to_the_same_bytes() {
    let (wanted, seed) = (number("SUW_KILLS", 20), Seed(number("SUW_SEED", 1)));
    let calm = calm();
    println!("{wanted} kills, seed {}, undisturbed {:?}", seed.0, calm.spans);
    let folder = tempfile::tempdir().unwrap();
    let (mut kills, mut starts, mut lives) = (0, 0, 0);
    let mut seen: Vec<Seen> = Vec::new();
    while kills < wanted {
        let threads = [1, 2, 4][lives % 3];
        let out = folder.path().join(format!("life-{lives}"));
        lives += 1;
        for _ in 0..KILLS_PER_LIFE {
            let moment = Moment::random(seed, starts, calm.spans[&threads]);
            starts += 1;
            let mut child = start(&calm.arguments(&out, threads));
            let ended = wait_for(&mut child, &out, moment);
            child.kill().unwrap();
            let status = child.wait().unwrap();
            if ended.is_some() || status.signal() != Some(9) {
                assert_eq!(status.code(), Some(0), "{moment:?}");
                break; // it was done before the moment came
            }
            kills += 1;
            seen.push(calm.assert_whole(&out));
            println!("kill {kills}, {threads} threads, {moment:?}: {:?}", seen[seen.len() - 1]);
        }
        calm.finish(&out, threads);
    }
    let count = |what: &dyn Fn(&Seen) -> bool| seen.iter().filter(|one| what(one)).count();
    let during = count(&|one| one.shards > 0 && !one.manifest);
    println!(
        "{kills} kills in {lives} lives: {} before the first shard, {during} between shards, {} after the manifest; \
         {} left an unfinished file, {} a shard without a record",
        count(&|one| one.shards == 0),
        count(&|one| one.manifest),
        count(&|one| one.unfinished > 0),
        count(&|one| one.shards > one.records && !one.manifest),
    );
    assert!(during as u64 * 5 >= wanted, "too few kills found the run at work");
}

#[test]
fn kills_while_masks_are_made_leave_whole_masks_only() {
    let place = Place::new();
    let models = |store: &str| {
        let root = format!("masks.root={}", place.text(store));
        place.arguments("masks", "out", &["--set", "masks.source=models", "--set", &root])
    };
    expect(0, &as_words(&models("calm")));
    let calm = place.files("calm");
    let arguments = models("killed");
    for number in 0..number("SUW_KILLS", 20) / 4 {
        let mut child = start(&arguments);
        let dice = Seed(1).derive_number("masks", number).0;
        let store = place.path("killed");
        let _ = wait_for(&mut child, &store, Moment::After(Duration::from_millis(dice % 400)));
        child.kill().unwrap();
        child.wait().unwrap();
        for (name, bytes) in if store.exists() { files(&store) } else { Default::default() } {
            assert!(name.ends_with(".unfinished") || calm.get(&name) == Some(&bytes), "{name}");
        }
    }
    expect(0, &as_words(&arguments));
    let whole = |(name, _): &(String, Vec<u8>)| !name.ends_with(".unfinished");
    assert!(place.files("killed").into_iter().filter(whole).eq(calm));
}

#[test]
fn sigterm_and_sigint_end_with_75_and_the_next_run_with_the_same_bytes() {
    let calm = calm();
    let folder = tempfile::tempdir().unwrap();
    for (number, (signal, threads, changes)) in
        [("TERM", 1, 1), ("INT", 2, 6), ("TERM", 4, 12), ("INT", 1, 20)].into_iter().enumerate()
    {
        let out = folder.path().join(number.to_string());
        let arguments = calm.arguments(&out, threads);
        let mut child = program()
            .args(&arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        assert_eq!(wait_for(&mut child, &out, Moment::AtChange(changes)), None);
        send(signal, child.id());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(75), "{signal}: {:?} {said}", output.status);
        assert!(said.contains("run the same command again to resume"), "{said}");
        let seen = calm.assert_whole(&out);
        assert!(!seen.manifest && seen.unfinished == 0, "{seen:?}");
        calm.finish(&out, threads);
    }
}

fn send(signal: &str, process: u32) {
    let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {process}")]).status();
    assert!(sent.unwrap().success());
}
