//! Floor 1: Adam (Kingma and Ba 2015) whose moments are visible, so that a checkpoint can hold them.
//!
//! The same update as torch.optim.Adam: bias correction, epsilon outside the corrected root, weight decay added to the
//! gradient; a variable without a gradient is left alone and does not count the step.

use std::collections::{BTreeMap, HashMap};

use tch::nn::VarStore;
use tch::{Kind, Tensor, no_grad};

use crate::torch_shim::{self, AdamNumbers, AdamSlot};

/// Settings of Adam.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamConfig {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Keeps the quotient finite.
    pub eps: f64,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f64,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self { lr: 1e-4, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 }
    }
}

/// Moments that do not fit the variables.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdamStateError {
    /// A tensor of a variable is not there.
    #[error("cannot restore optimizer: tensor {name:?} is missing")]
    Missing {
        /// Its name.
        name: String,
    },
    /// A tensor has another shape than its variable.
    #[error(
        "cannot restore optimizer: tensor {name:?} has the wrong shape; expected {expected:?}, got {got:?}"
    )]
    Shape {
        /// Its name.
        name: String,
        /// Shape of the variable.
        expected: Vec<i64>,
        /// Shape of the tensor.
        got: Vec<i64>,
    },
    /// A tensor that belongs to no variable.
    #[error("cannot restore optimizer: tensor {name:?} belongs to no variable")]
    Unknown {
        /// Its name.
        name: String,
    },
}

/// The optimizer.
#[derive(Debug)]
pub struct Adam {
    slots: Vec<Slot>,
    config: AdamConfig,
}

#[derive(Debug)]
struct Slot {
    name: String,
    variable: Tensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    steps: i64,
}

impl Adam {
    /// Moments of 0 for every variable.
    pub fn new(variables: BTreeMap<String, Tensor>, config: AdamConfig) -> Self {
        let slot = |(name, variable): (String, Tensor)| Slot {
            exp_avg: variable.zeros_like(),
            exp_avg_sq: variable.zeros_like(),
            steps: 0,
            name,
            variable,
        };
        Self { slots: variables.into_iter().map(slot).collect(), config }
    }

    /// The trainable variables of a store by name.
    pub fn named_trainable(vs: &VarStore) -> BTreeMap<String, Tensor> {
        vs.variables().into_iter().filter(|(_, variable)| variable.requires_grad()).collect()
    }

    /// The learning rate of the next step.
    pub fn lr(&self) -> f64 {
        self.config.lr
    }

    /// Sets the learning rate of the next step.
    pub fn set_lr(&mut self, lr: f64) {
        self.config.lr = lr;
    }

    /// Forgets all gradients: what the next backward pass does not reach has none, not one of 0, and is left alone.
    pub fn zero_grad(&mut self) {
        for slot in &self.slots {
            torch_shim::forget_gradient(&slot.variable);
        }
    }

    /// Scales all gradients together to a norm of at most `max`; returns the norm before, a scalar on their device.
    pub fn clip_grad_norm(&mut self, max: f64) -> Tensor {
        no_grad(|| {
            let gradients: Vec<Tensor> = self
                .slots
                .iter()
                .map(|slot| slot.variable.grad())
                .filter(Tensor::defined)
                .collect();
            if gradients.is_empty() {
                return Tensor::from(0.0);
            }
            if let Some(norm) = torch_shim::norm(&gradients) {
                if norm > max {
                    for mut gradient in gradients {
                        let _ = gradient.g_mul_scalar_(max / (norm + 1e-6));
                    }
                }
                return Tensor::from(norm);
            }
            // The host does not know the norm, and does not wait for it.
            let norms: Vec<Tensor> =
                gradients.iter().map(|g| g.norm().to_kind(Kind::Double)).collect();
            let norm = Tensor::stack(&norms, 0).norm();
            if max.is_finite() {
                let scale = ((&norm + 1e-6).reciprocal() * max).clamp_max(1.0);
                for mut gradient in gradients {
                    let _ = gradient.g_mul_(&scale.to_kind(gradient.kind()));
                }
            }
            norm
        })
    }

    /// One update from the gradients there are.
    pub fn step(&mut self) {
        self.step_unless(None);
    }

    /// [`Adam::step`]; nothing changes where `skip`, one float32 on the device of the variables, is not 0. Only devices that
    /// nobody waits for need it.
    pub fn step_unless(&mut self, skip: Option<&Tensor>) {
        let config = self.config;
        let mut due: Vec<(&mut Slot, Tensor)> = Vec::with_capacity(self.slots.len());
        for slot in &mut self.slots {
            let gradient = slot.variable.grad();
            if gradient.defined() {
                slot.steps += 1;
                due.push((slot, gradient));
            }
        }
        let AdamConfig { lr, beta1, beta2, eps, weight_decay: decay } = config;
        let together: Vec<AdamSlot> = due
            .iter()
            .map(|(slot, gradient)| AdamSlot {
                variable: &slot.variable,
                gradient: gradient.shallow_clone(),
                mean: &slot.exp_avg,
                square: &slot.exp_avg_sq,
                steps: slot.steps,
            })
            .collect();
        let numbers = AdamNumbers { lr, beta1, beta2, eps, decay };
        if let Some(skip) = skip {
            return torch_shim::fused_adam(&together, numbers, skip);
        }
        if torch_shim::adam(&together, numbers) {
            return;
        }
        drop(together);
        no_grad(|| {
            for (slot, gradient) in &mut due {
                slot.update(gradient, &config);
            }
        });
    }

    /// `exp_avg.<name>`, `exp_avg_sq.<name>` and `step.<name>` (i64, `[1]`), sorted by name. Shares memory.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let mut state: Vec<(String, Tensor)> = self
            .slots
            .iter()
            .flat_map(|slot| {
                [
                    (format!("exp_avg.{}", slot.name), slot.exp_avg.shallow_clone()),
                    (format!("exp_avg_sq.{}", slot.name), slot.exp_avg_sq.shallow_clone()),
                    (format!("step.{}", slot.name), Tensor::from_slice(&[slot.steps])),
                ]
            })
            .collect();
        state.sort_by(|a, b| a.0.cmp(&b.0));
        state
    }

    /// Takes over a stored state; nothing changes unless all of it fits.
    ///
    /// # Errors
    /// [`AdamStateError`] names the first tensor that is missing, has the wrong shape, or belongs to no variable.
    pub fn load_state(&mut self, state: &[(String, Tensor)]) -> Result<(), AdamStateError> {
        let mut given: HashMap<&str, &Tensor> =
            state.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let mut take = |name: String, expected: &[i64]| {
            let Some(tensor) = given.remove(name.as_str()) else {
                return Err(AdamStateError::Missing { name });
            };
            let got = tensor.size();
            if got != expected {
                return Err(AdamStateError::Shape { name, expected: expected.to_vec(), got });
            }
            Ok(tensor.shallow_clone())
        };
        let mut found = Vec::with_capacity(self.slots.len());
        for slot in &self.slots {
            let size = slot.variable.size();
            found.push((
                take(format!("exp_avg.{}", slot.name), &size)?,
                take(format!("exp_avg_sq.{}", slot.name), &size)?,
                take(format!("step.{}", slot.name), &[1])?,
            ));
        }
        if let Some(name) = given.into_keys().min() {
            return Err(AdamStateError::Unknown { name: name.into() });
        }
        no_grad(|| {
            for (slot, (exp_avg, exp_avg_sq, steps)) in self.slots.iter_mut().zip(found) {
                slot.exp_avg.copy_(&exp_avg);
                slot.exp_avg_sq.copy_(&exp_avg_sq);
                slot.steps = steps.int64_value(&[0]);
            }
        });
        Ok(())
    }
}

impl Slot {
    /// The update by libtorch's operations, on any device; the step is counted already.
    fn update(&mut self, gradient: &Tensor, config: &AdamConfig) {
        let AdamConfig { lr, beta1, beta2, eps, weight_decay } = *config;
        let decayed;
        let gradient = if weight_decay == 0.0 {
            gradient
        } else {
            decayed = gradient + &self.variable * weight_decay;
            &decayed
        };
        let _ = self.exp_avg.lerp_(gradient, 1.0 - beta1);
        let _ = self.exp_avg_sq.g_mul_scalar_(beta2);
        let square = gradient.square() * (1.0 - beta2);
        let _ = self.exp_avg_sq.g_add_(&square);
        let correction1 = 1.0 - beta1.powi(self.steps as i32);
        let correction2 = 1.0 - beta2.powi(self.steps as i32);
        let mut denominator = self.exp_avg_sq.sqrt();
        let _ = denominator.g_div_scalar_(correction2.sqrt());
        let _ = denominator.g_add_scalar_(eps);
        let change = &self.exp_avg / denominator * (-lr / correction1);
        let _ = self.variable.g_add_(&change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(values: &[f64]) -> Tensor {
        Tensor::from_slice(values).set_requires_grad(true)
    }

    fn adam(variable: &Tensor, config: AdamConfig) -> Adam {
        Adam::new(BTreeMap::from([("x".to_string(), variable.shallow_clone())]), config)
    }

    fn descend(adam: &mut Adam, x: &Tensor) {
        adam.zero_grad();
        (x.square().sum(None) * 0.5).backward(); // the gradient is x
        adam.step();
    }

    /// The update rule number by number.
    fn by_hand(mut x: f64, steps: i32, config: &AdamConfig) -> f64 {
        let (mut m, mut v) = (0.0, 0.0);
        for t in 1..=steps {
            let g = x + config.weight_decay * x;
            m = config.beta1 * m + (1.0 - config.beta1) * g;
            v = config.beta2 * v + (1.0 - config.beta2) * g * g;
            let m_hat = m / (1.0 - config.beta1.powi(t));
            let v_hat: f64 = v / (1.0 - config.beta2.powi(t));
            x -= config.lr * m_hat / (v_hat.sqrt() + config.eps);
        }
        x
    }

    #[test]
    fn the_first_step_is_the_learning_rate_against_the_sign() {
        let x = variable(&[3.0, -0.5]);
        descend(&mut adam(&x, AdamConfig { lr: 0.1, ..AdamConfig::default() }), &x);
        let got = Vec::<f64>::try_from(&x).unwrap();
        assert!((got[0] - 2.9).abs() < 1e-8 && (got[1] + 0.4).abs() < 1e-8, "{got:?}");
    }

    #[test]
    fn many_steps_follow_the_rule() {
        for weight_decay in [0.0, 0.3] {
            let config = AdamConfig { lr: 0.05, beta1: 0.8, beta2: 0.95, eps: 1e-3, weight_decay };
            let x = variable(&[3.0, -0.5]);
            let mut adam = adam(&x, config);
            for _ in 0..20 {
                descend(&mut adam, &x);
            }
            for (got, start) in Vec::<f64>::try_from(&x).unwrap().into_iter().zip([3.0, -0.5]) {
                assert!((got - by_hand(start, 20, &config)).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn variables_that_are_no_plain_arrays_take_the_same_steps() {
        // Every second number of a longer array.
        let config = AdamConfig { lr: 0.05, weight_decay: 0.1, ..AdamConfig::default() };
        let strided = Tensor::from_slice(&[3.0, 9.0, -0.5, 9.0]).view([2, 2]).select(1, 0);
        let strided = strided.detach().set_requires_grad(true);
        let plain = variable(&[3.0, -0.5]);
        assert!(!strided.is_contiguous() && plain.is_contiguous());
        for x in [&strided, &plain] {
            let mut adam = adam(x, config);
            for _ in 0..5 {
                descend(&mut adam, x);
            }
        }
        for (a, b) in Vec::<f64>::try_from(&strided)
            .unwrap()
            .iter()
            .zip(Vec::<f64>::try_from(&plain).unwrap())
        {
            assert!((a - b).abs() < 1e-14, "{a} {b}");
        }
    }

    #[test]
    fn a_restored_state_goes_on_as_if_never_stopped() {
        let config = AdamConfig { lr: 0.1, ..AdamConfig::default() };
        let (a, b) = (variable(&[3.0, -0.5]), variable(&[0.0, 0.0]));
        let mut first = adam(&a, config);
        for _ in 0..3 {
            descend(&mut first, &a);
        }
        let mut second = adam(&b, config);
        no_grad(|| b.shallow_clone().copy_(&a));
        second.load_state(&first.state()).unwrap();
        for _ in 0..3 {
            descend(&mut first, &a);
            descend(&mut second, &b);
        }
        assert_eq!(Vec::<f64>::try_from(&a).unwrap(), Vec::<f64>::try_from(&b).unwrap());
    }

    /// Adam of `idle` and `x`, and the steps of the two.
    fn adam_of_two(idle: &Tensor, x: &Tensor) -> Adam {
        let variables =
            [("x", x), ("idle", idle)].map(|(name, v)| (name.to_string(), v.shallow_clone()));
        Adam::new(BTreeMap::from(variables), AdamConfig::default())
    }

    fn steps(adam: &Adam) -> Vec<i64> {
        let state = adam.state().into_iter();
        let steps = state.filter(|(name, _)| name.starts_with("step."));
        steps.map(|(_, steps)| steps.int64_value(&[0])).collect()
    }

    #[test]
    fn a_variable_without_gradient_does_not_count_the_step() {
        let (idle, x) = (variable(&[1.0]), variable(&[1.0]));
        let mut adam = adam_of_two(&idle, &x);
        descend(&mut adam, &x);
        assert_eq!(steps(&adam), [0, 1]);
        assert_eq!(f64::try_from(&idle).unwrap(), 1.0);
    }

    #[test]
    fn a_variable_that_had_a_gradient_before_does_not_move_by_momentum() {
        let (idle, x) = (variable(&[1.0]), variable(&[1.0]));
        let mut adam = adam_of_two(&idle, &x);
        descend(&mut adam, &idle);
        let left = f64::try_from(&idle).unwrap();
        assert!(left < 1.0);
        for _ in 0..3 {
            descend(&mut adam, &x);
            assert!(!idle.grad().defined());
        }
        assert_eq!(steps(&adam), [1, 3]);
        assert_eq!(f64::try_from(&idle).unwrap(), left);
    }

    #[test]
    fn a_state_that_does_not_fit_is_refused() {
        let mut adam = adam(&variable(&[1.0, 2.0]), AdamConfig::default());
        let mut state = adam.state();
        let missing = state.remove(0);
        assert_eq!(
            adam.load_state(&state),
            Err(AdamStateError::Missing { name: "exp_avg.x".into() })
        );
        state.push((missing.0, Tensor::from_slice(&[1.0])));
        let message = adam.load_state(&state).unwrap_err().to_string();
        assert!(message.ends_with("expected [2], got [1]"), "{message}");
        let mut other = adam.state();
        other.push(("step.y".into(), Tensor::from_slice(&[0i64])));
        assert_eq!(adam.load_state(&other), Err(AdamStateError::Unknown { name: "step.y".into() }));
    }

    #[test]
    fn clipping_scales_all_gradients_together() {
        let (a, b) = (variable(&[3.0]), variable(&[4.0]));
        let variables =
            [("a", &a), ("b", &b)].map(|(name, v)| (name.to_string(), v.shallow_clone()));
        let mut adam = Adam::new(BTreeMap::from(variables), AdamConfig::default());
        ((a.square() + b.square()).sum(None) * 0.5).backward();
        let norm = |adam: &mut Adam, max| adam.clip_grad_norm(max).double_value(&[]);
        assert_eq!(norm(&mut adam, 10.0), 5.0);
        assert_eq!(f64::try_from(a.grad()).unwrap(), 3.0);
        assert_eq!(norm(&mut adam, 1.0), 5.0);
        assert!((f64::try_from(b.grad()).unwrap() - 0.8).abs() < 1e-6);
    }

    /// What GPUs run, on the CPU.
    #[test]
    fn the_fused_update_is_the_same_and_can_be_skipped() {
        let config = AdamConfig { lr: 0.1, weight_decay: 0.01, ..AdamConfig::default() };
        let values = [3.0, -2.0, 0.5];
        let (own, fused) = (variable(&values), variable(&values));
        let (mut of_own, mut of_fused) = (adam(&own, config), adam(&fused, config));
        let slopes = |x: &Tensor| (x.square() * x.sin()).sum(None).backward();
        let flag = |value: f32| Tensor::from_slice(&[value]);
        for _ in 0..5 {
            slopes(&own);
            slopes(&fused);
            of_own.step();
            of_fused.step_unless(Some(&flag(0.0)));
            of_own.zero_grad();
            of_fused.zero_grad();
            assert!(f64::try_from((&own - &fused).abs().max()).unwrap() < 1e-7);
        }
        let before = fused.detach().copy();
        slopes(&fused);
        of_fused.step_unless(Some(&flag(1.0)));
        assert!(fused.detach().equal(&before));
    }
}
