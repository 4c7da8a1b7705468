//! Floor 0: what the numbers that networks give mean: COCO 91, COCO 80, Cityscapes, ADE20K.

use suw_shared::class::{InstanceClass, SemanticClass, UNLABELLED};

/// What the label numbers of a detector mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceTable {
    /// COCO category ids, 0 = background (torchvision, model zoo).
    Coco91,
    /// The 80 classes without gaps, from 0 (Detectron2).
    Coco80,
}

impl InstanceTable {
    /// The class of a label; `None` for all but the three.
    pub fn class(self, label: i64) -> Option<InstanceClass> {
        let coco = match self {
            Self::Coco91 => label,
            // The first three of the 80 are person, bicycle, car: nothing is left out before them.
            Self::Coco80 => label.checked_add(1)?,
        };
        u32::try_from(coco).ok().and_then(InstanceClass::from_coco)
    }
}

/// What the channels or label numbers of a semantic network mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SemanticTable {
    /// Train ids 0..18.
    Cityscapes,
    /// The 150 classes of the scene parsing benchmark, from 0.
    Ade20k,
}

/// ADE20K number (from 1, as in its list) and the Cityscapes class that covers it; all others have none.
const ADE20K: [(u8, SemanticClass); 27] = [
    (1, SemanticClass::Wall),
    (2, SemanticClass::Building),
    (3, SemanticClass::Sky),
    (5, SemanticClass::Vegetation),   // tree
    (7, SemanticClass::Road),         // road
    (10, SemanticClass::Terrain),     // grass
    (12, SemanticClass::Sidewalk),    // sidewalk
    (13, SemanticClass::Person),      // person
    (14, SemanticClass::Terrain),     // earth
    (18, SemanticClass::Vegetation),  // plant
    (21, SemanticClass::Car),         // car
    (26, SemanticClass::Building),    // house
    (30, SemanticClass::Terrain),     // field
    (33, SemanticClass::Fence),       // fence
    (39, SemanticClass::Fence),       // railing
    (44, SemanticClass::TrafficSign), // signboard
    (49, SemanticClass::Building),    // skyscraper
    (53, SemanticClass::Sidewalk),    // path
    (73, SemanticClass::Vegetation),  // palm
    (81, SemanticClass::Bus),         // bus
    (84, SemanticClass::Truck),       // truck
    (94, SemanticClass::Pole),        // pole
    (95, SemanticClass::Terrain),     // land
    (103, SemanticClass::Car),        // van
    (117, SemanticClass::Motorcycle), // minibike
    (128, SemanticClass::Bicycle),    // bicycle
    (137, SemanticClass::TrafficLight),
];

impl SemanticTable {
    /// Number of classes, that is of logit channels.
    pub const fn classes(self) -> usize {
        match self {
            Self::Cityscapes => 19,
            Self::Ade20k => 150,
        }
    }

    /// The train id of every class; 255 where Cityscapes has none.
    pub fn train_ids(self) -> Vec<u8> {
        match self {
            Self::Cityscapes => SemanticClass::ALL.iter().map(|class| class.id()).collect(),
            Self::Ade20k => {
                let mut ids = vec![UNLABELLED; self.classes()];
                for (number, class) in ADE20K {
                    ids[usize::from(number) - 1] = class.id();
                }
                ids
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detectors_count_the_three_classes_differently() {
        use InstanceClass::{Bicycle, Car, Person};
        let first = |table: InstanceTable| [0, 1, 2, 3, 4].map(|label| table.class(label));
        let coco91 = [None, Some(Person), Some(Bicycle), Some(Car), None];
        assert_eq!(first(InstanceTable::Coco91), coco91);
        let coco80 = [Some(Person), Some(Bicycle), Some(Car), None, None];
        assert_eq!(first(InstanceTable::Coco80), coco80);
        for odd in [-1, i64::MIN, i64::MAX, (1 << 32) + 1] {
            assert_eq!(InstanceTable::Coco91.class(odd), None, "{odd}");
            assert_eq!(InstanceTable::Coco80.class(odd), None, "{odd}");
        }
    }

    #[test]
    fn roles_of_the_rules_have_the_numbers_of_both_vocabularies() {
        // Pairs of the table "role in rules": ADE20K from 1, Cityscapes train id.
        let roles =
            [(3, 10), (5, 8), (2, 2), (7, 0), (33, 4), (10, 9), (21, 13), (13, 11), (128, 18)];
        let ids = SemanticTable::Ade20k.train_ids();
        for (ade, train) in roles {
            assert_eq!(ids[ade - 1], train, "ADE20K {ade}");
        }
        assert_eq!(ids[43], 7);
        assert_eq!(ids[3], UNLABELLED, "floor is no street class");
        assert_eq!(ids.len(), 150);
        assert_eq!(SemanticTable::Cityscapes.train_ids(), (0..19).collect::<Vec<u8>>());
    }
}
