//! Floor 2: KITTI's calibration files `calib_cam_to_cam.txt` and `calib_velo_to_cam.txt` (lines `NAME: numbers`).
//!
//! Only what the rectified color cameras need is kept. `P_rect_0X` projects points of the rectified frame of camera 0;
//! its fourth column holds the offset of camera X. Pixel centers lie at integer coordinates, as everywhere here.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use suw_shared::camera::Intrinsics;
use suw_shared::image_size::ImageSize;

/// Longest calibration file; KITTI's have 4 KB.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// How far the columns of a rotation may be from unit length and right angles; KITTI prints seven digits.
const ROTATION_TOLERANCE: f64 = 1e-3;

/// A row-major 3x4 matrix: pixels (times depth) from a point.
pub type Projection = [[f64; 4]; 3];

/// A calibration file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CalibrationError {
    /// The file is missing or cannot be read.
    #[error("cannot read calibration: {0}")]
    Read(#[from] io::Error),
    /// Much longer than a calibration file is, or no text.
    #[error("cannot use calibration: expected a text of at most {FILE_BYTES_MAX} bytes, got {0}")]
    NoText(String),
    /// An entry is not there.
    #[error("cannot use calibration: entry {0} is missing")]
    Missing(String),
    /// An entry stands in the file more than once.
    #[error("cannot use calibration: line {line} repeats entry {name}")]
    Repeated {
        /// Counted from 1.
        line: usize,
        /// Which.
        name: String,
    },
    /// An entry has the wrong numbers.
    #[error("cannot use calibration: entry {name}: expected {expected}, got {got}")]
    Value {
        /// Which.
        name: String,
        /// What it should hold.
        expected: &'static str,
        /// What it holds.
        got: String,
    },
}

/// The rectified color camera `0X` of one day.
#[derive(Clone, Debug, PartialEq)]
pub struct CameraCalibration {
    /// Size of the rectified pictures, where the file says it.
    pub size: Option<ImageSize>,
    /// Pixels of this camera from points in the rectified frame of camera 0.
    pub projection: Projection,
    /// The turn that rectifies camera 0.
    pub rectification: [[f64; 3]; 3],
}

impl CameraCalibration {
    /// Reads the camera `number` (2 left, 3 right) from a `calib_cam_to_cam.txt`.
    pub fn read(path: &Path, number: u8) -> Result<Self, CalibrationError> {
        Self::parse(&read(path)?, number)
    }

    /// The camera `number` from the text of a `calib_cam_to_cam.txt`.
    pub fn parse(text: &str, number: u8) -> Result<Self, CalibrationError> {
        let entries = entries(text)?;
        let name = format!("P_rect_{number:02}");
        let p = numbers::<12>(&entries, &name)?;
        let projection = std::array::from_fn(|row| std::array::from_fn(|at| p[4 * row + at]));
        if p[0] <= 0.0 || p[5] <= 0.0 || p[1] != 0.0 || p[4] != 0.0 || p[8..11] != [0.0, 0.0, 1.0] {
            return Err(CalibrationError::Value {
                name,
                expected: "fx 0 cx . 0 fy cy . 0 0 1 . with fx, fy above 0",
                got: format!("{p:?}"),
            });
        }
        let size = match entries.contains_key(format!("S_rect_{number:02}").as_str()) {
            true => Some(size(&entries, &format!("S_rect_{number:02}"))?),
            false => None,
        };
        Ok(Self { size, projection, rectification: rotation(&entries, "R_rect_00")? })
    }

    /// Focal lengths and principal point at the size of the rectified pictures.
    pub fn intrinsics(&self) -> Intrinsics {
        let p = &self.projection;
        Intrinsics { fx: p[0][0], fy: p[1][1], cx: p[0][2], cy: p[1][2] }
    }

    /// Pixels of this camera from points of the laser scanner.
    pub fn from_velodyne(&self, velodyne: &VelodyneCalibration) -> Projection {
        let mut rectified = [[0.0; 4]; 4];
        for (row, out) in rectified.iter_mut().take(3).enumerate() {
            out[..3].copy_from_slice(&self.rectification[row]);
        }
        rectified[3][3] = 1.0;
        let mut camera = [[0.0; 4]; 4];
        for (row, out) in camera.iter_mut().take(3).enumerate() {
            out[..3].copy_from_slice(&velodyne.rotation[row]);
            out[3] = velodyne.translation[row];
        }
        camera[3][3] = 1.0;
        times(&times(&self.projection, &rectified), &camera)
    }
}

/// Where the laser scanner sits: camera-0 points from scanner points.
#[derive(Clone, Debug, PartialEq)]
pub struct VelodyneCalibration {
    /// Camera 0 from scanner.
    pub rotation: [[f64; 3]; 3],
    /// Metres.
    pub translation: [f64; 3],
}

impl VelodyneCalibration {
    /// Reads a `calib_velo_to_cam.txt`.
    pub fn read(path: &Path) -> Result<Self, CalibrationError> {
        Self::parse(&read(path)?)
    }

    /// From the text of a `calib_velo_to_cam.txt`.
    pub fn parse(text: &str) -> Result<Self, CalibrationError> {
        let entries = entries(text)?;
        Ok(Self { rotation: rotation(&entries, "R")?, translation: numbers(&entries, "T")? })
    }
}

fn read(path: &Path) -> Result<String, CalibrationError> {
    let bytes = std::fs::metadata(path)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(CalibrationError::NoText(format!("{bytes} bytes")));
    }
    String::from_utf8(std::fs::read(path)?)
        .map_err(|_| CalibrationError::NoText("bytes that are no UTF-8".to_owned()))
}

/// `NAME: rest` of every line; lines that are blank are skipped.
fn entries(text: &str) -> Result<BTreeMap<&str, &str>, CalibrationError> {
    let mut entries = BTreeMap::new();
    for (line, text) in (1..).zip(text.lines()) {
        let Some((name, rest)) = text.split_once(':') else { continue };
        if entries.insert(name.trim(), rest.trim()).is_some() {
            return Err(CalibrationError::Repeated { line, name: name.trim().to_owned() });
        }
    }
    Ok(entries)
}

fn numbers<const N: usize>(
    entries: &BTreeMap<&str, &str>,
    name: &str,
) -> Result<[f64; N], CalibrationError> {
    let text = entries.get(name).ok_or_else(|| CalibrationError::Missing(name.to_owned()))?;
    let wrong = |got: String| CalibrationError::Value {
        name: name.to_owned(),
        expected: match N {
            12 => "12 finite numbers",
            9 => "9 finite numbers",
            3 => "3 finite numbers",
            _ => "2 finite numbers",
        },
        got,
    };
    let mut values = [0.0; N];
    let mut count = 0;
    for word in text.split_whitespace() {
        let value: f64 = word.parse().map_err(|_| wrong(format!("{word:?}")))?;
        if !value.is_finite() {
            return Err(wrong(word.to_owned()));
        }
        if let Some(place) = values.get_mut(count) {
            *place = value;
        }
        count += 1;
    }
    if count == N { Ok(values) } else { Err(wrong(format!("{count} numbers"))) }
}

fn size(entries: &BTreeMap<&str, &str>, name: &str) -> Result<ImageSize, CalibrationError> {
    let sides = numbers::<2>(entries, name)?;
    if sides.iter().all(|side| (1.0..=65_535.0).contains(side) && side.fract() == 0.0) {
        return Ok(ImageSize::new(sides[0] as u32, sides[1] as u32));
    }
    let expected = "whole numbers from 1 to 65535";
    Err(CalibrationError::Value { name: name.to_owned(), expected, got: format!("{sides:?}") })
}

fn rotation(entries: &BTreeMap<&str, &str>, name: &str) -> Result<[[f64; 3]; 3], CalibrationError> {
    let r = numbers::<9>(entries, name)?;
    let rows: [[f64; 3]; 3] = std::array::from_fn(|row| std::array::from_fn(|at| r[3 * row + at]));
    for a in 0..3 {
        for b in 0..3 {
            let dot: f64 = (0..3).map(|k| rows[a][k] * rows[b][k]).sum();
            // False for the NaN of an overflow too.
            let right = (dot - f64::from(u8::from(a == b))).abs() <= ROTATION_TOLERANCE;
            if !right {
                return Err(CalibrationError::Value {
                    name: name.to_owned(),
                    expected: "a rotation (rows of length 1 at right angles)",
                    got: format!("rows {a} and {b} with product {dot:.4}"),
                });
            }
        }
    }
    Ok(rows)
}

fn times(a: &Projection, b: &[[f64; 4]; 4]) -> Projection {
    std::array::from_fn(|row| {
        std::array::from_fn(|column| (0..4).map(|k| a[row][k] * b[k][column]).sum())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A camera of focal length 100 with the offset of a right camera, 20x10 pixels, nothing turned.
    const CAMERA: &str = "calib_time: 09-Jan-2012 13:57:47\n\
        R_rect_00: 1 0 0 0 1 0 0 0 1\n\
        S_rect_02: 2.000000e+01 1.000000e+01\n\
        P_rect_02: 1e+02 0 9.5 5 0 1e+02 4.5 0 0 0 1 0.25\n";

    /// KITTI's axes: scanner x forward, y left, z up; camera x right, y down, z forward.
    const VELODYNE: &str = "calib_time: x\nR: 0 -1 0 0 0 -1 1 0 0\nT: 0 0 -0.5\ndelta_f: 0 0\n";

    #[test]
    fn a_point_ahead_lands_where_the_numbers_say() {
        let camera = CameraCalibration::parse(CAMERA, 2).unwrap();
        let velodyne = VelodyneCalibration::parse(VELODYNE).unwrap();
        assert_eq!(camera.size, Some(ImageSize::new(20, 10)));
        let intrinsics = camera.intrinsics();
        assert_eq!((intrinsics.fx, intrinsics.cx, intrinsics.cy), (100.0, 9.5, 4.5));
        // Scanner (10.5, 1, -2): camera (-1, 2, 10); u z = 100*-1 + 9.5*10 + 5 = 0, v z = 200 + 45, z = 10.25.
        let p = camera.from_velodyne(&velodyne);
        let point = [10.5, 1.0, -2.0, 1.0];
        let image: Vec<f64> =
            p.iter().map(|row| row.iter().zip(point).map(|(a, b)| a * b).sum()).collect();
        assert_eq!(image, [0.0, 245.0, 10.25]);
    }

    #[test]
    fn faults_name_entry_expected_and_got() {
        let message = |text: &str| CameraCalibration::parse(text, 2).unwrap_err().to_string();
        assert!(message("").contains("P_rect_02 is missing"));
        let no_turn = CAMERA.replace("R_rect_00", "R_rect_01");
        assert!(message(&no_turn).contains("R_rect_00 is missing"));
        let short = message(&CAMERA.replace(" 0.25", ""));
        assert!(short.contains("P_rect_02") && short.contains("12 finite numbers"), "{short}");
        assert!(short.contains("11 numbers"), "{short}");
        assert!(message(&CAMERA.replace("9.5", "nan")).contains("nan"));
        assert!(message(&CAMERA.replace("9.5", "x")).contains("\"x\""));
        assert!(message(&CAMERA.replace("1e+02", "-1")).contains("above 0"));
        assert!(message(&CAMERA.replace("2.000000e+01", "0")).contains("65535"));
        assert!(message(&CAMERA.replace("1 0 0 0 1", "1 0 0 0 2")).contains("a rotation"));
        assert!(message(&[CAMERA, CAMERA].concat()).contains("line 5 repeats entry calib_time"));
        assert!(CameraCalibration::parse(CAMERA, 3).is_err());
        let unsized_camera = CAMERA.replace("S_rect_02", "S_rect_07");
        assert_eq!(CameraCalibration::parse(&unsized_camera, 2).unwrap().size, None);
        assert!(VelodyneCalibration::parse("R: 1 0 0").is_err());
        let overflow = VELODYNE.replace("0 -1 0", "1e300 1e300 -1e300");
        assert!(VelodyneCalibration::parse(&overflow).is_err());
    }

    #[test]
    fn a_file_that_is_no_text_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calib_cam_to_cam.txt");
        assert!(matches!(CameraCalibration::read(&path, 2), Err(CalibrationError::Read(_))));
        std::fs::write(&path, [0xff, 0xfe, 0]).unwrap();
        assert!(matches!(CameraCalibration::read(&path, 2), Err(CalibrationError::NoText(_))));
        std::fs::write(&path, vec![b' '; (1 << 20) + 1]).unwrap();
        assert!(matches!(CameraCalibration::read(&path, 2), Err(CalibrationError::NoText(_))));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(
            text in "[A-Z_0-9a-z:. \\-+\n]{0,120}",
            start in 0usize..200,
            end in 0usize..200,
        ) {
            let (start, end) = (start.min(end), start.max(end));
            let cut = [&CAMERA[..start.min(CAMERA.len())], &CAMERA[end.min(CAMERA.len())..]].concat();
            for text in [&text, &cut] {
                let _ = CameraCalibration::parse(text, 2);
                let _ = VelodyneCalibration::parse(text);
            }
        }
    }
}
