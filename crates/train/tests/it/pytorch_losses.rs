//! Twenty steps of training without dropout follow PyTorch's Adam and Noam loss for loss.

#[path = "../../model/tests/common/mod.rs"]
mod common;
mod twenty_steps;

#[test]
fn twenty_losses_equal_those_of_pytorch() {
    for device in common::devices() {
        for name in common::transformer_fixtures() {
            twenty_steps::compare(&common::Fixture::load(&name), &device, 1e-4);
        }
    }
}
