//! Floor 0: the size of a picture in pixels, and windows in it.

use std::fmt;
use std::str::FromStr;

/// Width and height of a picture in pixels; both at least 1 in every value that a door lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageSize {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl ImageSize {
    /// A size; width first, as it is written in `416x128`.
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// Number of pixels.
    pub const fn area(self) -> usize {
        self.width as usize * self.height as usize
    }

    /// The window that covers the whole picture.
    pub const fn window(self) -> Window {
        Window { y: 0, x: 0, height: self.height, width: self.width }
    }
}

impl fmt::Display for ImageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl FromStr for ImageSize {
    type Err = String;

    /// Reads `WIDTHxHEIGHT`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("cannot read size {text:?}: expected WIDTHxHEIGHT such as 416x128");
        let (width, height) = text.split_once('x').ok_or_else(wrong)?;
        let width: u32 = width.parse().map_err(|_| wrong())?;
        let height: u32 = height.parse().map_err(|_| wrong())?;
        if width == 0 || height == 0 || width > 65_535 || height > 65_535 {
            return Err(format!("cannot use size {text:?}: expected 1 to 65535 pixels a side"));
        }
        Ok(Self { width, height })
    }
}

/// A rectangle of a picture, in pixels of that picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// First row.
    pub y: u32,
    /// First column.
    pub x: u32,
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
}

impl Window {
    /// The size of the window.
    pub const fn size(self) -> ImageSize {
        ImageSize::new(self.width, self.height)
    }

    /// Whether the window lies inside a picture of `size` and is not empty.
    pub const fn fits(self, size: ImageSize) -> bool {
        self.width > 0
            && self.height > 0
            && self.x as u64 + self.width as u64 <= size.width as u64
            && self.y as u64 + self.height as u64 <= size.height as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_reads_what_it_prints() {
        let size: ImageSize = "416x128".parse().unwrap();
        assert_eq!(size, ImageSize::new(416, 128));
        assert_eq!(size.to_string(), "416x128");
    }

    #[test]
    fn odd_sizes_are_refused() {
        for text in ["", "416", "416x", "x128", "0x10", "10x0", "-1x5", "70000x1", "1x2x3"] {
            assert!(text.parse::<ImageSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_window_past_the_edge_does_not_fit() {
        let size = ImageSize::new(10, 5);
        assert!(size.window().fits(size));
        assert!(!Window { y: 1, x: 0, height: 5, width: 10 }.fits(size));
        assert!(!Window { y: 0, x: u32::MAX, height: 5, width: 2 }.fits(size));
        assert!(!Window { y: 0, x: 0, height: 0, width: 10 }.fits(size));
    }
}
