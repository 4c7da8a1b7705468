//! Floor 1: COLMAP's text model files: `#` comments, words between blanks.

use std::collections::BTreeMap;

use super::model::{Cameras, ColmapImage, Points, camera, pose};

/// `cameras.txt`: CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]
pub fn cameras(text: &str) -> Result<Cameras, String> {
    let mut cameras = BTreeMap::new();
    for (number, line) in lines(text).filter(|(_, line)| !line.trim().is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (&[id, model, width, height], params) = words
            .split_first_chunk::<4>()
            .ok_or_else(|| wrong(number, "CAMERA_ID MODEL WIDTH HEIGHT PARAMS", line))?;
        let model = match model {
            "SIMPLE_PINHOLE" => 0,
            "PINHOLE" => 1,
            _ => u32::MAX,
        };
        let parsed = || {
            let params = params.iter().map(|w| w.parse().ok()).collect::<Option<Vec<f64>>>()?;
            Some((id.parse().ok()?, [width.parse().ok()?, height.parse().ok()?], params))
        };
        let (id, size, params) = parsed().ok_or_else(|| wrong(number, "numbers", line))?;
        let camera = camera(model, size, &params);
        cameras.insert(id, camera.map_err(|reason| format!("line {number}: {reason}"))?);
    }
    Ok(cameras)
}

/// `images.txt`: two lines each: IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME; POINTS2D[] as (X, Y, POINT3D_ID)
pub fn images(text: &str) -> Result<Vec<ColmapImage>, String> {
    let mut images = Vec::new();
    let mut lines = lines(text);
    while let Some((number, line)) = lines.next() {
        if line.trim().is_empty() {
            continue;
        }
        let form = "IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME";
        let words: Vec<&str> = line.split_whitespace().collect();
        let &[_, ref numbers @ .., camera, name] = words.as_slice() else {
            return Err(wrong(number, form, line));
        };
        let parsed = || {
            let numbers = numbers.iter().map(|w| w.parse().ok()).collect::<Option<Vec<f64>>>()?;
            let [w, x, y, z, tx, ty, tz] = numbers[..] else { return None };
            Some(([w, x, y, z], [tx, ty, tz], camera.parse().ok()?))
        };
        let (quaternion, translation, camera) =
            parsed().ok_or_else(|| wrong(number, form, line))?;
        let pose = pose(quaternion, translation)
            .map_err(|reason| format!("line {number}: picture {name:?}: {reason}"))?;
        let seen = match lines.next() {
            Some((number, line)) => seen(number, line)?,
            None => Vec::new(),
        };
        images.push(ColmapImage { name: name.to_owned(), camera, pose, seen });
    }
    Ok(images)
}

fn seen(number: usize, line: &str) -> Result<Vec<u64>, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (triples, rest) = words.as_chunks::<3>();
    let mut seen = Vec::new();
    for [x, y, point] in triples {
        let place = x.parse::<f64>().is_ok() && y.parse::<f64>().is_ok();
        let Some(point) = point.parse::<i64>().ok().filter(|_| place) else {
            return Err(wrong(number, "X Y POINT3D_ID", line));
        };
        // -1: a feature without a point.
        seen.extend(u64::try_from(point));
    }
    if rest.is_empty() { Ok(seen) } else { Err(wrong(number, "triples X Y POINT3D_ID", line)) }
}

/// `points3D.txt`: POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK[]
pub fn points(text: &str) -> Result<Points, String> {
    let mut points = BTreeMap::new();
    for (number, line) in lines(text).filter(|(_, line)| !line.trim().is_empty()) {
        let mut words = line.split_whitespace();
        let mut parsed = || {
            let id = words.next()?.parse().ok()?;
            let mut coordinate = || words.next()?.parse().ok().filter(|v: &f64| v.is_finite());
            Some((id, [coordinate()?, coordinate()?, coordinate()?]))
        };
        let (id, place) = parsed().ok_or_else(|| wrong(number, "POINT3D_ID X Y Z ...", line))?;
        points.insert(id, place);
    }
    Ok(points)
}

/// Lines with their numbers, from 1, without comments.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines()).filter(|(_, line)| !line.trim_start().starts_with('#'))
}

fn wrong(number: usize, expected: &str, line: &str) -> String {
    let got: String = line.chars().take(120).collect();
    format!("line {number}: expected {expected}, got {got:?}")
}
