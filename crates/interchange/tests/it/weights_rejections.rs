//! Imports of Marian folders reject weights that do not fit, by the name of the tensor.

use std::fs;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::folder::{Copy, Import as _};

/// A tensor's name, shape and bytes.
type Tensor = (String, Vec<usize>, Vec<u8>);

/// The error message after changing the tensors of the safetensors file.
fn with_tensors(change: impl Fn(&mut Vec<Tensor>)) -> String {
    let copy = Copy::new("swish");
    let bytes = fs::read(copy.marian().join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Vec<Tensor> =
        file.iter().map(|(name, view)| (name.to_owned(), view.shape().to_vec(), view.data().to_vec())).collect();
    change(&mut tensors);
    let views = tensors
        .iter()
        .map(|(name, shape, data)| (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), data).unwrap()));
    copy.write("model.safetensors", safetensors::serialize(views, None).unwrap());
    copy.rejection()
}

fn zeros(name: &str, shape: &[usize]) -> Tensor {
    (name.to_owned(), shape.to_vec(), vec![0; 4 * shape.iter().product::<usize>()])
}

#[test]
fn weights_that_do_not_fit() {
    let bias = "model.encoder.layers.1.fc1.bias";
    let gone = with_tensors(|tensors| tensors.retain(|(name, ..)| name != bias));
    let message =
        "model.safetensors: tensor `model.encoder.layers.1.fc1.bias`: found nothing, expected a tensor of shape [24]";
    assert!(gone.starts_with(message), "{gone}");

    let reshaped = with_tensors(|tensors| {
        let matrix = tensors.iter_mut().find(|(name, ..)| name.ends_with("decoder.layers.0.fc2.weight"));
        matrix.unwrap().1.reverse();
    });
    assert!(reshaped.contains("fc2.weight`: found shape [24, 16], expected [16, 24]"), "{reshaped}");

    let infinite = with_tensors(|tensors| {
        let (_, _, data) = tensors.iter_mut().find(|(name, ..)| name == bias).unwrap();
        data[..4].copy_from_slice(&f32::INFINITY.to_le_bytes());
    });
    assert!(
        infinite.contains("tensor `model.encoder.layers.1.fc1.bias`: found values that are not finite"),
        "{infinite}"
    );

    let more = with_tensors(|tensors| tensors.push(zeros("model.encoder.layer_norm.weight", &[16])));
    let message = "tensor `model.encoder.layer_norm.weight`: found it, expected only the tensors of a Marian model";
    assert!(more.contains(message), "{more}");

    let positions = "model.encoder.embed_positions.weight";
    let other = with_tensors(|tensors| tensors.push(zeros(positions, &[64, 16])));
    assert!(other.contains("embed_positions.weight`: found numbers up to 1 away from Marian's sinusoids"), "{other}");
    let fewer = with_tensors(|tensors| tensors.push(zeros(positions, &[32, 16])));
    assert!(fewer.contains("embed_positions.weight`: found shape [32, 16], expected [64, 16]"), "{fewer}");

    let untied = with_tensors(|tensors| {
        let rows = tensors.iter().find(|(name, ..)| name == "model.shared.weight").unwrap().1[0];
        tensors.push(zeros("lm_head.weight", &[rows, 16]));
    });
    let message = "tensor `lm_head.weight`: found other values, expected a copy of `model.shared.weight`";
    assert!(untied.contains(message), "{untied}");
}

#[test]
fn quantised_weights() {
    let copy = Copy::new("swish");
    let view = TensorView::new(Dtype::I8, vec![2], &[1, 2]).unwrap();
    copy.write("model.safetensors", safetensors::serialize([("model.shared.weight", view)], None).unwrap());
    let error = copy.rejection();
    let message = "tensor `model.shared.weight`: found I8, expected float32, float16 or bfloat16 numbers";
    assert!(error.contains(message), "{error}");
}
