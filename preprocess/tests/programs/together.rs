//! Several processes on one output folder: one of them writes, or each its share; nobody harms another.

use std::process::{Output, Stdio};
use std::time::Duration;

use crate::disturbed::{Moment, calm, start, wait_for};
use crate::kit::program;

#[test]
fn a_second_run_on_the_same_folder_is_refused_while_the_first_goes_on() {
    let calm = calm();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut first = start(&calm.arguments(&out, 1));
    // The first change is the folder of records with its lock.
    assert_eq!(wait_for(&mut first, &out, Moment::AtChange(2)), None);
    let second = program().args(calm.arguments(&out, 2)).output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(2), "{said}");
    let place = format!("{out:?}");
    assert!(said.contains(&place) && said.contains("another process is writing"), "{said}");
    assert!(said.contains("wait for it, or give another output.dir"), "{said}");
    assert_eq!(first.wait().unwrap().code(), Some(0));
    calm.assert_same(&out);
}

#[test]
fn runs_that_start_together_end_right_or_are_refused() {
    let calm = calm();
    let folder = tempfile::tempdir().unwrap();
    for round in 0..6 {
        let out = folder.path().join(round.to_string());
        let children: Vec<_> = (0..3)
            .map(|number| {
                // From all at once to one after the other.
                std::thread::sleep(calm.spans[&1].mul_f64(f64::from(round * number) / 10.0));
                program()
                    .args(calm.arguments(&out, 1))
                    .stdout(Stdio::null())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        let ended: Vec<Output> =
            children.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
        let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
        for output in &ended {
            let refused =
                output.status.code() == Some(2) && said(output).contains("another process");
            assert!(output.status.success() || refused, "{:?} {}", output.status, said(output));
        }
        assert!(ended.iter().any(|output| output.status.success()), "round {round}");
        calm.assert_same(&out);
    }
}

#[test]
fn parts_that_finish_together_are_joined_once() {
    let calm = calm();
    let folder = tempfile::tempdir().unwrap();
    for round in 0..4 {
        let out = folder.path().join(round.to_string());
        let children: Vec<_> = (1..=3)
            .map(|part| {
                let mut arguments = calm.arguments(&out, 1);
                arguments.extend(["--partition".to_owned(), format!("{part}/3")]);
                std::thread::sleep(Duration::from_millis(3 * round));
                program().args(arguments).stderr(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        for child in children {
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "round {round}: {said}");
        }
        calm.assert_same(&out);
    }
}
