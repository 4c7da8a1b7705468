//! Floor 0: what a thing is: the three instance classes of the paper and the 19 Cityscapes classes.

/// Objects with a motion of their own (paper 2.1.1). The numbers are COCO category ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum InstanceClass {
    /// COCO 1.
    Person = 1,
    /// COCO 2.
    Bicycle = 2,
    /// COCO 3.
    Car = 3,
}

impl InstanceClass {
    /// All three, by rising COCO id.
    pub const ALL: [Self; 3] = [Self::Person, Self::Bicycle, Self::Car];

    /// The class of a COCO 91 category id, if it is one of the three.
    pub const fn from_coco(id: u32) -> Option<Self> {
        match id {
            1 => Some(Self::Person),
            2 => Some(Self::Bicycle),
            3 => Some(Self::Car),
            _ => None,
        }
    }

    /// COCO category id.
    pub const fn coco(self) -> u8 {
        self as u8
    }

    /// English name, lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Bicycle => "bicycle",
            Self::Car => "car",
        }
    }
}

/// Value of a semantic map where no class is known.
pub const UNLABELLED: u8 = 255;

/// Cityscapes classes; the numbers are train ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs)] // the names say it
pub enum SemanticClass {
    Road = 0,
    Sidewalk = 1,
    Building = 2,
    Wall = 3,
    Fence = 4,
    Pole = 5,
    TrafficLight = 6,
    TrafficSign = 7,
    Vegetation = 8,
    Terrain = 9,
    Sky = 10,
    Person = 11,
    Rider = 12,
    Car = 13,
    Truck = 14,
    Bus = 15,
    Train = 16,
    Motorcycle = 17,
    Bicycle = 18,
}

impl SemanticClass {
    /// All 19, by train id.
    pub const ALL: [Self; 19] = [
        Self::Road,
        Self::Sidewalk,
        Self::Building,
        Self::Wall,
        Self::Fence,
        Self::Pole,
        Self::TrafficLight,
        Self::TrafficSign,
        Self::Vegetation,
        Self::Terrain,
        Self::Sky,
        Self::Person,
        Self::Rider,
        Self::Car,
        Self::Truck,
        Self::Bus,
        Self::Train,
        Self::Motorcycle,
        Self::Bicycle,
    ];

    /// The class of a train id.
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.get(usize::from(id)).copied()
    }

    /// Train id.
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// Cityscapes' name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Road => "road",
            Self::Sidewalk => "sidewalk",
            Self::Building => "building",
            Self::Wall => "wall",
            Self::Fence => "fence",
            Self::Pole => "pole",
            Self::TrafficLight => "traffic light",
            Self::TrafficSign => "traffic sign",
            Self::Vegetation => "vegetation",
            Self::Terrain => "terrain",
            Self::Sky => "sky",
            Self::Person => "person",
            Self::Rider => "rider",
            Self::Car => "car",
            Self::Truck => "truck",
            Self::Bus => "bus",
            Self::Train => "train",
            Self::Motorcycle => "motorcycle",
            Self::Bicycle => "bicycle",
        }
    }

    /// Cityscapes' palette color, for pictures.
    pub const fn color(self) -> [u8; 3] {
        match self {
            Self::Road => [128, 64, 128],
            Self::Sidewalk => [244, 35, 232],
            Self::Building => [70, 70, 70],
            Self::Wall => [102, 102, 156],
            Self::Fence => [190, 153, 153],
            Self::Pole => [153, 153, 153],
            Self::TrafficLight => [250, 170, 30],
            Self::TrafficSign => [220, 220, 0],
            Self::Vegetation => [107, 142, 35],
            Self::Terrain => [152, 251, 152],
            Self::Sky => [70, 130, 180],
            Self::Person => [220, 20, 60],
            Self::Rider => [255, 0, 0],
            Self::Car => [0, 0, 142],
            Self::Truck => [0, 0, 70],
            Self::Bus => [0, 60, 100],
            Self::Train => [0, 80, 100],
            Self::Motorcycle => [0, 0, 230],
            Self::Bicycle => [119, 11, 32],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_positions() {
        for (position, class) in SemanticClass::ALL.iter().enumerate() {
            assert_eq!(usize::from(class.id()), position);
        }
        assert_eq!(SemanticClass::from_id(10), Some(SemanticClass::Sky));
        assert_eq!(SemanticClass::from_id(19), None);
        for class in InstanceClass::ALL {
            assert_eq!(InstanceClass::from_coco(u32::from(class.coco())), Some(class));
        }
        assert_eq!(InstanceClass::from_coco(8), None);
    }
}
