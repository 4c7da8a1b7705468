//! Floor 0: where the depth of a sample comes from. The names stand in shards and configurations.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Origin of `/depth` or `/gt` in a shard.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum DepthSource {
    /// One sweep of a laser scanner.
    Lidar,
    /// Several sweeps joined: KITTI's 16-bit ground-truth pictures.
    LidarAccumulated,
    /// Structure from motion.
    Sfm,
    /// Multi-view stereo.
    Mvs,
    /// Known from the renderer.
    Exact,
    /// There is none.
    None,
}

impl DepthSource {
    /// All sources.
    pub const ALL: [Self; 6] =
        [Self::Lidar, Self::LidarAccumulated, Self::Sfm, Self::Mvs, Self::Exact, Self::None];

    /// The source as it is written in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lidar => "lidar",
            Self::LidarAccumulated => "lidar-accumulated",
            Self::Sfm => "sfm",
            Self::Mvs => "mvs",
            Self::Exact => "exact",
            Self::None => "none",
        }
    }

    /// The source of a written name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.name() == name)
    }
}

impl fmt::Display for DepthSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_serde_and_read_back() {
        for source in DepthSource::ALL {
            assert_eq!(serde_json::to_string(&source).unwrap(), format!("\"{source}\""));
            assert_eq!(DepthSource::from_name(source.name()), Some(source));
        }
        assert_eq!(DepthSource::from_name("stereo"), None);
    }
}
