//! Floor 1: weak labels: pairs of pixels and patches of which the first is farther (paper 2.1.2).
//!
//! `pool::draw_pool` is the way in. What a pair must satisfy stands in the contract, section 3, "Pairs", and in
//! a rules file (`data-manifests/rules/`); `rules` holds it, one file per rule draws by it.

pub mod ground_truth;
pub mod ordinal_map;
pub mod places;
pub mod pool;
pub mod purity;
pub mod rule_a;
pub mod rule_b;
pub mod rule_c;
pub mod rules;
pub mod same_class;
pub mod scene;

#[cfg(test)]
mod checker;
#[cfg(test)]
mod spread_tests;
#[cfg(test)]
mod tests;
