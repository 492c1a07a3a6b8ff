//! Models of other families give transformers' logits and gradients.

use burn::optim::GradientsParams;
use model::{Pass, Transformer, weights};
use testing::family_fixture::{FAMILIES, Family};
use testing::model_fixture::{assert_close, assert_gradients, devices, values};

#[test]
fn logits_and_gradients_of_every_family() {
    for name in FAMILIES {
        let family = Family::load(name);
        for device in devices() {
            let device = device.autodiff();
            let blank = Transformer::blank(&family.config(), family.sizes(), &device).expect("a valid configuration");
            let model = weights::load(blank, family.weights()).expect("weights that fit");
            let logits = model.forward(&family.batch(&device), &mut Pass::inference());
            assert_close(name, &values(logits.clone()), family.logits(), 1e-4);
            let upstream = family.upstream(&device.clone().without_autodiff());
            let gradients = GradientsParams::from_grads((logits * upstream).sum().backward(), &model);
            let found = weights::collect_gradients(&model, &gradients);
            assert_gradients(&found, &family.gradients(), 1e-4, 1e-6);
        }
    }
}
