//! Floor 0: two pixels or two patches of one picture, the first farther than the second (paper 2.1.2).

/// Pixel or patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum PairKind {
    /// Two single pixels.
    Pixel = 0,
    /// Two square patches of the same odd size.
    Patch = 1,
}

/// Where the order of a pair comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Origin {
    /// Two semantic classes, by rule A, B or C.
    DifferentClass = 0,
    /// One region of a ground class.
    SameClass = 1,
    /// Measured depth (the paper's control row SW*).
    GroundTruth = 2,
    /// MegaDepth's foreground and background map.
    OrdinalMap = 3,
}

/// The rule behind a pair of different classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Rule {
    /// Not a pair of different classes.
    None = 0,
    /// Sky is farther than anything.
    Sky = 1,
    /// A tree or building is farther than the ground below it on the same side.
    TreeOrBuilding = 2,
    /// An object is farther than the road below it.
    Object = 3,
}

/// One stored pair; the first end is farther than the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pair {
    /// Pixel or patch.
    pub kind: PairKind,
    /// Where its order comes from.
    pub origin: Origin,
    /// The rule, for pairs of different classes.
    pub rule: Rule,
    /// Pixels a side: 1 for a pixel; 3, 5, 7 or 9 for a patch.
    pub size: u8,
    /// Center row of the farther end, at network size.
    pub far_y: u16,
    /// Center column of the farther end.
    pub far_x: u16,
    /// Center row of the nearer end.
    pub near_y: u16,
    /// Center column of the nearer end.
    pub near_x: u16,
    /// Train id of the farther end, 255 = none.
    pub far_class: u8,
    /// Train id of the nearer end, 255 = none.
    pub near_class: u8,
}

impl PairKind {
    /// The kind of a stored number.
    pub const fn from_u8(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::Pixel),
            1 => Some(Self::Patch),
            _ => None,
        }
    }
}

impl Origin {
    /// The origin of a stored number.
    pub const fn from_u8(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::DifferentClass),
            1 => Some(Self::SameClass),
            2 => Some(Self::GroundTruth),
            3 => Some(Self::OrdinalMap),
            _ => None,
        }
    }
}

impl Rule {
    /// The rule of a stored number.
    pub const fn from_u8(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::None),
            1 => Some(Self::Sky),
            2 => Some(Self::TreeOrBuilding),
            3 => Some(Self::Object),
            _ => None,
        }
    }
}
