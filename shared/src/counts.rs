//! Floor 0: how much weak supervision samples hold: objects by class, pairs by kind of rule.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::class::InstanceClass;
use crate::pair::{Origin, Rule};
use crate::sample::Sample;

/// Objects and pairs of any number of samples. Zeros are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Aligned objects by class.
    pub objects: ObjectCounts,
    /// Pairs by what orders them.
    pub pairs: PairCounts,
}

/// Aligned objects by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // the names say it
pub struct ObjectCounts {
    pub bicycle: u64,
    pub car: u64,
    pub person: u64,
}

/// Pairs by what orders them. The names are those of the manifest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PairCounts {
    /// Different classes, rule A: sky.
    #[serde(rename = "A")]
    pub sky: u64,
    /// Different classes, rule B: tree or building.
    #[serde(rename = "B")]
    pub tree_or_building: u64,
    /// Different classes, rule C: object.
    #[serde(rename = "C")]
    pub object: u64,
    /// Ground truth.
    #[serde(rename = "gt")]
    pub ground_truth: u64,
    /// Ordinal map.
    #[serde(rename = "ordinal")]
    pub ordinal_map: u64,
    /// Same class.
    #[serde(rename = "same")]
    pub same_class: u64,
}

impl Counts {
    /// The counts of one sample.
    pub fn of(sample: &Sample) -> Self {
        let mut counts = Self::default();
        for object in sample.objects.iter().flat_map(|objects| &objects.rows) {
            *match object.class {
                InstanceClass::Bicycle => &mut counts.objects.bicycle,
                InstanceClass::Car => &mut counts.objects.car,
                InstanceClass::Person => &mut counts.objects.person,
            } += 1;
        }
        for pair in sample.pairs.iter().flatten() {
            *match (pair.origin, pair.rule) {
                (Origin::DifferentClass, Rule::TreeOrBuilding) => {
                    &mut counts.pairs.tree_or_building
                }
                (Origin::DifferentClass, Rule::Object) => &mut counts.pairs.object,
                // Rule "none" breaks the format here; such a sample is never stored.
                (Origin::DifferentClass, Rule::Sky | Rule::None) => &mut counts.pairs.sky,
                (Origin::SameClass, _) => &mut counts.pairs.same_class,
                (Origin::GroundTruth, _) => &mut counts.pairs.ground_truth,
                (Origin::OrdinalMap, _) => &mut counts.pairs.ordinal_map,
            } += 1;
        }
        counts
    }

    /// Adds the counts of other samples.
    pub fn add(&mut self, other: &Self) {
        self.objects.bicycle += other.objects.bicycle;
        self.objects.car += other.objects.car;
        self.objects.person += other.objects.person;
        self.pairs.sky += other.pairs.sky;
        self.pairs.tree_or_building += other.pairs.tree_or_building;
        self.pairs.object += other.pairs.object;
        self.pairs.ground_truth += other.pairs.ground_truth;
        self.pairs.ordinal_map += other.pairs.ordinal_map;
        self.pairs.same_class += other.pairs.same_class;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_manifest() {
        let mut counts = Counts::default();
        counts.pairs.tree_or_building = 2;
        counts.objects.car = 3;
        let mut sum = counts;
        sum.add(&counts);
        assert_eq!(
            serde_json::to_string(&sum).unwrap(),
            "{\"objects\":{\"bicycle\":0,\"car\":6,\"person\":0},\
             \"pairs\":{\"A\":0,\"B\":4,\"C\":0,\"gt\":0,\"ordinal\":0,\"same\":0}}"
        );
    }
}
