//! Floor 1: learning rates by epoch (paper sections 1.1 and 1.2), and the ramp of a loss weight.

/// A learning rate that falls in steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepSchedule {
    /// The first learning rate.
    pub base: f64,
    /// What it is multiplied by.
    pub factor: f64,
    /// When.
    pub milestone: Milestone,
}

/// When a learning rate falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Milestone {
    /// Once, after this many epochs.
    Once(u32),
    /// Again and again, each time after this many epochs.
    Every(u32),
    /// Not at all.
    Never,
}

impl StepSchedule {
    /// 1e-4, then 1e-5 after 10 epochs (paper section 1.1).
    pub const ENCODER_DECODER: Self =
        Self { base: 1e-4, factor: 0.1, milestone: Milestone::Once(10) };
    /// 5e-4, divided by 10 every 5 epochs (paper section 1.2).
    pub const HOURGLASS: Self = Self { base: 5e-4, factor: 0.1, milestone: Milestone::Every(5) };

    /// The learning rate of an epoch; the first is 0.
    pub fn learning_rate(&self, epoch: u32) -> f64 {
        let steps = match self.milestone {
            Milestone::Once(after) => u32::from(epoch >= after),
            Milestone::Every(epochs) => epoch / epochs.max(1),
            Milestone::Never => 0,
        };
        self.base * self.factor.powi(steps as i32)
    }
}

/// From 0 at step 0 to 1 at step `steps` and after; 1 throughout where `steps` is 0.
pub fn ramp(step: u64, steps: u64) -> f64 {
    if steps == 0 { 1.0 } else { (step as f64 / steps as f64).min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_rate(schedule: StepSchedule, epoch: u32, expected: f64) {
        assert!((schedule.learning_rate(epoch) / expected - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_encoder_decoder_falls_once_after_ten_epochs() {
        for (epoch, rate) in [(0, 1e-4), (9, 1e-4), (10, 1e-5), (19, 1e-5), (100, 1e-5)] {
            check_rate(StepSchedule::ENCODER_DECODER, epoch, rate);
        }
    }

    #[test]
    fn the_hourglass_falls_every_five_epochs() {
        for (epoch, rate) in [(0, 5e-4), (4, 5e-4), (5, 5e-5), (10, 5e-6), (14, 5e-6)] {
            check_rate(StepSchedule::HOURGLASS, epoch, rate);
        }
    }

    #[test]
    fn a_ramp_rises_to_one_and_stays() {
        assert_eq!([0, 5, 10, 50].map(|step| ramp(step, 10)), [0.0, 0.5, 1.0, 1.0]);
        assert_eq!(ramp(0, 0), 1.0);
    }
}
