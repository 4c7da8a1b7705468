//! Floor 2: the rules of weak labels from a TOML file such as `data-manifests/rules/driving.toml`.
//!
//! A rules file may narrow the paper's class sets but not leave them: what a pair means does not depend on the file.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use suw_shared::class::SemanticClass;
use suw_shared::toml_file::{self, TomlError, nearest};

use crate::pairs::rules::{
    ClassSet, Contact, Crown, GroundTruthRule, ObjectBottom, ObjectRegions, ObjectRule, Rules,
    SameClassRule, SkyRule, TreeBuildingRule,
};

/// What is wrong with a rules file.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// It cannot be read as TOML of this form.
    #[error(transparent)]
    Toml(#[from] TomlError),
    /// A name that is no Cityscapes class.
    #[error("cannot use class {name:?} in {key} of {path:?}: no such class; expected {expected}")]
    UnknownClass {
        /// Which file.
        path: PathBuf,
        /// Which list.
        key: &'static str,
        /// The name as written.
        name: String,
        /// The nearest class, or all.
        expected: String,
    },
    /// A class that the paper's rule does not have.
    #[error(
        "cannot use class {name:?} in {key} of {path:?}: the rule does not hold for it; \
         expected some of {expected}"
    )]
    ForeignClass {
        /// Which file.
        path: PathBuf,
        /// Which list.
        key: &'static str,
        /// The class.
        name: &'static str,
        /// The paper's classes.
        expected: String,
    },
    /// A number that makes no sense.
    #[error("cannot use {key} of {path:?}: expected {expected}, got {got}")]
    OutOfRange {
        /// Which file.
        path: PathBuf,
        /// Which key.
        key: &'static str,
        /// The range.
        expected: String,
        /// The value as written.
        got: String,
    },
}

/// Reads a rules file.
///
/// # Errors
/// If it is no TOML, has an unknown key or class, or a value out of range.
pub fn read(path: &Path) -> Result<Rules, RulesError> {
    rules_of(path, toml_file::read(path, &[])?)
}

/// `read` for text that is already there; `path` only names it in errors.
///
/// # Errors
/// As `read`.
pub fn parse(path: &Path, text: &str) -> Result<Rules, RulesError> {
    rules_of(path, toml_file::parse(path, text, &[])?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRules {
    name: String,
    patch: RawPatch,
    sky: RawSky,
    tree_building: RawTreeBuilding,
    object: RawObject,
    same_class: RawSameClass,
    ground_truth: RawGroundTruth,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPatch {
    sizes: Vec<u8>,
    margin_px: u8,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSky {
    far: Vec<String>,
    near: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTreeBuilding {
    far: Vec<String>,
    near: Vec<String>,
    far_above: Option<f64>,
    contact: Option<RawContact>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCrown {
    classes: Vec<String>,
    reach: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawContact {
    ground: Vec<String>,
    widen: f64,
    crown: Option<RawCrown>,
    clear: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawObject {
    far: Vec<String>,
    near: Vec<String>,
    regions: RawRegions,
    below: RawBelow,
    clear: Option<f64>,
    gap_max: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawRegions {
    Instances,
    Semantic,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawBelow {
    Object,
    Columns,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSameClass {
    classes: Vec<String>,
    gap: f64,
    gap_sizes: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGroundTruth {
    ratio_min: f64,
}

const TREE_BUILDING_FAR: [SemanticClass; 2] = [SemanticClass::Vegetation, SemanticClass::Building];
const TREE_BUILDING_NEAR: [SemanticClass; 3] =
    [SemanticClass::Road, SemanticClass::Fence, SemanticClass::Terrain];
const OBJECT_FAR: [SemanticClass; 5] = [
    SemanticClass::Car,
    SemanticClass::Person,
    SemanticClass::Rider,
    SemanticClass::Bicycle,
    SemanticClass::TrafficSign,
];
const SAME_CLASS: [SemanticClass; 3] =
    [SemanticClass::Road, SemanticClass::Sidewalk, SemanticClass::Terrain];

fn rules_of(path: &Path, raw: RawRules) -> Result<Rules, RulesError> {
    let but_sky: Vec<SemanticClass> =
        SemanticClass::ALL.into_iter().filter(|&class| class != SemanticClass::Sky).collect();
    let RawRules { name, patch, sky, tree_building, object, same_class, ground_truth } = raw;
    let file = RulesFile { path };
    let crown = |raw: RawCrown| -> Result<Crown, RulesError> {
        let name = "tree_building.contact.crown.classes";
        Ok(Crown {
            classes: file.classes(name, &raw.classes, &TREE_BUILDING_FAR)?,
            reach: file.number("tree_building.contact.crown.reach", raw.reach, 0.0, 1.0)?,
        })
    };
    let contact = |raw: RawContact| -> Result<Contact, RulesError> {
        Ok(Contact {
            ground: file.classes(
                "tree_building.contact.ground",
                &raw.ground,
                &SemanticClass::ALL,
            )?,
            widen: file.number("tree_building.contact.widen", raw.widen, 0.0, 1.0)?,
            crown: raw.crown.map(crown).transpose()?,
            clear: file.number("tree_building.contact.clear", raw.clear, 0.0, 10.0)?,
        })
    };
    Ok(Rules {
        name,
        patch_sizes: file.sizes(patch.sizes)?,
        margin_px: file.margin(patch.margin_px)?,
        sky: SkyRule {
            far: file.classes("sky.far", &sky.far, &[SemanticClass::Sky])?,
            near: file.classes("sky.near", &sky.near, &but_sky)?,
        },
        tree_building: TreeBuildingRule {
            far: file.classes("tree_building.far", &tree_building.far, &TREE_BUILDING_FAR)?,
            near: file.classes("tree_building.near", &tree_building.near, &TREE_BUILDING_NEAR)?,
            far_above: file.optional("tree_building.far_above", tree_building.far_above, 1.0)?,
            contact: tree_building.contact.map(contact).transpose()?,
        },
        object: ObjectRule {
            far: file.classes("object.far", &object.far, &OBJECT_FAR)?,
            near: file.classes("object.near", &object.near, &[SemanticClass::Road])?,
            regions: match object.regions {
                RawRegions::Instances => ObjectRegions::Instances,
                RawRegions::Semantic => ObjectRegions::Semantic,
            },
            below: match object.below {
                RawBelow::Object => ObjectBottom::Object,
                RawBelow::Columns => ObjectBottom::Columns,
            },
            clear: file.optional("object.clear", object.clear, 10.0)?,
            gap_max: file.optional("object.gap_max", object.gap_max, 1.0)?,
        },
        same_class: SameClassRule {
            classes: file.classes("same_class.classes", &same_class.classes, &SAME_CLASS)?,
            gap: file.number("same_class.gap", same_class.gap, 0.0, 1.0)?,
            gap_sizes: file.number("same_class.gap_sizes", same_class.gap_sizes, 1.0, 100.0)?,
        },
        ground_truth: GroundTruthRule {
            ratio_min: file.number(
                "ground_truth.ratio_min",
                ground_truth.ratio_min,
                1.02,
                100.0,
            )?,
        },
    })
}

/// Checks of single values; the path is for the errors.
struct RulesFile<'a> {
    path: &'a Path,
}

impl RulesFile<'_> {
    fn classes(
        &self,
        key: &'static str,
        names: &[String],
        allowed: &[SemanticClass],
    ) -> Result<ClassSet, RulesError> {
        let mut classes = Vec::new();
        for name in names {
            let class = SemanticClass::ALL.into_iter().find(|class| class.name() == name);
            let class = class.ok_or_else(|| self.unknown_class(key, name))?;
            if !allowed.contains(&class) {
                return Err(RulesError::ForeignClass {
                    path: self.path.to_owned(),
                    key,
                    name: class.name(),
                    expected: list(allowed),
                });
            }
            classes.push(class);
        }
        Ok(ClassSet::new(&classes))
    }

    fn unknown_class(&self, key: &'static str, name: &str) -> RulesError {
        let known: Vec<String> = SemanticClass::ALL.map(|c| c.name().to_owned()).into();
        RulesError::UnknownClass {
            path: self.path.to_owned(),
            key,
            name: name.to_owned(),
            expected: nearest(name, &known).unwrap_or_else(|| list(&SemanticClass::ALL)),
        }
    }

    fn number(
        &self,
        key: &'static str,
        value: f64,
        least: f64,
        most: f64,
    ) -> Result<f64, RulesError> {
        if (least..=most).contains(&value) {
            return Ok(value);
        }
        Err(self.out_of_range(key, format!("{least} to {most}"), value))
    }

    fn optional(
        &self,
        key: &'static str,
        value: Option<f64>,
        most: f64,
    ) -> Result<Option<f64>, RulesError> {
        value.map(|value| self.number(key, value, 0.0, most)).transpose()
    }

    fn sizes(&self, sizes: Vec<u8>) -> Result<Vec<u8>, RulesError> {
        let known = sizes.iter().all(|size| matches!(size, 3 | 5 | 7 | 9));
        if known && !sizes.is_empty() && sizes.is_sorted_by(|a, b| a < b) {
            return Ok(sizes);
        }
        let expected = "some of 3, 5, 7, 9 in rising order".to_owned();
        Err(self.out_of_range("patch.sizes", expected, format!("{sizes:?}")))
    }

    fn margin(&self, margin: u8) -> Result<u8, RulesError> {
        // Every pair of a shard promises 2 pixels; beyond 16 nothing is left of a street scene.
        if (2..=16).contains(&margin) {
            return Ok(margin);
        }
        Err(self.out_of_range("patch.margin_px", "2 to 16".to_owned(), margin))
    }

    fn out_of_range(&self, key: &'static str, expected: String, got: impl ToString) -> RulesError {
        RulesError::OutOfRange { path: self.path.to_owned(), key, expected, got: got.to_string() }
    }
}

fn list(classes: &[SemanticClass]) -> String {
    classes.iter().map(|class| class.name()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn shipped(name: &str) -> (PathBuf, String) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data-manifests/rules").join(name);
        let text = fs::read_to_string(&path).unwrap();
        (path, text)
    }

    fn refusal(change: (&str, &str)) -> String {
        let (_, text) = shipped("driving.toml");
        assert!(text.contains(change.0), "{change:?}");
        let text = text.replacen(change.0, change.1, 1);
        parse(Path::new("rules.toml"), &text).unwrap_err().to_string()
    }

    #[test]
    fn the_shipped_files_say_what_the_contract_says() {
        let driving = read(&shipped("driving.toml").0).unwrap();
        assert_eq!(driving.name, "driving");
        assert_eq!(driving.patch_sizes, [3, 5, 7, 9]);
        assert_eq!(driving.margin_px, 2);
        assert_eq!(driving.sky.far.ids().collect::<Vec<_>>(), [10]);
        assert_eq!(driving.sky.near.ids().count(), 18);
        let b = &driving.tree_building;
        assert_eq!(b.far.ids().collect::<Vec<_>>(), [2, 8]);
        assert_eq!(b.near.ids().collect::<Vec<_>>(), [0, 4, 9]);
        assert_eq!(b.far_above, Some(0.5));
        let contact = b.contact.as_ref().unwrap();
        assert_eq!(contact.ground.ids().collect::<Vec<_>>(), [0, 1, 9]);
        assert_eq!((contact.widen, contact.clear), (0.05, 0.15));
        let crown = contact.crown.as_ref().unwrap();
        assert_eq!((crown.classes.ids().collect::<Vec<_>>(), crown.reach), (vec![8], 0.15));
        let c = &driving.object;
        assert_eq!(c.far.ids().collect::<Vec<_>>(), [7, 11, 12, 13, 18]);
        assert_eq!(c.near.ids().collect::<Vec<_>>(), [0]);
        assert_eq!((c.regions, c.below), (ObjectRegions::Instances, ObjectBottom::Object));
        assert_eq!((c.clear, c.gap_max), (Some(0.2), None));
        let same = &driving.same_class;
        assert_eq!(same.classes.ids().collect::<Vec<_>>(), [0, 1, 9]);
        assert_eq!((same.gap, same.gap_sizes), (0.15, 2.0));
        assert_eq!(driving.ground_truth.ratio_min, 1.02);

        let literal = read(&shipped("literal.toml").0).unwrap();
        assert_eq!(
            (literal.tree_building.far_above, &literal.tree_building.contact),
            (None, &None)
        );
        let c = &literal.object;
        assert_eq!((c.regions, c.below), (ObjectRegions::Semantic, ObjectBottom::Columns));
        assert_eq!((c.clear, c.gap_max), (None, Some(0.15)));
        assert_eq!((literal.same_class.gap, literal.same_class.gap_sizes), (0.05, 1.0));
        assert_eq!(literal.sky, driving.sky);
        assert_eq!(literal.same_class.classes, driving.same_class.classes);
    }

    #[test]
    fn wrong_files_say_what_and_where() {
        let message = refusal(("far_above", "far_abov"));
        assert!(message.contains("[tree_building]") && message.contains("\"far_above\""));
        assert_eq!(
            refusal(("\"vegetation\", \"building\"]", "\"vegetatoin\"]")),
            "cannot use class \"vegetatoin\" in tree_building.far of \"rules.toml\": \
             no such class; expected vegetation"
        );
        assert_eq!(
            refusal(("\"road\", \"fence\", \"terrain\"", "\"road\", \"sidewalk\"")),
            "cannot use class \"sidewalk\" in tree_building.near of \"rules.toml\": \
             the rule does not hold for it; expected some of road, fence, terrain"
        );
        assert_eq!(
            refusal(("margin_px = 2 ", "margin_px = 1 ")),
            "cannot use patch.margin_px of \"rules.toml\": expected 2 to 16, got 1"
        );
        assert!(refusal(("[3, 5, 7, 9]", "[5, 3]")).contains("got [5, 3]"));
        assert!(refusal(("[3, 5, 7, 9]", "[11]")).contains("patch.sizes"));
        assert!(refusal(("widen = 0.05", "widen = nan")).contains("expected 0 to 1, got NaN"));
        assert!(refusal(("clear = 0.2 ", "clear = -1 ")).contains("object.clear"));
        assert!(refusal(("ratio_min = 1.02", "ratio_min = 1.01")).contains("got 1.01"));
        assert!(refusal(("\"instances\"", "\"instance\"")).contains("instance"));
        assert!(refusal(("gap = 0.15", "")).contains("gap"));
    }
}
