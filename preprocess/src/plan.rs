//! Floor 4: one run of the preprocessor, complete and checked: no text, no defaults. Samples are assigned to shards
//! before anything is decoded.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;

use suw_shared::image_size::ImageSize;
use suw_shared::manifest::ModelEntry;
use suw_shared::shard::{ShardHeader, shard_file_name};

use crate::datasets::manifest::{Clip, DataSetManifest, FrameId};
use crate::mask_store::{MaskStore, Needs};
use crate::masks_run::FrameRef;
use crate::stages::assemble::AssembleParams;
use crate::stages::load::LoadParams;

/// Everything that a run needs.
pub struct Plan {
    /// The data set.
    pub manifest: DataSetManifest,
    /// Where its files lie.
    pub root: PathBuf,
    /// Its clips by rising key.
    pub clips: Vec<Clip>,
    /// Folder of the shard set.
    pub out: PathBuf,
    /// All shards of the set, by rising number.
    pub shards: Vec<PlannedShard>,
    /// What the shards have in common.
    pub header: ShardHeader,
    /// Reading pictures and depth.
    pub load: LoadParams,
    /// From parts to a sample.
    pub assemble: AssembleParams,
    /// The mask store, where masks are used.
    pub store: Option<MaskStore>,
    /// What the masks come from, for the manifest.
    pub models: Vec<ModelEntry>,
    /// BLAKE3 of the resolved configuration.
    pub fingerprint: String,
    /// The share of this process.
    pub partition: Partition,
}

/// One shard file and the clips assigned to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedShard {
    /// File name.
    pub file: String,
    /// Positions in `Plan::clips`.
    pub clips: Range<usize>,
}

/// Share `part` of `parts`, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// 1..=parts.
    pub part: u32,
    /// At least 1.
    pub parts: u32,
}

impl Partition {
    /// All of it.
    pub const WHOLE: Self = Self { part: 1, parts: 1 };

    /// Whether a shard belongs to this share.
    pub const fn has(self, shard: usize) -> bool {
        shard % self.parts as usize == self.part as usize - 1
    }
}

impl std::str::FromStr for Partition {
    type Err = String;

    /// Reads `I/N`, I from 1.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("cannot read partition {text:?}: expected I/N with 1 <= I <= N, such as 1/4")
        };
        let (part, parts) = text.split_once('/').ok_or_else(wrong)?;
        let partition = Self {
            part: part.parse().map_err(|_| wrong())?,
            parts: parts.parse().map_err(|_| wrong())?,
        };
        if partition.part == 0 || partition.part > partition.parts || partition.parts > 100_000 {
            return Err(wrong());
        }
        Ok(partition)
    }
}

/// Clips in the order of their keys, `per_shard` to a shard.
pub fn assign(dataset: &str, split: &str, n_clips: usize, per_shard: usize) -> Vec<PlannedShard> {
    (0..n_clips.div_ceil(per_shard))
        .map(|number| PlannedShard {
            file: shard_file_name(dataset, split, number),
            clips: number * per_shard..n_clips.min((number + 1) * per_shard),
        })
        .collect()
}

impl Plan {
    /// The shards of this process's share.
    pub fn own_shards(&self) -> impl Iterator<Item = &PlannedShard> {
        let own = |(number, shard)| self.partition.has(number).then_some(shard);
        self.shards.iter().enumerate().filter_map(own)
    }

    /// What each frame of these clips needs from the mask store: targets both kinds where samples have semantic maps,
    /// all others instances only.
    pub fn needs(&self, clips: impl IntoIterator<Item = usize>) -> BTreeMap<FrameId, Needs> {
        let target = Needs { semantic: self.header.contents.semantic, ..Needs::BOTH };
        let mut needs: BTreeMap<FrameId, Needs> = BTreeMap::new();
        for clip in clips {
            let clip = &self.clips[clip];
            for &frame in &clip.frames {
                let need = if frame == clip.target() { target } else { Needs::INSTANCES };
                let entry = needs.entry(frame).or_insert(need);
                *entry = entry.union(need);
            }
        }
        needs
    }

    /// Every frame of this process's share, once each, for the mask stage.
    pub fn mask_frames(&self) -> Vec<FrameRef> {
        let own = self.own_shards().flat_map(|shard| shard.clips.clone());
        let frame_ref = |(frame, needs)| {
            let (scene, stem) = self.manifest.frame_name(frame);
            FrameRef {
                scene: scene.to_owned(),
                stem: stem.to_owned(),
                image: self.root.join(&self.manifest.image_file(frame).path),
                // A scene without a readable picture has no size; the mask stage reports the picture itself.
                size: self.manifest.frame_size(frame).unwrap_or(ImageSize::new(1, 1)),
                needs,
            }
        };
        self.needs(own).into_iter().map(frame_ref).collect()
    }

    /// Frames that are the target of a clip.
    pub fn targets(&self) -> BTreeSet<FrameId> {
        self.clips.iter().map(Clip::target).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seven_clips_at_three_a_shard_make_three_shards() {
        let shards = assign("kitti", "train", 7, 3);
        let clips: Vec<_> = shards.iter().map(|shard| shard.clips.clone()).collect();
        assert_eq!(clips, [0..3, 3..6, 6..7]);
        assert_eq!(shards[2].file, "kitti-train-00002.h5");
        assert!(assign("kitti", "train", 0, 3).is_empty());
    }

    #[test]
    fn partitions_share_out_every_shard_once() {
        for parts in 1..5 {
            for shard in 0..20 {
                let owners =
                    (1..=parts).filter(|&part| Partition { part, parts }.has(shard)).count();
                assert_eq!(owners, 1);
            }
        }
        assert_eq!("2/3".parse(), Ok(Partition { part: 2, parts: 3 }));
        for text in ["", "1", "0/2", "3/2", "a/b", "1/0", "-1/2"] {
            assert!(text.parse::<Partition>().is_err(), "{text}");
        }
    }
}
