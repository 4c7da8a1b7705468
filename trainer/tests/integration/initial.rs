//! Weights from elsewhere start a run.

use tch::{Kind, Tensor};

use crate::kit::{Toy, expect_code, stderr};

#[test]
fn weights_are_loaded_by_name_and_the_rest_is_reported() {
    let toy = Toy::new();
    let untrained = ["--set", "train.max_steps=0"];
    expect_code(&toy.train("a", &[&untrained[..], &["--set", "seed=7"]].concat()), 0);
    // As PyTorch would save them: one tensor missing, one of another shape, one unknown, a counter, one in float64.
    let stored = Tensor::read_safetensors(toy.path("a/latest/model.safetensors")).unwrap();
    let n = stored.len();
    let mut given: Vec<(String, Tensor)> = stored
        .into_iter()
        .filter(|(name, _)| name != "dec1.0.bn.bias")
        .map(|(name, tensor)| match name.as_str() {
            "logits.bias" => (name, Tensor::zeros([5], (Kind::Float, tch::Device::Cpu))),
            "sam.project.conv.weight" => (name, tensor.to_kind(Kind::Double)),
            _ => (name, tensor),
        })
        .collect();
    given.push(("fc.weight".to_owned(), Tensor::from_slice(&[1f32])));
    given.push(("dec1.0.bn.num_batches_tracked".to_owned(), Tensor::from_slice(&[1i64])));
    Tensor::write_safetensors(&given, toy.path("given.safetensors")).unwrap();

    let args = toy.train_args("b", &[&untrained[..], &["--init", "given.safetensors"]].concat());
    let loud: Vec<&str> =
        args.iter().map(String::as_str).map(|a| if a == "-q" { "-v" } else { a }).collect();
    let output = toy.run(&loud);
    expect_code(&output, 0);
    let text = stderr(&output);
    let counts = format!("{} tensors loaded, 1 missing, 1 unexpected, 1 of another shape", n - 2);
    for expected in [
        counts.as_str(),
        "missing: dec1.0.bn.bias",
        "unexpected: fc.weight",
        "logits.bias: expected [16], got [5]",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert!(!text.contains("num_batches_tracked"), "{text}");
    let weights = |run: &str| -> std::collections::BTreeMap<String, Tensor> {
        let path = toy.path(run).join("latest/model.safetensors");
        Tensor::read_safetensors(path).unwrap().into_iter().collect()
    };
    // Seeds differ, so what was not loaded would show.
    let (a, b) = (weights("a"), weights("b"));
    for (name, value) in &a {
        assert!(b[name].allclose(value, 0.0, 0.0, false), "{name}");
    }

    // Nothing of a file that has nothing in common; and no run directory is left behind.
    let foreign = [("x".to_owned(), Tensor::from_slice(&[1f32]))];
    Tensor::write_safetensors(&foreign, toy.path("foreign.safetensors")).unwrap();
    for file in ["foreign.safetensors", "nowhere.safetensors"] {
        let output = toy.train("c", &[&untrained[..], &["--init", file]].concat());
        expect_code(&output, 2);
        assert!(stderr(&output).contains(file), "{}", stderr(&output));
        assert!(!toy.path("c").exists());
    }
}
