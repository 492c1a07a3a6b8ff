//! Twenty steps of training without dropout follow PyTorch's Adam and Noam loss for loss.

#[test]
fn twenty_losses_equal_those_of_pytorch() {
    for device in testing::model_fixture::devices() {
        for name in testing::model_fixture::transformer_fixtures() {
            crate::twenty_steps::compare(&testing::model_fixture::Fixture::load(&name), &device, 1e-4);
        }
    }
}
