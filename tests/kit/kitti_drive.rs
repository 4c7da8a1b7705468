//! Small drives in the layout of KITTI raw, written by plain loops with the `image` crate, so that a test knows every
//! pixel, point and depth of them.

use std::fs;
use std::path::{Path, PathBuf};

use image::{ExtendedColorType, ImageFormat};
use suw_shared::image_size::ImageSize;

/// What a drive has.
#[derive(Clone, Copy, Debug)]
pub struct KittiDrive {
    /// `date/drive`.
    pub name: &'static str,
    /// 2 and 3 are the color cameras.
    pub cameras: &'static [u8],
    /// Numbered from 0.
    pub frames: u32,
    /// Of the pictures; the calibration fits it.
    pub size: ImageSize,
    /// Frames with a Velodyne scan.
    pub scans: &'static [u32],
    /// Frames with a 16-bit depth picture.
    pub ground_truth: &'static [u32],
}

impl KittiDrive {
    /// Five frames of 64x24 of the left camera, scans and depth pictures for all of them.
    pub const SMALL: Self = Self {
        name: "2011_09_26/2011_09_26_drive_9999_sync",
        cameras: &[2],
        frames: 5,
        size: ImageSize::new(64, 24),
        scans: &[0, 1, 2, 3, 4],
        ground_truth: &[0, 1, 2, 3, 4],
    };

    /// The folder of the drive.
    pub fn folder(&self, root: &Path) -> PathBuf {
        root.join(self.name)
    }

    /// The folder of the date, which holds the calibration.
    pub fn date_folder(&self, root: &Path) -> PathBuf {
        root.join(self.name.split('/').next().expect("invariant: split gives a part"))
    }

    /// The picture of a frame of a camera.
    pub fn image(&self, root: &Path, camera: u8, frame: u32) -> PathBuf {
        self.folder(root).join(format!("image_{camera:02}/data/{frame:010}.png"))
    }

    /// The scan of a frame.
    pub fn scan(&self, root: &Path, frame: u32) -> PathBuf {
        self.folder(root).join(format!("velodyne_points/data/{frame:010}.bin"))
    }

    /// The depth picture of a frame of a camera.
    pub fn depth(&self, root: &Path, camera: u8, frame: u32) -> PathBuf {
        self.folder(root).join(format!("proj_depth/groundtruth/image_{camera:02}/{frame:010}.png"))
    }
}

/// Focal length of the drives' cameras, pixels.
pub const FOCAL: f64 = 50.0;

/// Each scan measures these pixels of the left camera: column, row, metres along the optical axis.
pub const SCAN_PIXELS: [(u32, u32, f32); 4] =
    [(10, 12, 8.0), (11, 12, 20.0), (30, 20, 5.0), (63, 23, 40.0)];

/// Red, green, blue of a pixel: an upright pattern that moves one column to the right per frame.
pub fn color(frame: u32, y: u32, x: u32) -> [u8; 3] {
    let column = (x + 1000 - frame) % 64;
    [(4 * column) as u8, (10 * y % 256) as u8, (column * y % 256) as u8]
}

/// Metres in the depth pictures: only rows from the middle down have a measurement.
pub fn depth_metres(size: ImageSize, y: u32) -> f32 {
    if y < size.height / 2 { 0.0 } else { 4.0 + 2.0 * (size.height - 1 - y) as f32 }
}

/// Writes a drive and the calibration of its date under `root`; returns the folder of the drive.
///
/// # Panics
/// If a file cannot be written.
pub fn kitti_drive(root: &Path, drive: &KittiDrive) -> PathBuf {
    let (width, height) = (drive.size.width, drive.size.height);
    for &camera in drive.cameras {
        for frame in 0..drive.frames {
            let pixels: Vec<u8> = (0..height)
                .flat_map(|y| (0..width).flat_map(move |x| color(frame, y, x)))
                .collect();
            png(&drive.image(root, camera, frame), &pixels, drive.size, ExtendedColorType::Rgb8);
        }
        for &frame in drive.ground_truth {
            let values: Vec<u8> = (0..height)
                .flat_map(|y| vec![(256.0 * depth_metres(drive.size, y)) as u16; width as usize])
                .flat_map(u16::to_ne_bytes)
                .collect();
            png(&drive.depth(root, camera, frame), &values, drive.size, ExtendedColorType::L16);
        }
    }
    let (cx, cy) = center(drive.size);
    for &frame in drive.scans {
        let points = SCAN_PIXELS.iter().filter(|(x, y, _)| *x < width && *y < height);
        let bytes: Vec<u8> = points
            .flat_map(|&(x, y, metres)| {
                let side = -(f64::from(x) - cx) / FOCAL * f64::from(metres);
                let up = -(f64::from(y) - cy) / FOCAL * f64::from(metres);
                [metres, side as f32, up as f32, 0.5]
            })
            .flat_map(f32::to_le_bytes)
            .collect();
        put(&drive.scan(root, frame), &bytes);
    }
    let camera = |number: u8| {
        // The right camera stands half a metre beside the left one.
        let shift = if number == 3 { -0.5 * FOCAL } else { 0.0 };
        format!(
            "S_rect_{number:02}: {width} {height}\n\
             P_rect_{number:02}: {FOCAL} 0 {cx} {shift} 0 {FOCAL} {cy} 0 0 0 1 0\n"
        )
    };
    let cameras = format!("R_rect_00: 1 0 0 0 1 0 0 0 1\n{}{}", camera(2), camera(3));
    put(&drive.date_folder(root).join("calib_cam_to_cam.txt"), cameras.as_bytes());
    let scanner = "R: 0 -1 0 0 0 -1 1 0 0\nT: 0 0 0\n";
    put(&drive.date_folder(root).join("calib_velo_to_cam.txt"), scanner.as_bytes());
    drive.folder(root)
}

/// Principal point: the middle column, a third of the height.
pub fn center(size: ImageSize) -> (f64, f64) {
    (f64::from(size.width - 1) / 2.0, f64::from(size.height / 3))
}

fn png(path: &Path, bytes: &[u8], size: ImageSize, color: ExtendedColorType) {
    fs::create_dir_all(path.parent().expect("invariant: a file lies in a folder"))
        .and_then(|()| {
            image::save_buffer_with_format(
                path,
                bytes,
                size.width,
                size.height,
                color,
                ImageFormat::Png,
            )
            .map_err(std::io::Error::other)
        })
        .unwrap_or_else(|error| panic!("cannot write {path:?}: {error}"));
}

fn put(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("invariant: a file lies in a folder"))
        .and_then(|()| fs::write(path, bytes))
        .unwrap_or_else(|error| panic!("cannot write {path:?}: {error}"));
}
