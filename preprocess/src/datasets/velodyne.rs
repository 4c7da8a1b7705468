//! Floor 2: Velodyne scans (`.bin`: little-endian f32 x, y, z, reflectance per point) and their depth maps.
//!
//! Scanner axes: x forward, y left, z up, metres. Two kinds of map, never to be mixed:
//! - training: depth along the optical axis at the pixel whose center is nearest; the nearest point of a pixel stays.
//! - evaluation: what the widely used public projection tool gives, with its shift of one pixel up and left (it follows
//!   KITTI's MATLAB kit, which counts from 1), its two choices of depth, and its way of telling pixels with several
//!   points; published figures on raw LiDAR stand on these maps.

use std::io;
use std::path::Path;

use suw_shared::depth_map::DepthMap;
use suw_shared::image_size::ImageSize;

use crate::datasets::calibration::Projection;

/// Bytes of one point.
pub const POINT_BYTES: usize = 16;

/// Most points of a scan; a 64-beam scanner gives some 120,000 per turn.
const POINTS_MAX: usize = 1 << 22;

/// Nearest depth of a training map, metres. Closer returns come from the car itself or from behind the image plane.
const TRAINING_DEPTH_MIN: f64 = 0.5;

/// Farthest depth of a training map, metres; no laser scanner of a car reaches a tenth of it.
const TRAINING_DEPTH_MAX: f64 = 1000.0;

/// A scan file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VelodyneError {
    /// The file cannot be read.
    #[error("cannot read Velodyne scan: {0}")]
    Read(#[from] io::Error),
    /// The length is no number of points.
    #[error(
        "cannot use Velodyne scan: expected 1 to {POINTS_MAX} points of {POINT_BYTES} bytes, \
         got {0} bytes"
    )]
    Length(u64),
    /// A point with a coordinate or reflectance that is no finite number.
    #[error("cannot use Velodyne scan: point {index}: expected finite numbers, got {values:?}")]
    NotFinite {
        /// Counted from 0.
        index: usize,
        /// x, y, z, reflectance.
        values: [f32; 4],
    },
}

/// Depth that an evaluation map holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvaluationDepth {
    /// Along the optical axis of the camera.
    Camera,
    /// The scanner's forward coordinate x, the usual choice for published raw-LiDAR figures.
    ScannerForward,
}

/// Reads the points of a scan, `[x, y, z]` each.
pub fn read_scan(path: &Path) -> Result<Vec<[f32; 3]>, VelodyneError> {
    let bytes = std::fs::metadata(path)?.len();
    if bytes > (POINT_BYTES * POINTS_MAX) as u64 {
        return Err(VelodyneError::Length(bytes));
    }
    scan_from_bytes(&std::fs::read(path)?)
}

/// The points of a scan that is in memory.
pub fn scan_from_bytes(bytes: &[u8]) -> Result<Vec<[f32; 3]>, VelodyneError> {
    let points = bytes.len() / POINT_BYTES;
    if !bytes.len().is_multiple_of(POINT_BYTES) || points == 0 || points > POINTS_MAX {
        return Err(VelodyneError::Length(bytes.len() as u64));
    }
    bytes
        .chunks_exact(POINT_BYTES)
        .enumerate()
        .map(|(index, point)| {
            let values: [f32; 4] = std::array::from_fn(|at| {
                let mut word = [0; 4];
                word.copy_from_slice(&point[4 * at..4 * at + 4]);
                f32::from_le_bytes(word)
            });
            if values.iter().all(|value| value.is_finite()) {
                Ok([values[0], values[1], values[2]])
            } else {
                Err(VelodyneError::NotFinite { index, values })
            }
        })
        .collect()
}

/// Training depth at native size: unshifted, along the optical axis, the nearest point of a pixel.
///
/// `projection` is `CameraCalibration::from_velodyne`.
pub fn training_depth(points: &[[f32; 3]], projection: &Projection, size: ImageSize) -> DepthMap {
    let mut depth = vec![0.0f32; size.area()];
    for point in points {
        let [u, v, z] = project(projection, point);
        if !(TRAINING_DEPTH_MIN..=TRAINING_DEPTH_MAX).contains(&z) {
            continue;
        }
        let (x, y) = ((u / z).round_ties_even(), (v / z).round_ties_even());
        if let Some(at) = pixel(x, y, size) {
            let metres = z as f32;
            if depth[at] == 0.0 || metres < depth[at] {
                depth[at] = metres;
            }
        }
    }
    DepthMap::new(size, depth)
}

/// Evaluation depth at native size, equal to the public tool's map value by value.
///
/// Its convention: points with x >= 0; pixel = round(u, v) - 1, half to even; of several points in a pixel the smallest
/// depth; depths below 0 become 0. The tool finds pixels with several points by the number `row (W - 1) + column`, which
/// gives the last pixel of a row and the first of the next one the same number; then the smallest depth of both is
/// written to the one whose point comes first in the scan, and the other keeps its last point.
pub fn evaluation_depth(
    points: &[[f32; 3]],
    projection: &Projection,
    size: ImageSize,
    kind: EvaluationDepth,
) -> DepthMap {
    let mut depth = vec![0.0f64; size.area()];
    let width = size.width as usize;
    // Per number: how many points, the pixel of the first, the smallest depth.
    let mut numbered: Vec<(u32, usize, f64)> = vec![(0, 0, f64::INFINITY); size.area()];
    for point in points.iter().filter(|point| point[0] >= 0.0) {
        let [u, v, z] = project(projection, point);
        let (x, y) = ((u / z).round_ties_even() - 1.0, (v / z).round_ties_even() - 1.0);
        let Some(at) = pixel(x, y, size) else { continue };
        let metres = match kind {
            EvaluationDepth::Camera => z,
            EvaluationDepth::ScannerForward => f64::from(point[0]),
        };
        depth[at] = metres;
        let (count, first, smallest) = &mut numbered[at - at / width];
        if *count == 0 {
            *first = at;
        }
        *count += 1;
        *smallest = smallest.min(metres);
    }
    for (_, first, smallest) in numbered.into_iter().filter(|(count, ..)| *count > 1) {
        depth[first] = smallest;
    }
    DepthMap::new(size, depth.into_iter().map(|metres| metres.max(0.0) as f32).collect())
}

/// u z, v z, z.
fn project(projection: &Projection, point: &[f32; 3]) -> [f64; 3] {
    let [x, y, z] = point.map(f64::from);
    projection.map(|row| row[0] * x + row[1] * y + row[2] * z + row[3])
}

/// Index of a pixel; `None` outside the picture and for coordinates that are no numbers.
fn pixel(x: f64, y: f64, size: ImageSize) -> Option<usize> {
    let inside = x >= 0.0 && y >= 0.0 && x < f64::from(size.width) && y < f64::from(size.height);
    inside.then(|| y as usize * size.width as usize + x as usize)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;
    use crate::datasets::calibration::{CameraCalibration, VelodyneCalibration};

    /// Camera at the scanner, focal length 10, center (2, 1), forward = scanner x.
    const AHEAD: Projection =
        [[2.0, -10.0, 0.0, 0.0], [1.0, 0.0, -10.0, 0.0], [1.0, 0.0, 0.0, 0.0]];
    const SMALL: ImageSize = ImageSize::new(5, 3);

    fn bytes(points: &[[f32; 4]]) -> Vec<u8> {
        points.iter().flatten().flat_map(|value| value.to_le_bytes()).collect()
    }

    #[test]
    fn training_depth_is_unshifted_and_the_nearest_wins() {
        // Straight ahead is pixel (2, 1); 0.1 of the distance to the left is one pixel to the left.
        let points = [[20.0, 0.0, 0.0], [10.0, 0.0, 0.0], [30.0, 0.0, 0.0], [10.0, 1.0, 0.0]];
        let depth = training_depth(&points, &AHEAD, SMALL);
        assert_eq!(depth.at(1, 2), 10.0);
        assert_eq!(depth.at(1, 1), 10.0);
        assert_eq!(depth.data().iter().filter(|metres| **metres > 0.0).count(), 2);
        // Behind the camera, and so close that it is the car itself.
        assert_eq!(
            training_depth(&[[-10.0, 0.0, 0.0], [0.1, 0.0, 0.0]], &AHEAD, SMALL).data(),
            [0.0; 15]
        );
    }

    #[test]
    fn evaluation_depth_is_one_pixel_up_and_left() {
        let points = [[20.0, 0.0, 0.0], [10.0, 0.0, 0.0]];
        let depth = evaluation_depth(&points, &AHEAD, SMALL, EvaluationDepth::Camera);
        assert_eq!(depth.at(0, 1), 10.0);
        assert_eq!(depth.data().iter().filter(|metres| **metres > 0.0).count(), 1);
    }

    #[test]
    fn the_last_pixel_of_a_row_and_the_first_of_the_next_share_a_number() {
        // Shifted pixels: (row 0, column 4) needs u = 5, v = 1; (row 1, column 0) needs u = 1, v = 2.
        let far_right = [10.0, -3.0, 0.0];
        let next_row = [8.0, 0.8, -0.8];
        let depth =
            evaluation_depth(&[far_right, next_row], &AHEAD, SMALL, EvaluationDepth::Camera);
        assert_eq!((depth.at(0, 4), depth.at(1, 0)), (8.0, 8.0));
        let depth =
            evaluation_depth(&[next_row, far_right], &AHEAD, SMALL, EvaluationDepth::Camera);
        assert_eq!((depth.at(0, 4), depth.at(1, 0)), (10.0, 8.0));
    }

    #[test]
    fn broken_scans_say_what_is_wrong() {
        let good = bytes(&[[1.0, 2.0, 3.0, 0.5], [4.0, 5.0, 6.0, 0.0]]);
        assert_eq!(scan_from_bytes(&good).unwrap(), [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
        assert!(matches!(scan_from_bytes(&good[..31]), Err(VelodyneError::Length(31))));
        assert!(matches!(scan_from_bytes(&[]), Err(VelodyneError::Length(0))));
        let nan = bytes(&[[1.0; 4], [1.0, f32::NAN, 1.0, 1.0]]);
        let message = scan_from_bytes(&nan).unwrap_err().to_string();
        assert!(message.contains("point 1") && message.contains("NaN"), "{message}");
        let endless = bytes(&[[1.0, 1.0, 1.0, f32::INFINITY]]);
        assert!(matches!(
            scan_from_bytes(&endless),
            Err(VelodyneError::NotFinite { index: 0, .. })
        ));
    }

    /// The one array of a compressed .npz file: zip local header, raw deflate, .npy header.
    fn golden(path: &Path) -> Vec<f32> {
        let zip = std::fs::read(path).unwrap();
        let name = usize::from(u16::from_le_bytes([zip[26], zip[27]]));
        let extra = usize::from(u16::from_le_bytes([zip[28], zip[29]]));
        let mut npy = Vec::new();
        flate2::read::DeflateDecoder::new(&zip[30 + name + extra..]).read_to_end(&mut npy).unwrap();
        let header = 10 + usize::from(u16::from_le_bytes([npy[8], npy[9]]));
        let text = String::from_utf8_lossy(&npy[10..header]);
        assert!(text.contains("'<f4'") && text.contains("False, 'shape': (375, 1242)"), "{text}");
        npy[header..]
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect()
    }

    #[test]
    fn evaluation_maps_equal_those_of_the_public_tool() {
        let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
        if !data.exists() {
            println!("skipped: {} is absent", data.display());
            return;
        }
        let day = data.join("kitti/2011_09_26");
        let camera = CameraCalibration::read(&day.join("calib_cam_to_cam.txt"), 2).unwrap();
        let velodyne = VelodyneCalibration::read(&day.join("calib_velo_to_cam.txt")).unwrap();
        let projection = camera.from_velodyne(&velodyne);
        let size = camera.size.unwrap();
        for frame in [0, 10] {
            let scan = format!("2011_09_26_drive_9001_sync/velodyne_points/data/{frame:010}.bin");
            let points = read_scan(&day.join(scan)).unwrap();
            let kinds = [EvaluationDepth::Camera, EvaluationDepth::ScannerForward];
            for (number, kind) in kinds.into_iter().enumerate() {
                let name = format!("golden/velo_depth_f{frame:02}_veldepth{number}.npz");
                let depth = evaluation_depth(&points, &projection, size, kind);
                assert_eq!(depth.data(), golden(&data.join(&name)), "{name}");
            }
            // Unshifted depth of the same scan has about as many pixels.
            let measured = |map: &DepthMap| map.data().iter().filter(|m| **m > 0.0).count();
            let training = training_depth(&points, &projection, size);
            assert!(measured(&training).abs_diff(16_000) < 1_000, "{}", measured(&training));
        }
    }

    proptest! {
        #[test]
        fn no_scan_makes_the_projections_panic(
            points in prop::collection::vec(any::<[f32; 4]>(), 1..20),
            cut in 0usize..16,
        ) {
            let all = bytes(&points);
            if let Ok(points) = scan_from_bytes(&all[..all.len() - cut]) {
                for row in [AHEAD, [[1e300; 4]; 3], [[0.0; 4]; 3]] {
                    let _ = training_depth(&points, &row, SMALL);
                    let _ = evaluation_depth(&points, &row, SMALL, EvaluationDepth::Camera);
                }
            }
        }

        #[test]
        fn training_depth_is_the_smallest_of_each_pixel(
            points in prop::collection::vec((1.0f32..60.0, -20.0f32..20.0, -5.0f32..5.0), 1..60),
        ) {
            let points: Vec<[f32; 3]> = points.into_iter().map(|(x, y, z)| [x, y, z]).collect();
            let depth = training_depth(&points, &AHEAD, SMALL);
            for y in 0..3 {
                for x in 0..5 {
                    let at = |p: &&[f32; 3]| {
                        let p = p.map(f64::from);
                        let (u, v) = (2.0 - 10.0 * p[1] / p[0], 1.0 - 10.0 * p[2] / p[0]);
                        (u - f64::from(x)).abs() < 0.499_999 && (v - f64::from(y)).abs() < 0.499_999
                    };
                    let least = points.iter().filter(at).map(|p| p[0]).fold(f32::INFINITY, f32::min);
                    if least.is_finite() {
                        prop_assert!(depth.at(y, x) > 0.0 && depth.at(y, x) <= least);
                    }
                }
            }
        }
    }
}
