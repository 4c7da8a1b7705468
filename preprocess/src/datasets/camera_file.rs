//! Floor 1: the camera files of Mannequin Challenge (and RealEstate10K): one clip each.
//!
//! Line 1 is the address of the video. Each further line is a frame: timestamp in microseconds; fx, fy, cx, cy as
//! shares of width and height; k1, k2; the rows of `[R|t]`, world to camera.

/// Rotations are written with nine digits.
const ROTATION_TOLERANCE: f64 = 1e-3;

/// Numbers behind the timestamp.
const N_NUMBERS: usize = 18;

/// One frame of a clip.
#[derive(Clone, Debug, PartialEq)]
pub struct CameraLine {
    /// Microseconds, as the file writes it.
    pub timestamp: String,
    /// fx, fy, cx, cy as shares of width and height.
    pub shares: [f64; 4],
    /// `[3, 4]`, row-major: camera_from_world.
    pub pose: [f64; 12],
}

/// The frames of a clip, in the order of time.
///
/// # Errors
/// The line, what was expected there and what it says. Distorted cameras are refused: pictures are not undistorted.
pub fn parse(text: &str) -> Result<Vec<CameraLine>, String> {
    let mut frames: Vec<(u64, CameraLine)> = Vec::new();
    for (number, line) in (1..).zip(text.lines()).skip(1) {
        if line.trim().is_empty() {
            continue;
        }
        let (time, frame) = frame(line).map_err(|expected| {
            let got: String = line.chars().take(80).collect();
            format!("line {number}: expected {expected}, got {got:?}")
        })?;
        if frames.last().is_some_and(|(last, _)| *last >= time) {
            return Err(format!(
                "line {number}: expected a later timestamp than before, got {time}"
            ));
        }
        frames.push((time, frame));
    }
    match frames.is_empty() {
        true => Err("expected a line for each frame below the first, got none".to_owned()),
        false => Ok(frames.into_iter().map(|(_, frame)| frame).collect()),
    }
}

fn frame(line: &str) -> Result<(u64, CameraLine), &'static str> {
    let mut words = line.split_whitespace();
    let timestamp = words.next().unwrap_or_default();
    let digits = timestamp.bytes().all(|byte| byte.is_ascii_digit());
    let time = timestamp.parse().ok().filter(|_| digits).ok_or("a timestamp in microseconds")?;
    let number = |word: &str| word.parse().ok().filter(|value: &f64| value.is_finite());
    let numbers: Option<Vec<f64>> = words.map(number).collect();
    let numbers: [f64; N_NUMBERS] = numbers
        .and_then(|numbers| numbers.try_into().ok())
        .ok_or("a timestamp and 18 finite numbers")?;
    let (lens, pose) = numbers.split_at(6);
    let &[fx, fy, cx, cy, k1, k2] = lens else { return Err("6 numbers of the lens") };
    if fx <= 0.0 || fy <= 0.0 {
        return Err("focal lengths above 0");
    }
    if k1 != 0.0 || k2 != 0.0 {
        return Err("k1 = k2 = 0 (pictures without distortion)");
    }
    let pose: [f64; 12] = pose.try_into().map_err(|_| "12 numbers of the pose")?;
    if !is_rotation(&pose) {
        return Err("a rotation in [R|t]");
    }
    let shares = [fx, fy, cx, cy];
    Ok((time, CameraLine { timestamp: timestamp.to_owned(), shares, pose }))
}

fn is_rotation(pose: &[f64; 12]) -> bool {
    let row = |r: usize| [pose[4 * r], pose[4 * r + 1], pose[4 * r + 2]];
    let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    let [a, b, c] = [row(0), row(1), row(2)];
    let cross = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
    let near = |value: f64, expected: f64| (value - expected).abs() <= ROTATION_TOLERANCE;
    near(dot(a, a), 1.0)
        && near(dot(b, b), 1.0)
        && near(dot(c, c), 1.0)
        && near(dot(a, b), 0.0)
        && near(dot(cross, c), 1.0)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;

    const LENS: &str = "0.5 0.9 0.5 0.4 0 0";
    const POSE: &str = "1 0 0 2 0 1 0 3 0 0 1 4";

    fn clip(lines: &[String]) -> String {
        format!("https://example.org/video\n{}\n", lines.join("\n"))
    }

    #[test]
    fn columns_are_those_of_the_format() {
        let lines = [format!("95128 {LENS} {POSE}"), format!("158692 {LENS} {POSE}")];
        let frames = parse(&clip(&lines)).unwrap();
        assert_eq!(frames.len(), 2);
        assert_eq!(frames[1].timestamp, "158692");
        assert_eq!(frames[0].shares, [0.5, 0.9, 0.5, 0.4]);
        assert_eq!(frames[0].pose[3..7], [2.0, 0.0, 1.0, 0.0]);
    }

    #[test]
    fn broken_lines_are_refused_by_number() {
        let good = format!("5 {LENS} {POSE}");
        for (bad, word) in [
            (format!("6 {LENS} {POSE} 1"), "18"),
            (format!("6 {LENS} 1 0 0 2"), "18"),
            (format!("x {LENS} {POSE}"), "timestamp"),
            (format!("5 {LENS} {POSE}"), "later"),
            (format!("6 0.5 0 0.5 0.4 0 0 {POSE}"), "focal"),
            (format!("6 0.5 0.9 0.5 0.4 0.1 0 {POSE}"), "distortion"),
            (format!("6 {LENS} 1 0 0 2 0 1 0 3 0 0 -1 4"), "rotation"),
            (format!("6 {LENS} 1 0 0 2 0 2 0 3 0 0 1 4"), "rotation"),
            (format!("6 {LENS} 1 0 0 nan 0 1 0 3 0 0 1 4"), "finite"),
        ] {
            let error = parse(&clip(&[good.clone(), bad])).unwrap_err();
            assert!(error.contains("line 3") && error.contains(word), "{word}: {error}");
        }
        assert!(parse("https://example.org/video\n").is_err());
        assert!(parse("").is_err());
    }

    #[test]
    fn real_files_are_read_whole() {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/camera_txt");
        if !folder.exists() {
            println!("skipped: {} is absent", folder.display());
            return;
        }
        for entry in std::fs::read_dir(&folder).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            let frames = parse(&text).unwrap();
            assert_eq!(
                frames.len(),
                text.split('\n').filter(|l| l.split(' ').count() == 19).count()
            );
        }
        // The third column of the second line, written out.
        let text = std::fs::read_to_string(folder.join("0bf152ef84195293.txt")).unwrap();
        let frames = parse(&text).unwrap();
        assert_eq!(frames[0].timestamp, "158692025");
        assert_eq!((frames[0].shares[1], frames[0].pose[11]), (0.844111024, -1.002211444));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,80}|x\n([0-9.e-]{1,5} ){19}\n") {
            let _ = parse(&text);
        }
    }
}
