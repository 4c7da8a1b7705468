//! The first weights of all networks against their law: Kaiming normal by fan-out, outputs near 0, normalization at 1 and 0.

use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

use super::build::Networks;
use super::depth_network::DepthConfig;
use super::encoder_decoder::EncoderDecoderConfig;
use super::hourglass::HourglassConfig;
use super::pose::PoseConfig;

/// Deviation of the weights of a convolution, `[c_out, c_in / groups, k, k]`.
fn deviation(name: &str, size: &[i64]) -> f64 {
    match name {
        // Depth near 1 everywhere, and near no motion.
        "head.weight" | "pose.out.weight" => 0.01,
        // Only a depth-wise layer has one channel in; its fan-out is that of one channel.
        _ if size[1] == 1 => (2.0 / (size[2] * size[3]) as f64).sqrt(),
        _ => (2.0 / (size[0] * size[2] * size[3]) as f64).sqrt(),
    }
}

fn check(name: &str, variable: &Tensor) {
    let size = variable.size();
    let all = |value: f64| variable.eq(value).all().int64_value(&[]) == 1;
    match name.rsplit_once('.').map(|(_, last)| last) {
        Some("bias" | "running_mean") => assert!(all(0.0), "{name}"),
        Some("running_var") => assert!(all(1.0), "{name}"),
        Some("weight") if size.len() == 1 => assert!(all(1.0), "{name}"),
        Some("weight") => {
            let (values, n) = (variable.to_kind(Kind::Double), variable.numel() as f64);
            let (mean, expected) = (values.mean(None).double_value(&[]), deviation(name, &size));
            let got = values.std(true).double_value(&[]);
            // Six deviations of what a sample of this size scatters.
            assert!(mean.abs() < 6.0 * expected / n.sqrt(), "{name}: mean {mean}");
            let off = (got / expected - 1.0).abs();
            assert!(off < 6.0 / (2.0 * n).sqrt(), "{name}: expected {expected}, got {got}");
        }
        _ => panic!("no law for {name}"),
    }
}

#[test]
fn every_variable_begins_as_its_law_says() {
    tch::manual_seed(5);
    let mut n_convolutions = 0;
    for (network, pose) in [
        (DepthConfig::EncoderDecoder(EncoderDecoderConfig::default()), Some(PoseConfig::default())),
        (DepthConfig::Hourglass(HourglassConfig::default()), None),
    ] {
        let vs = VarStore::new(Device::Cpu);
        let _networks = Networks::new(&vs.root(), &network, pose.as_ref());
        for (name, variable) in vs.variables() {
            check(&name, &variable);
            n_convolutions += i32::from(variable.dim() == 4);
        }
    }
    assert!(n_convolutions > 200, "{n_convolutions}");
}
