use super::*;

#[test]
fn r_drop_begins_after_its_updates() {
    let mut training = TrainingConfig { label_smoothing: 0.2, ..TrainingConfig::default() };
    let alpha = |training: &TrainingConfig, step| {
        let Objective { label_smoothing, r_drop } = training.objective(step);
        assert_eq!(label_smoothing, 0.2);
        r_drop
    };
    assert_eq!(alpha(&training, 1), 0.0);
    training.r_drop = Some(RDrop { alpha: 3.0, after: 7 });
    assert_eq!([1, 7, 8, 100].map(|step| alpha(&training, step)), [0.0, 0.0, 3.0, 3.0]);
}

#[test]
fn dropout_falls_linearly_after_its_updates() {
    let mut training = TrainingConfig { steps: 100, ..TrainingConfig::default() };
    assert_eq!((training.dropout_share(1), training.dropout_share(100)), (1.0, 1.0));
    training.anneal_dropout = Some(AnnealDropout { to: 0.2, after: 60 });
    for (step, share) in [(1, 1.0), (60, 1.0), (70, 0.8), (80, 0.6), (100, 0.2)] {
        assert!((training.dropout_share(step) - share).abs() < 1e-12, "step {step}");
    }
}
