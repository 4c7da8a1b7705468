//! Floor 2: KITTI's GPS and inertial records (`oxts/data/NUMBER.txt`): where the car was, for the distance between frames.
//!
//! The position is that of KITTI's development kit: Mercator's projection, scaled by the cosine of the latitude.

/// Radius of the earth in Mercator's projection, meters.
const EARTH: f64 = 6_378_137.0;
/// Numbers of a record.
const FIELDS: usize = 30;

/// Where the car was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// Degrees.
    pub latitude: f64,
    /// Degrees.
    pub longitude: f64,
    /// Meters.
    pub altitude: f64,
}

impl Position {
    /// Reads a record: one line of 30 numbers, of which the first three are latitude, longitude and altitude.
    ///
    /// # Errors
    /// Says what was expected; a position outside of Mercator's projection counts as broken.
    pub fn parse(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.len() != FIELDS {
            return Err(format!("expected {FIELDS} numbers, got {}", words.len()));
        }
        let number = |at: usize, what: &str, most: f64| {
            let value = words[at].parse().ok().filter(|value: &f64| value.abs() <= most);
            value.ok_or_else(|| format!("expected {what}, got {:?}", words[at]))
        };
        Ok(Self {
            latitude: number(0, "a latitude of -85 to 85 degrees", 85.0)?,
            longitude: number(1, "a longitude of -180 to 180 degrees", 180.0)?,
            altitude: number(2, "an altitude in meters", 1e5)?,
        })
    }

    /// Distance to a place nearby, meters.
    pub fn distance(self, other: Self) -> f64 {
        let scale = self.latitude.to_radians().cos();
        let north = |place: Self| {
            ((90.0 + place.latitude).to_radians() / 2.0).tan().ln() // of Mercator's map
        };
        // The short way around the earth.
        let turn = (other.longitude - self.longitude + 540.0).rem_euclid(360.0) - 180.0;
        let east = scale * EARTH * turn.to_radians();
        let north = scale * EARTH * (north(other) - north(self));
        (east * east + north * north + (other.altitude - self.altitude).powi(2)).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(latitude: f64, longitude: f64, altitude: f64) -> Position {
        Position { latitude, longitude, altitude }
    }

    #[test]
    fn distances_are_those_worked_out_by_hand() {
        // One degree is 2 pi 6378137 m / 360 = 111,319.49 m at the equator; half of it along the parallel of 60 degrees.
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-4, "{a} and {b}");
        close(at(0.0, 8.0, 100.0).distance(at(0.0, 8.0 + 1e-5, 100.0)), 1.113_195);
        close(at(60.0, 8.0, 100.0).distance(at(60.0, 8.0 + 1e-5, 100.0)), 0.556_597);
        close(at(49.0, 8.0, 100.0).distance(at(49.0 + 1e-5, 8.0, 100.0)), 1.113_195);
        close(at(49.0, 8.0, 100.0).distance(at(49.0, 8.0, 98.0)), 2.0);
        close(at(0.0, 179.999_995, 0.0).distance(at(0.0, -179.999_995, 0.0)), 1.113_195);
    }

    #[test]
    fn records_have_thirty_numbers() {
        let record = format!("49.01 8.43 112.8 {}", ["0.5"; 27].join(" "));
        assert_eq!(Position::parse(&record), Ok(at(49.01, 8.43, 112.8)));
        assert!(Position::parse("49.01 8.43").unwrap_err().contains("expected 30 numbers, got 2"));
        for bad in ["NaN", "inf", "90", "x"] {
            let error = Position::parse(&record.replacen("49.01", bad, 1)).unwrap_err();
            assert!(error.contains("latitude") && error.contains(bad), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([0-9.eE+-]{1,8} ){28,31}|\\PC{0,40}") {
            if let Ok(position) = Position::parse(&text) {
                prop_assert!(position.distance(position).abs() < 1e-6);
            }
        }
    }
}
