//! Floor 1: the rules of weak labels as values: class sets and margins. Shares are of H or W at network size.

use suw_shared::class::SemanticClass;

/// A set of the 19 semantic classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassSet(u32);

impl ClassSet {
    /// The set of some classes.
    pub fn new(classes: &[SemanticClass]) -> Self {
        Self(classes.iter().fold(0, |set, class| set | 1 << class.id()))
    }

    /// Whether a train id is in the set; 255 never is.
    pub fn contains(self, id: u8) -> bool {
        id < 19 && self.0 >> id & 1 == 1
    }

    /// Train ids, rising.
    pub fn ids(self) -> impl Iterator<Item = u8> {
        (0..19).filter(move |&id| self.contains(id))
    }
}

/// A complete set of rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Its name.
    pub name: String,
    /// Sides of patches, odd, 3 to 9 (paper 2.1.2), rising.
    pub patch_sizes: Vec<u8>,
    /// How far the class of an end reaches beyond it, pixels; at least 2.
    pub margin_px: u8,
    /// Rule A.
    pub sky: SkyRule,
    /// Rule B.
    pub tree_building: TreeBuildingRule,
    /// Rule C.
    pub object: ObjectRule,
    /// Pairs of one class.
    pub same_class: SameClassRule,
    /// The control "random from ground truth".
    pub ground_truth: GroundTruthRule,
}

/// Rule A: sky is farther than anything.
#[derive(Clone, Debug, PartialEq)]
pub struct SkyRule {
    /// Sky.
    pub far: ClassSet,
    /// Anything else.
    pub near: ClassSet,
}

/// Rule B: a tree or building is farther than the ground below it on the same side.
#[derive(Clone, Debug, PartialEq)]
pub struct TreeBuildingRule {
    /// Trees, buildings.
    pub far: ClassSet,
    /// Ground classes.
    pub near: ClassSet,
    /// The far center lies above this share of H; `None` = anywhere.
    pub far_above: Option<f64>,
    /// Keeps clear of where the far end stands; `None` = only below it.
    pub contact: Option<Contact>,
}

/// What hangs over the ground beside the place where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Crown {
    /// Of these classes.
    pub classes: ClassSet,
    /// Its columns are looked at up to this share of W on both sides of the far center.
    pub reach: f64,
}

/// Where the thing at the far end of rule B meets the ground.
#[derive(Clone, Debug, PartialEq)]
pub struct Contact {
    /// What counts as ground.
    pub ground: ClassSet,
    /// The far end's columns are widened by this share of W on both sides.
    pub widen: f64,
    /// And by the crown that it lies in; `None` = no class has one.
    pub crown: Option<Crown>,
    /// See `clear_row`.
    pub clear: f64,
}

/// Rule C: an object is farther than the road below it.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectRule {
    /// Objects.
    pub far: ClassSet,
    /// Road.
    pub near: ClassSet,
    /// What an object is.
    pub regions: ObjectRegions,
    /// What the near end is below.
    pub below: ObjectBottom,
    /// See `clear_row`; `None` = just below.
    pub clear: Option<f64>,
    /// The near end's last row is at most this share of H below; `None` = any.
    pub gap_max: Option<f64>,
}

/// What counts as one object in rule C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectRegions {
    /// Where the data set has instance masks, the largest piece of one that its semantic class confirms.
    Instances,
    /// A region of the semantic map.
    Semantic,
}

/// What the near end of rule C must be below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectBottom {
    /// The lowest row of the whole object.
    Object,
    /// The lowest row of the object in the near end's columns.
    Columns,
}

/// Pairs of one ground region: the lower end is nearer.
#[derive(Clone, Debug, PartialEq)]
pub struct SameClassRule {
    /// Ground classes.
    pub classes: ClassSet,
    /// Least distance of the centers' rows as a share of H.
    pub gap: f64,
    /// Least distance of the centers' rows in sides of the patch, at least 1 (the ends do not overlap).
    pub gap_sizes: f64,
}

/// Pairs from measured depth.
#[derive(Clone, Debug, PartialEq)]
pub struct GroundTruthRule {
    /// Least ratio of the two depths, at least 1.02.
    pub ratio_min: f64,
}

/// First row of near ends that are "clear `clear` of row `row`": `horizon + (1 + clear) max(row - horizon, 0)`.
pub fn clear_row(clear: f64, row: u32, horizon: f64) -> u32 {
    let first = horizon + (1.0 + clear) * (f64::from(row) - horizon).max(0.0);
    // A hair lower, so that whoever computes it in another order or from a rounded horizon agrees.
    (first + 1e-4).ceil().max(0.0) as u32
}
